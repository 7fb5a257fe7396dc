//! Turns SQS records into delivery attempts.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use chrono::{DateTime, TimeDelta, Utc};
use lambda_runtime::LambdaEvent;
use quittance_deliveries::queue::{DELAY_MAX, DeliveryQueue, DeliveryQueueError, DueDelivery};
use quittance_deliveries::schedule::{JITTER_PERMILLE_MAX, pause_after};
use quittance_deliveries::{DeliveriesTable, DeliveryAttempt, DeliveryLease, DeliveryState, TableError};
use quittance_domain::error::Chain;
use quittance_domain::id::{AuditId, WebhookEndpointId};
use quittance_lambda::batch::{self, BatchMode, Outage, PermanentFailure, Record, RecordOutcome};
use quittance_lambda::parking::DeadLetterQueue;
use quittance_store::audit::{self, AuditRecord, Json};
use quittance_store::webhook_endpoints::{self, WebhookEndpoint};
use quittance_store::{Database, StoreError};
use serde_json::json;
use uuid::Uuid;

use crate::attempt::{ATTEMPT_MAX, DeliveryOutcome, Receivers};
use crate::{EndpointSigners, FUNCTION};

/// Time reserved after an attempt to record its outcome.
const TIME_RESERVE: Duration = Duration::from_secs(10);

/// A lease outlives its attempt by this much, because the clocks of two workers may differ by less.
const LEASE_MARGIN: TimeDelta = TimeDelta::seconds(30);

/// A delivery whose endpoint has too many workers is redelivered after this many seconds.
const CROWDED_SECONDS: std::ops::RangeInclusive<u64> = 5..=20;

/// A failure on our side does not count as an attempt; it is retried after this pause.
const OWN_FAILURE_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// Why a delivery has to be retried; what was recorded by then is kept.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Queue(#[from] DeliveryQueueError),
}

/// The delivery function's dependencies.
#[derive(Debug)]
pub struct Deliveries {
    /// The database, as the delivery function's own role.
    pub database: Database,
    pub table: DeliveriesTable,
    /// The queue of due deliveries.
    pub queue: DeliveryQueue,
    /// The dead-letter queue.
    pub dead_letters: DeadLetterQueue,
    /// The endpoints' signers.
    pub keys: EndpointSigners,
    /// The HTTP client for webhooks.
    pub receivers: Receivers,
}

impl Deliveries {
    /// Handles a batch of the delivery queue: endpoints concurrently, the records of each endpoint in sequence.
    ///
    /// # Errors
    /// None: each record has its own outcome.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Outage> {
        let deadline = event.context.deadline();
        let handle = async |records: &[Record]| Ok(self.deliver_all(records, deadline).await);
        let park = async |record: &Record, refusal: &PermanentFailure| self.dead_letters.park(record, refusal).await;
        // Boxed to keep the types of nested handlers shallow.
        Box::pin(batch::run(event.payload, deadline, BatchMode::Together, self.dead_letters.attempts(), handle, park))
            .await
    }

    async fn deliver_all(&self, records: &[Record], deadline: SystemTime) -> Vec<RecordOutcome> {
        let mut outcomes = vec![RecordOutcome::Done; records.len()];
        let mut by_endpoint: BTreeMap<WebhookEndpointId, Vec<DueDelivery>> = BTreeMap::new();
        let mut place_of: Vec<Option<WebhookEndpointId>> = Vec::with_capacity(records.len());
        for (record, outcome) in records.iter().zip(&mut outcomes) {
            match serde_json::from_str::<DueDelivery>(&record.body) {
                Ok(due) => {
                    place_of.push(Some(due.recipient));
                    by_endpoint.entry(due.recipient).or_default().push(due);
                }
                Err(_) => {
                    let reason = "the body names no delivery".to_owned();
                    *outcome = RecordOutcome::Park(PermanentFailure { code: "malformed", reason });
                    place_of.push(None);
                }
            }
        }
        let deliveries = by_endpoint.into_iter().map(async |(endpoint_id, due)| {
            (endpoint_id, Box::pin(self.deliver_to_endpoint(endpoint_id, due, deadline)).await)
        });
        let results: BTreeMap<_, _> = futures::future::join_all(deliveries).await.into_iter().collect();
        for (endpoint_id, outcome) in place_of.iter().zip(&mut outcomes) {
            if let Some(Err(error)) = endpoint_id.and_then(|id| results.get(&id)) {
                *outcome = RecordOutcome::Wait(Chain(error).to_string());
            }
        }
        outcomes
    }

    /// Delivers what is due to one endpoint, as far as time permits. Returns a message if all of it has to be retried:
    /// outcomes recorded by then are kept.
    async fn deliver_to_endpoint(
        &self,
        id: WebhookEndpointId,
        due: Vec<DueDelivery>,
        deadline: SystemTime,
    ) -> Result<(), DeliveryError> {
        let found = webhook_endpoints::find(&self.database, id).await?;
        let Some(mut endpoint) = found else { return Ok(()) };
        let until = DateTime::<Utc>::from(deadline) + LEASE_MARGIN;
        let slot = self.table.take_slot(id, Utc::now(), until).await?;
        let Some(slot) = slot else {
            return Ok(self.queue.send(&due, Duration::from_secs(fastrand::u64(CROWDED_SECONDS))).await?);
        };
        let mut result = Ok(());
        for (index, one) in due.iter().enumerate() {
            if !is_time_left(deadline) {
                let rest = due.get(index..).unwrap_or_default();
                result = self
                    .queue
                    .send(rest, Duration::from_secs(fastrand::u64(CROWDED_SECONDS)))
                    .await
                    .map_err(DeliveryError::from);
                break;
            }
            result = self.deliver(&mut endpoint, one).await;
            if result.is_err() {
                break;
            }
        }
        if let Err(error) = self.table.free_slot(&slot).await {
            tracing::warn!(endpoint.id = %id, error = %Chain(&error), "endpoint slot will be free only when it expires");
        }
        result
    }

    /// Makes the attempt, if it is due and no other worker makes it.
    async fn deliver(&self, endpoint: &mut WebhookEndpoint, due: &DueDelivery) -> Result<(), DeliveryError> {
        let now = Utc::now();
        let lease_until = now + TimeDelta::from_std(ATTEMPT_MAX).unwrap_or_default() + LEASE_MARGIN;
        let lease = self.table.lease(endpoint.id, &due.event_key, now, lease_until).await;
        let Some(lease) = lease? else { return Ok(()) };
        if !endpoint.is_enabled() {
            return self.finish(&lease, DeliveryState::Held, None, None).await;
        }
        let signers = match self.keys.signers_for(endpoint, now).await {
            Ok(signers) => signers,
            Err(error) => {
                tracing::error!(endpoint.id = %endpoint.id, error = %Chain(&error), "webhook could not be signed");
                return self.finish(&lease, DeliveryState::Pending, None, Some(now + OWN_FAILURE_PAUSE)).await;
            }
        };
        let outcome = self.receivers.post(&endpoint.url, &lease.delivery, &signers, now).await;
        self.record(endpoint, due, &lease, outcome).await
    }

    /// Records the outcome of the attempt, and returns when the next one is due.
    async fn record(
        &self,
        endpoint: &mut WebhookEndpoint,
        due: &DueDelivery,
        lease: &DeliveryLease,
        outcome: DeliveryOutcome,
    ) -> Result<(), DeliveryError> {
        let now = Utc::now();
        let attempts = lease.delivery.attempts + 1;
        let (status, reason, pause) = match outcome {
            DeliveryOutcome::Taken(status) => {
                let attempt = DeliveryAttempt { at: now, status: Some(status), failure: None, message_id: None };
                return self.finish(lease, DeliveryState::Delivered, Some(&attempt), None).await;
            }
            DeliveryOutcome::Gone => (Some(410), "answered 410: it wants no more events".to_owned(), None),
            DeliveryOutcome::Refused { status, reason, pause } => {
                let jitter = fastrand::i32(0..=JITTER_PERMILLE_MAX);
                (status, reason, pause_after(attempts, pause, jitter))
            }
        };
        let attempt = DeliveryAttempt { at: now, status, failure: Some(reason.clone()), message_id: None };
        let Some(pause) = pause else {
            self.disable(endpoint, &reason, attempts, lease).await?;
            return self.finish(lease, DeliveryState::Failed, Some(&attempt), None).await;
        };
        tracing::warn!(
            endpoint.id = %endpoint.id,
            webhook.id = %lease.delivery.event_key.id(),
            webhook.attempts = attempts,
            reason,
            pause_s = pause.num_seconds(),
            "webhook not accepted"
        );
        self.finish(lease, DeliveryState::Pending, Some(&attempt), Some(now + pause)).await?;
        // The relay finds later deliveries in the table, and also this one if its message is lost.
        if let Some(delay) = pause.to_std().ok().filter(|delay| *delay <= DELAY_MAX)
            && let Err(error) = self.queue.send(std::slice::from_ref(due), delay + Duration::from_secs(1)).await
        {
            tracing::warn!(endpoint.id = %endpoint.id, error = %Chain(&error), "next attempt was left to the relay");
        }
        Ok(())
    }

    /// Disables the endpoint, with an audit record and a log line that raises an alarm.
    async fn disable(
        &self,
        endpoint: &mut WebhookEndpoint,
        reason: &str,
        attempts: u32,
        lease: &DeliveryLease,
    ) -> Result<(), StoreError> {
        let webhook_id = lease.delivery.event_key.id();
        let reason = format!("webhook {webhook_id}, attempt {attempts}: {reason}");
        let mut transaction = self.database.begin().await?;
        if webhook_endpoints::disable(&mut transaction, endpoint.id, &reason).await? {
            let record = AuditRecord {
                id: AuditId::from_uuid(Uuid::now_v7()),
                actor: FUNCTION.to_owned(),
                action: "webhook_endpoint.disabled",
                subject: endpoint.id.to_string(),
                reason: reason.clone(),
                before: Json::serialize(&json!({"status": "enabled"})),
                after: Json::serialize(&json!({"status": "disabled"})),
                correlation_id: webhook_id.to_string(),
            };
            audit::append(&mut transaction, &[record]).await?;
            transaction.commit().await?;
            // `WebhookEndpointDisabledMetric` in the template counts this line.
            tracing::error!(alarm = "webhook_endpoint_disabled", endpoint.id = %endpoint.id, reason, "webhook endpoint disabled");
        }
        "disabled".clone_into(&mut endpoint.status);
        Ok(())
    }

    async fn finish(
        &self,
        lease: &DeliveryLease,
        state: DeliveryState,
        attempt: Option<&DeliveryAttempt>,
        next: Option<DateTime<Utc>>,
    ) -> Result<(), DeliveryError> {
        let concluded = self.table.finish(lease, state, attempt, next).await?;
        if !concluded {
            tracing::warn!(webhook.id = %lease.delivery.event_key.id(), "delivery taken over by another worker");
        }
        Ok(())
    }
}

fn is_time_left(deadline: SystemTime) -> bool {
    let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
    left > ATTEMPT_MAX + TIME_RESERVE
}
