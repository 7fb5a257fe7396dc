//! Wires the relay to its settings and clients.

use chrono::Utc;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use quittance_lambda::aws::{self, Retries};
use quittance_lambda::publisher::Publisher;
use quittance_lambda::settings::Settings;
use quittance_lambda::telemetry;
use quittance_relay::config::Config;
use quittance_relay::relay::relay;
use quittance_store::Database;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let config = Config::read(Settings::from_environment())?;
    let aws = aws::config(Retries::Queue).await;
    let database = Database::new(config.database, &aws);
    let publisher = Publisher::new(&aws, config.topic_arn);
    lambda_runtime::run(service_fn(async |event: LambdaEvent<serde_json::Value>| {
        let relayed = relay(&database, &publisher, Utc::now(), event.context.deadline()).await?;
        tracing::info!(published = relayed.published, parked = relayed.parked, purged = relayed.purged, "relayed");
        Ok::<_, Error>(())
    }))
    .await
}
