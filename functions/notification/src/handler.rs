//! Turns SQS records and the schedule into deliveries.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use chrono::{TimeDelta, Utc};
use futures::StreamExt;
use lambda_runtime::LambdaEvent;
use quittance_deliveries::{DeliveriesTable, EventKey, NewDelivery, RecordedDelivery, SHARDS, TableError};
use quittance_domain::error::Chain;
use quittance_domain::event::InvoiceEvent;
use quittance_domain::notification::{NOTIFIED_UNTIL, NotificationKind, NotificationRecipient};
use quittance_lambda::batch::{BatchError, Outage, PermanentFailure, Record, RecordOutcome};
use quittance_lambda::consumer::consume_events;
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_store::{Database, StoreError, notifications};
use sha2::{Digest, Sha256};

use crate::attempt::NotificationError;
use crate::attempt::{ATTEMPT_MAX, ProviderAvailability};
use crate::compose::Templates;
use crate::providers::{Documents, EmailSender, TextMessages};

/// Notifications are remembered for this long, and no older events are sent, so that each is sent only once.
pub const REMEMBERED_FOR: TimeDelta = TimeDelta::days(400);

/// The number of due deliveries that are attempted concurrently.
const DUE_AT_ONCE: usize = 4;
const DUE_BATCH_SIZE_MAX: i32 = 50;

/// Time reserved after an attempt to record its outcome.
const TIME_RESERVE: Duration = Duration::from_secs(5);

/// The notification function's dependencies.
#[derive(Debug, Clone)]
pub struct Notifications {
    /// The database, as the notification function's own role.
    pub database: Database,
    /// The table of deliveries.
    pub table: DeliveriesTable<NotificationRecipient>,
    /// The message templates.
    pub templates: Templates,
    /// Sends e-mails.
    pub mail: EmailSender,
    /// Sends text messages.
    pub text_messages: TextMessages,
    /// The attachments of e-mails.
    pub documents: Documents,
    /// The dead-letter queue.
    pub dead_letters: DeadLetterQueue,
}

impl Notifications {
    /// Handles a batch of the notification queue.
    ///
    /// # Errors
    /// [`Outage`] if the database or the table is unavailable: every record is redelivered.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Outage> {
        // While a provider is unavailable, the remaining records are stored and left to the schedule, so that the queue
        // continues.
        let provider = ProviderState { is_away: AtomicBool::new(false), deadline: event.context.deadline() };
        consume_events(event, &self.dead_letters, async |record: &Record, event| {
            self.process(record, event, &provider).await
        })
        .await
    }

    async fn process(
        &self,
        record: &Record,
        event: CloudEvent<InvoiceEvent>,
        provider: &ProviderState,
    ) -> Result<RecordOutcome, BatchError> {
        let Some(notice) = NotificationKind::for_event(&event.payload) else {
            let reason =
                format!("clients are not notified of {}; fix the subscription's filter", event.payload.type_name());
            return Ok(RecordOutcome::Park(PermanentFailure { code: "unexpected_type", reason }));
        };
        let Some(client) = event.payload.addressee() else {
            tracing::info!(event.id = %event.id, "nobody notified: the payer is unknown");
            return Ok(RecordOutcome::Done);
        };
        if event.time < Utc::now() - NOTIFIED_UNTIL {
            let reason = format!("event {} is of {}, too old to exclude that it was sent", event.id, event.time);
            return Ok(RecordOutcome::Park(PermanentFailure { code: "too_old", reason }));
        }
        let preferences = notifications::preferences(&self.database, client.id).await;
        let preferences = preferences
            .map_err(|error: StoreError| BatchError::classify(&error, error.is_outage(), error.is_conflict()))?;
        for channel in preferences.channels(notice) {
            let recipient = NotificationRecipient { channel, client_id: client.id };
            match self.notify(record, &event, recipient, provider).await {
                Ok(Ok(())) => {}
                Ok(Err(refusal)) => return Ok(RecordOutcome::Park(refusal)),
                Err(error) => return Err(BatchError::Outage(Chain(&error).to_string())),
            }
        }
        Ok(RecordOutcome::Done)
    }

    /// Records the event for a channel, and makes the first attempt.
    async fn notify(
        &self,
        record: &Record,
        event: &CloudEvent<InvoiceEvent>,
        recipient: NotificationRecipient,
        provider: &ProviderState,
    ) -> Result<Result<(), PermanentFailure>, TableError> {
        let (now, event_key) = (Utc::now(), EventKey::new(event.time, event.id));
        let new = NewDelivery {
            recipient,
            event_key: &event_key,
            event_type: event.payload.type_name(),
            subject: &event.subject,
            sequence: None,
            body: &record.body,
            fingerprint: &hex::encode(Sha256::digest(&record.body)),
            is_held: false,
        };
        let is_wanted = match self.table.record(&new, now).await? {
            RecordedDelivery::New => true,
            // The delivery was given up or held, and the event was replayed on request.
            RecordedDelivery::Known => self.table.send_again_once(recipient, &event_key, now).await?,
            RecordedDelivery::OtherEvent => {
                let reason = format!("event {} has two bodies; the first stands", event.id);
                return Ok(Err(PermanentFailure { code: "idempotency_conflict", reason }));
            }
        };
        if is_wanted && provider.may_be_called() {
            match self.attempt(recipient, &event_key).await {
                Ok(ProviderAvailability::Away) => provider.is_away.store(true, Ordering::Relaxed),
                Ok(ProviderAvailability::There) => {}
                // The record is durable and due: the schedule continues.
                Err(error) => {
                    tracing::warn!(event.id = %event.id, error = %Chain(&error), "attempt was left to the schedule")
                }
            }
        }
        Ok(Ok(()))
    }

    /// Attempts what is due, and resolves attempts without an answer. Returns the number of deliveries.
    ///
    /// # Errors
    /// [`NotificationError`] if the table or the dead-letter queue fails; nothing is lost, the next minute continues.
    pub async fn send_due(&self, deadline: SystemTime) -> Result<usize, NotificationError> {
        let (mut count, mut ended) = (0, Ok(()));
        for shard in 0..SHARDS {
            // A failure in one partition does not delay the others.
            ended = self.send_due_of(shard, deadline, &mut count).await.and(ended);
        }
        ended.map(|()| count)
    }

    async fn send_due_of(&self, shard: u32, deadline: SystemTime, count: &mut usize) -> Result<(), NotificationError> {
        let provider = ProviderState { is_away: AtomicBool::new(false), deadline };
        while provider.may_be_called() {
            let due = self.table.due(shard, Utc::now(), DUE_BATCH_SIZE_MAX).await?;
            if due.is_empty() {
                break;
            }
            *count += due.len();
            let trying = due.into_iter().map(async |due| {
                if provider.may_be_called()
                    && self.attempt(due.recipient, &due.event_key).await? == ProviderAvailability::Away
                {
                    provider.is_away.store(true, Ordering::Relaxed);
                }
                Ok(())
            });
            let tried: Vec<Result<(), NotificationError>> =
                futures::stream::iter(trying).buffer_unordered(DUE_AT_ONCE).collect().await;
            tried.into_iter().collect::<Result<(), NotificationError>>()?;
        }
        Ok(())
    }
}

/// The providers' availability during a batch.
struct ProviderState {
    is_away: AtomicBool,
    deadline: SystemTime,
}

impl ProviderState {
    fn may_be_called(&self) -> bool {
        !self.is_away.load(Ordering::Relaxed) && is_time_left(self.deadline)
    }
}

fn is_time_left(deadline: SystemTime) -> bool {
    deadline.duration_since(SystemTime::now()).is_ok_and(|left| left > ATTEMPT_MAX + TIME_RESERVE)
}
