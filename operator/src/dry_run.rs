//! Forecasts what a parked message would do if it were replayed now.

use anyhow::{Context, Result};
use chrono::Utc;
use chrono_tz::Tz;
use quittance_deliveries::{DeliveryState, EventKey};
use quittance_domain::event::InvoiceEvent;
use quittance_domain::ledger::posting;
use quittance_domain::notification::{NOTIFIED_UNTIL, NotificationKind, NotificationRecipient};
use quittance_lambda::envelope::CloudEvent;
use quittance_processor::rehearse::{Rehearsal, rehearse};
use quittance_store::audit::Change;
use quittance_store::{ledger, notifications, webhook_endpoints};
use serde::{Serialize, Serializer};

use crate::age::made_at;
use crate::dead_letters::DeadLetter;
use crate::deployment::Deployment;
use crate::redact::{HIDDEN, redacted};
use crate::rejected;

/// Whether a replay is useful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayProspect {
    /// It would have an effect.
    Changes,
    /// Its effect exists already: it would change nothing.
    Applied,
    /// It would be parked again.
    Refused,
    /// Only its function can determine it; it does nothing twice.
    Open,
}

impl ReplayProspect {
    /// The prospect as text for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changes => "would have an effect",
            Self::Applied => "has had its effect",
            Self::Refused => "would be parked again",
            Self::Open => "outcome known only to the function",
        }
    }
}

/// The delivery of an event to one recipient.
#[derive(Debug, Clone, Serialize)]
pub struct ConsumerState {
    /// The channel to the client, or the endpoint's id.
    pub recipient: String,
    /// The state of the delivery; none if it does not exist yet. A recorded delivery is completed by the schedule.
    #[serde(serialize_with = "by_name")]
    pub state: Option<DeliveryState>,
}

fn by_name<S: Serializer>(state: &Option<DeliveryState>, serializer: S) -> Result<S::Ok, S::Error> {
    state.map(|state| state.as_str()).serialize(serializer)
}

/// The forecast of a replay.
#[derive(Debug, Clone, Serialize)]
pub struct DryRun {
    pub prospect: ReplayProspect,
    /// The explanation.
    pub says: Vec<String>,
    /// The changes of payments and invoices that would be written.
    pub changes: Vec<Change>,
    /// The state of its deliveries, if it has external recipients.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deliveries: Vec<ConsumerState>,
}

impl DryRun {
    pub(crate) fn new(prospect: ReplayProspect, says: impl Into<String>) -> Self {
        Self::saying(prospect, vec![says.into()])
    }

    pub(crate) const fn saying(prospect: ReplayProspect, says: Vec<String>) -> Self {
        Self { prospect, says, changes: Vec::new(), deliveries: Vec::new() }
    }

    /// The same without potential personal data.
    #[must_use]
    pub fn redacted(mut self) -> Self {
        for change in &mut self.changes {
            HIDDEN.clone_into(&mut change.reason);
            change.before = redacted(&change.before);
            change.after = redacted(&change.after);
        }
        self
    }

    fn unexpected(event: &CloudEvent<InvoiceEvent>, what: &str) -> Self {
        Self::new(ReplayProspect::Refused, format!("unexpected_type: {what} for {}", event.payload.type_name()))
    }

    /// For a function whose work is done when every recipient has a delivery; `nobody` means that there are no
    /// recipients.
    fn of_deliveries(deliveries: Vec<ConsumerState>, nobody: &str) -> Self {
        if deliveries.is_empty() {
            return Self::new(ReplayProspect::Applied, nobody);
        }
        let is_recorded = deliveries.iter().all(|one| one.state.is_some());
        let state = |one: &ConsumerState| one.state.map_or("to be delivered", |state| state.as_str());
        let prospect = if is_recorded { ReplayProspect::Applied } else { ReplayProspect::Changes };
        let says = deliveries.iter().map(|one| format!("{}: {}", one.recipient, state(one))).collect();
        Self { deliveries, ..Self::saying(prospect, says) }
    }
}

impl Deployment {
    /// Forecasts what a message would do now. Decisions about payments are actually made, and rolled back.
    ///
    /// # Errors
    /// When the database or a table does not answer.
    pub async fn forecast(&self, dead_letter: &DeadLetter) -> Result<DryRun> {
        self.forecast_at(dead_letter.queue.reader(), dead_letter).await
    }

    async fn forecast_at(&self, reader: &str, dead_letter: &DeadLetter) -> Result<DryRun> {
        match reader {
            "payments" => self.at_payments(&dead_letter.body).await,
            "validator" => Ok(rejected::forecast(dead_letter)),
            "ledger" | "receipt" | "notification" | "webhook" => self.at_consumer(reader, &dead_letter.body).await,
            reader if reader.ends_with("-gateway") => Ok(DryRun::new(
                ReplayProspect::Open,
                "the gateway is called with the same idempotency key; a charge older than an hour is only looked up",
            )),
            "uploads" => Ok(DryRun::new(
                ReplayProspect::Open,
                "the import resumes at the first line not queued yet; no line is queued twice",
            )),
            "delivery" => Ok(DryRun::new(
                ReplayProspect::Applied,
                "the deliveries table has what is due, and the relay sends it: the message can be discarded",
            )),
            _ => Ok(DryRun::new(ReplayProspect::Open, "it is processed again")),
        }
    }

    async fn at_payments(&self, body: &str) -> Result<DryRun> {
        // The seller's time zone is not configured here. It determines the accounting date, and the day of the limit
        // for what one person enters or approves: around midnight the processor's result may differ.
        let now = Utc::now().with_timezone(&Tz::UTC);
        let rehearsed = rehearse(&self.database, body, now).await.context("the dry run failed")?;
        Ok(match rehearsed {
            Rehearsal::Refused(refusal) => {
                DryRun::new(ReplayProspect::Refused, format!("{}: {}", refusal.code, refusal.reason))
            }
            Rehearsal::Known => DryRun::new(ReplayProspect::Applied, "everything in it is recorded already"),
            Rehearsal::Changes { changes, emitted } => {
                let tells: Vec<&str> =
                    emitted.events.iter().chain(&emitted.commands).map(|one| &*one.event_type).collect();
                let tells =
                    if tells.is_empty() { "emits nothing".to_owned() } else { format!("emits {}", tells.join(", ")) };
                DryRun { changes, ..DryRun::new(ReplayProspect::Changes, tells) }
            }
        })
    }

    /// What an event would do at one of its consumers.
    ///
    /// # Errors
    /// When the database or a table does not answer.
    pub async fn at_consumer(&self, consumer: &str, body: &str) -> Result<DryRun> {
        let event = match CloudEvent::<InvoiceEvent>::parse(body) {
            Ok(event) => event,
            Err(error) => return Ok(DryRun::new(ReplayProspect::Refused, format!("{}: {error}", error.code()))),
        };
        match consumer {
            "ledger" => self.at_ledger(&event).await,
            "receipt" => self.at_receipt(&event).await,
            "notification" => self.at_notification(&event).await,
            _ => self.at_webhook(&event).await,
        }
    }

    async fn at_ledger(&self, event: &CloudEvent<InvoiceEvent>) -> Result<DryRun> {
        let posting = match posting(&event.payload) {
            Ok(Some(posting)) => posting,
            Ok(None) => return Ok(DryRun::new(ReplayProspect::Applied, "it moves no money: nothing is posted")),
            Err(error) => return Ok(DryRun::new(ReplayProspect::Refused, error.to_string())),
        };
        let posted = ledger::posted(&self.database, &[event.id.to_string()]).await?;
        if !posted.is_empty() {
            return Ok(DryRun::new(ReplayProspect::Applied, format!("event {} is posted already", event.id)));
        }
        let entry = |(account, amount): &(_, _)| format!("posts {amount} on {account}");
        Ok(DryRun::saying(ReplayProspect::Changes, posting.entries.iter().map(entry).collect()))
    }

    async fn at_receipt(&self, event: &CloudEvent<InvoiceEvent>) -> Result<DryRun> {
        match &event.payload {
            InvoiceEvent::Refunded(refund) if refund.client.is_none() => {
                return Ok(DryRun::new(
                    ReplayProspect::Applied,
                    "the payer of the refund is unknown: no receipt is issued",
                ));
            }
            payload if !has_receipt(payload) => return Ok(DryRun::unexpected(event, "no receipt is issued")),
            _ => {}
        }
        if self.tables.receipts()?.is_completed(&event.id.to_string(), Utc::now()).await? {
            return Ok(DryRun::new(
                ReplayProspect::Applied,
                format!("the receipt of event {} is issued already", event.id),
            ));
        }
        Ok(DryRun::new(
            ReplayProspect::Changes,
            "writes the receipt; the same event always yields the same number, key and bytes",
        ))
    }

    async fn at_notification(&self, event: &CloudEvent<InvoiceEvent>) -> Result<DryRun> {
        let Some(notice) = NotificationKind::for_event(&event.payload) else {
            return Ok(DryRun::unexpected(event, "no notification is sent"));
        };
        if event.time < Utc::now() - NOTIFIED_UNTIL {
            return Ok(DryRun::new(ReplayProspect::Refused, "too_old: it may have been sent before"));
        }
        let Some(client) = event.payload.addressee() else {
            return Ok(DryRun::new(ReplayProspect::Applied, "the payer is unknown: no notification"));
        };
        let preferences = notifications::preferences(&self.database, client.id).await?;
        let (table, key) = (self.tables.notifications()?, EventKey::new(event.time, event.id));
        let mut deliveries = Vec::new();
        for channel in preferences.channels(notice) {
            let found = table.find(NotificationRecipient { channel, client_id: client.id }, &key).await?;
            deliveries.push(ConsumerState { recipient: channel.to_string(), state: found.map(|one| one.state) });
        }
        let mut forecast = DryRun::of_deliveries(deliveries, "the client has no channel enabled for it");
        // The function replays deliveries that were given up or held, unless the provider accepted them.
        let is_given_up = |one: &ConsumerState| matches!(one.state, Some(DeliveryState::Failed | DeliveryState::Held));
        if forecast.prospect == ReplayProspect::Applied && forecast.deliveries.iter().any(is_given_up) {
            forecast.prospect = ReplayProspect::Open;
        }
        Ok(forecast)
    }

    async fn at_webhook(&self, event: &CloudEvent<InvoiceEvent>) -> Result<DryRun> {
        let endpoints = webhook_endpoints::subscribed_to(&self.database, event.payload.type_name()).await?;
        let (table, key) = (self.tables.webhooks()?, EventKey::new(event.time, event.id));
        let mut deliveries = Vec::new();
        let mut younger = Vec::new();
        for (endpoint, _) in &endpoints {
            let found = table.find(*endpoint, &key).await?;
            if found.is_none() && made_at(endpoint.as_uuid()).is_some_and(|made_at| made_at > event.time) {
                younger.push(format!("{endpoint}: created after the event; would receive it, too"));
            } else {
                deliveries.push(ConsumerState { recipient: endpoint.to_string(), state: found.map(|one| one.state) });
            }
        }
        let mut forecast = DryRun::of_deliveries(deliveries, "no endpoint subscribes to it");
        forecast.says.extend(younger);
        Ok(forecast)
    }
}

/// Whether receipts are issued for such events.
pub(crate) const fn has_receipt(event: &InvoiceEvent) -> bool {
    matches!(event, InvoiceEvent::Paid(_) | InvoiceEvent::PartiallyPaid(_) | InvoiceEvent::Refunded(_))
}
