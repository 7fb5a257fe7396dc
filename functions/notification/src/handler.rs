//! From SQS records and the schedule to deliveries.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use chrono::{TimeDelta, Utc};
use futures::StreamExt;
use lambda_runtime::LambdaEvent;
use quittance_deliveries::{DeliveriesTable, EventKey, NewDelivery, RecordedDelivery, SHARDS, TableError};
use quittance_domain::event::InvoiceEvent;
use quittance_domain::notification::{NotificationKind, NotificationRecipient, TOLD_UNTIL};
use quittance_lambda::batch::{BatchError, Outage, PermanentFailure, Record, RecordOutcome};
use quittance_lambda::consumer::consume_events;
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_store::{Database, StoreError, notifications};
use sha2::{Digest, Sha256};

use crate::attempt::{ATTEMPT_MAX, ProviderAvailability};
use crate::compose::Templates;
use crate::providers::{Documents, EmailSender, TextMessages};

/// What was told is remembered so long, and what is older is not told: once means once.
pub const REMEMBERED_FOR: TimeDelta = TimeDelta::days(400);

/// What is due is tried so many at a time.
const DUE_AT_ONCE: usize = 4;
const DUE_BATCH_SIZE_MAX: i32 = 50;

/// Beside an attempt, for noting what it came to.
const TIME_RESERVE: Duration = Duration::from_secs(5);

/// What the notification function works with.
#[derive(Debug, Clone)]
pub struct Notifications {
    /// The database, as the notification function's own role.
    pub database: Database,
    /// What is to be told.
    pub table: DeliveriesTable<NotificationRecipient>,
    /// What messages say.
    pub templates: Templates,
    /// Sends e-mails.
    pub mail: EmailSender,
    /// Sends text messages.
    pub text_messages: TextMessages,
    /// What goes with e-mails.
    pub documents: Documents,
    /// Where messages that cannot succeed go.
    pub dead_letters: DeadLetterQueue,
}

impl Notifications {
    /// Handles a batch of the notification queue.
    ///
    /// # Errors
    /// [`Outage`] if the database or the table is away: everything comes back.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Outage> {
        // While a provider is away, the rest is recorded and left to the schedule: the queue goes on.
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
                format!("clients are not told of {}; mend the subscription's filter", event.payload.type_name());
            return Ok(RecordOutcome::Park(PermanentFailure { code: "unexpected_type", reason }));
        };
        let Some(client) = event.payload.addressee() else {
            tracing::info!(event.id = %event.id, "nobody notified: the payer is unknown");
            return Ok(RecordOutcome::Done);
        };
        if event.time < Utc::now() - TOLD_UNTIL {
            let reason = format!("event {} is of {}, too old to be sure that it was not told", event.id, event.time);
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
                Err(error) => return Err(BatchError::Outage(error.to_string())),
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
            // It was given up or held, and comes again because somebody wants it to.
            RecordedDelivery::Known => self.table.send_again_once(recipient, &event_key, now).await?,
            RecordedDelivery::OtherEvent => {
                let reason = format!("event {} came with two bodies; the first is told", event.id);
                return Ok(Err(PermanentFailure { code: "idempotency_conflict", reason }));
            }
        };
        if is_wanted && provider.may_be_asked() {
            match self.attempt(recipient, &event_key).await {
                Ok(ProviderAvailability::Away) => provider.is_away.store(true, Ordering::Relaxed),
                Ok(ProviderAvailability::There) => {}
                // The record is durable and due: the schedule goes on.
                Err(error) => tracing::warn!(event.id = %event.id, error, "attempt was left to the schedule"),
            }
        }
        Ok(Ok(()))
    }

    /// Tries what is due, and decides what became of attempts without an answer. Answers how many there were.
    ///
    /// # Errors
    /// A sentence, if the table or the dead-letter queue fails; nothing is lost, the next minute goes on.
    pub async fn send_due(&self, deadline: SystemTime) -> Result<usize, String> {
        let (mut count, mut ended) = (0, Ok(()));
        for shard in 0..SHARDS {
            // What one partition fails at holds up no other.
            ended = self.send_due_of(shard, deadline, &mut count).await.and(ended);
        }
        ended.map(|()| count)
    }

    async fn send_due_of(&self, shard: u32, deadline: SystemTime, count: &mut usize) -> Result<(), String> {
        let provider = ProviderState { is_away: AtomicBool::new(false), deadline };
        while provider.may_be_asked() {
            let due = self.table.due(shard, Utc::now(), DUE_BATCH_SIZE_MAX).await.map_err(|error| error.to_string())?;
            if due.is_empty() {
                break;
            }
            *count += due.len();
            let trying = due.into_iter().map(async |due| {
                if provider.may_be_asked()
                    && self.attempt(due.recipient, &due.event_key).await? == ProviderAvailability::Away
                {
                    provider.is_away.store(true, Ordering::Relaxed);
                }
                Ok(())
            });
            let tried: Vec<Result<(), String>> =
                futures::stream::iter(trying).buffer_unordered(DUE_AT_ONCE).collect().await;
            tried.into_iter().collect::<Result<(), String>>()?;
        }
        Ok(())
    }
}

/// What a batch knows of the providers.
struct ProviderState {
    is_away: AtomicBool,
    deadline: SystemTime,
}

impl ProviderState {
    fn may_be_asked(&self) -> bool {
        !self.is_away.load(Ordering::Relaxed) && is_time_left(self.deadline)
    }
}

fn is_time_left(deadline: SystemTime) -> bool {
    deadline.duration_since(SystemTime::now()).is_ok_and(|left| left > ATTEMPT_MAX + TIME_RESERVE)
}
