//! Wires the ledger to its settings and clients.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use quittance_idempotency::{CONSUMER_RECORD_RETENTION, IdempotencyTable};
use quittance_lambda::aws::{self, Retries};
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::settings::Settings;
use quittance_lambda::telemetry;
use quittance_ledger::config::Config;
use quittance_ledger::handler::Ledger;
use quittance_store::Database;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let config = Config::read(Settings::from_environment())?;
    let aws = aws::config(Retries::Queue).await;
    let ledger = Ledger {
        database: Database::new(config.database, &aws),
        idempotency: IdempotencyTable::new(&aws, config.idempotency_table, CONSUMER_RECORD_RETENTION),
        dead_letters: DeadLetterQueue::new(&aws, config.dead_letter_queue_url),
    };
    ledger.idempotency.warm_up().await;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| Ok::<_, Error>(ledger.handle(event).await?))).await
}
