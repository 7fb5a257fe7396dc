//! A release revokes a privilege that the processor needs: every payment's message fails three times and is parked. The
//! release is fixed, and the tool replays the messages; it is killed halfway, and run again.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::drill::{Drill, now_ms};
use crate::play::scene::{EntryPoint, Invoice};

const INVOICES: u32 = 10;
const INSTALMENTS: u32 = 20;
/// The number of payments whose messages become poison.
const POISONED: u32 = INVOICES * INSTALMENTS;

/// The number of replayed messages after which the tool is killed.
const KILLED_AFTER: u64 = 50;

/// The maximum number of runs of the tool: one that is killed, another one, and more for the messages that the killed
/// one had in flight.
const RUNS_MAX: usize = 4;

const REVOKE: &str = "revoke insert on payments.facts from quittance_processor";
const GRANT: &str = "grant insert on payments.facts to quittance_processor";

const PAID: &str = "select count(*) from billing.invoices where paid_amount = total and status = 'paid'
    and number = any(string_to_array($1, ' '))";
const POSTED: &str =
    "select count(*) from payments.payments where position($1 in transaction_id) > 0 and status = 'confirmed'
    and (select count(*) from payments.facts where payment_id = payments.id) = 1
    and (select count(*) from payments.allocations where payment_id = payments.id) = 1";

const REPLAY: [&str; 9] = [
    "dlq",
    "replay",
    "--queue=payments",
    "--code=retries_exhausted",
    "--reason",
    "the privilege is granted again",
    "--yes",
    "--rate=20",
    "--wait=120",
];

impl Drill {
    pub(super) fn release_badly(&mut self) -> Result<()> {
        self.transcript.part("A bad release")?;
        let (numbers, instalments) = self.bill_in_instalments()?;
        let began_ms = now_ms();
        self.execute(REVOKE)?;
        self.narrate(&format!("a migration went wrong: `{REVOKE}`"))?;
        for instalment in &instalments {
            self.entry_points().send_webhook(instalment)?.expect(200, "a Stripe webhook")?;
        }
        self.narrate(&format!("{POISONED} payments of 1.00 EUR came in by Stripe's webhooks, each answered 200"))?;
        let dead_letters = self.stack.output("PaymentsDeadLetterQueueUrl")?.to_owned();
        self.wait(&format!("{POISONED} messages to be parked"), || {
            Ok((self.stack.aws()?.sqs_depth(&dead_letters)?.visible >= u64::from(POISONED)).then_some(()))
        })?;
        self.sound("release", began_ms, &["PaymentsDeadLetterQueueAlarm"])?;
        self.quittance(&["dlq", "list"])?;
        let listed = self.tool.run(&self.stack, &["dlq", "list", "--code=retries_exhausted", "--json"])?;
        let count = listed.said.parse::<Value>().ok().and_then(|listed| listed.get("count")?.as_u64());
        let rule = "release: each payment is parked once, with its reason";
        self.check(rule, count == Some(POISONED.into()), format!("{} parked", count.unwrap_or_default()))?;
        self.mend_the_release()?;
        self.narrate(&format!("the release is fixed: `{GRANT}`"))?;
        self.quittance(&["dlq", "replay", "--queue=payments", "--code=retries_exhausted", "--dry-run"])?;
        self.replay_twice(&dead_letters)?;
        self.wait("the queues to drain", || Ok(self.is_at_rest()?.then_some(())))?;
        let paid = self.count(PAID, &numbers.join(" "))?;
        self.check("release: each invoice is paid to the cent", paid == i64::from(INVOICES), format!("{paid} paid"))?;
        let posted = self.count(POSTED, &self.prefix())?;
        self.check("release: each payment is posted once", posted == i64::from(POISONED), format!("{posted} posted"))
    }

    /// Restores the processor's privilege.
    pub(super) fn mend_the_release(&self) -> Result<()> {
        self.execute(GRANT)
    }

    fn prefix(&self) -> String {
        format!("pi_drill_{}_", self.scene.run)
    }

    /// Creates the invoices, and the payments to come.
    fn bill_in_instalments(&self) -> Result<(Vec<String>, Vec<Invoice>)> {
        let (mut numbers, mut instalments) = (Vec::new(), Vec::new());
        for invoice in 0..INVOICES {
            let (id, number) = self.scene.bill(&self.api, "Maintenance contract, in instalments", INSTALMENTS)?;
            instalments.extend((0..INSTALMENTS).map(|instalment| Invoice {
                id: id.clone(),
                number: number.clone(),
                client: 0,
                amount: "1.00",
                currency: "EUR",
                entry_point: EntryPoint::Webhook,
                transaction_id: format!("stripe:{}{invoice}_{instalment}", self.prefix()),
            }));
            numbers.push(number);
        }
        Ok((numbers, instalments))
    }

    /// Replays the parked messages; the first run is killed halfway.
    fn replay_twice(&mut self, dead_letters: &str) -> Result<()> {
        let left = |drill: &Self| -> Result<u64> {
            let depth = drill.stack.aws()?.sqs_depth(dead_letters)?;
            Ok(depth.visible + depth.in_flight)
        };
        let mut running = self.tool.begin(&self.stack, &REPLAY)?;
        let enough = u64::from(POISONED).saturating_sub(KILLED_AFTER);
        self.wait("the tool to be halfway", || Ok((left(self)? <= enough || running.is_over()?).then_some(())))?;
        let killed = running.kill()?;
        self.shown(&REPLAY, &killed)?;
        let rest = left(self)?;
        self.check("release: the tool was killed halfway", (1..=enough).contains(&rest), format!("{rest} are left"))?;
        for _ in 1..RUNS_MAX {
            let depth = self.stack.aws()?.sqs_depth(dead_letters)?;
            if depth.visible == 0 && depth.in_flight > 0 {
                self.narrate("messages that the killed run had received become visible again two minutes later")?;
            }
            self.wait("parked messages to become visible again", || {
                let depth = self.stack.aws()?.sqs_depth(dead_letters)?;
                Ok((depth.in_flight == 0 || depth.visible > 0).then_some(()))
            })?;
            if left(self)? == 0 {
                break;
            }
            self.quittance(&REPLAY)?;
        }
        let rest = left(self)?;
        self.check("release: everything was replayed, and nothing is left", rest == 0, format!("{rest} are left"))
            .context("the transcript could not be written")
    }
}
