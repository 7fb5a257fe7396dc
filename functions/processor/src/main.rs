//! Wires the processor to its settings and clients.

// The nested futures of two AWS clients exceed the default limit.
#![recursion_limit = "256"]

use lambda_runtime::{Error, LambdaEvent, service_fn};
use quittance_domain::error::Chain;
use quittance_lambda::aws::{self, Retries};
use quittance_lambda::command_queue::GatewayQueues;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::publisher::Publisher;
use quittance_lambda::settings::Settings;
use quittance_lambda::telemetry;
use quittance_processor::config::Config;
use quittance_processor::handler::Processor;
use quittance_store::Database;

/// With the C library's allocator, allocating small texts and JSON is a fifth of the processor's own work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let config = Config::read(Settings::from_environment())?;
    let aws = aws::config(Retries::Queue).await;
    let processor = Processor {
        database: Database::new(config.database, &aws),
        publisher: Publisher::new(&aws, config.topic_arn),
        gateways: GatewayQueues::new(&aws, config.gateway_queue_urls),
        dead_letters: DeadLetterQueue::new(&aws, config.dead_letter_queue_url),
        zone: config.zone,
    };
    // An instance that starts during an outage of the database still responds: its batches are redelivered.
    if let Err(error) = processor.database.warm_up().await {
        tracing::warn!(error = %Chain(&error), "database is not ready yet");
    }
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| Ok::<_, Error>(processor.handle(event).await?))).await
}
