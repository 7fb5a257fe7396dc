//! Wires the webhook function to its settings and clients.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use quittance_idempotency::{CONSUMER_RECORDS_KEPT_FOR, IdempotencyTable};
use quittance_lambda::aws::{self, Retries};
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::secret;
use quittance_lambda::settings::Settings;
use quittance_lambda::telemetry;
use quittance_webhook::config::Config;
use quittance_webhook::deliver::Receiver;
use quittance_webhook::handler::Webhooks;
use quittance_webhook::signature::Signer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let config = Config::read(Settings::from_environment())?;
    let aws = aws::config(Retries::Queue).await;
    let secret = secret::read(&aws, &config.signing_secret_arn).await?;
    let webhooks = Webhooks {
        receiver: Receiver::new(config.endpoint_url, Signer::new(&secret)?)?,
        idempotency: IdempotencyTable::new(&aws, config.idempotency_table, CONSUMER_RECORDS_KEPT_FOR),
        dead_letters: DeadLetterQueue::new(&aws, config.dead_letter_queue_url),
    };
    webhooks.idempotency.warm_up().await;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| Ok::<_, Error>(webhooks.handle(event).await?))).await
}
