//! The database is unavailable, while money continues to come in.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::drill::measure::one;
use crate::drill::{Drill, now_ms};
use crate::play::check;
use crate::play::scene::EntryPoint;
use crate::{servers, wait};

/// The interval at which endpoints that need the database are called.
const TRIED_EVERY: Duration = Duration::from_secs(10);

impl Drill {
    pub(super) fn take_the_database_away(&mut self, away: Duration) -> Result<()> {
        self.transcript.part("The database is away")?;
        self.wait("the files to be settled", || Ok(self.is_at_rest()?.then_some(())))?;
        let (begin, began_ms) = (Instant::now(), now_ms());
        servers::stop(&self.stack, "postgres")?;
        self.narrate(&format!("PostgreSQL is stopped for {} s", away.as_secs()))?;
        for invoice in self.scene.paid_through(EntryPoint::Api) {
            self.entry_points().confirm(invoice, Some(&invoice.id))?.expect(202, "confirming a payment")?;
        }
        self.narrate("4 trusted confirmations were answered 202")?;
        self.entry_points().pay_through_webhooks()?;
        self.narrate("4 Stripe webhooks were answered 200")?;
        let refused = self.call_entry_points_until(begin, away)?;
        let all = refused.len();
        let polite = refused.iter().filter(|(status, waits)| *status == 503 && *waits).count();
        let rule = "database: API functions that need it answer 503 with Retry-After";
        let statuses: BTreeSet<u16> = refused.iter().map(|(status, _)| *status).collect();
        self.check(rule, all > 0 && polite == all, format!("{polite} of {all} answers; statuses {statuses:?}"))?;
        self.sound("database", began_ms, &["DatabaseUnreachableAlarm"])?;
        self.start_again()?;
        for invoice in self.scene.paid_through(EntryPoint::Api) {
            self.entry_points().claim(invoice)?.expect(202, "claiming a payment")?;
        }
        self.narrate("PostgreSQL runs again; 4 clients repeated their claims under their keys, and were answered 202")?;
        self.wait("the queues to drain, and every receipt, e-mail and webhook to be sent", || {
            Ok((self.is_at_rest()? && check::gather(&self.stack, &self.scene)?.is_complete(&self.scene)).then_some(()))
        })?;
        self.narrate("all queues drained without intervention: 12 invoices are paid and reported")?;
        let parked = self.parked()?;
        self.check("database: nothing was parked", parked == 0, format!("{parked} parked"))
    }

    /// Requests an invoice and claims payments repeatedly; returns the statuses, and whether each had a `Retry-After`.
    fn call_entry_points_until(&mut self, begin: Instant, away: Duration) -> Result<Vec<(u16, bool)>> {
        let (mut answers, api) = (Vec::new(), self.stack.output("ApiId")?.to_owned());
        let known =
            self.scene.invoices.first().map(|invoice| format!("/v1/invoices/{}", invoice.id)).unwrap_or_default();
        while begin.elapsed() < away {
            let begun = Instant::now();
            let mut asked = vec![self.api.get_as(&self.api.finance, &known)?];
            for invoice in self.scene.paid_through(EntryPoint::Api).filter(|_| begin.elapsed() < away) {
                asked.push(self.entry_points().claim(invoice)?);
            }
            for answer in asked {
                if answer.status >= 500 {
                    self.answers.push(one("AWS/ApiGateway", "5xx", ("ApiId", &api), now_ms()));
                }
                answers.push((answer.status, answer.retry_after.is_some()));
            }
            // The duration of the outage is what matters here.
            let is_time = || (begun.elapsed() >= TRIED_EVERY || begin.elapsed() >= away).then_some(());
            wait::until("the end of the outage", away, &[], || Ok(is_time()))?;
        }
        Ok(answers)
    }

    /// The number of messages in all dead-letter queues.
    fn parked(&self) -> Result<u64> {
        let aws = self.stack.aws()?;
        let mut parked = 0;
        for (_, url) in self.stack.outputs.iter().filter(|(name, _)| name.ends_with("DeadLetterQueueUrl")) {
            let depth = aws.sqs_depth(url)?;
            parked += depth.visible + depth.in_flight;
        }
        Ok(parked)
    }
}
