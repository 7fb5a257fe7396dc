//! Wires the delivery function to its settings and clients.

// The nested futures of two AWS clients exceed the default limit.
#![recursion_limit = "256"]

use lambda_runtime::{Error, LambdaEvent, service_fn};
use quittance_deliveries::DeliveriesTable;
use quittance_deliveries::queue::DeliveryQueue;
use quittance_deliveries::secrets::SigningSecrets;
use quittance_delivery::EndpointSigners;
use quittance_delivery::attempt::Receivers;
use quittance_delivery::config::Config;
use quittance_delivery::handler::Deliveries;
use quittance_lambda::aws::{self, Retries};
use quittance_lambda::failure::for_runtime;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::settings::Settings;
use quittance_lambda::telemetry;
use quittance_store::Database;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let config = Config::read(Settings::from_environment())?;
    let aws = aws::config(Retries::Queue).await;
    let deliveries = Deliveries {
        database: Database::new(config.database, &aws),
        table: DeliveriesTable::new(&aws, config.deliveries_table),
        queue: DeliveryQueue::new(&aws, config.delivery_queue_url),
        dead_letters: DeadLetterQueue::new(&aws, config.dead_letter_queue_url),
        keys: EndpointSigners::new(SigningSecrets::new(&aws, config.signing_secrets_folder)),
        receivers: Receivers::new(config.targets).map_err(for_runtime)?,
    };
    deliveries.table.warm_up().await;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| Ok::<_, Error>(deliveries.handle(event).await?))).await
}
