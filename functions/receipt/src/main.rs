//! Wires the receipt function to its settings and clients.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use quittance_documents::Press;
use quittance_idempotency::{CONSUMER_RECORD_RETENTION, IdempotencyTable};
use quittance_lambda::aws::{self, Retries};
use quittance_lambda::failure::for_runtime;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::publisher::Publisher;
use quittance_lambda::settings::Settings;
use quittance_lambda::telemetry;
use quittance_receipt::config::Config;
use quittance_receipt::handler::Receipts;
use quittance_receipt::issue::Issuer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let config = Config::read(Settings::from_environment())?;
    let aws = aws::config(Retries::Queue).await;
    let receipts = Receipts {
        issuer: Issuer {
            press: Press::new().map_err(for_runtime)?,
            seller: config.seller,
            s3: aws::s3(&aws),
            documents_bucket: config.documents_bucket,
            publisher: Publisher::new(&aws, config.topic_arn),
        },
        idempotency: IdempotencyTable::new(&aws, config.idempotency_table, CONSUMER_RECORD_RETENTION),
        dead_letters: DeadLetterQueue::new(&aws, config.dead_letter_queue_url),
    };
    receipts.idempotency.warm_up().await;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| Ok::<_, Error>(receipts.handle(event).await?))).await
}
