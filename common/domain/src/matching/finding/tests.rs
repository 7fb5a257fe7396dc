use std::collections::BTreeSet;

use chrono::NaiveDate;
use uuid::Uuid;

use super::super::*;
use crate::money::MoneyError;

mod labelled;

/// Matches using the line's own keys.
pub(super) fn find(line: &BankLine, open_items: &[OpenItem], claims: &[OpenClaim]) -> Result<MatchResult, MoneyError> {
    super::find(line, &line.keys(), open_items, claims)
}

pub(super) fn euros(value: &str) -> Money {
    Money::parse(value, "EUR").unwrap()
}

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) fn open_item(number: &str, client: (u128, &str), total: &str) -> OpenItem {
    let digits: u128 =
        number.bytes().filter(u8::is_ascii_digit).fold(0, |sum, digit| sum * 10 + u128::from(digit - b'0'));
    OpenItem {
        invoice_id: InvoiceId::from_uuid(Uuid::from_u128(digits)),
        number: number.to_owned(),
        client_id: ClientId::from_uuid(Uuid::from_u128(client.0)),
        client: client.1.to_owned(),
        total: euros(total),
        outstanding: euros(total),
        issued_on: day("2026-10-01"),
    }
}

pub(super) fn line(amount: &str, payer: &str, text: &str) -> BankLine {
    BankLine {
        amount: euros(amount).positive().unwrap(),
        sent: None,
        booked_on: day("2026-11-03"),
        references: Vec::new(),
        texts: vec![text.to_owned()],
        payer: (!payer.is_empty()).then(|| payer.to_owned()),
        clients_by_account: BTreeSet::new(),
        clients_by_name: BTreeSet::new(),
    }
}

const NORD: (u128, &str) = (1, "Schrauben Nord GmbH");
const SUED: (u128, &str) = (2, "Süd Werkzeug AG");

fn numbers(finding: &MatchResult, open_items: &[OpenItem]) -> Vec<String> {
    let MatchResult::Match(found) = finding else { return Vec::new() };
    let number =
        |id: &InvoiceId| open_items.iter().find(|open_item| open_item.invoice_id == *id).unwrap().number.clone();
    found.invoices.iter().map(number).collect()
}

fn matched(line: &BankLine, open_items: &[OpenItem]) -> Vec<String> {
    numbers(&find(line, open_items, &[]).unwrap(), open_items)
}

#[test]
fn a_creditor_reference_matches_whatever_the_amount() {
    let open_items = [open_item("2026-0001", NORD, "100.00"), open_item("2026-0002", NORD, "40.00")];
    let reference = CreditorReference::of_number("2026-0001").unwrap().to_string();
    for amount in ["100.00", "40.00", "120.00"] {
        let payer = if amount == "120.00" { "Schrauben Nord" } else { "" };
        assert_eq!(
            matched(&line(amount, payer, &format!("thanks {reference}")), &open_items),
            ["2026-0001"],
            "{amount}"
        );
        let mut structured = line(amount, payer, "");
        structured.references.push(reference.clone());
        assert_eq!(matched(&structured, &open_items), ["2026-0001"], "{amount}");
    }
}

#[test]
fn a_number_needs_the_amount_or_the_payer_beside_it() {
    let open_items = [open_item("2026-0001", NORD, "100.00")];
    for (amount, payer, is_matched) in [
        ("100.00", "Schrauben Nord", true),
        ("60.00", "Schrauben Nord", true),
        ("100.00", "Somebody else", false),
        ("60.00", "Somebody else", false),
        ("160.00", "Schrauben Nord", false),
        ("100.00", "", false),
    ] {
        let found = matched(&line(amount, payer, "Rechnung 2026-0001"), &open_items);
        assert_eq!(!found.is_empty(), is_matched, "{amount} {payer}");
    }
}

#[test]
fn letters_in_front_of_a_number_may_be_left_out() {
    let open_items = [open_item("INV-2026-000042", NORD, "100.00")];
    for text in ["INV-2026-000042", "2026-000042", "Rechnung Nr. 2026000042", "inv2026-000042", "INV 2026/000042"] {
        assert_eq!(matched(&line("100.00", "Schrauben Nord", text), &open_items), ["INV-2026-000042"], "{text}");
    }
}

#[test]
fn what_contradicts_a_match_makes_it_a_case() {
    let open_items = [open_item("2026-0001", NORD, "100.00"), open_item("2026-0002", SUED, "100.00")];
    let mut other_client = line("100.00", "Süd Werkzeug", "2026-0001");
    other_client.clients_by_name.insert(ClientId::from_uuid(Uuid::from_u128(2)));
    let MatchResult::Unsure(candidates) = find(&other_client, &open_items, &[]).unwrap() else {
        panic!("it is matched")
    };
    assert!(candidates.iter().any(|candidate| candidate.reason.contains("the payer is another client")));
    let mut other_currency = open_items.clone();
    other_currency[0].outstanding = Money::parse("100.00", "CHF").unwrap();
    assert_eq!(matched(&line("100.00", "Schrauben Nord", "2026-0001"), &other_currency[..1]), Vec::<String>::new());
    let of_client = [open_items[0].clone(), open_item("2026-0003", NORD, "60.00")];
    assert_eq!(matched(&line("60.00", "Schrauben Nord", "2026-0001"), &of_client), Vec::<String>::new());
    let mut early = line("100.00", "Schrauben Nord", "");
    early.booked_on = day("2026-09-30");
    assert_eq!(matched(&early, &open_items[..1]), Vec::<String>::new());
}

#[test]
fn amount_and_payer_match_only_if_nothing_else_is_like_it() {
    let open_items = [
        open_item("2026-0001", NORD, "100.00"),
        open_item("2026-0003", NORD, "100.00"),
        open_item("2026-0002", SUED, "100.00"),
    ];
    let nameless = line("100.00", "SCHRAUBEN NORD", "thank you");
    assert_eq!(matched(&nameless, &[open_items[0].clone(), open_items[2].clone()]), ["2026-0001"]);
    assert_eq!(matched(&nameless, &open_items), Vec::<String>::new());
    let mut known = line("100.00", "Holding", "thank you");
    known.clients_by_account.insert(open_items[2].client_id);
    assert_eq!(matched(&known, &open_items), Vec::<String>::new(), "it may pay for several");
    known.texts = vec!["2026-0002, second half".to_owned()];
    known.amount = euros("50.00").positive().unwrap();
    assert_eq!(matched(&known, &open_items), ["2026-0002"]);
}

#[test]
fn one_transfer_pays_all_invoices_that_it_names_if_the_sum_fits() {
    let open_items = [open_item("2026-0002", NORD, "40.00"), open_item("2026-0001", NORD, "100.00")];
    let paying = |amount: &str| matched(&line(amount, "Schrauben Nord", "2026-0002 und 2026-0001"), &open_items);
    assert_eq!(paying("140.00"), ["2026-0001", "2026-0002"]);
    assert_eq!(paying("100.00"), Vec::<String>::new());
    let mut short = line("138.50", "Schrauben Nord", "2026-0001, 2026-0002");
    short.sent = Some(euros("140.00"));
    let finding = find(&short, &open_items, &[]).unwrap();
    assert_eq!(numbers(&finding, &open_items).len(), 2);
    assert!(matches!(finding, MatchResult::Match(found) if found.reason.contains("less 1.50 EUR, which banks took")));
    let of_two = [open_items[0].clone(), open_item("2026-0001", SUED, "100.00")];
    assert_eq!(matched(&line("140.00", "", "2026-0002 2026-0001"), &of_two), Vec::<String>::new());
}

#[test]
fn an_older_number_beside_the_open_one_does_not_count() {
    let mut open_items = [open_item("2026-0001", NORD, "100.00"), open_item("2026-0002", NORD, "100.00")];
    open_items[0].outstanding = euros("0.00");
    let text = "2026-0002 (2026-0001 paid on 1.10.)";
    assert_eq!(matched(&line("100.00", "Schrauben Nord", text), &open_items), ["2026-0002"]);
}

#[test]
fn money_for_a_paid_invoice_is_matched_only_if_it_is_paid_twice() {
    let mut open_items = [open_item("2026-0001", NORD, "100.00")];
    open_items[0].outstanding = euros("0.00");
    assert_eq!(matched(&line("100.00", "Schrauben Nord", "2026-0001"), &open_items), ["2026-0001"]);
    assert_eq!(matched(&line("70.00", "Schrauben Nord", "2026-0001"), &open_items), Vec::<String>::new());
}

#[test]
fn a_claims_name_leads_to_its_payment() {
    let open_items = [open_item("2026-0001", NORD, "100.00")];
    let claim = OpenClaim {
        payment_id: PaymentId::from_uuid(Uuid::from_u128(7)),
        name: "WIRE-2026.77".to_owned(),
        amount: euros("60.00"),
        invoice_id: open_items[0].invoice_id,
    };
    let find = |amount: &str, payer: &str, text: &str| match self::find(
        &line(amount, payer, text),
        &open_items,
        std::slice::from_ref(&claim),
    )
    .unwrap()
    {
        MatchResult::Match(found) => found.payment_id,
        MatchResult::Unsure(_) => None,
    };
    assert_eq!(find("60.00", "Somebody", "WIRE-2026.77"), Some(claim.payment_id));
    assert_eq!(find("60.00", "Schrauben Nord", "SVWZ WIRE-2026.77"), Some(claim.payment_id));
    assert_eq!(find("100.00", "Somebody", "WIRE-2026.77"), None, "another amount is another transfer");
    assert_eq!(find("60.00", "Somebody", "rent WIRE-2026.77"), None, "anybody may claim a word");
}

#[test]
fn the_best_candidates_come_first_and_say_why() {
    let open_items = [open_item("2026-0001", SUED, "90.00"), open_item("2026-0002", NORD, "80.00")];
    let MatchResult::Unsure(candidates) = find(&line("80.00", "", "2026-0001 2026-0002"), &open_items, &[]).unwrap()
    else {
        panic!("it is matched")
    };
    let shown: Vec<(&str, u8)> = candidates.iter().map(|one| (one.number.as_str(), one.score)).collect();
    assert_eq!(shown, [("2026-0002", 65), ("2026-0001", 35)]);
    assert_eq!(
        candidates[0].reason,
        "its text names 2026-0002; the amount is what is left to pay; the payer is not named"
    );
}

#[test]
fn a_credit_note_that_is_deducted_names_no_invoice() {
    let open_items = [open_item("INV-2026-000042", NORD, "100.00"), open_item("INV-2026-000007", NORD, "70.00")];
    let less = line("80.00", NORD.1, "INV-2026-000042 less CN-2026-000007");
    assert_eq!(matched(&less, &open_items), ["INV-2026-000042"]);
    let refund = line("70.00", "Somebody", "Refund of CN-2026-000007");
    assert_eq!(matched(&refund, &open_items), Vec::<String>::new());
}

#[test]
fn a_match_has_the_text_that_names_the_invoice() {
    let open_items = [open_item("2026-0001", NORD, "100.00")];
    let mut reported = line("100.00", NORD.1, "thank you");
    reported.texts.push("for 2026-0001".to_owned());
    let text = |line: &BankLine| match find(line, &open_items, &[]).unwrap() {
        MatchResult::Match(found) => found.text,
        MatchResult::Unsure(_) => panic!("it is a match"),
    };
    assert_eq!(text(&reported).as_deref(), Some("for 2026-0001"));
    reported.references = vec!["2026-0001".to_owned()];
    assert_eq!(text(&reported).as_deref(), Some("2026-0001"), "the surer one");
    assert_eq!(text(&line("100.00", NORD.1, "thank you")), None, "it is matched by payer and amount");
}
