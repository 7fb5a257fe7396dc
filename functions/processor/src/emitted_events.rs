//! The messages, metrics and log entries of a commit.

use std::collections::BTreeMap;

use quittance_domain::case::CaseKind;
use quittance_domain::event::EventMessage;
use quittance_domain::id::AuditId;
use quittance_domain::money::Money;
use quittance_domain::settlement::{FundsMovement, SettlementOutcome};
use quittance_lambda::metrics;
use quittance_lambda::trace::TraceContext;
use quittance_store::audit::AuditRecord;
use rust_decimal::Decimal;

/// The messages committed to the outbox, with the metrics and log entries of the commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EmittedEvents {
    /// Events for the topic.
    pub events: Vec<EventMessage>,
    /// Commands for the gateways.
    pub commands: Vec<EventMessage>,
    /// Metrics of the commit.
    pub figures: SettlementMetrics,
    /// Decisions for the log.
    pub decided: Vec<LoggedDecision>,
}

/// A decision about a payment as it is logged: ids and codes only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedDecision {
    /// The payment's id.
    pub payment: String,
    /// The action of the audit record.
    pub action: &'static str,
    pub outcome: SettlementOutcome,
    /// The audit record, which has the reason and the states before and after.
    pub audit_id: AuditId,
    /// Ties together all that one request or message caused.
    pub correlation_id: String,
}

impl LoggedDecision {
    pub(crate) fn from_record(record: &AuditRecord, outcome: SettlementOutcome) -> Self {
        Self {
            payment: record.subject.clone(),
            action: record.action,
            outcome,
            audit_id: record.id,
            correlation_id: record.correlation_id.clone(),
        }
    }
}

impl EmittedEvents {
    /// Logs the decisions and writes the metrics.
    pub(crate) fn record(&self) {
        for LoggedDecision { payment, action, outcome, audit_id, correlation_id } in &self.decided {
            tracing::info!(
                payment.id = payment,
                decision.trigger = action,
                decision.outcome = outcome.as_str(),
                audit.id = %audit_id,
                correlation_id,
                trace_id = TraceContext::derive(correlation_id, audit_id.as_uuid()).trace_id(),
                "decided"
            );
        }
        self.figures.record();
    }
}

/// The metrics of a commit, aggregated over its payments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SettlementMetrics {
    /// Payments that were proven for the first time.
    pub settled: u32,
    /// The change in proven money, by currency.
    pub amounts: BTreeMap<&'static str, Decimal>,
    /// How often money could not be applied.
    pub unapplied_count: u32,
    /// The amounts that could not be applied, by currency.
    pub unapplied_amounts: BTreeMap<&'static str, Decimal>,
    /// Cases that were opened, by kind.
    pub cases: BTreeMap<CaseKind, u32>,
}

impl SettlementMetrics {
    /// Counts a payment whose proven amount changed from `before` to `after`.
    pub(crate) fn proven(&mut self, before: Option<Money>, after: Option<Money>) {
        if before == after {
            return;
        }
        self.settled += u32::from(before.is_none());
        for amount in [before.map(Money::negated), after].into_iter().flatten() {
            add(&mut self.amounts, amount);
        }
    }

    pub(crate) fn moved(&mut self, movement: &FundsMovement) {
        if let FundsMovement::Credited { amount, .. } = movement {
            self.unapplied_count += 1;
            add(&mut self.unapplied_amounts, *amount);
        }
    }

    /// Writes the values of the metrics.
    fn record(&self) {
        if self.settled > 0 {
            metrics::PAYMENTS_SETTLED.record([], self.settled);
        }
        for (currency, amount) in &self.amounts {
            metrics::AMOUNT_SETTLED.record([currency], *amount);
        }
        if self.unapplied_count > 0 {
            metrics::UNAPPLIED_CASH_RECORDED.record([], self.unapplied_count);
        }
        for (currency, amount) in &self.unapplied_amounts {
            metrics::UNAPPLIED_CASH_AMOUNT.record([currency], *amount);
        }
        for (kind, count) in &self.cases {
            metrics::CASES_OPENED.record([kind.as_str()], *count);
        }
    }
}

fn add(sums: &mut BTreeMap<&'static str, Decimal>, amount: Money) {
    let sum = sums.entry(amount.currency().code()).or_default();
    *sum = sum.saturating_add(amount.amount());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(value: &str, currency: &str) -> Option<Money> {
        Some(Money::parse(value, currency).unwrap())
    }

    #[test]
    fn a_payment_is_counted_when_it_is_first_proven_and_its_amount_as_far_as_it_changes() {
        let mut figures = SettlementMetrics::default();
        for (before, after) in [
            (None, None),
            (None, money("100.00", "EUR")),
            (None, money("7.50", "USD")),
            (money("100.00", "EUR"), money("100.00", "EUR")),
            (money("100.00", "EUR"), money("90.10", "EUR")),
            (money("7.50", "USD"), None),
        ] {
            figures.proven(before, after);
        }
        assert_eq!(figures.settled, 2);
        let amounts = [("EUR", "90.10"), ("USD", "0.00")].map(|(code, sum)| (code, sum.parse::<Decimal>().unwrap()));
        assert_eq!(figures.amounts, BTreeMap::from(amounts));
    }
}
