//! Sends status inquiries and event backfills to the gateways.

use std::collections::HashMap;
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use quittance_domain::command::{GatewayCommand, ListEvents, QueryPayment};
use quittance_domain::error::Chain;
use quittance_domain::event::EventMessage;
use quittance_domain::inquiry;
use quittance_lambda::command_queue::GatewayQueues;
use quittance_lambda::envelope::CloudEvent;
use quittance_providers::api::Api;
use quittance_store::inquiries::{self, DueInquiry};
use quittance_store::outbox::{self, Destination};
use quittance_store::{Database, StoreError, event_backfills};
use uuid::Uuid;

use crate::FUNCTION;
use crate::relay::time_is_left;

/// The number of rows locked together, so that a transaction stays short.
const BATCH_SIZE_MAX: i64 = 100;

/// The interval of event backfills.
const LISTED_EVERY: TimeDelta = TimeDelta::minutes(30);

/// A backfill starts this much before the end of the last one, because a gateway may list an event some time after it
/// happened.
const OVERLAP: TimeDelta = TimeDelta::minutes(30);

/// The gateways that support inquiries, by provider.
#[derive(Debug, Clone, Default)]
pub struct InquirableGateways {
    /// Those that support status inquiries.
    pub about_payments: Vec<&'static str>,
    /// Those that list their events.
    pub for_events: Vec<&'static str>,
}

impl InquirableGateways {
    /// The providers with a command queue that support them.
    #[must_use]
    pub fn from_queue_urls(queue_urls: &HashMap<&'static str, String>) -> Self {
        let able = |is_able: fn(&dyn Api) -> bool| {
            let providers = quittance_providers::ALL.iter().filter(|provider| queue_urls.contains_key(provider.name()));
            providers.filter(|provider| provider.api().is_some_and(is_able)).map(|provider| provider.name()).collect()
        };
        Self { about_payments: able(|_| true), for_events: able(|api| api.lists_events()) }
    }
}

/// Writes due inquiries into the outbox, and sends them. Returns their number.
///
/// # Errors
/// [`StoreError`] if the database fails; inquiries that were written by then are still made once.
pub async fn ask(
    database: &Database,
    askable: &InquirableGateways,
    gateways: &GatewayQueues,
    now: DateTime<Utc>,
    deadline: SystemTime,
) -> Result<usize, StoreError> {
    let event_backfills = list(database, &askable.for_events, now).await?;
    send(database, gateways, &event_backfills).await;
    let mut written = event_backfills.len();
    while time_is_left(deadline) {
        let mut transaction = database.begin().await?;
        let due = inquiries::lock_due(&mut transaction, &askable.about_payments, now, BATCH_SIZE_MAX).await?;
        if due.is_empty() {
            break;
        }
        let (mut asked, mut ended, mut messages) = (Vec::new(), Vec::new(), Vec::new());
        for due in due {
            let id = due.payment_id;
            let next = inquiry::next(id, due.since, due.asked).filter(|_| due.status.is_undecided());
            let Some((planned_at, is_last)) = next else {
                ended.push(id);
                continue;
            };
            match inquiry::next(id, due.since, due.asked + 1) {
                // After an interruption, inquiries keep their intervals.
                Some((next_at, _)) => asked.push((id, next_at.max(now + (next_at - planned_at)))),
                None => ended.push(id),
            }
            messages.push(message(GatewayCommand::QueryPayment(query(due, is_last)), now)?);
        }
        outbox::insert(&mut transaction, Destination::GatewayCommands, &messages).await?;
        inquiries::schedule_next(&mut transaction, &asked).await?;
        inquiries::end(&mut transaction, &ended).await?;
        transaction.commit().await?;
        send(database, gateways, &messages).await;
        written += messages.len();
    }
    Ok(written)
}

/// Sends what was committed. What is not sent or marked now follows from the outbox later.
async fn send(database: &Database, gateways: &GatewayQueues, messages: &[EventMessage]) {
    if messages.is_empty() {
        return;
    }
    let sent = gateways.publish(messages).await.published;
    if let Err(error) = outbox::mark_published(database, &sent).await {
        tracing::warn!(error = %Chain(&error), "sent inquiries were not marked as sent");
    }
}

async fn list(database: &Database, providers: &[&str], now: DateTime<Utc>) -> Result<Vec<EventMessage>, StoreError> {
    let mut transaction = database.begin().await?;
    let due = event_backfills::advance(&mut transaction, providers, now - LISTED_EVERY, now).await?;
    let mut messages = Vec::new();
    for (provider, until) in due {
        let provider = provider.parse().map_err(|error| corrupt("payments.listings", &error))?;
        let backfill = ListEvents { provider, from: until - OVERLAP, until: now };
        messages.push(message(GatewayCommand::ListEvents(backfill), now)?);
    }
    outbox::insert(&mut transaction, Destination::GatewayCommands, &messages).await?;
    transaction.commit().await?;
    Ok(messages)
}

/// An inquiry about our own charge uses our ids: its transaction ids may be those of earlier attempts.
fn query(due: DueInquiry, is_last: bool) -> QueryPayment {
    QueryPayment {
        payment_id: due.payment_id,
        names: if due.charge.is_none() { due.names } else { Vec::new() },
        may_repeat: due.is_wanted,
        transaction_id: due.transaction_id,
        provider: due.provider,
        charge: due.charge,
        round: due.asked + 1,
        since: due.since,
        is_last,
    }
}

fn message(command: GatewayCommand, now: DateTime<Utc>) -> Result<EventMessage, StoreError> {
    let (subject, correlation_id) = (command.subject().to_owned(), command.name());
    let envelope = CloudEvent::new(Uuid::now_v7(), FUNCTION, subject, now, correlation_id, command);
    envelope.message().map_err(|error| corrupt("payments.outbox", &error))
}

fn corrupt(table: &'static str, reason: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt { table, reason: reason.to_string() }
}
