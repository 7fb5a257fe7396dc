//! Tests of the invoice's state machine.

use uuid::Uuid;

use super::*;

fn euro(value: &str) -> Money {
    Money::parse(value, "EUR").unwrap()
}

fn draft() -> Invoice {
    let nobody = ClientId::from_uuid(Uuid::nil());
    Invoice::draft(InvoiceId::from_uuid(Uuid::nil()), nobody, euro("100").positive().unwrap())
}

#[test]
fn money_comes_and_goes_and_the_status_follows() {
    let mut invoice = draft().issued().unwrap();
    for (amount, status) in [
        ("40", InvoiceStatus::PartiallyPaid),
        ("60", InvoiceStatus::Paid),
        ("-60", InvoiceStatus::PartiallyPaid),
        ("-40", InvoiceStatus::Open),
    ] {
        invoice = invoice.with_allocation(euro(amount)).unwrap();
        assert_eq!(invoice.status(), status);
    }
    assert_eq!(invoice.version(), 6);
}

#[test]
fn no_invoice_takes_more_than_its_total_or_gives_back_more_than_it_took() {
    let open = draft().issued().unwrap();
    for amount in ["100.01", "-0.01"] {
        assert!(matches!(open.with_allocation(euro(amount)), Err(InvoiceError::NotPayable { .. })), "{amount}");
    }
    for unpayable in [draft(), open.voided().unwrap()] {
        assert!(unpayable.with_allocation(euro("1")).is_err());
    }
    assert!(open.with_allocation(Money::parse("1", "USD").unwrap()).is_err());
}

#[test]
fn a_credit_note_takes_off_what_is_owed_and_the_status_follows() {
    let credit = |invoice: &Invoice, amount: &str| invoice.with_credit(euro(amount).positive().unwrap());
    let open = draft().issued().unwrap();
    let credited = credit(&open, "30").unwrap();
    assert_eq!((credited.status(), credited.outstanding().unwrap()), (InvoiceStatus::Open, euro("70")));
    assert!(credited.voided().is_err(), "its credit note would be about nothing");
    assert!(credited.with_allocation(euro("70.01")).is_err(), "no more than is owed");
    let paid = credited.with_allocation(euro("70")).unwrap();
    assert_eq!(paid.status(), InvoiceStatus::Paid);
    let beyond = credit(&paid, "10").unwrap();
    assert_eq!((beyond.status(), beyond.outstanding().unwrap()), (InvoiceStatus::Paid, euro("-10")));
    let released = beyond.with_allocation(euro("-10")).unwrap();
    assert_eq!((released.status(), released.outstanding().unwrap()), (InvoiceStatus::Paid, euro("0")));
    assert!(beyond.with_allocation(euro("0.01")).is_err(), "it asks for nothing");
    assert!(matches!(credit(&paid, "70.01"), Err(InvoiceError::NotCreditable { .. })), "more than was charged");
    let refunded = paid.with_allocation(euro("-20")).unwrap();
    assert_eq!(refunded.status(), InvoiceStatus::PartiallyPaid);
    let covered = credit(&refunded, "20").unwrap();
    assert_eq!((covered.status(), covered.credited(), covered.paid()), (InvoiceStatus::Paid, euro("50"), euro("50")));
    assert_eq!(credit(&open, "100").unwrap().status(), InvoiceStatus::Credited, "nothing is owed and nothing was paid");
    let all = credit(&paid, "70").unwrap().with_allocation(euro("-70")).unwrap();
    assert_eq!((all.status(), all.paid()), (InvoiceStatus::Credited, euro("0")));
    for unissued in [draft(), open.voided().unwrap()] {
        assert!(credit(&unissued, "1").is_err());
    }
    assert!(credit(&open, "100.01").is_err());
}

#[test]
fn what_is_kept_in_two_minds_is_no_invoice() {
    let restore = |paid: &str, status| {
        let draft = draft();
        let amounts = Amounts { total: draft.total(), credited: euro("0"), paid: euro(paid) };
        Invoice::restore(draft.id(), draft.client_id(), amounts, status, 1).is_ok()
    };
    assert!(restore("100", InvoiceStatus::Paid));
    for (paid, status) in [
        ("99", InvoiceStatus::Paid),
        ("1", InvoiceStatus::Void),
        ("0", InvoiceStatus::PartiallyPaid),
        ("101", InvoiceStatus::PartiallyPaid),
    ] {
        assert!(!restore(paid, status), "{paid} {status}");
    }
}

#[test]
fn only_what_is_owed_can_be_overdue() {
    let due_on: NaiveDate = "2026-11-30".parse().unwrap();
    let open = draft().issued().unwrap();
    assert!(!open.is_overdue(due_on, due_on));
    assert!(open.is_overdue(due_on, "2026-12-01".parse().unwrap()));
    let paid = open.with_allocation(euro("100")).unwrap();
    assert!(!paid.is_overdue(due_on, "2026-12-01".parse().unwrap()));
}
