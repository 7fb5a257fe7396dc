//! After the failures: nothing waits, no alarm's condition is met, and the books are correct.

use anyhow::Result;

use crate::drill::{Drill, measure, now_ms};
use crate::play::check;

/// No alarm's condition may be met over this many runs of the relay, which measures once a minute.
const RELAY_RUNS: usize = 2;

impl Drill {
    pub(super) fn see_that_all_is_calm(&mut self) -> Result<()> {
        self.transcript.part("After the failures")?;
        self.wait("all work to finish", || Ok(self.is_at_rest()?.then_some(())))?;
        let calm_ms = now_ms();
        self.wait("the relay to measure twice", || {
            let samples = measure::since(&self.stack, calm_ms, now_ms())?;
            Ok((samples.iter().filter(|sample| sample.metric == "OutboxLag").count() >= RELAY_RUNS).then_some(()))
        })?;
        let met = self.met_since(calm_ms)?;
        let named: Vec<&str> = met.iter().map(|condition| condition.alarm.as_str()).collect();
        self.check("no alarm's condition is met any more", met.is_empty(), format!("met: {named:?}"))?;
        let evidence = check::gather(&self.stack, &self.scene)?;
        for check in check::invariants(&self.scene, &evidence, 0) {
            self.transcript.check(&check)?;
            self.checks.push(check);
        }
        let books = self.quittance(&["ledger", "check", "--as-of=0m"])?;
        self.check("`quittance ledger check` finds no differences", books.code == Some(0), books.end())?;
        let status = self.quittance(&["status"])?;
        self.check("`quittance status` shows nothing that needs attention", status.code == Some(0), status.end())
    }
}
