//! Wires the feedback function to its settings and clients.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use quittance_deliveries::DeliveriesTable;
use quittance_feedback::config::Config;
use quittance_feedback::handler::Feedback;
use quittance_lambda::aws::{self, Retries};
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::settings::Settings;
use quittance_lambda::telemetry;
use quittance_store::Database;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let config = Config::read(Settings::from_environment())?;
    let aws = aws::config(Retries::Queue).await;
    let feedback = Feedback {
        database: Database::new(config.database, &aws),
        table: DeliveriesTable::new(&aws, config.deliveries_table),
        dead_letters: DeadLetterQueue::new(&aws, config.dead_letter_queue_url),
    };
    feedback.table.warm_up().await;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| Ok::<_, Error>(feedback.handle(event).await?))).await
}
