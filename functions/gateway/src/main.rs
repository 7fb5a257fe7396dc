//! Wires the gateway function to its settings and clients.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use quittance_gateway::call::Gateways;
use quittance_gateway::config::Config;
use quittance_gateway::handler::Gateway;
use quittance_idempotency::{CONSUMER_RECORD_RETENTION, IdempotencyTable};
use quittance_lambda::aws::{self, Retries};
use quittance_lambda::command_queue::{CommandQueue, GatewayQueues};
use quittance_lambda::failure::for_runtime;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::settings::Settings;
use quittance_lambda::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let config = Config::read(Settings::from_environment())?;
    let aws = aws::config(Retries::Queue).await;
    let dead_letters = |(provider, url)| (provider, DeadLetterQueue::new(&aws, url));
    let gateway = Gateway {
        dead_letters: config.dead_letter_queue_urls.into_iter().map(dead_letters).collect(),
        gateways: Gateways::new(&aws, config.api_secret_arns, config.api_urls).map_err(for_runtime)?,
        idempotency: IdempotencyTable::new(&aws, config.idempotency_table, CONSUMER_RECORD_RETENTION),
        payments_queue: CommandQueue::new(&aws, config.payments_queue_url),
        queues: GatewayQueues::new(&aws, config.gateway_queue_urls),
    };
    gateway.idempotency.warm_up().await;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| Ok::<_, Error>(gateway.handle(event).await?))).await
}
