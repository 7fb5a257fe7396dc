//! Wires the notification function to its settings and clients.

// The nested futures of two AWS clients exceed the default limit.
#![recursion_limit = "256"]

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use chrono::Utc;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use quittance_deliveries::DeliveriesTable;
use quittance_domain::error::Chain;
use quittance_lambda::aws::{self, Retries};
use quittance_lambda::failure::for_runtime;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::settings::Settings;
use quittance_lambda::telemetry;
use quittance_notification::compose::Templates;
use quittance_notification::config::Config;
use quittance_notification::handler::{Notifications, REMEMBERED_FOR};
use quittance_notification::providers::{Documents, EmailSender, TextMessages};
use quittance_store::Database;
use quittance_store::health_metrics::{self, Scheduled};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start();
    let config = Config::read(Settings::from_environment())?;
    let aws = aws::config(Retries::Queue).await;
    let notifications = Notifications {
        database: Database::new(config.database, &aws),
        table: DeliveriesTable::new(&aws, config.deliveries_table).keeping_for(REMEMBERED_FOR),
        templates: Templates::new(&config.seller_name).map_err(for_runtime)?,
        mail: EmailSender::new(&aws, config.sender, config.configuration_set),
        text_messages: TextMessages::new(&aws),
        documents: Documents::new(&aws, config.documents_bucket),
        dead_letters: DeadLetterQueue::new(&aws, config.dead_letter_queue_url),
    };
    notifications.table.warm_up().await;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| invoke(&notifications, event).await)).await
}

/// Handles the queue's records, or the schedule.
async fn invoke(notifications: &Notifications, event: LambdaEvent<Value>) -> Result<SqsBatchResponse, Error> {
    if event.payload.get("Records").is_some() {
        let records: SqsEvent = serde_json::from_value(event.payload)?;
        return Ok(notifications.handle(LambdaEvent::new(records, event.context)).await?);
    }
    let tried = notifications.send_due(event.context.deadline()).await.map_err(for_runtime)?;
    if let Err(error) = health_metrics::note_run(&notifications.database, Scheduled::Notification, Utc::now()).await {
        tracing::warn!(error = %Chain(&error), "run of the notification schedule was not recorded");
    }
    tracing::info!(tried, "due notifications attempted");
    Ok(SqsBatchResponse::default())
}
