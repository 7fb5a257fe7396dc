//! `quittance payment show` and `quittance invoice show`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use chrono::TimeDelta;
use quittance_domain::fact::Fact;
use quittance_domain::id::{InvoiceId, TransactionId};
use quittance_domain::ledger::Account;
use quittance_domain::ledger::journal::LedgerTransaction;
use quittance_domain::money::Money;
use quittance_store::audit::{self, AuditFilter, StoredAuditRecord};
use quittance_store::books::{self, TransactionFilter};
use quittance_store::cases::{self, KnownCase};
use quittance_store::outbox::{self, OutboxFilter, OutboxMessage};
use quittance_store::payments::{self, PaymentView};
use quittance_store::{allocations, facts, invoices, refunds};
use serde_json::{Value, json};
use uuid::Uuid;

use super::events::CONSUMERS;
use super::outbox::to_json;
use crate::age::made_at;
use crate::deployment::Deployment;
use crate::dry_run::{ConsumerState, ReplayProspect};
use crate::report::{Report, table};

/// The maximum number of rows of each kind; normally there are fewer.
const ROWS_MAX: i64 = 500;

pub(super) async fn payment(deployment: &Deployment, name: &str) -> Result<Report> {
    let (_, name) = TransactionId::with_provider(name)?;
    let found = payments::find(&deployment.database, &name, None).await?;
    let payment = found.with_context(|| {
        format!("there is no payment {name}; its message may be parked: quittance dlq list --group {name}")
    })?;
    let mut snapshot = deployment.database.snapshot().await?;
    let facts: Vec<Fact> =
        facts::of_payments(&mut snapshot, &[payment.id]).await?.into_iter().map(|(_, fact)| fact).collect();
    let allocated = allocations::of_payments(&mut snapshot, &[payment.id]).await?;
    let cases = cases::of_payments(&mut snapshot, &[payment.id]).await?;
    let filter = TransactionFilter { payment_id: Some(payment.id), ..TransactionFilter::default() };
    let booked = books::transactions(&mut snapshot, &filter, ROWS_MAX).await?;
    drop(snapshot);
    let refunds = refunds::views(&deployment.database, payment.id).await?;
    let subjects = vec![payment.id.to_string(), name.to_string()];
    let records = records(deployment, subjects).await?;
    let mut groups: Vec<String> = payment.invoices.iter().map(ToString::to_string).collect();
    groups.extend(allocated.iter().map(|(_, allocation)| allocation.invoice_id.to_string()));
    groups.push(payment.id.to_string());
    let id = payment.id.to_string();
    let is_ours = |message: &OutboxMessage| message.group_id == id || message.body.contains(&id);
    let events = deliveries(deployment, groups, payment.id.as_uuid(), is_ours).await?;
    let text = [
        standing(&payment),
        evidence(&facts),
        table(
            ["paid", "amount"],
            allocated.iter().map(|(_, one)| [one.invoice_id.to_string(), one.amount.to_string()]).collect(),
            "No invoice was paid.",
        ),
        decided(&cases),
        table(
            ["refund", "amount", "status"],
            refunds.iter().map(|one| [one.id.to_string(), one.amount.to_string(), one.status.clone()]).collect(),
            "No refund was requested.",
        ),
        entries(&booked),
        events.text,
        done(&records),
    ];
    let json = json!({
        "id": payment.id, "transaction_id": payment.transaction_id, "provider": payment.provider,
        "status": payment.status, "amount": payment.amount, "allocated": payment.allocated, "surplus": payment.surplus,
        "returned": payment.returned, "invoices": payment.invoices,
        "evidence": facts.iter().map(fact).collect::<Vec<Value>>(),
        "ledger": booked.iter().map(transaction).collect::<Vec<Value>>(), "told": events.json, "records": records,
    });
    Ok(Report::new(text.join("\n\n"), json))
}

pub(super) async fn invoice(deployment: &Deployment, id: InvoiceId) -> Result<Report> {
    let record =
        invoices::find(&deployment.database, id, None).await?.with_context(|| format!("there is no invoice {id}"))?;
    let mut snapshot = deployment.database.snapshot().await?;
    let filter = TransactionFilter { invoice_id: Some(id), ..TransactionFilter::default() };
    let booked = books::transactions(&mut snapshot, &filter, ROWS_MAX).await?;
    drop(snapshot);
    let happened = audit::timeline(&deployment.database, id, None, ROWS_MAX).await?;
    let events = deliveries(deployment, vec![id.to_string()], id.as_uuid(), |_| true).await?;
    let invoice = &record.invoice;
    let number = record.number.clone().unwrap_or_else(|| "without a number".to_owned());
    let text = [
        format!(
            "{number} ({id}) of {}: {}, total {}, paid {}, credited {}, version {}",
            invoice.client_id(),
            invoice.status(),
            invoice.total(),
            invoice.paid(),
            invoice.credited(),
            invoice.version()
        ),
        table(
            ["at", "what", "by", "why"],
            happened
                .iter()
                .map(|one| [one.at.to_rfc3339(), one.action.clone(), one.actor.clone(), one.reason.clone()])
                .collect(),
            "No changes.",
        ),
        entries(&booked),
        events.text,
    ];
    let timeline: Vec<Value> = happened
        .iter()
        .map(|one| json!({"id": one.id, "at": one.at, "what": one.action, "by": one.actor, "why": one.reason, "subject": one.subject}))
        .collect();
    let json = json!({
        "id": id, "number": record.number, "client_id": invoice.client_id(), "status": invoice.status().to_string(),
        "total": invoice.total(), "paid": invoice.paid(), "version": invoice.version(), "timeline": timeline,
        "ledger": booked.iter().map(transaction).collect::<Vec<Value>>(), "told": events.json,
    });
    Ok(Report::new(text.join("\n\n"), json))
}

fn standing(payment: &PaymentView) -> String {
    let amount = |amount: Option<Money>| amount.map_or_else(|| "none".to_owned(), |amount| amount.to_string());
    format!(
        "{} ({}) of {}: {}, amount {}, allocated {}, unapplied {}, returned {}",
        payment.transaction_id,
        payment.id,
        payment.provider,
        payment.status,
        amount(payment.amount),
        amount(payment.allocated),
        amount(payment.surplus),
        amount(payment.returned)
    )
}

fn decided(cases: &[KnownCase]) -> String {
    let row = |case: &KnownCase| {
        let resolution = case.resolution.map_or_else(|| "open".to_owned(), |how| how.to_string());
        [case.id.to_string(), case.kind.to_string(), resolution]
    };
    table(["case", "kind", "resolution"], cases.iter().map(row).collect(), "There are no cases.")
}

async fn records(deployment: &Deployment, subjects: Vec<String>) -> Result<Vec<StoredAuditRecord>> {
    let filter = AuditFilter { subjects: Some(subjects), ..AuditFilter::default() };
    Ok(audit::list(&deployment.database, &filter, ROWS_MAX).await?)
}

fn evidence(facts: &[Fact]) -> String {
    let row = |fact: &Fact| {
        let (channel, event) = (fact.channel.to_string(), fact.event_id.clone());
        let amount = fact.amount.map(|amount| Money::from(amount).to_string()).unwrap_or_default();
        [fact.occurred_at.to_rfc3339(), fact.kind.to_string(), amount, channel, event]
    };
    table(["occurred at", "evidence", "amount", "channel", "event id"], facts.iter().map(row).collect(), "No evidence.")
}

fn fact(fact: &Fact) -> Value {
    json!({
        "kind": fact.kind, "amount": fact.amount, "door": fact.channel, "event_id": fact.event_id, "movement": fact.movement,
        "occurred_at": fact.occurred_at,
    })
}

fn entries(booked: &[LedgerTransaction]) -> String {
    let rows = booked.iter().flat_map(|one| {
        one.entries.iter().map(|(account, amount): &(Account, Money)| {
            [one.accounting_date.to_string(), one.id.to_string(), account.to_string(), amount.to_string()]
        })
    });
    table(["accounting date", "transaction", "account", "amount"], rows.collect(), "No postings.")
}

fn transaction(one: &LedgerTransaction) -> Value {
    let entries: Vec<Value> =
        one.entries.iter().map(|(account, amount)| json!({"account": account.to_string(), "amount": amount})).collect();
    json!({
        "id": one.id, "event_id": one.event_id, "accounting_date": one.accounting_date, "occurred_at": one.occurred_at,
        "recorded_at": one.recorded_at, "entries": entries,
    })
}

fn done(records: &[StoredAuditRecord]) -> String {
    let row = |one: &StoredAuditRecord| {
        [one.recorded_at.to_rfc3339(), one.action.clone(), one.actor.clone(), one.reason.clone()]
    };
    table(["at", "what", "by", "why"], records.iter().map(row).collect(), "No audit records.")
}

/// The number of deliveries by state: `2 delivered, 1 pending`.
fn standing_of(deliveries: &[ConsumerState]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for one in deliveries {
        *counts.entry(one.state.map_or("not recorded", |state| state.as_str())).or_default() += 1;
    }
    counts.iter().map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>().join(", ")
}

/// The events about it of the last 30 days, and what each consumer did with them.
async fn deliveries(
    deployment: &Deployment,
    groups: Vec<String>,
    subject: Uuid,
    is_meant: impl Fn(&OutboxMessage) -> bool,
) -> Result<Report> {
    // There are no events about something before it exists.
    let from = made_at(subject).map(|made_at| made_at - TimeDelta::hours(1));
    let filter = OutboxFilter { is_event: true, groups: Some(groups), from, ..OutboxFilter::default() };
    let messages = outbox::list(&deployment.database, &filter, ROWS_MAX).await?;
    let (mut rows, mut events) = (Vec::new(), Vec::new());
    for message in messages.iter().filter(|message| is_meant(message)) {
        let (mut received_by, mut deliveries) = ([const { String::new() }; CONSUMERS.len()], Vec::new());
        for (place, consumer) in received_by.iter_mut().zip(CONSUMERS) {
            if consumer.subscribes_to(&message.body) {
                let forecast = deployment.at_consumer(consumer.queue(), &message.body).await?;
                let state = if forecast.prospect == ReplayProspect::Applied { "done" } else { "not done" };
                state.clone_into(place);
                deliveries.extend(forecast.deliveries);
            }
        }
        let published = message.published_at.map_or_else(|| "not published".to_owned(), |at| at.to_rfc3339());
        let [receipt, ledger, notification, webhook] = received_by;
        let mut event = to_json(message);
        if let Some(members) = event.as_object_mut() {
            let received_by =
                json!({"receipt": receipt, "ledger": ledger, "notification": notification, "webhook": webhook});
            members.insert("heard".to_owned(), received_by);
            members.insert("deliveries".to_owned(), json!(deliveries));
        }
        events.push(event);
        rows.push([
            message.event_type.clone(),
            published,
            receipt,
            ledger,
            notification,
            webhook,
            standing_of(&deliveries),
        ]);
    }
    let head = ["event", "published", "receipt", "ledger", "notification", "webhook", "deliveries"];
    Ok(Report::new(table(head, rows, "No events within 30 days."), Value::Array(events)))
}
