//! Wires the migrator to its settings and clients.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use quittance_lambda::aws::{self, Retries};
use quittance_lambda::failure::for_runtime;
use quittance_lambda::settings::Settings;
use quittance_lambda::telemetry;
use quittance_migrator::config::Config;
use quittance_migrator::handler::{Migrator, handle};
use quittance_store::Database;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let migrator = migrator().await;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| handle(&migrator, event).await.map_err(for_runtime)))
        .await
}

async fn migrator() -> Result<Migrator, Error> {
    let config = Config::read(Settings::from_environment())?;
    let aws = aws::config(Retries::Sdk).await;
    Ok(Migrator { database: Database::new(config.database, &aws), aws, roles: config.roles })
}
