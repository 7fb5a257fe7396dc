//! Wires billing to its settings and clients.

use std::sync::Arc;

use lambda_http::Error;
use quittance_billing::config::Config;
use quittance_billing::idempotent_change::KEY_RETENTION;
use quittance_billing::webhook_endpoints::WebhookAdministration;
use quittance_billing::{Billing, router};
use quittance_deliveries::DeliveriesTable;
use quittance_deliveries::queue::DeliveryQueue;
use quittance_deliveries::secrets::SigningSecrets;
use quittance_documents::Press;
use quittance_idempotency::IdempotencyTable;
use quittance_lambda::aws::{self, Retries};
use quittance_lambda::command_queue::CommandQueue;
use quittance_lambda::failure::for_runtime;
use quittance_lambda::publisher::Publisher;
use quittance_lambda::request_guard::RequestGuard;
use quittance_lambda::settings::Settings;
use quittance_lambda::telemetry;
use quittance_store::Database;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let config = Config::read(Settings::from_environment())?;
    let aws = aws::config(Retries::Sdk).await;
    let billing = Billing {
        database: Database::new(config.database, &aws),
        publisher: Publisher::new(&aws, config.topic_arn),
        payments_queue: CommandQueue::new(&aws, config.payments_queue_url),
        accepted: IdempotencyTable::new(&aws, config.accepted_table, KEY_RETENTION),
        guard: Arc::new(RequestGuard::new(&aws, config.request_guard_table, config.rate_limits)),
        origins: config.origins,
        s3: aws::s3(&aws),
        uploads_bucket: config.uploads_bucket,
        documents_bucket: config.documents_bucket,
        webhooks: WebhookAdministration {
            table: DeliveriesTable::new(&aws, config.deliveries_table),
            queue: DeliveryQueue::new(&aws, config.delivery_queue_url),
            secrets: SigningSecrets::new(&aws, config.signing_secrets_folder),
            targets: config.targets,
        },
        press: Press::new().map_err(for_runtime)?,
        seller: config.seller,
        zone: config.zone,
    };
    lambda_http::run(router(Arc::new(billing))).await
}
