//! The invariants, checked on actual rows, objects, e-mails, webhooks and queues.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::aws::{Email, QueueDepth};
use crate::bff::Delivery;
use crate::play::scene::{Invoice, Scene};
use crate::stack::Stack;

/// One rule and whether it holds.
#[derive(Debug, Clone)]
pub struct Check {
    /// The rule, as a sentence.
    pub rule: String,
    /// Whether it holds.
    pub holds: bool,
    /// The observed value.
    pub seen: String,
}

impl Check {
    pub(crate) fn new(rule: &str, holds: bool, seen: impl ToString) -> Self {
        Self { rule: rule.to_owned(), holds, seen: seen.to_string() }
    }
}

/// PostgreSQL's data of one invoice. Amounts are strings, so that nothing rounds them.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct InvoiceRow {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) paid: String,
    allocated: String,
    allocations: usize,
    facts: usize,
    surplus: usize,
    /// Ids of the events that report its payment, with their amounts.
    events: BTreeMap<String, String>,
    unpublished: usize,
    /// The debits to the provider's clearing account by the ledger's transactions for those events.
    pub(crate) posted: Vec<String>,
    pub(crate) receivable: String,
}

const INVOICES: &str = "
    select json_build_object(
        'id', 'inv_' || replace(i.id::text, '-', ''), 'status', status, 'paid', trim_scale(paid_amount)::text,
        'allocated', (select trim_scale(coalesce(sum(amount), 0))::text from payments.allocations where invoice_id = i.id),
        'allocations', (select count(*) from payments.allocations where invoice_id = i.id),
        'facts', (select count(*) from payments.facts join payments.payments p on p.id = payment_id where p.invoice_id = i.id),
        'surplus', (select count(*) from payments.credits join payments.payments p on p.id = payment_id where p.invoice_id = i.id),
        'events', (select coalesce(json_object_agg(id, body::json #>> '{data,allocated,value}'), '{}')
                   from payments.outbox where group_id = 'inv_' || replace(i.id::text, '-', '') and type in ('invoice.paid', 'invoice.partially_paid')),
        'unpublished', (select count(*) from payments.outbox
                        where group_id = 'inv_' || replace(i.id::text, '-', '') and published_at is null),
        'posted', (select coalesce(json_agg(trim_scale(e.amount)::text), '[]')
                   from ledger.entries e join ledger.transactions t on t.id = e.transaction_id
                   where e.account like 'clearing:%' and t.event_id in (
                       select o.id::text from payments.outbox o where o.group_id = 'inv_' || replace(i.id::text, '-', ''))),
        'receivable', (select trim_scale(coalesce(sum(e.amount), 0))::text
                   from ledger.entries e join ledger.transactions t on t.id = e.transaction_id
                   where e.account like 'receivable:%' and t.event_id in (
                       select o.id::text from payments.outbox o where o.group_id = 'inv_' || replace(i.id::text, '-', '')))
    )::text
    from billing.invoices i where i.number = any($1)";

const LEDGER_SUM: &str = "
    select trim_scale(coalesce(sum(abs(total)), 0))::text from (select sum(amount) as total from ledger.entries group by currency) as sums";

const UNBALANCED: &str = "
    select count(*) from (
        select from ledger.entries group by transaction_id, currency having sum(amount) <> 0) as unbalanced";

/// The data collected after a run.
pub(crate) struct Evidence {
    pub(crate) invoices: BTreeMap<String, InvoiceRow>,
    pub(crate) receipts: BTreeMap<String, Vec<String>>,
    pub(crate) emails: Vec<Email>,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) parked: Vec<Value>,
    pub(crate) ledger_sum: String,
    unbalanced: i64,
}

pub(crate) fn gather(stack: &Stack, scene: &Scene) -> Result<Evidence> {
    let database = stack.database.as_ref().context("the stack has no database")?;
    let mut client = database.access.connect(&database.name)?;
    let numbers: Vec<&str> = scene.invoices.iter().map(|invoice| invoice.number.as_str()).collect();
    let mut invoices = BTreeMap::new();
    for row in client.query(INVOICES, &[&numbers])? {
        let row: InvoiceRow = serde_json::from_str(row.try_get(0)?)?;
        invoices.insert(row.id.clone(), row);
    }
    let aws = stack.aws()?;
    let bucket = stack.output("DocumentsBucketName")?;
    let mut receipts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for object in aws.s3_list(bucket, "receipts/")? {
        if let Some(invoice) = object.key.split('/').nth(1) {
            receipts.entry(invoice.to_owned()).or_default().push(object.key.clone());
        }
    }
    let parked = aws.sqs_peek(stack.output("PaymentsDeadLetterQueueUrl")?)?;
    let of_this_run = |message: &Value| message.to_string().contains(&scene.run);
    Ok(Evidence {
        invoices,
        receipts,
        emails: aws.ses_messages()?,
        deliveries: stack.deliveries()?,
        parked: parked.into_iter().filter(of_this_run).collect(),
        ledger_sum: client.query_one(LEDGER_SUM, &[])?.try_get(0)?,
        unbalanced: client.query_one(UNBALANCED, &[])?.try_get(0)?,
    })
}

/// Messages that no consumer has finished with: in a queue, including delayed ones, or in the outbox.
pub(crate) fn under_way(stack: &Stack) -> Result<u64> {
    Ok(in_hand(stack)? + depths(stack)?.map(|depth| depth.delayed).sum::<u64>())
}

/// Messages that a consumer could be working on now: in a queue, or in the outbox.
pub(crate) fn in_hand(stack: &Stack) -> Result<u64> {
    let count = depths(stack)?.map(|depth| depth.visible + depth.in_flight).sum::<u64>();
    let database = stack.database.as_ref().context("the stack has no database")?;
    let waiting: i64 = database
        .access
        .connect(&database.name)?
        .query_one("select count(*) from payments.outbox where published_at is null and parked_reason is null", &[])?
        .try_get(0)?;
    Ok(count + u64::try_from(waiting)?)
}

/// The depths of the queues that have a consumer.
fn depths(stack: &Stack) -> Result<impl Iterator<Item = QueueDepth> + use<>> {
    let aws = stack.aws()?;
    let urls = stack.outputs.iter().filter(|(name, _)| name.ends_with("QueueUrl") && !name.contains("DeadLetter"));
    let depths: Vec<QueueDepth> = urls.map(|(_, url)| aws.sqs_depth(url)).collect::<Result<_>>()?;
    Ok(depths.into_iter())
}

impl Evidence {
    /// Whether all effects of the payments exist, so that checking makes sense.
    pub(crate) fn is_complete(&self, scene: &Scene) -> bool {
        scene.invoices.iter().all(|invoice| {
            self.row(invoice).is_some_and(|row| row.status == "paid" && row.posted.len() == 1)
                && !self.receipts_of(invoice).is_empty()
                && !self.emails_of(scene, invoice).is_empty()
                && !self.webhooks_of(invoice).is_empty()
        })
    }

    pub(crate) fn row(&self, invoice: &Invoice) -> Option<&InvoiceRow> {
        self.invoices.get(&invoice.id)
    }

    pub(crate) fn receipts_of(&self, invoice: &Invoice) -> &[String] {
        self.receipts.get(&invoice.id).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn emails_of(&self, scene: &Scene, invoice: &Invoice) -> Vec<&Email> {
        let address = scene.clients.get(invoice.client).map(|client| client.email.as_str()).unwrap_or_default();
        let is_of = |email: &&Email| {
            email.subject.starts_with("Receipt ")
                && email.subject.ends_with(&invoice.number)
                && email.to.iter().any(|to| to == address)
        };
        self.emails.iter().filter(is_of).collect()
    }

    /// The webhooks about the invoice's payment, one per id.
    pub(crate) fn webhooks_of(&self, invoice: &Invoice) -> BTreeMap<&str, Value> {
        let accepted = self.deliveries.iter().filter(|delivery| (200..300).contains(&delivery.status));
        let reported = accepted.filter_map(|delivery| {
            let body: Value = serde_json::from_str(&delivery.body).ok()?;
            let is_of = body.get("subject").and_then(Value::as_str) == Some(&invoice.id);
            is_of.then_some((delivery.webhook_id.as_str(), body))
        });
        reported.collect()
    }

    /// The number of messages that reached the processor and left no fact.
    pub(crate) fn lost(&self, scene: &Scene) -> usize {
        let recorded: usize = self.invoices.values().map(|row| row.facts).sum();
        scene.messages().saturating_sub(recorded)
    }

    /// The number of repeated effects: allocations, unapplied cash, receipts, e-mails with receipts, webhooks, ledger
    /// transactions.
    pub(crate) fn twice(&self, scene: &Scene) -> usize {
        let beyond = |count: usize| count.saturating_sub(1);
        scene
            .invoices
            .iter()
            .map(|invoice| {
                let row = self.row(invoice);
                beyond(row.map_or(0, |row| row.allocations))
                    + row.map_or(0, |row| row.surplus)
                    + beyond(row.map_or(0, |row| row.posted.len()))
                    + beyond(self.receipts_of(invoice).len())
                    + beyond(self.emails_of(scene, invoice).len())
                    + beyond(self.webhooks_of(invoice).len())
            })
            .sum()
    }
}

/// Checks the rules; `poison` messages of this run stay parked.
pub(crate) fn invariants(scene: &Scene, evidence: &Evidence, poison: usize) -> Vec<Check> {
    let lost = evidence.lost(scene);
    let twice = evidence.twice(scene);
    let failing = |rule: &dyn Fn(&Invoice, &InvoiceRow) -> bool| {
        let broken: BTreeSet<&str> = scene
            .invoices
            .iter()
            .filter(|invoice| !evidence.row(invoice).is_some_and(|row| rule(invoice, row)))
            .map(|invoice| invoice.number.as_str())
            .collect();
        broken
    };
    let paid = failing(&|_, row| row.paid == row.allocated && row.status == "paid");
    let events = failing(&|_, row| row.events.len() == row.allocations && row.unpublished == 0);
    let undelivered = failing(&|invoice, row| {
        let reported: BTreeSet<&str> = evidence.webhooks_of(invoice).into_keys().collect();
        reported == row.events.keys().map(String::as_str).collect()
    });
    let amounts = failing(&|invoice, row| is_exact(scene, evidence, invoice, row));
    let receivables = failing(&|_, row| row.receivable == "0");
    let parked = evidence.parked.len();
    vec![
        Check::new(
            "I1 nothing lost: every message became a fact, and nothing but poison is parked",
            lost == 0 && parked == poison,
            format!("{lost} lost, {parked} parked"),
        ),
        Check::new("I2 nothing twice: one posting per payment", twice == 0, format!("{twice} repeated effects")),
        Check::new("I2 an invoice's paid amount is the sum of its allocations", paid.is_empty(), listed(&paid)),
        Check::new(
            "I3 the ledger sums to zero in every currency",
            evidence.ledger_sum.parse() == Ok(0),
            &evidence.ledger_sum,
        ),
        Check::new("I3 every ledger transaction balances", evidence.unbalanced == 0, evidence.unbalanced),
        Check::new("I3 the debits of a paid invoice equal its credits", receivables.is_empty(), listed(&receivables)),
        Check::new("I4 an event for each allocation, and each published", events.is_empty(), listed(&events)),
        Check::new("I5 one webhook, with the committed event's id", undelivered.is_empty(), listed(&undelivered)),
        Check::new(
            "I10 the requested amount is the amount in invoice, ledger, webhook and e-mail",
            amounts.is_empty(),
            listed(&amounts),
        ),
    ]
}

fn is_exact(scene: &Scene, evidence: &Evidence, invoice: &Invoice, row: &InvoiceRow) -> bool {
    let plain = if invoice.amount.contains('.') {
        invoice.amount.trim_end_matches('0').trim_end_matches('.')
    } else {
        invoice.amount
    };
    let webhooks = evidence.webhooks_of(invoice);
    let reported = |body: &Value, member: &str| {
        body.pointer(&format!("/data/allocated/{member}")).and_then(Value::as_str).map(ToOwned::to_owned)
    };
    let shown = format!("{}\u{a0}{}", invoice.currency, invoice.amount);
    row.paid == plain
        && row.posted == [plain]
        && row.events.values().all(|amount| amount == invoice.amount)
        && webhooks.values().all(|body| {
            reported(body, "value").as_deref() == Some(invoice.amount)
                && reported(body, "currency").as_deref() == Some(invoice.currency)
        })
        && evidence
            .emails_of(scene, invoice)
            .iter()
            .all(|email| email.body_text.as_ref().is_some_and(|text| text.replace(',', "").contains(&shown)))
}

fn listed(broken: &BTreeSet<&str>) -> String {
    if broken.is_empty() {
        "all of them".to_owned()
    } else {
        format!("not: {}", broken.iter().copied().collect::<Vec<_>>().join(", "))
    }
}
