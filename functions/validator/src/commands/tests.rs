use proptest::collection::vec;
use proptest::prelude::*;
use quittance_lambda::body;
use quittance_lambda::problem::Problem;

use super::*;

fn confirmation(transaction_id: &str, body: &[u8]) -> Result<PaymentMovement, Problem> {
    body::parse::<Confirmation>(body)?.into_movement(transaction_id).map_err(Faults::into_problem)
}

fn claim(amount: &str) -> Result<NewPayment, Problem> {
    let body = format!(
        r#"{{"transaction_id":"t-1","provider":"manual","invoice_id":"inv_00000000000000000000000000000001","amount":{amount}}}"#
    );
    body::parse::<NewPayment>(body.as_bytes())
}

#[test]
fn a_claim_enters_its_providers_namespace() {
    let claim = claim(r#"{"value":"100.00","currency":"EUR"}"#).unwrap();
    assert_eq!(claim.transaction_id.as_str(), "manual:t-1");
}

#[test]
fn a_line_of_a_bank_statement_cannot_be_claimed() {
    for name in ["bank-1", "manual:bank-1"] {
        let body = format!(
            r#"{{"transaction_id":"{name}","provider":"manual","invoice_id":"inv_00000000000000000000000000000001","amount":{{"value":"1.00","currency":"EUR"}}}}"#
        );
        assert_eq!(body::parse::<NewPayment>(body.as_bytes()).unwrap_err().status(), 400, "{name}");
    }
}

#[test]
fn wrong_scales_signs_and_absurd_amounts_are_refused() {
    for amount in [
        r#"{"value":"10.5","currency":"JPY"}"#,
        r#"{"value":"-1.00","currency":"EUR"}"#,
        r#"{"value":"0","currency":"EUR"}"#,
        r#"{"value":"1.00","currency":"HRK"}"#,
        r#"{"value":"1e9","currency":"EUR"}"#,
        r#"{"value":"999999999999999999999999999999","currency":"EUR"}"#,
        r#"{"value":100,"currency":"EUR"}"#,
        r#"{"value":"1","currency":"EUR","note":""}"#,
    ] {
        assert_eq!(claim(amount).unwrap_err().status(), 400, "{amount}");
    }
}

#[test]
fn a_confirmation_may_name_its_provider_in_the_path_or_in_the_body() {
    let amount = r#""amount":{"value":"1","currency":"EUR"}"#;
    let parse = |path: &str, body: String| confirmation(path, body.as_bytes()).unwrap().transaction_id.to_string();
    assert_eq!(parse("stripe:pi_1", format!("{{{amount}}}")), "stripe:pi_1");
    assert_eq!(parse("pi_1", format!(r#"{{"provider":"stripe",{amount}}}"#)), "stripe:pi_1");
    assert_eq!(parse("t-1", format!("{{{amount}}}")), "manual:t-1");
}

#[test]
fn a_confirmation_names_its_invoices_in_one_way_and_a_return_names_its_movement() {
    let parse = |members: &str| {
        let body = format!(r#"{{"amount":{{"value":"1","currency":"EUR"}},{members}}}"#);
        confirmation("t-1", body.as_bytes())
    };
    let (one, two) = ("inv_00000000000000000000000000000001", "inv_00000000000000000000000000000002");
    let several = parse(&format!(r#""invoice_ids":["{two}","{one}"]"#)).unwrap();
    assert_eq!(several.invoices, [two, one].map(|id| InvoiceReference::Id(id.parse().unwrap())));
    for refused in [
        format!(r#""invoice_ids":["{one}"],"invoice_id":"{two}""#),
        r#""invoice_ids":["cli_1"]"#.to_owned(),
        r#""kind":"reversal""#.to_owned(),
        r#""kind":"claim","movement":"m""#.to_owned(),
    ] {
        assert_eq!(parse(&refused).unwrap_err().status(), 400, "{refused}");
    }
    assert_eq!(parse(r#""kind":"reversal","movement":"RET-1""#).unwrap().kind, FactKind::Reversal);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_parsed_or_refused_with_400_or_413(body in vec(any::<u8>(), 0..400), path in "\\PC{0,120}") {
        for refused in [body::parse::<NewPayment>(&body).err(), confirmation(&path, &body).err()] {
            prop_assert!(refused.is_none_or(|problem| [400, 413].contains(&problem.status().as_u16())));
        }
    }

    #[test]
    fn a_spoiled_request_is_parsed_or_refused(index in 0..300_usize, byte: u8, method in "\\PC{0,300}") {
        let body = serde_json::json!({
            "transaction_id": "order-1", "provider": "gocardless", "payment_method": method,
            "invoice_id": "inv_00000000000000000000000000000001", "amount": {"value": "1.00", "currency": "EUR"},
        });
        let mut body = body.to_string().into_bytes();
        if let Some(spoiled) = body.get_mut(index) {
            *spoiled = byte;
        }
        if let Ok(request) = body::parse::<NewPayment>(&body) {
            prop_assert!(request.payment_method.is_none_or(|method| method.as_str().bytes().all(|byte| byte.is_ascii_graphic())));
        }
    }
}
