//! From SQS records to verdicts.

use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use chrono::Utc;
use lambda_runtime::LambdaEvent;
use quittance_deliveries::queue::{DeliveryQueue, DueDelivery};
use quittance_deliveries::{DeliveriesTable, EventKey, NewDelivery, RecordedDelivery, TableError};
use quittance_domain::event::InvoiceEvent;
use quittance_domain::id::{ClientId, WebhookEndpointId};
use quittance_lambda::batch::{BatchError, Outage, PermanentFailure, Record, RecordOutcome};
use quittance_lambda::consumer::consume_events;
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_store::{Database, StoreError, invoices, webhook_endpoints};
use sha2::{Digest, Sha256};

use crate::compose;

/// What the webhook function works with.
#[derive(Debug, Clone)]
pub struct WebhookPublisher {
    /// The database, as the webhook function's own role: endpoints, and whose an invoice is.
    pub database: Database,
    /// What is to be told.
    pub deliveries: DeliveriesTable,
    /// Where messages that speak of deliveries go.
    pub queue: DeliveryQueue,
    /// Where messages that cannot succeed go.
    pub dead_letters: DeadLetterQueue,
}

impl WebhookPublisher {
    /// Handles a batch of the webhook queue.
    ///
    /// # Errors
    /// [`Outage`] if the database is away: everything comes back.
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
                    let reason = format!("event {} tells of invoice {}, which there is not", event.id, invoice.id);
                    return Ok(RecordOutcome::Park(PermanentFailure { code: "unknown_invoice", reason }));
                }
            },
        };
        let told = DeliverableEvent {
            key: EventKey::new(event.time, event.id),
            fingerprint: fingerprint(record),
            event,
            owner,
        };
        let mut due = Vec::new();
        for (endpoint_id, is_enabled) in endpoints {
            match self.record((endpoint_id, !is_enabled), &told).await? {
                Ok(RecordedDelivery::New) if is_enabled => {
                    due.push(DueDelivery { recipient: endpoint_id, event_key: told.key.clone() })
                }
                // What is held waits until somebody enables the endpoint and has it sent.
                Ok(RecordedDelivery::New | RecordedDelivery::Known) => {}
                Ok(RecordedDelivery::OtherEvent) => {
                    let reason = format!("event {} came with two bodies; the first is told", told.event.id);
                    return Ok(RecordOutcome::Park(PermanentFailure { code: "idempotency_conflict", reason }));
                }
                Err(reason) => return Ok(RecordOutcome::Park(PermanentFailure { code: "too_large", reason })),
            }
        }
        if let Err(error) = self.queue.send(&due, Duration::ZERO).await {
            // The records are durable, and due: the relay finds them.
            tracing::warn!(event.id = %told.event.id, error, "deliveries were left to the relay");
        }
        Ok(RecordOutcome::Done)
    }

    /// Records the event for one endpoint; a sentence if it can't be told at all.
    async fn record(
        &self,
        (endpoint_id, is_held): (WebhookEndpointId, bool),
        told: &DeliverableEvent,
    ) -> Result<Result<RecordedDelivery, String>, BatchError> {
        let retry = |error: TableError| BatchError::Spoiled(error.to_string());
        let (now, event) = (Utc::now(), &told.event);
        let number = self.deliveries.number(endpoint_id, &event.subject, event.id, now).await;
        let sequence = number.map_err(retry)?;
        let body = match compose::body(event, told.owner, sequence, now.date_naive()) {
            Ok(body) => body,
            Err(reason) => return Ok(Err(reason)),
        };
        let new = NewDelivery {
            recipient: endpoint_id,
            event_key: &told.key,
            event_type: event.payload.type_name(),
            subject: &event.subject,
            sequence: Some(sequence),
            body: &body,
            fingerprint: &told.fingerprint,
            is_held,
        };
        self.deliveries.record(&new, now).await.map(Ok).map_err(retry)
    }
}

/// An event that is to be told.
struct DeliverableEvent {
    key: EventKey,
    fingerprint: String,
    event: CloudEvent<InvoiceEvent>,
    owner: Option<ClientId>,
}

fn fingerprint(record: &Record) -> String {
    hex::encode(Sha256::digest(&record.body))
}
