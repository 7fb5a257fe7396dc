//! From SQS records to attempts.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use chrono::{DateTime, TimeDelta, Utc};
use lambda_runtime::LambdaEvent;
use quittance_deliveries::queue::{DELAY_MAX, DeliveryQueue, DueDelivery};
use quittance_deliveries::schedule::{JITTER_PERMILLE_MAX, pause_after};
use quittance_deliveries::{DeliveriesTable, DeliveryAttempt, DeliveryLease, DeliveryState};
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

/// Beside an attempt, for noting what it came to.
const TIME_RESERVE: Duration = Duration::from_secs(10);

/// A lease outlives its attempt by this: the clocks of two workers differ by less.
const LEASE_MARGIN: TimeDelta = TimeDelta::seconds(30);

/// What finds no place at its endpoint comes back after so many seconds.
const CROWDED_SECONDS: std::ops::RangeInclusive<u64> = 5..=20;

/// A failure on our own side is no attempt; it is tried again after this.
const OWN_FAILURE_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// What the delivery function works with.
#[derive(Debug)]
pub struct Deliveries {
    /// The database, as the delivery function's own role.
    pub database: Database,
    /// What is to be told.
    pub table: DeliveriesTable,
    /// Where messages that speak of deliveries go.
    pub queue: DeliveryQueue,
    /// Where messages that cannot succeed go.
    pub dead_letters: DeadLetterQueue,
    /// What signs.
    pub keys: EndpointSigners,
    /// Who is told.
    pub receivers: Receivers,
}

impl Deliveries {
    /// Handles a batch of the delivery queue: endpoints at once, the records of each one after the other.
    ///
    /// # Errors
    /// None: each record has its own verdict.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Outage> {
        let deadline = event.context.deadline();
        let handle = async |records: &[Record]| Ok(self.tell_all(records, deadline).await);
        let park = async |record: &Record, refusal: &PermanentFailure| self.dead_letters.park(record, refusal).await;
        // Boxed, so that the types of nested handlers stay shallow.
        Box::pin(batch::run(event.payload, deadline, BatchMode::Together, self.dead_letters.attempts(), handle, park))
            .await
    }

    async fn tell_all(&self, records: &[Record], deadline: SystemTime) -> Vec<RecordOutcome> {
        let mut verdicts = vec![RecordOutcome::Done; records.len()];
        let mut by_endpoint: BTreeMap<WebhookEndpointId, Vec<DueDelivery>> = BTreeMap::new();
        let mut place_of: Vec<Option<WebhookEndpointId>> = Vec::with_capacity(records.len());
        for (record, verdict) in records.iter().zip(&mut verdicts) {
            match serde_json::from_str::<DueDelivery>(&record.body) {
                Ok(due) => {
                    place_of.push(Some(due.recipient));
                    by_endpoint.entry(due.recipient).or_default().push(due);
                }
                Err(_) => {
                    let reason = "the body names no delivery".to_owned();
                    *verdict = RecordOutcome::Park(PermanentFailure { code: "malformed", reason });
                    place_of.push(None);
                }
            }
        }
        let telling = by_endpoint
            .into_iter()
            .map(async |(endpoint_id, due)| (endpoint_id, Box::pin(self.tell_one(endpoint_id, due, deadline)).await));
        let told: BTreeMap<_, _> = futures::future::join_all(telling).await.into_iter().collect();
        for (endpoint_id, verdict) in place_of.iter().zip(&mut verdicts) {
            if let Some(Err(reason)) = endpoint_id.and_then(|id| told.get(&id)) {
                *verdict = RecordOutcome::Wait(reason.clone());
            }
        }
        verdicts
    }

    /// Tells one endpoint what is due, as far as there is time. A sentence if it has to be tried again as a whole: what was
    /// concluded by then stays so.
    async fn tell_one(&self, id: WebhookEndpointId, due: Vec<DueDelivery>, deadline: SystemTime) -> Result<(), String> {
        let found = webhook_endpoints::find(&self.database, id).await.map_err(|error: StoreError| error.to_string())?;
        let Some(mut endpoint) = found else { return Ok(()) };
        let until = DateTime::<Utc>::from(deadline) + LEASE_MARGIN;
        let slot = self.table.take_slot(id, Utc::now(), until).await.map_err(|error| error.to_string())?;
        let Some(slot) = slot else {
            return self.queue.send(&due, Duration::from_secs(fastrand::u64(CROWDED_SECONDS))).await;
        };
        let mut told = Ok(());
        for (place, one) in due.iter().enumerate() {
            if !is_time_left(deadline) {
                let rest = due.get(place..).unwrap_or_default();
                told = self.queue.send(rest, Duration::from_secs(fastrand::u64(CROWDED_SECONDS))).await;
                break;
            }
            told = self.deliver(&mut endpoint, one).await;
            if told.is_err() {
                break;
            }
        }
        if let Err(error) = self.table.free_slot(&slot).await {
            tracing::warn!(endpoint.id = %id, error = %error, "endpoint slot will be free only when it expires");
        }
        told
    }

    /// Makes the attempt, if it is due and nobody else makes it.
    async fn deliver(&self, endpoint: &mut WebhookEndpoint, due: &DueDelivery) -> Result<(), String> {
        let now = Utc::now();
        let lease_until = now + TimeDelta::from_std(ATTEMPT_MAX).unwrap_or_default() + LEASE_MARGIN;
        let lease = self.table.lease(endpoint.id, &due.event_key, now, lease_until).await;
        let Some(lease) = lease.map_err(|error| error.to_string())? else { return Ok(()) };
        if !endpoint.is_enabled() {
            return self.finish(&lease, DeliveryState::Held, None, None).await;
        }
        let signers = match self.keys.signers_for(endpoint, now).await {
            Ok(signers) => signers,
            Err(error) => {
                tracing::error!(endpoint.id = %endpoint.id, error, "webhook could not be signed");
                return self.finish(&lease, DeliveryState::Pending, None, Some(now + OWN_FAILURE_PAUSE)).await;
            }
        };
        let outcome = self.receivers.post(&endpoint.url, &lease.delivery, &signers, now).await;
        self.record(endpoint, due, &lease, outcome).await
    }

    /// Notes what the attempt came to, and says when the next one is.
    async fn record(
        &self,
        endpoint: &mut WebhookEndpoint,
        due: &DueDelivery,
        lease: &DeliveryLease,
        outcome: DeliveryOutcome,
    ) -> Result<(), String> {
        let now = Utc::now();
        let attempts = lease.delivery.attempts + 1;
        let (status, reason, pause) = match outcome {
            DeliveryOutcome::Taken(status) => {
                let attempt = DeliveryAttempt { at: now, status: Some(status), failure: None, message_id: None };
                return self.finish(lease, DeliveryState::Delivered, Some(&attempt), None).await;
            }
            DeliveryOutcome::Gone => (Some(410), "answered 410: it wants nothing any more".to_owned(), None),
            DeliveryOutcome::Refused { status, reason, pause } => {
                let jitter = fastrand::i32(0..=JITTER_PERMILLE_MAX);
                (status, reason, pause_after(attempts, pause, jitter))
            }
        };
        let attempt = DeliveryAttempt { at: now, status, failure: Some(reason.clone()), message_id: None };
        let Some(pause) = pause else {
            self.disable(endpoint, &reason, attempts, lease).await.map_err(|error| error.to_string())?;
            return self.finish(lease, DeliveryState::Failed, Some(&attempt), None).await;
        };
        tracing::warn!(
            endpoint.id = %endpoint.id,
            webhook.id = %lease.delivery.event_key.id(),
            webhook.attempts = attempts,
            reason,
            pause_s = pause.num_seconds(),
            "a webhook was not taken"
        );
        self.finish(lease, DeliveryState::Pending, Some(&attempt), Some(now + pause)).await?;
        // What is due later, the relay finds in the table; and this too, should the message be lost.
        if let Some(delay) = pause.to_std().ok().filter(|delay| *delay <= DELAY_MAX)
            && let Err(error) = self.queue.send(std::slice::from_ref(due), delay + Duration::from_secs(1)).await
        {
            tracing::warn!(endpoint.id = %endpoint.id, error, "next attempt was left to the relay");
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
    ) -> Result<(), String> {
        let concluded = self.table.finish(lease, state, attempt, next).await.map_err(|error| error.to_string())?;
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
