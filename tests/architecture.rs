//! The state diagrams of docs/payments.md are generated from the domain.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use quittance_domain::fact::{EvidenceChannel, Fact, FactKind};
use quittance_domain::id::{ClientId, InvoiceId};
use quittance_domain::invoice::{Invoice, InvoiceStatus};
use quittance_domain::money::Money;
use quittance_domain::payment::PaymentState;
use uuid::Uuid;

use crate::generated;

/// Sequences of this many facts reach every edge.
const HISTORY_MAX: usize = 4;

/// From, to, and the transitions' names.
type Edges = BTreeMap<(String, String), BTreeSet<String>>;

fn euro(value: &str) -> Money {
    Money::parse(value, "EUR").unwrap()
}

fn fact(kind: FactKind, value: &str, at: usize) -> Fact {
    Fact {
        kind,
        amount: Some(euro(value).positive().unwrap()),
        channel: EvidenceChannel::Gateway,
        transaction_id: None,
        origin: None,
        event_id: at.to_string(),
        // A partial and a full refund are two movements, each with its own failure.
        movement: value.to_owned(),
        invoices: Vec::new(),
        occurred_at: DateTime::from_timestamp(i64::try_from(at).unwrap(), 0).unwrap(),
    }
}

/// The facts that may follow, each with its name in the diagram. Money goes back only after it came in: another order
/// of reports leads to the same state, which the domain's own tests check.
fn next(history: &[Fact]) -> Vec<(String, Fact)> {
    use FactKind::{
        Cancellation, Dispute, DisputeLost, DisputeReinstatement, DisputeWon, Refund, RefundFailure, Reversal,
    };
    let at = history.len();
    let of = |kind: FactKind, value: &str, name: String| (name, fact(kind, value, at));
    let mut all: Vec<_> = FactKind::ALL.iter().map(|kind| of(*kind, "100", kind.to_string())).collect();
    all.push(of(Refund, "40", "refund of a part".to_owned()));
    all.push(of(RefundFailure, "40", RefundFailure.to_string()));
    let has_come = history.iter().any(|fact| fact.kind.proves_money());
    let goes_back = |fact: &Fact| {
        let kinds =
            [Refund, RefundFailure, Reversal, Cancellation, Dispute, DisputeWon, DisputeLost, DisputeReinstatement];
        kinds.contains(&fact.kind)
    };
    all.retain(|(_, fact)| has_come || !goes_back(fact));
    all
}

fn follow_payment(history: &mut Vec<Fact>, from: &str, edges: &mut Edges) {
    if history.len() == HISTORY_MAX {
        return;
    }
    for (name, fact) in next(history) {
        history.push(fact);
        let to = PaymentState::from_facts(history).unwrap().status.to_string();
        if to != from {
            edges.entry((from.to_owned(), to.clone())).or_default().insert(name);
        }
        follow_payment(history, &to, edges);
        history.pop();
    }
}

fn follow_invoice(invoice: &Invoice, seen: &mut BTreeSet<String>, edges: &mut Edges) {
    let mut changes = vec![("send", invoice.issued()), ("void", invoice.voided())];
    for amount in ["40", "60", "100"] {
        changes.push(("allocation", invoice.with_allocation(euro(amount))));
        changes.push(("money taken back", invoice.with_allocation(euro(amount).negated())));
        changes.push(("credit note", invoice.with_credit(euro(amount).positive().unwrap())));
    }
    for (name, changed) in changes.into_iter().filter_map(|(name, changed)| Some((name, changed.ok()?))) {
        if changed.status() != invoice.status() {
            let edge = (invoice.status().to_string(), changed.status().to_string());
            edges.entry(edge).or_default().insert(name.to_owned());
        }
        if seen.insert(format!("{} {} {}", changed.status(), changed.paid(), changed.credited())) {
            follow_invoice(&changed, seen, edges);
        }
    }
}

fn diagram(edges: &Edges) -> String {
    let line = |((from, to), names): (&(String, String), &BTreeSet<String>)| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        format!("    {from} --> {to}: {}\n", names.join(", "))
    };
    format!("```mermaid\nstateDiagram-v2\n{}```\n", edges.iter().map(line).collect::<String>())
}

#[test]
fn the_diagram_of_a_payments_states_is_what_its_facts_add_up_to() {
    let mut edges = Edges::new();
    follow_payment(&mut Vec::new(), "[*]", &mut edges);
    generated::assert_current("docs/payments.md", "payment states", &diagram(&edges));
}

#[test]
fn the_diagram_of_an_invoices_states_is_what_may_happen_to_it() {
    let (id, client) = (InvoiceId::from_uuid(Uuid::nil()), ClientId::from_uuid(Uuid::nil()));
    let draft = Invoice::draft(id, client, euro("100").positive().unwrap());
    let mut edges = Edges::from([(("[*]".to_owned(), InvoiceStatus::Draft.to_string()), ["create".to_owned()].into())]);
    follow_invoice(&draft, &mut BTreeSet::new(), &mut edges);
    generated::assert_current("docs/payments.md", "invoice states", &diagram(&edges));
}
