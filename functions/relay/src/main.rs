//! Wires the relay to its settings and clients.

// The nested futures of two AWS clients exceed the default limit.
#![recursion_limit = "256"]

use chrono::Utc;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use quittance_deliveries::DeliveriesTable;
use quittance_deliveries::queue::DeliveryQueue;
use quittance_domain::error::Chain;
use quittance_lambda::aws::{self, Retries};
use quittance_lambda::command_queue::{CommandQueue, GatewayQueues};
use quittance_lambda::failure::for_runtime;
use quittance_lambda::publisher::Publisher;
use quittance_lambda::settings::Settings;
use quittance_lambda::{metrics, spans, telemetry};
use quittance_relay::config::Config;
use quittance_relay::deliver::deliver;
use quittance_relay::inquire::{InquirableGateways, ask};
use quittance_relay::measure::{Rollbacks, measure_database, measure_deliveries};
use quittance_relay::relay::{Destinations, relay};
use quittance_store::health_metrics::{self, Scheduled};
use quittance_store::{Database, StoreError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let config = Config::read(Settings::from_environment())?;
    let aws = aws::config(Retries::Queue).await;
    let database = Database::new(config.database, &aws);
    let askable = InquirableGateways::from_queue_urls(&config.gateway_queue_urls);
    let destinations = Destinations {
        events: Publisher::new(&aws, config.topic_arn),
        gateways: GatewayQueues::new(&aws, config.gateway_queue_urls),
        payments: CommandQueue::new(&aws, config.payments_queue_url),
    };
    let deliveries = DeliveriesTable::new(&aws, config.deliveries_table);
    let delivery_queue = DeliveryQueue::new(&aws, config.delivery_queue_url);
    let rollbacks = Rollbacks::default();
    lambda_runtime::run(service_fn(async |event: LambdaEvent<serde_json::Value>| {
        let deadline = event.context.deadline();
        let published = async {
            let asked = ask(&database, &askable, &destinations.gateways, Utc::now(), deadline).await?;
            Ok::<_, StoreError>((asked, relay(&database, &destinations, Utc::now(), deadline).await?))
        };
        let published = published.await;
        // Measured after publishing, and even if that failed: only what this run leaves behind is late.
        let measured = measure_database(&database, &rollbacks, Utc::now()).await;
        if measured.as_ref().is_err_and(StoreError::is_outage) {
            metrics::OUTAGES.record([], 1);
        }
        if let Err(error) = measure_deliveries(&deliveries, Utc::now()).await {
            tracing::warn!(error = %Chain(&error), "overdue webhooks could not be counted");
        }
        // Due webhooks do not need the database, and are processed without it.
        let delivering = deliver(&deliveries, &delivery_queue, Utc::now(), deadline).await.map_err(for_runtime)?;
        spans::flush().await;
        let (asked, relayed) = published.map_err(for_runtime)?;
        measured.map_err(for_runtime)?;
        health_metrics::note_run(&database, Scheduled::Relay, Utc::now()).await.map_err(for_runtime)?;
        tracing::info!(
            asked,
            published = relayed.published,
            parked = relayed.parked,
            purged = relayed.purged,
            delivering,
            "relayed"
        );
        Ok::<_, Error>(())
    }))
    .await
}
