//! One attempt to notify a client, and its record.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use quittance_deliveries::{DeliveryAttempt, DeliveryLease, DeliveryState, EventKey, TableError, tags};
use quittance_domain::error::Chain;
use quittance_domain::event::InvoiceEvent;
use quittance_domain::notification::{Channel, NotificationKind, NotificationRecipient};
use quittance_domain::party::ClientDetails;
use quittance_lambda::batch::{PermanentFailure, Record};
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::parking::ParkError;
use quittance_store::{StoreError, notifications};
use uuid::Uuid;

use crate::compose::TemplateError;
use crate::handler::Notifications;
use crate::outcome::SendOutcome;
use crate::providers::DocumentError;
use crate::schedule::{DECIDE_AFTER, GIVE_UP_AFTER, JITTER_PERMILLE_MAX, REPORTS_IN_ORDER_WITHIN, pause_after};

/// The maximum time for reading a receipt and calling a provider.
pub(crate) const ATTEMPT_MAX: Duration = Duration::from_secs(25);

/// A lease outlives its attempt by this much, because the clocks of two workers may differ by less.
const LEASE_MARGIN: TimeDelta = TimeDelta::seconds(30);

/// A failure on our side does not count as an attempt; it is retried after this pause.
const OWN_FAILURE_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// Why an attempt was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum NotificationError {
    /// The table of deliveries failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The dead-letter queue failed.
    #[error(transparent)]
    Park(#[from] ParkError),
}

/// Whether a provider is available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderAvailability {
    /// It answered, or was not called.
    There,
    /// It did not accept a message.
    Away,
}

/// The result of an attempt, or the reason why none was made.
enum AttemptConclusion {
    /// The provider's response.
    Outcome(SendOutcome),
    /// Not to be sent: the address is suppressed, or the client does not want it any more.
    Suppressed(String),
    /// The attachment cannot be read.
    NoDocument(String),
    /// The attempt could not be made.
    NotTried(String),
}

fn not_tried(error: StoreError) -> AttemptConclusion {
    AttemptConclusion::NotTried(Chain(&error).to_string())
}

fn no_document(error: DocumentError) -> AttemptConclusion {
    AttemptConclusion::NoDocument(Chain(&error).to_string())
}

fn not_composed(error: TemplateError) -> AttemptConclusion {
    AttemptConclusion::Outcome(SendOutcome::Refused(format!("it cannot be composed: {}", Chain(&error))))
}

impl Notifications {
    /// Notifies a client, if it is due and no other worker does.
    ///
    /// # Errors
    /// [`NotificationError`] if the table or the dead-letter queue fails. The notification then stays due.
    pub(crate) async fn attempt(
        &self,
        recipient: NotificationRecipient,
        event_key: &EventKey,
    ) -> Result<ProviderAvailability, NotificationError> {
        let now = Utc::now();
        let until = now + TimeDelta::from_std(ATTEMPT_MAX).unwrap_or_default() + LEASE_MARGIN;
        let lease = self.table.lease_once(recipient, event_key, now, until, now + DECIDE_AFTER).await;
        let Some(lease) = lease? else { return Ok(ProviderAvailability::There) };
        if lease.delivery.state == DeliveryState::Unknown && !self.was_never_accepted(&lease, now).await? {
            return Ok(ProviderAvailability::There);
        }
        let conclusion = match CloudEvent::<InvoiceEvent>::parse(&lease.delivery.body) {
            Ok(event) => self.send(&lease, &event).await.map_or_else(|instead| instead, AttemptConclusion::Outcome),
            Err(error) => AttemptConclusion::Outcome(SendOutcome::Refused(error.to_string())),
        };
        self.record(&lease, conclusion).await
    }

    /// Whether an attempt without an answer is known not to have been accepted; if not, that is recorded.
    async fn was_never_accepted(
        &self,
        lease: &DeliveryLease<NotificationRecipient>,
        now: DateTime<Utc>,
    ) -> Result<bool, NotificationError> {
        let delivery = &lease.delivery;
        let given_at = delivery.next_attempt_at - DECIDE_AFTER;
        // Attempts that never get an answer are not repeated for ever.
        let is_over = now >= delivery.recorded_at + GIVE_UP_AFTER || pause_after(delivery.attempts.max(1), 0).is_none();
        let waits = lease.recipient.channel == Channel::Email && !is_over;
        if waits && self.table.have_reports_arrived_since(given_at, REPORTS_IN_ORDER_WITHIN).await? {
            tracing::info!(notification = %NamedNotification(lease), "provider never received the message; it is retried");
            return Ok(true);
        }
        if waits {
            self.finish(lease, DeliveryState::Unknown, None, Some(now + DECIDE_AFTER)).await?;
            return Ok(false);
        }
        let reason =
            "it is unknown whether it was sent; send it again only if its addressee does not have it".to_owned();
        self.park(lease, "outcome_unknown", &reason).await?;
        // Without a due time it is not attempted again.
        self.finish(lease, DeliveryState::Unknown, None, None).await?;
        Ok(false)
    }

    /// Sends the message, if the client still wants it.
    async fn send(
        &self,
        lease: &DeliveryLease<NotificationRecipient>,
        event: &CloudEvent<InvoiceEvent>,
    ) -> Result<SendOutcome, AttemptConclusion> {
        let refused = |reason: &str| AttemptConclusion::Outcome(SendOutcome::Refused(reason.to_owned()));
        let client = event.payload.addressee().ok_or_else(|| refused("the event names no client"))?;
        let notice =
            NotificationKind::for_event(&event.payload).ok_or_else(|| refused("clients are not notified of it"))?;
        let preferences = notifications::preferences(&self.database, client.id).await.map_err(not_tried)?;
        if !preferences.channels(notice).contains(&lease.recipient.channel) {
            return Err(AttemptConclusion::Suppressed("the client does not want it any more".to_owned()));
        }
        match (lease.recipient.channel, &preferences.sms_number) {
            (Channel::Email, _) => self.send_email(lease, event, client).await,
            (Channel::Sms, Some(number)) => {
                let text = self.templates.sms(&event.payload, client).map_err(not_composed)?;
                Ok(self.text_messages.send(number, &text).await)
            }
            (Channel::Sms, None) => Err(AttemptConclusion::Suppressed("the client has no telephone number".to_owned())),
        }
    }

    async fn send_email(
        &self,
        lease: &DeliveryLease<NotificationRecipient>,
        event: &CloudEvent<InvoiceEvent>,
        client: &ClientDetails,
    ) -> Result<SendOutcome, AttemptConclusion> {
        if let Some(known) = notifications::suppression(&self.database, &client.email).await.map_err(not_tried)? {
            return Err(AttemptConclusion::Suppressed(format!("{} since {}", known.reason, known.since)));
        }
        let email = self.templates.email(&event.payload, client).map_err(not_composed)?;
        let document = match &event.payload {
            InvoiceEvent::ReceiptIssued(receipt) => Some((&receipt.document_key, &receipt.number)),
            InvoiceEvent::RefundReceiptIssued(receipt) => Some((&receipt.document_key, &receipt.number)),
            _ => None,
        };
        let file = match document {
            None => None,
            Some((key, number)) => Some(self.documents.read(key, number).await.map_err(no_document)?),
        };
        let tags = tags::tags_for(lease.recipient, &lease.delivery.event_key);
        Ok(self.mail.send(&client.email, &email, file, &tags).await)
    }

    /// Records the outcome of the attempt, and when the next one is due.
    async fn record(
        &self,
        lease: &DeliveryLease<NotificationRecipient>,
        conclusion: AttemptConclusion,
    ) -> Result<ProviderAvailability, NotificationError> {
        let now = Utc::now();
        let outcome = match conclusion {
            AttemptConclusion::Outcome(outcome) => outcome,
            AttemptConclusion::Suppressed(reason) => {
                tracing::info!(notification = %NamedNotification(lease), reason, "notification not sent");
                self.finish(lease, DeliveryState::Held, Some(&failed(now, &reason)), None).await?;
                return Ok(ProviderAvailability::There);
            }
            AttemptConclusion::NoDocument(reason) => {
                return self.retry_or_give_up(lease, reason).await.map(|()| ProviderAvailability::There);
            }
            AttemptConclusion::NotTried(reason) => {
                tracing::warn!(notification = %NamedNotification(lease), reason, "notification deferred");
                self.finish(lease, DeliveryState::Pending, None, Some(now + OWN_FAILURE_PAUSE)).await?;
                return Ok(ProviderAvailability::There);
            }
        };
        match outcome {
            SendOutcome::Taken(message_id) => {
                tracing::info!(notification = %NamedNotification(lease), message_id, "sent");
                let attempt = DeliveryAttempt { at: now, status: None, failure: None, message_id: Some(message_id) };
                self.finish(lease, DeliveryState::Delivered, Some(&attempt), None).await?;
                Ok(ProviderAvailability::There)
            }
            SendOutcome::NotTaken(reason) => {
                self.retry_or_give_up(lease, reason).await.map(|()| ProviderAvailability::Away)
            }
            SendOutcome::Refused(reason) => {
                self.park(lease, "refused", &reason).await?;
                self.finish(lease, DeliveryState::Failed, Some(&failed(now, &reason)), None).await?;
                Ok(ProviderAvailability::There)
            }
            SendOutcome::Unknown(reason) => {
                tracing::warn!(notification = %NamedNotification(lease), reason, "outcome of the notification is unknown");
                self.finish(lease, DeliveryState::Unknown, Some(&failed(now, &reason)), Some(now + DECIDE_AFTER))
                    .await?;
                Ok(ProviderAvailability::Away)
            }
        }
    }

    /// Schedules the next attempt, or gives up.
    async fn retry_or_give_up(
        &self,
        lease: &DeliveryLease<NotificationRecipient>,
        reason: String,
    ) -> Result<(), NotificationError> {
        let (now, attempts) = (Utc::now(), lease.delivery.attempts + 1);
        let attempt = failed(now, &reason);
        if let Some(pause) = pause_after(attempts, fastrand::i32(0..=JITTER_PERMILLE_MAX)) {
            tracing::warn!(notification = %NamedNotification(lease), attempts, reason, pause_s = pause.num_seconds(), "notification not accepted; it will be retried");
            return self.finish(lease, DeliveryState::Pending, Some(&attempt), Some(now + pause)).await;
        }
        self.park(lease, "expired", &format!("{attempts} attempts; the last: {reason}")).await?;
        self.finish(lease, DeliveryState::Failed, Some(&attempt), None).await
    }

    async fn finish(
        &self,
        lease: &DeliveryLease<NotificationRecipient>,
        state: DeliveryState,
        attempt: Option<&DeliveryAttempt>,
        next: Option<DateTime<Utc>>,
    ) -> Result<(), NotificationError> {
        let concluded = self.table.finish(lease, state, attempt, next).await?;
        if !concluded {
            tracing::info!(notification = %NamedNotification(lease), "provider feedback or another worker was faster");
        }
        Ok(())
    }

    /// Parks the event in the dead-letter queue, for this channel.
    async fn park(
        &self,
        lease: &DeliveryLease<NotificationRecipient>,
        code: &'static str,
        reason: &str,
    ) -> Result<(), NotificationError> {
        let reason = format!("{} {}: {reason}", lease.recipient.channel, lease.delivery.event_key.id());
        // `NotificationParkedMetric` in the template counts this line.
        tracing::error!(alarm = "notification_parked", notification = %NamedNotification(lease), code, reason, "client not notified");
        let record = Record {
            // If it is parked again within five minutes, SQS must not deduplicate it.
            message_id: Uuid::now_v7().to_string(),
            group_id: lease.delivery.subject.clone(),
            body: lease.delivery.body.clone(),
            receive_count: lease.delivery.attempts + 1,
        };
        Ok(self.dead_letters.park(&record, &PermanentFailure { code, reason }).await?)
    }
}

fn failed(at: DateTime<Utc>, reason: &str) -> DeliveryAttempt {
    DeliveryAttempt { at, status: None, failure: Some(reason.to_owned()), message_id: None }
}

/// Identifies a notification in logs, without the address.
struct NamedNotification<'a>(&'a DeliveryLease<NotificationRecipient>);

impl std::fmt::Display for NamedNotification<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} of event {}", self.0.recipient, self.0.delivery.event_key.id())
    }
}
