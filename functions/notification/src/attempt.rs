//! One attempt to tell a client, and what is noted of it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use quittance_deliveries::{Attempt, EventKey, Lease, State, tags};
use quittance_domain::event::InvoiceEvent;
use quittance_domain::notification::{Addressee, Channel, Notice};
use quittance_domain::party::ClientDetails;
use quittance_lambda::batch::{Record, Refusal};
use quittance_lambda::envelope::CloudEvent;
use quittance_store::{StoreError, notifications};
use uuid::Uuid;

use crate::handler::Notifications;
use crate::outcome::Outcome;
use crate::schedule::{DECIDE_AFTER, JITTER_PERMILLE_MAX, PATIENCE, WORDS_IN_ORDER_WITHIN, pause_after};

/// Reading a receipt and calling a provider take no longer.
pub(crate) const ATTEMPT_MAX: Duration = Duration::from_secs(25);

/// A lease outlives its attempt by this: the clocks of two workers differ by less.
const LEASE_MARGIN: TimeDelta = TimeDelta::seconds(30);

/// A failure on our own side is no attempt; it is tried again after this.
const OWN_FAILURE_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// Whether a provider could be talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It answered, or was not asked.
    There,
    /// It did not take what it was given.
    Away,
}

/// What is done instead of, or after, an attempt.
enum Conclusion {
    /// The provider's answer.
    Outcome(Outcome),
    /// It must not be sent: its address is suppressed, or the client does not want it any more.
    Suppressed(String),
    /// What goes with it cannot be read.
    NoDocument(String),
    /// It could not be tried.
    NotTried(String),
}

fn not_tried(error: StoreError) -> Conclusion {
    Conclusion::NotTried(error.to_string())
}

fn not_composed(error: String) -> Conclusion {
    Conclusion::Outcome(Outcome::Refused(format!("it cannot be composed: {error}")))
}

impl Notifications {
    /// Tells a client, if it is due and nobody else does.
    ///
    /// # Errors
    /// A sentence, if the table or the dead-letter queue fails. What is due then stays so.
    pub(crate) async fn attempt(&self, recipient: Addressee, event_key: &EventKey) -> Result<Standing, String> {
        let now = Utc::now();
        let until = now + TimeDelta::from_std(ATTEMPT_MAX).unwrap_or_default() + LEASE_MARGIN;
        let lease = self.table.lease_once(recipient, event_key, now, (until, now + DECIDE_AFTER)).await;
        let Some(lease) = lease.map_err(|error| error.to_string())? else { return Ok(Standing::There) };
        if lease.delivery.state == State::Unknown && !self.was_never_taken(&lease, now).await? {
            return Ok(Standing::There);
        }
        let conclusion = match CloudEvent::<InvoiceEvent>::parse(&lease.delivery.body) {
            Ok(event) => self.send(&lease, &event).await.map_or_else(|instead| instead, Conclusion::Outcome),
            Err(error) => Conclusion::Outcome(Outcome::Refused(error.to_string())),
        };
        self.note(&lease, conclusion).await
    }

    /// Whether an attempt without an answer is known not to have been taken; if not, that is noted.
    async fn was_never_taken(&self, lease: &Lease<Addressee>, now: DateTime<Utc>) -> Result<bool, String> {
        let delivery = &lease.delivery;
        let given_at = delivery.next_attempt_at - DECIDE_AFTER;
        let error = |error: quittance_deliveries::TableError| error.to_string();
        // An attempt that never has an answer is not made for ever.
        let is_over = now >= delivery.recorded_at + PATIENCE || pause_after(delivery.attempts.max(1), 0).is_none();
        let waits = lease.recipient.channel == Channel::Email && !is_over;
        if waits && self.table.have_words_come_since(given_at, WORDS_IN_ORDER_WITHIN).await.map_err(error)? {
            tracing::info!(notification = %Named(lease), "the provider never took it: it is tried again");
            return Ok(true);
        }
        if waits {
            self.conclude(lease, State::Unknown, None, Some(now + DECIDE_AFTER)).await?;
            return Ok(false);
        }
        let reason =
            "nobody knows whether it was sent; send it again only if its addressee does not have it".to_owned();
        self.park(lease, "outcome_unknown", &reason).await?;
        // Without a time it is not looked at again.
        self.conclude(lease, State::Unknown, None, None).await?;
        Ok(false)
    }

    /// Hands the message over, if the client still wants it.
    async fn send(&self, lease: &Lease<Addressee>, event: &CloudEvent<InvoiceEvent>) -> Result<Outcome, Conclusion> {
        let refused = |reason: &str| Conclusion::Outcome(Outcome::Refused(reason.to_owned()));
        let client = event.payload.addressee().ok_or_else(|| refused("the event names no client"))?;
        let notice = Notice::of(&event.payload).ok_or_else(|| refused("clients are not told of it"))?;
        let preferences = notifications::preferences(&self.database, client.id).await.map_err(not_tried)?;
        if !preferences.channels(notice).contains(&lease.recipient.channel) {
            return Err(Conclusion::Suppressed("the client does not want it any more".to_owned()));
        }
        match (lease.recipient.channel, &preferences.sms_number) {
            (Channel::Email, _) => self.send_email(lease, event, client).await,
            (Channel::Sms, Some(number)) => {
                let text = self.templates.sms(&event.payload, client).map_err(not_composed)?;
                Ok(self.text_messages.send(number, &text).await)
            }
            (Channel::Sms, None) => Err(Conclusion::Suppressed("the client has no telephone number".to_owned())),
        }
    }

    async fn send_email(
        &self,
        lease: &Lease<Addressee>,
        event: &CloudEvent<InvoiceEvent>,
        client: &ClientDetails,
    ) -> Result<Outcome, Conclusion> {
        if let Some(known) = notifications::suppression(&self.database, &client.email).await.map_err(not_tried)? {
            return Err(Conclusion::Suppressed(format!("{} since {}", known.reason, known.since)));
        }
        let email = self.templates.email(&event.payload, client).map_err(not_composed)?;
        let document = match &event.payload {
            InvoiceEvent::ReceiptIssued(receipt) => Some((&receipt.document_key, &receipt.number)),
            InvoiceEvent::RefundReceiptIssued(receipt) => Some((&receipt.document_key, &receipt.number)),
            _ => None,
        };
        let file = match document {
            None => None,
            Some((key, number)) => Some(self.documents.read(key, number).await.map_err(Conclusion::NoDocument)?),
        };
        let tags = tags::of(lease.recipient, &lease.delivery.event_key);
        Ok(self.mail.send(&client.email, &email, file, &tags).await)
    }

    /// Notes what the attempt came to, and when the next one is.
    async fn note(&self, lease: &Lease<Addressee>, conclusion: Conclusion) -> Result<Standing, String> {
        let now = Utc::now();
        let outcome = match conclusion {
            Conclusion::Outcome(outcome) => outcome,
            Conclusion::Suppressed(reason) => {
                tracing::info!(notification = %Named(lease), reason, "it is not sent");
                self.conclude(lease, State::Held, Some(&failed(now, &reason)), None).await?;
                return Ok(Standing::There);
            }
            Conclusion::NoDocument(reason) => return self.not_taken(lease, reason).await.map(|()| Standing::There),
            Conclusion::NotTried(reason) => {
                tracing::warn!(notification = %Named(lease), reason, "it is tried later");
                self.conclude(lease, State::Pending, None, Some(now + OWN_FAILURE_PAUSE)).await?;
                return Ok(Standing::There);
            }
        };
        match outcome {
            Outcome::Taken(message_id) => {
                tracing::info!(notification = %Named(lease), message_id, "sent");
                let attempt = Attempt { at: now, status: None, failure: None, message_id: Some(message_id) };
                self.conclude(lease, State::Delivered, Some(&attempt), None).await?;
                Ok(Standing::There)
            }
            Outcome::NotTaken(reason) => self.not_taken(lease, reason).await.map(|()| Standing::Away),
            Outcome::Refused(reason) => {
                self.park(lease, "refused", &reason).await?;
                self.conclude(lease, State::Failed, Some(&failed(now, &reason)), None).await?;
                Ok(Standing::There)
            }
            Outcome::Unknown(reason) => {
                tracing::warn!(notification = %Named(lease), reason, "nobody knows whether it was sent");
                self.conclude(lease, State::Unknown, Some(&failed(now, &reason)), Some(now + DECIDE_AFTER)).await?;
                Ok(Standing::Away)
            }
        }
    }

    /// Notes when it is tried again, or gives it up.
    async fn not_taken(&self, lease: &Lease<Addressee>, reason: String) -> Result<(), String> {
        let (now, attempts) = (Utc::now(), lease.delivery.attempts + 1);
        let attempt = failed(now, &reason);
        if let Some(pause) = pause_after(attempts, fastrand::i32(0..=JITTER_PERMILLE_MAX)) {
            tracing::warn!(notification = %Named(lease), attempts, reason, pause_s = pause.num_seconds(), "it was not taken");
            return self.conclude(lease, State::Pending, Some(&attempt), Some(now + pause)).await;
        }
        self.park(lease, "expired", &format!("{attempts} attempts; the last: {reason}")).await?;
        self.conclude(lease, State::Failed, Some(&attempt), None).await
    }

    async fn conclude(
        &self,
        lease: &Lease<Addressee>,
        state: State,
        attempt: Option<&Attempt>,
        next: Option<DateTime<Utc>>,
    ) -> Result<(), String> {
        let concluded = self.table.conclude(lease, state, attempt, next).await.map_err(|error| error.to_string())?;
        if !concluded {
            tracing::info!(notification = %Named(lease), "the provider's word, or another worker, was quicker");
        }
        Ok(())
    }

    /// Puts the event into the dead-letter queue, for this channel.
    async fn park(&self, lease: &Lease<Addressee>, code: &'static str, reason: &str) -> Result<(), String> {
        let reason = format!("{} {}: {reason}", lease.recipient.channel, lease.delivery.event_key.id());
        // `NotificationParkedMetric` in the template counts this line.
        tracing::error!(alarm = "notification_parked", notification = %Named(lease), code, reason, "a client is not told");
        let record = Record {
            // Parked again within five minutes, it is another message.
            message_id: Uuid::now_v7().to_string(),
            group_id: lease.delivery.subject.clone(),
            body: lease.delivery.body.clone(),
            receive_count: lease.delivery.attempts + 1,
        };
        self.dead_letters.park(&record, &Refusal { code, reason }).await
    }
}

fn failed(at: DateTime<Utc>, reason: &str) -> Attempt {
    Attempt { at, status: None, failure: Some(reason.to_owned()), message_id: None }
}

/// Which notification is meant, in logs: no address.
struct Named<'a>(&'a Lease<Addressee>);

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} of event {}", self.0.recipient, self.0.delivery.event_key.id())
    }
}
