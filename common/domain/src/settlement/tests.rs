use chrono::DateTime;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::fact::{EvidenceChannel, Fact, FactKind};
use crate::payment::{PaymentState, PaymentStatus};

fn euro(value: &str) -> Money {
    Money::parse(value, "EUR").unwrap()
}

fn client(number: u128) -> ClientId {
    ClientId::from_uuid(Uuid::from_u128(number))
}

fn invoice_id(number: u128) -> InvoiceId {
    InvoiceId::from_uuid(Uuid::from_u128(number))
}

fn open(number: u128, total: &str) -> Invoice {
    Invoice::draft(invoice_id(number), client(number), euro(total).positive().unwrap()).issued().unwrap()
}

fn entitled(net: &str, invoices: &[u128]) -> Entitlement {
    Entitlement::new(euro(net), invoices.iter().map(|number| invoice_id(*number)).collect())
}

fn at_hand(invoices: impl IntoIterator<Item = Invoice>) -> LockedInvoices {
    invoices.into_iter().map(|invoice| (invoice.id(), invoice)).collect()
}

fn paid(invoices: &LockedInvoices, number: u128) -> String {
    invoices[&invoice_id(number)].paid().amount().to_string()
}

fn surplus(funds: &PaymentFunds) -> String {
    funds.surplus(euro("0")).unwrap().amount().to_string()
}

fn reasons(movements: &[FundsMovement]) -> Vec<UnappliedReason> {
    let reason = |movement: &FundsMovement| match movement {
        FundsMovement::Credited { reason, .. } => Some(*reason),
        _ => None,
    };
    movements.iter().filter_map(reason).collect()
}

#[test]
fn money_that_no_invoice_can_take_is_unapplied_cash_never_refused() {
    let paid_already = open(1, "100").with_allocation(euro("100")).unwrap();
    let cases = [
        (Some(paid_already), entitled("50", &[1]), UnappliedReason::AlreadyPaid),
        (Some(open(1, "100").voided().unwrap()), entitled("50", &[1]), UnappliedReason::NotPayable),
        (Some(open(1, "20")), entitled("50", &[1]), UnappliedReason::Overpaid),
        (None, entitled("50", &[]), UnappliedReason::UnknownInvoice),
    ];
    for (invoice, entitled, reason) in cases {
        let (mut funds, mut invoices) = (PaymentFunds::default(), at_hand(invoice));
        let movements = settle(&entitled, &mut funds, &mut invoices).unwrap();
        assert_eq!(reasons(&movements), [reason]);
        assert_eq!(funds.total(euro("0")).unwrap(), euro("50"));
    }
    let dollars = Entitlement::new(Money::parse("50", "USD").unwrap(), vec![invoice_id(1)]);
    let movements = settle(&dollars, &mut PaymentFunds::default(), &mut at_hand([open(1, "100")])).unwrap();
    assert_eq!(reasons(&movements), [UnappliedReason::WrongCurrency]);
}

#[test]
fn one_payment_pays_several_invoices_in_the_order_in_which_they_are_named() {
    let (mut funds, mut invoices) = (PaymentFunds::default(), at_hand([open(1, "30"), open(2, "50"), open(3, "40")]));
    settle(&entitled("100", &[2, 3, 1]), &mut funds, &mut invoices).unwrap();
    assert_eq!([1, 2, 3].map(|number| paid(&invoices, number)), ["10.00", "50.00", "40.00"]);
    // A refund is taken from the invoice that was named last.
    settle(&entitled("95", &[2, 3, 1]), &mut funds, &mut invoices).unwrap();
    assert_eq!([1, 2, 3].map(|number| paid(&invoices, number)), ["5.00", "50.00", "40.00"]);
}

#[test]
fn an_outflow_reduces_unapplied_cash_first_and_then_reopens_the_invoice() {
    let (mut funds, mut invoices) = (PaymentFunds::default(), at_hand([open(1, "100")]));
    settle(&entitled("130", &[1]), &mut funds, &mut invoices).unwrap();
    let movements = settle(&entitled("100", &[1]), &mut funds, &mut invoices).unwrap();
    assert_eq!((movements.len(), paid(&invoices, 1).as_str(), surplus(&funds).as_str()), (1, "100.00", "0.00"));
    let movements = settle(&entitled("40", &[1]), &mut funds, &mut invoices).unwrap();
    assert_eq!(outcome(&movements, false, false), SettlementOutcome::Reopened);
    assert_eq!(invoices[&invoice_id(1)].status(), InvoiceStatus::PartiallyPaid);
}

/// The holdings of a payment after refunds from the client's credit and outflows that reopen the invoice.
fn after(gross: &str, from_credit: &str, reopening: &str, invoices: &[u128]) -> Entitlement {
    let (gross, from_credit) = (euro(gross), euro(from_credit));
    let net = gross.checked_sub(from_credit).unwrap().checked_sub(euro(reopening)).unwrap();
    let invoices = invoices.iter().map(|number| invoice_id(*number)).collect();
    Entitlement { gross, from_credit, ..Entitlement::new(net, invoices) }
}

#[test]
fn a_refund_from_credit_never_makes_the_invoice_owed_again() {
    let (mut funds, mut invoices) = (PaymentFunds::default(), at_hand([open(1, "100")]));
    settle(&after("100", "0", "0", &[1]), &mut funds, &mut invoices).unwrap();
    settle(&after("100", "30", "0", &[1]), &mut funds, &mut invoices).unwrap();
    assert_eq!((paid(&invoices, 1).as_str(), surplus(&funds).as_str()), ("100.00", "-30.00"));
    // The credit note that explains it arrives later.
    let credited = invoices[&invoice_id(1)].with_credit(euro("30").positive().unwrap()).unwrap();
    invoices.insert(invoice_id(1), credited);
    let movements = settle(&after("100", "30", "0", &[1]), &mut funds, &mut invoices).unwrap();
    assert!(movements.iter().all(|movement| !matches!(movement, FundsMovement::Released { .. })), "{movements:?}");
    assert_eq!((paid(&invoices, 1).as_str(), funds.credits.len()), ("70.00", 0));
}

#[test]
fn refunds_from_credit_and_outflows_that_reopen_end_alike_in_any_order() {
    for (gross, from_credit, reopening, expected_paid, expected_unapplied_cash) in [
        ("150", "50", "100", "0.00", "0.00"),
        ("100", "50", "50", "50.00", "-50.00"),
        ("100", "50", "100", "0.00", "-50.00"),
        ("130", "20", "10", "100.00", "0.00"),
        ("130", "40", "10", "90.00", "-10.00"),
    ] {
        for steps in [[(from_credit, "0"), (from_credit, reopening)], [("0", reopening), (from_credit, reopening)]] {
            let (mut funds, mut invoices) = (PaymentFunds::default(), at_hand([open(1, "100")]));
            settle(&after(gross, "0", "0", &[1]), &mut funds, &mut invoices).unwrap();
            for (from_credit, reopening) in steps {
                settle(&after(gross, from_credit, reopening, &[1]), &mut funds, &mut invoices).unwrap();
            }
            let end = (paid(&invoices, 1), surplus(&funds));
            assert_eq!(end, (expected_paid.to_owned(), expected_unapplied_cash.to_owned()), "{gross} {steps:?}");
        }
    }
}

#[test]
fn what_a_credit_note_takes_off_a_paid_invoice_is_the_clients_credit() {
    let (mut funds, mut invoices) = (PaymentFunds::default(), at_hand([open(1, "119")]));
    settle(&entitled("119", &[1]), &mut funds, &mut invoices).unwrap();
    let credited = invoices[&invoice_id(1)].with_credit(euro("30").positive().unwrap()).unwrap();
    invoices.insert(invoice_id(1), credited);
    let movements = settle(&entitled("119", &[1]), &mut funds, &mut invoices).unwrap();
    assert_eq!(reasons(&movements), [UnappliedReason::Credited]);
    assert_eq!(invoices[&invoice_id(1)].status(), InvoiceStatus::Paid);
    assert_eq!((paid(&invoices, 1).as_str(), surplus(&funds).as_str()), ("89.00", "30.00"));
    assert_eq!(settle(&entitled("119", &[1]), &mut funds, &mut invoices), Ok(vec![]));
}

#[test]
fn money_that_went_back_twice_is_owed_by_the_client() {
    let (mut funds, mut invoices) = (PaymentFunds::default(), at_hand([open(1, "100")]));
    settle(&entitled("100", &[1]), &mut funds, &mut invoices).unwrap();
    settle(&entitled("-100", &[1]), &mut funds, &mut invoices).unwrap();
    assert_eq!((paid(&invoices, 1).as_str(), surplus(&funds).as_str()), ("0.00", "-100.00"));
    // The dispute is won after all.
    settle(&entitled("0", &[1]), &mut funds, &mut invoices).unwrap();
    assert_eq!(funds, PaymentFunds::default());
}

#[test]
fn a_name_that_comes_late_leads_the_money_out_of_suspense() {
    let (mut funds, mut invoices) = (PaymentFunds::default(), at_hand([open(1, "100")]));
    settle(&entitled("120", &[]), &mut funds, &mut invoices).unwrap();
    assert_eq!(funds.credits, [UnappliedCash { client_id: None, amount: euro("120") }]);
    settle(&entitled("120", &[1]), &mut funds, &mut invoices).unwrap();
    assert_eq!(paid(&invoices, 1), "100.00");
    assert_eq!(funds.credits, [UnappliedCash { client_id: Some(client(1)), amount: euro("20") }]);
}

#[test]
fn unapplied_cash_that_is_reserved_or_dismissed_pays_nothing_more() {
    for (reserved, pinned) in [("30", "0"), ("0", "30")] {
        let (mut funds, mut invoices) = (PaymentFunds::default(), at_hand([open(1, "100"), open(2, "100")]));
        let mut entitled = entitled("130", &[1]);
        settle(&entitled, &mut funds, &mut invoices).unwrap();
        (entitled.reserved, entitled.pinned) = (euro(reserved), euro(pinned));
        assert_eq!(apply(&entitled, &mut funds, &mut invoices, invoice_id(2), None), Ok(vec![]));
        assert_eq!(settle(&entitled, &mut funds, &mut invoices), Ok(vec![]));
        assert_eq!(paid(&invoices, 2), "0.00");
    }
}

#[test]
fn staff_move_unapplied_cash_to_another_invoice_and_evidence_leaves_it_there() {
    let (mut funds, mut invoices) = (PaymentFunds::default(), at_hand([open(1, "100"), open(2, "20")]));
    settle(&entitled("130", &[1]), &mut funds, &mut invoices).unwrap();
    apply(&entitled("130", &[1]), &mut funds, &mut invoices, invoice_id(2), None).unwrap();
    assert_eq!((paid(&invoices, 2).as_str(), surplus(&funds).as_str()), ("20.00", "10.00"));
    assert_eq!(settle(&entitled("130", &[1]), &mut funds, &mut invoices), Ok(vec![]));
    // Outflows take unapplied cash first, then what staff allocated, then money at the named invoice.
    settle(&entitled("115", &[1]), &mut funds, &mut invoices).unwrap();
    assert_eq!([1, 2].map(|number| paid(&invoices, number)), ["100.00", "15.00"]);
}

/// Status and paid amount of each invoice, status and net amount of each payment, and the sum of all unapplied cash.
type End = (Vec<(InvoiceStatus, Money)>, Vec<(PaymentStatus, Option<Money>)>, Money);

/// A few payments that name invoices, as the processor stores them.
#[derive(Clone)]
struct World {
    invoices: LockedInvoices,
    payments: Vec<(Vec<Fact>, PaymentFunds)>,
}

impl World {
    fn new(payments: usize) -> Self {
        Self { invoices: at_hand([open(1, "100"), open(2, "50")]), payments: vec![Default::default(); payments] }
    }

    fn entitlement(facts: &[Fact]) -> Option<Entitlement> {
        let state = PaymentState::from_facts(facts).unwrap();
        Some(Entitlement::new(state.net().unwrap()?, state.invoices))
    }

    fn arrive(&mut self, payment: usize, fact: &Fact) {
        let (facts, funds) = &mut self.payments[payment];
        if facts.contains(fact) {
            return;
        }
        facts.push(fact.clone());
        let Some(entitled) = Self::entitlement(facts) else { return };
        let movements = settle(&entitled, funds, &mut self.invoices).unwrap();
        if movements.iter().any(|movement| matches!(movement, FundsMovement::Released { .. })) {
            for (facts, funds) in &mut self.payments {
                if let Some(entitled) = Self::entitlement(facts) {
                    fill(&entitled, funds, &mut self.invoices).unwrap();
                }
            }
        }
        self.check();
    }

    fn check(&self) {
        for (facts, funds) in &self.payments {
            let Some(entitled) = Self::entitlement(facts) else { continue };
            assert_eq!(funds.total(entitled.net).unwrap(), entitled.net, "money is neither lost nor made");
        }
        for invoice in self.invoices.values() {
            let held = self.payments.iter().flat_map(|(_, funds)| &funds.allocations);
            let amounts = held.filter(|held| held.invoice_id == invoice.id()).map(|held| held.amount);
            let sum = amounts.fold(euro("0"), |sum, amount| sum.checked_add(amount).unwrap());
            assert_eq!(invoice.paid(), sum, "an invoice's paid amount is the sum of its allocations");
        }
    }

    /// The results that must not depend on the order: everything except which of two payments of one invoice is the
    /// unapplied one.
    fn end(&self) -> End {
        let invoices = self.invoices.values().map(|invoice| (invoice.status(), invoice.paid())).collect();
        let state = |(facts, _): &(Vec<Fact>, PaymentFunds)| PaymentState::from_facts(facts).unwrap();
        let payments = self.payments.iter().map(state).map(|state| (state.status, state.net().unwrap())).collect();
        let unapplied_amounts = self.payments.iter().map(|(_, funds)| funds.surplus(euro("0")).unwrap());
        (invoices, payments, unapplied_amounts.fold(euro("0"), |sum, surplus| sum.checked_add(surplus).unwrap()))
    }
}

fn fact(kind: FactKind, cents: i64, movement: &str, at: i64, invoices: &[u128]) -> Fact {
    let amount = Money::from_minor_units(cents, "EUR".parse().unwrap()).and_then(Money::positive).unwrap();
    let channel = if kind == FactKind::Claim { EvidenceChannel::Api } else { EvidenceChannel::Gateway };
    Fact {
        kind,
        amount: Some(amount),
        channel,
        transaction_id: None,
        origin: None,
        event_id: format!("{kind} {cents} {movement} {at} {invoices:?}"),
        movement: movement.to_owned(),
        invoices: invoices.iter().map(|number| invoice_id(*number)).collect(),
        occurred_at: DateTime::from_timestamp(at, 0).unwrap(),
    }
}

fn permutations(items: &[(usize, Fact)]) -> Vec<Vec<(usize, Fact)>> {
    if items.is_empty() {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for place in 0..items.len() {
        let mut rest = items.to_vec();
        let first = rest.remove(place);
        all.extend(permutations(&rest).into_iter().map(|mut order| {
            order.insert(0, first.clone());
            order
        }));
    }
    all
}

#[test]
fn all_720_orders_of_six_facts_end_the_same() {
    let histories = [
        // One payment: claimed, authorised, captured twice, partially refunded, disputed and won.
        vec![
            (0, fact(FactKind::Claim, 12_000, "t", 1, &[1])),
            (0, fact(FactKind::Authorisation, 12_000, "pi", 2, &[1])),
            (0, fact(FactKind::Capture, 8_000, "c1", 3, &[1])),
            (0, fact(FactKind::Capture, 4_000, "c2", 4, &[1])),
            (0, fact(FactKind::Refund, 5_000, "r1", 5, &[])),
            (0, fact(FactKind::Dispute, 8_000, "d1", 6, &[])),
        ],
        // Two payments of one invoice, one of them refunded, the other returned in part.
        vec![
            (0, fact(FactKind::Claim, 10_000, "t", 1, &[1])),
            (0, fact(FactKind::Capture, 10_000, "c1", 3, &[])),
            (1, fact(FactKind::Capture, 10_000, "c2", 3, &[1])),
            (0, fact(FactKind::Refund, 10_000, "r1", 5, &[])),
            (1, fact(FactKind::Reversal, 3_000, "v1", 6, &[])),
            (1, fact(FactKind::Failure, 10_000, "c2", 7, &[])),
        ],
        // Better evidence names another invoice.
        vec![
            (0, fact(FactKind::Capture, 6_000, "c1", 1, &[1])),
            (0, fact(FactKind::Settlement, 6_000, "c1", 2, &[2])),
            (1, fact(FactKind::Capture, 9_000, "c2", 3, &[1])),
            (2, fact(FactKind::Capture, 9_000, "c3", 4, &[1])),
            (1, fact(FactKind::DisputeLost, 9_000, "d2", 5, &[])),
            (2, fact(FactKind::Expiry, 9_000, "c3", 6, &[])),
        ],
    ];
    for history in histories {
        let orders = permutations(&history);
        assert_eq!(orders.len(), 720);
        let mut ends = Vec::new();
        for order in orders {
            let mut world = World::new(3);
            order.iter().for_each(|(payment, fact)| world.arrive(*payment, fact));
            ends.push(world.end());
        }
        assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "{ends:?}");
    }
}

fn any_history() -> impl Strategy<Value = Vec<(usize, Fact)>> {
    let of_kind = (0..FactKind::ALL.len(), 1..20_000_i64, 0..3_u32, 0..5_i64, 0..3_usize);
    let one = (0..3_usize, of_kind).prop_map(|(payment, (kind, cents, movement, at, naming))| {
        let named: &[u128] = [[1].as_slice(), &[2], &[]][naming];
        let kind = FactKind::ALL[kind];
        (payment, fact(kind, cents, &format!("m{movement}"), at, named))
    });
    proptest::collection::vec(one, 0..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_history_ends_the_same_in_any_order_and_however_often_its_facts_come(
        (history, shuffled) in any_history().prop_flat_map(|history| {
            (Just(history.clone()), Just([history.clone(), history].concat()).prop_shuffle())
        })
    ) {
        let (mut straight, mut mixed) = (World::new(3), World::new(3));
        history.iter().for_each(|(payment, fact)| straight.arrive(*payment, fact));
        shuffled.iter().for_each(|(payment, fact)| mixed.arrive(*payment, fact));
        prop_assert_eq!(straight.end(), mixed.end());
    }
}
