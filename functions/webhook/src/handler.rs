//! Turns SQS records into outcomes.

use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use chrono::Utc;
use lambda_runtime::LambdaEvent;
use quittance_deliveries::queue::{DeliveryQueue, DueDelivery};
use quittance_deliveries::{DeliveriesTable, EventKey, NewDelivery, RecordedDelivery, TableError};
use quittance_domain::error::Chain;
use quittance_domain::event::InvoiceEvent;
use quittance_domain::id::{ClientId, WebhookEndpointId};
use quittance_lambda::batch::{BatchError, Outage, PermanentFailure, Record, RecordOutcome};
use quittance_lambda::consumer::consume_events;
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_store::{Database, StoreError, invoices, webhook_endpoints};
use sha2::{Digest, Sha256};

use crate::compose::{self, BodyError};

/// The webhook function's dependencies.
#[derive(Debug, Clone)]
pub struct WebhookPublisher {
    /// The database, as the webhook function's own role: endpoints, and the clients of invoices.
    pub database: Database,
    /// The table of deliveries.
    pub deliveries: DeliveriesTable,
    /// The queue of due deliveries.
    pub queue: DeliveryQueue,
    /// The dead-letter queue.
    pub dead_letters: DeadLetterQueue,
}

impl WebhookPublisher {
    /// Handles a batch of the webhook queue.
    ///
    /// # Errors
    /// [`Outage`] if the database is unavailable: every record is redelivered.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Outage> {
        consume_events(event, &self.dead_letters, async |record: &Record, event| self.process(record, event).await)
            .await
    }

    async fn process(&self, record: &Record, event: CloudEvent<InvoiceEvent>) -> Result<RecordOutcome, BatchError> {
        let store = |error: StoreError| BatchError::classify(&error, error.is_outage(), error.is_conflict());
        let endpoints =
            webhook_endpoints::subscribed_to(&self.database, event.payload.type_name()).await.map_err(store)?;
        if endpoints.is_empty() {
            return Ok(RecordOutcome::Done);
        }
        let owner = match event.payload.invoice() {
            None => None,
            Some(invoice) => match invoices::owner(&self.database, invoice.id).await.map_err(store)? {
                Some((owner, _)) => Some(owner),
                None => {
                    let reason = format!("event {} names invoice {}, which does not exist", event.id, invoice.id);
                    return Ok(RecordOutcome::Park(PermanentFailure { code: "unknown_invoice", reason }));
                }
            },
        };
        let deliverable = DeliverableEvent {
            key: EventKey::new(event.time, event.id),
            fingerprint: fingerprint(record),
            event,
            owner,
        };
        let mut due = Vec::new();
        for (endpoint_id, is_enabled) in endpoints {
            match self.record(endpoint_id, !is_enabled, &deliverable).await? {
                Ok(RecordedDelivery::New) if is_enabled => {
                    due.push(DueDelivery { recipient: endpoint_id, event_key: deliverable.key.clone() })
                }
                // A held delivery waits until somebody enables the endpoint and replays it.
                Ok(RecordedDelivery::New | RecordedDelivery::Known) => {}
                Ok(RecordedDelivery::OtherEvent) => {
                    let reason = format!("event {} has two bodies; the first stands", deliverable.event.id);
                    return Ok(RecordOutcome::Park(PermanentFailure { code: "idempotency_conflict", reason }));
                }
                Err(error) => {
                    let (code, reason) = (error.code(), Chain(&error).to_string());
                    return Ok(RecordOutcome::Park(PermanentFailure { code, reason }));
                }
            }
        }
        if let Err(error) = self.queue.send(&due, Duration::ZERO).await {
            // The records are durable and due, so the relay finds them.
            tracing::warn!(event.id = %deliverable.event.id, error = %Chain(&error), "deliveries were left to the relay");
        }
        Ok(RecordOutcome::Done)
    }

    /// Records the event for one endpoint; a message if it cannot be delivered at all.
    async fn record(
        &self,
        endpoint_id: WebhookEndpointId,
        is_held: bool,
        deliverable: &DeliverableEvent,
    ) -> Result<Result<RecordedDelivery, BodyError>, BatchError> {
        let retry = |error: TableError| BatchError::Spoiled(Chain(&error).to_string());
        let (now, event) = (Utc::now(), &deliverable.event);
        let number = self.deliveries.number(endpoint_id, &event.subject, event.id, now).await;
        let sequence = number.map_err(retry)?;
        let body = match compose::body(event, deliverable.owner, sequence, now.date_naive()) {
            Ok(body) => body,
            Err(error) => return Ok(Err(error)),
        };
        let new = NewDelivery {
            recipient: endpoint_id,
            event_key: &deliverable.key,
            event_type: event.payload.type_name(),
            subject: &event.subject,
            sequence: Some(sequence),
            body: &body,
            fingerprint: &deliverable.fingerprint,
            is_held,
        };
        self.deliveries.record(&new, now).await.map(Ok).map_err(retry)
    }
}

/// An event to deliver.
struct DeliverableEvent {
    key: EventKey,
    fingerprint: String,
    event: CloudEvent<InvoiceEvent>,
    owner: Option<ClientId>,
}

fn fingerprint(record: &Record) -> String {
    hex::encode(Sha256::digest(&record.body))
}
