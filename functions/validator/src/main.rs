//! Wires the validator to its settings and clients.

use std::sync::Arc;

use chrono::TimeDelta;
use lambda_http::Error;
use quittance_idempotency::IdempotencyTable;
use quittance_lambda::aws::{self, Retries};
use quittance_lambda::command_queue::{CommandQueue, GatewayQueues};
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::request_guard::RequestGuard;
use quittance_lambda::settings::Settings;
use quittance_lambda::telemetry;
use quittance_store::Database;
use quittance_validator::config::Config;
use quittance_validator::signing_secrets::GatewaySecrets;
use quittance_validator::{Validator, router};

/// How long a key and its response are stored.
const KEY_RETENTION: TimeDelta = TimeDelta::days(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let config = Config::read(Settings::from_environment())?;
    let aws = aws::config(Retries::Sdk).await;
    let validator = Validator {
        database: Database::new(config.database, &aws),
        idempotency: IdempotencyTable::new(&aws, config.idempotency_table, KEY_RETENTION),
        payments_queue: CommandQueue::new(&aws, config.payments_queue_url),
        dead_letters: DeadLetterQueue::new(&aws, config.dead_letter_queue_url),
        guard: Arc::new(RequestGuard::new(&aws, config.request_guard_table, config.rate_limits)),
        origins: config.origins,
        gateway_queues: GatewayQueues::new(&aws, config.gateway_queue_urls),
        signing_secrets: GatewaySecrets::new(&aws, config.webhook_secret_arns),
        accounts: config.accounts,
    };
    tokio::join!(validator.idempotency.warm_up(), validator.signing_secrets.warm_up());
    lambda_http::run(router(Arc::new(validator))).await
}
