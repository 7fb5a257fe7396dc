//! Wires the validator to its settings and clients.

use std::sync::Arc;

use chrono::TimeDelta;
use lambda_http::Error;
use quittance_idempotency::IdempotencyTable;
use quittance_lambda::aws::{self, Retries};
use quittance_lambda::command_queue::CommandQueue;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::settings::Settings;
use quittance_lambda::{secret, telemetry};
use quittance_store::Database;
use quittance_validator::config::Config;
use quittance_validator::rejections::Rejections;
use quittance_validator::webhooks::Secrets;
use quittance_validator::{Validator, router};

/// A key and its answer are kept this long.
const KEYS_KEPT_FOR: TimeDelta = TimeDelta::days(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let config = Config::read(Settings::from_environment())?;
    let aws = aws::config(Retries::Sdk).await;
    let stripe = secret::read(&aws, &config.stripe_webhook_secret_arn).await?;
    let validator = Validator {
        database: Database::new(config.database, &aws),
        idempotency: IdempotencyTable::new(&aws, config.idempotency_table, KEYS_KEPT_FOR),
        payments_queue: CommandQueue::new(&aws, config.payments_queue_url),
        dead_letters: DeadLetterQueue::new(&aws, config.dead_letter_queue_url),
        rejections: Rejections::new(&aws, config.rejections_table),
        secrets: Secrets::new([("stripe", stripe)]),
    };
    validator.idempotency.warm_up().await;
    lambda_http::run(router(Arc::new(validator))).await
}
