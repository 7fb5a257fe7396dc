//! Checks after a run: every message was settled exactly once, and every event published exactly once.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use postgres::Client;

use crate::bench::aws::parse_uuid;
use crate::bench::database::PAST;

/// The expected results of queries that return one number.
const COUNTS: [(&str, &str, Expected); 10] = [
    ("payments confirmed", "select count(*) from payments.payments where status = 'confirmed'", Expected::Payments),
    ("payments", "select count(*) from payments.payments", Expected::Payments),
    ("facts", "select count(*) from payments.facts", Expected::Payments),
    ("allocations", "select count(*) from payments.allocations", Expected::Payments),
    ("payments with an allocation", "select count(distinct payment_id) from payments.allocations", Expected::Payments),
    ("audit records", "select count(*) from audit.records", Expected::Payments),
    (
        "outbox rows marked as published",
        "select count(*) from payments.outbox where published_at is not null",
        Expected::Payments,
    ),
    ("outbox rows", "select count(*) from payments.outbox", Expected::Payments),
    (
        "credits and cases",
        "select (select count(*) from payments.credits) + (select count(*) from payments.cases)",
        Expected::Nothing,
    ),
    (
        "invoices whose paid amount differs from their allocations",
        "select count(*) from billing.invoices left join (
             select invoice_id, sum(amount) as allocated from payments.allocations group by invoice_id
         ) as sums on invoice_id = id
         where paid_amount <> coalesce(allocated, 0)",
        Expected::Nothing,
    ),
];

#[derive(Debug, Clone, Copy)]
enum Expected {
    /// One for each payment, including those settled before the run.
    Payments,
    Nothing,
}

/// The violations after `payments` were acknowledged; empty if the books are correct. `published` are the ids of the
/// events that the topic received, if there was one.
pub(super) fn differences(client: &mut Client, payments: u64, published: Option<&[u128]>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (what, query, expected) in COUNTS {
        let count: i64 = client.query_one(query, &[]).with_context(|| format!("could not count {what}"))?.get(0);
        let expected = match expected {
            Expected::Payments => payments.saturating_add(PAST),
            Expected::Nothing => 0,
        };
        if u64::try_from(count) != Ok(expected) {
            found.push(format!("{what}: {count}, not {expected}"));
        }
    }
    if let Some(published) = published {
        let query = "select id::text from payments.outbox where id not in (
            select bench.event(n) from generate_series(900000000001, 900000000000 + $1::bigint) as n)";
        let rows = client.query(query, &[&i64::try_from(PAST)?]).context("could not read the outbox")?;
        let outbox: Vec<u128> = rows.iter().filter_map(|row| parse_uuid(row.get(0))).collect();
        found.extend(event_differences(&outbox, published));
    }
    Ok(found)
}

/// The differences between the published events and the outbox, which has each event once.
fn event_differences(outbox: &[u128], published: &[u128]) -> Vec<String> {
    let mut times: BTreeMap<u128, usize> = outbox.iter().map(|id| (*id, 0)).collect();
    let mut unknown = 0_usize;
    for id in published {
        match times.get_mut(id) {
            Some(times) => *times = times.saturating_add(1),
            None => unknown = unknown.saturating_add(1),
        }
    }
    let never = times.values().filter(|times| **times == 0).count();
    let again = times.values().filter(|times| **times > 1).count();
    let reported =
        [(never, "were never published"), (again, "were published more than once"), (unknown, "are unknown")];
    reported.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} events {what}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_must_be_published_once() {
        assert_eq!(event_differences(&[1, 2, 3], &[3, 1, 2]), Vec::<String>::new());
        assert_eq!(
            event_differences(&[1, 2, 3], &[1, 1, 4]),
            ["2 events were never published", "1 events were published more than once", "1 events are unknown"]
        );
    }
}
