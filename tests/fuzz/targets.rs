//! External input, given to the code that parses it first: files, signatures, gateways' messages and responses, the
//! API's bodies and keys. Nothing may panic, and nothing may be accepted that is not signed or does not belong to the
//! gateway.

use std::io::Cursor;

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use quittance_billing::books::corrections::NewCorrection;
use quittance_billing::credit_notes::NewCreditNote;
use quittance_billing::invoices::NewInvoice;
use quittance_domain::command::{Evidence, InitiateCharge, QueryPayment, QueryResource};
use quittance_domain::fact::FactKind;
use quittance_domain::money::Money;
use quittance_formats::{ConfirmationUpload, CsvOptions, FileItem, StatementUpload};
use quittance_lambda::body::{self, Faults};
use quittance_lambda::idempotency_key;
use quittance_lambda::problem::Problem;
use quittance_providers::api::{Access, Api, HttpResponse, InquiryResponse, ListedEvents, PaymentStatement};
use quittance_providers::{ProviderModule, WebhookNotice, by_name};
use quittance_validator::bodies::NewRefundRequest;
use quittance_validator::commands::{Confirmation, NewPayment};

/// A function that parses some input.
pub type Target = fn(&[u8]);

/// All targets by their names.
pub const TARGETS: [(&str, Target); 17] = [
    ("stripe_signature", stripe_signature),
    ("gocardless_signature", gocardless_signature),
    ("stripe_message", stripe_message),
    ("adyen_message", adyen_message),
    ("gocardless_message", gocardless_message),
    ("stripe_answer", stripe_answer),
    ("adyen_answer", adyen_answer),
    ("gocardless_answer", gocardless_answer),
    ("claim_body", claim_body),
    ("confirmation_body", confirmation_body),
    ("members_of_a_body", members_of_a_body),
    ("idempotency_key", idempotency_key),
    ("camt_statement", camt_statement),
    ("mt940_statement", mt940_statement),
    ("csv_statement", csv_statement),
    ("confirmations_file", confirmations_file),
    ("statement_archive", statement_archive),
];

/// Stripe's `Stripe-Signature` over an unsigned body.
pub fn stripe_signature(data: &[u8]) {
    unsigned("stripe", "stripe-signature", data);
}

/// GoCardless's `Webhook-Signature` over an unsigned body.
pub fn gocardless_signature(data: &[u8]) {
    unsigned("gocardless", "webhook-signature", data);
}

/// An event of Stripe's.
pub fn stripe_message(data: &[u8]) {
    message("stripe", data);
}

/// A notification of Adyen's, which contains its signature.
pub fn adyen_message(data: &[u8]) {
    unsigned("adyen", "x-none", data);
    message("adyen", data);
}

/// Events of GoCardless's.
pub fn gocardless_message(data: &[u8]) {
    message("gocardless", data);
}

/// A response of Stripe's API.
pub fn stripe_answer(data: &[u8]) {
    answer("stripe", data);
}

/// A response of Adyen's API.
pub fn adyen_answer(data: &[u8]) {
    answer("adyen", data);
}

/// A response of GoCardless's API.
pub fn gocardless_answer(data: &[u8]) {
    answer("gocardless", data);
}

/// The body of a claim or a charge.
pub fn claim_body(data: &[u8]) {
    match body::parse::<NewPayment>(data) {
        Ok(claim) => {
            assert_eq!(claim.transaction_id.provider(), claim.provider);
            assert!(Money::from(claim.amount).is_positive());
        }
        Err(problem) => check_refusal(&problem),
    }
}

/// A confirmation: its path on the first line, followed by its body.
pub fn confirmation_body(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let (Some(path), Some(body)) = (parts.next(), parts.next()) else { return };
    let Ok(path) = std::str::from_utf8(path) else { return };
    let read = body::parse::<Confirmation>(body);
    match read.and_then(|read| read.into_movement(path).map_err(Faults::into_problem)) {
        Ok(confirmation) => assert!(Money::from(confirmation.amount).is_positive()),
        Err(problem) => check_refusal(&problem),
    }
}

/// The bodies of invoices and credit notes, refunds and corrections.
pub fn members_of_a_body(data: &[u8]) {
    let refusals = [
        body::parse::<NewInvoice>(data).err(),
        body::parse::<NewCreditNote>(data).err(),
        body::parse::<NewCorrection>(data).err(),
        body::parse::<NewRefundRequest>(data).err(),
    ];
    refusals.iter().flatten().for_each(check_refusal);
}

/// The `Idempotency-Key` header.
pub fn idempotency_key(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("idempotency-key"), value);
    match idempotency_key::read(&headers) {
        Ok(key) => {
            let quoted = HeaderValue::from_str(&format!("\"{key}\""));
            quoted.into_iter().for_each(|value| drop(headers.insert("idempotency-key", value)));
            assert_eq!(idempotency_key::read(&headers).ok(), Some(key), "quotes do not count");
        }
        Err(problem) => check_refusal(&problem),
    }
}

fn check_refusal(problem: &Problem) {
    assert!([400, 413].contains(&problem.status().as_u16()), "it is the sender's mistake");
}

fn unsigned(name: &str, header: &'static str, data: &[u8]) {
    let Some(webhooks) = by_name(name).and_then(ProviderModule::webhooks) else { return };
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(data) {
        headers.insert(HeaderName::from_static(header), value);
    }
    let secrets = ["11".repeat(32), "whsec_b".to_owned()];
    assert!(webhooks.verify(&headers, data, &secrets, now()).is_err(), "nobody signed this");
}

fn message(name: &str, data: &[u8]) {
    let Some(webhooks) = by_name(name).and_then(ProviderModule::webhooks) else { return };
    let read = webhooks.read(data, None);
    assert_eq!(read, webhooks.read(data, None), "one body means one thing");
    read.into_iter().flatten().for_each(|notice| check(name, &notice));
}

fn check(name: &str, notice: &WebhookNotice) {
    match notice {
        WebhookNotice::Evidence(evidence) => check_evidence(name, evidence),
        WebhookNotice::Inquire(inquiry) => {
            assert_eq!(inquiry.provider.as_str(), name);
            let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_/-".contains(letter);
            assert!(inquiry.resource.chars().all(is_plain), "it becomes a part of a URL: {}", inquiry.resource);
        }
        WebhookNotice::Ignored { .. } | WebhookNotice::Unknown { .. } | WebhookNotice::Unreadable(_) => {}
    }
}

fn check_evidence(name: &str, evidence: &Evidence) {
    let names = std::iter::once(&evidence.transaction_id).chain(&evidence.references);
    assert!(names.into_iter().all(|known| known.provider().as_str() == name), "a name of another provider's");
    assert!(evidence.event_id.starts_with(name), "a message of another provider's");
    assert!(evidence.has_required_amount());
    assert!(evidence.amount.is_none_or(|amount| Money::from(amount).is_positive()));
}

/// The first byte selects the kind of response, the rest is its body.
fn answer(name: &str, data: &[u8]) {
    let Some((api, (which, body))) = by_name(name).and_then(ProviderModule::api).zip(data.split_first()) else {
        return;
    };
    let status = if which % 2 == 0 { 200 } else { 422 };
    let answer = HttpResponse { status, body: body.to_vec() };
    let Some((charge, inquiry, resource)) = commands(name) else { return };
    let response = match which / 2 % 4 {
        0 => api.charged(&charge, &answer).ok().map(InquiryResponse::from),
        1 => api.looked_up(&inquiry, &answer).ok(),
        2 => api.queried(&resource, &answer).ok(),
        _ => return check_listed(name, api, &answer),
    };
    if let Some(InquiryResponse::Statement(PaymentStatement::Evidence(reported))) = response {
        reported.iter().for_each(|evidence| check_evidence(name, evidence));
    }
}

fn check_listed(name: &str, api: &dyn Api, answer: &HttpResponse) {
    let access = Access { key: String::new(), account: String::new() };
    if let Ok(ListedEvents::Page(notices, _)) = api.parse_listing(&access, answer) {
        notices.iter().for_each(|notice| check(name, notice));
    }
}

fn commands(name: &str) -> Option<(InitiateCharge, QueryPayment, QueryResource)> {
    let provider: quittance_domain::id::Provider = name.parse().ok()?;
    let charge = InitiateCharge {
        payment_id: "pay_00000000000000000000000000000001".parse().ok()?,
        attempt: 1,
        transaction_id: format!("{name}:order-1").parse().ok()?,
        provider: provider.clone(),
        invoice_id: "inv_00000000000000000000000000000001".parse().ok()?,
        amount: Money::parse("100.00", "EUR").and_then(Money::positive).ok()?,
        payment_method: "owner/method".to_owned(),
        ordered_at: now(),
    };
    let inquiry = QueryPayment {
        payment_id: charge.payment_id,
        transaction_id: charge.transaction_id.clone(),
        provider: provider.clone(),
        names: Vec::new(),
        charge: Some(charge.clone()),
        may_repeat: true,
        round: 1,
        since: now(),
        is_last: false,
    };
    let resource = QueryResource {
        provider,
        resource: "payments/PM1".to_owned(),
        event_id: "EV1".to_owned(),
        kinds: vec![FactKind::Capture],
        occurred_at: now(),
    };
    Some((charge, inquiry, resource))
}

const fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

/// A statement in XML.
pub fn camt_statement(data: &[u8]) {
    statement(data);
}

/// An MT940 statement.
pub fn mt940_statement(data: &[u8]) {
    statement(data);
}

/// A CSV statement.
pub fn csv_statement(data: &[u8]) {
    statement(data);
}

/// Statements in an archive.
pub fn statement_archive(data: &[u8]) {
    statement(data);
}

/// The maximum number of items after which reading is suspended and resumed: each time it starts from the beginning of
/// the file.
const PAUSES_MAX: usize = 20;

/// Reading in one go and with pauses must give the same result.
fn statement(data: &[u8]) {
    let mut through =
        StatementUpload::open(Cursor::new(data), &CsvOptions::default()).map_err(|error| error.to_string());
    let mut paused =
        StatementUpload::open(Cursor::new(data), &CsvOptions::default()).map_err(|error| error.to_string());
    for _ in 0..PAUSES_MAX {
        let (Ok(reader), Ok(other)) = (&mut through, &mut paused) else { return };
        let checkpoint = other.checkpoint();
        let kept = serde_json::to_vec(&checkpoint).ok().and_then(|kept| serde_json::from_slice(&kept).ok());
        assert_eq!(kept.as_ref(), Some(&checkpoint), "a checkpoint survives being kept");
        paused = StatementUpload::resume(Cursor::new(data), checkpoint).map_err(|error| error.to_string());
        let again = paused
            .as_mut()
            .map_err(|error| error.clone())
            .and_then(|other| other.next_item().map_err(|error| error.to_string()));
        let item = reader.next_item().map_err(|error| error.to_string());
        assert_eq!(item, again, "a pause changes nothing");
        match item {
            Ok(Some(FileItem::Movement(movement))) => {
                assert!(!movement.amount.value().is_sign_negative(), "the direction has the sign");
                assert!(movement.remittance.len() <= 16_000 && movement.creditor_references.len() <= 100);
            }
            Ok(Some(FileItem::StatementEnd(_))) => {}
            Ok(None) | Err(_) => return,
        }
    }
}

/// A client's confirmations, CSV or JSON.
pub fn confirmations_file(data: &[u8]) {
    let Ok(mut reader) = ConfirmationUpload::open(Cursor::new(data), &CsvOptions::default()) else { return };
    while let Ok(Some(confirmation)) = reader.next_confirmation() {
        assert!(Money::from(confirmation.amount).is_positive());
        assert_eq!(confirmation.transaction_id.provider(), confirmation.provider);
    }
}
