use deserr::Deserr;
use quittance_domain::id::InvoiceId;
use quittance_domain::money::PositiveMoney;

use super::times::Day;
use super::values::{List, Text, Whole};
use super::{BODY_BYTES_MAX, Faults, parse};

#[derive(Debug, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
#[expect(dead_code, reason = "only its faults are looked at")]
struct Line {
    n: Whole<1, 5>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Faults, deny_unknown_fields)]
struct Body {
    #[deserr(default)]
    invoice_id: Option<InvoiceId>,
    #[deserr(default)]
    amount: Option<PositiveMoney>,
    #[deserr(default)]
    name: Option<Text<1, 9>>,
    #[deserr(default)]
    day: Option<Day>,
    #[deserr(default)]
    lines: List<Line, 1, 9>,
    note: Text<1, 9>,
}

/// The pointers of all problems, from the response as a caller sees it.
fn pointers(body: &str) -> Vec<String> {
    let problem = serde_json::to_value(parse::<Body>(body.as_bytes()).unwrap_err()).unwrap();
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["pointer"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn all_faults_are_reported_at_once_with_their_pointers() {
    let body = r#"{"invoice_id": "x", "amount": {"value": "10.5", "currency": "JPY", "cents": 1}, "a/b": 1,
        "name": 5, "day": "2026-1-5", "lines": [{"n": 0}, 5, {}]}"#;
    let found = pointers(body);
    for pointer in [
        "/invoice_id",
        "/amount/value",
        "/amount/cents",
        "/note",
        "/name",
        "/day",
        "/lines/0/n",
        "/lines/1",
        "/lines/2/n",
        "/a~1b",
    ] {
        assert!(found.contains(&pointer.to_owned()), "{pointer} in {found:?}");
    }
    assert_eq!(found.len(), 10, "{found:?}");
}

#[test]
fn a_body_with_a_member_twice_is_refused_whole() {
    for body in [r#"{"note": "a", "note": "b"}"#, r#"{"note": "a", "amount": {"value": "1", "value": "9"}}"#] {
        assert_eq!(pointers(body), [""], "{body}");
    }
}

#[test]
fn a_member_that_is_null_or_left_out_is_absent() {
    for body in [r#"{"note": "a"}"#, r#"{"note": "a", "invoice_id": null, "amount": null, "name": null}"#] {
        let body: Body = parse(body.as_bytes()).unwrap();
        assert!(body.invoice_id.is_none() && body.amount.is_none() && body.name.is_none() && body.day.is_none());
        assert_eq!((body.note.as_str(), body.lines.as_slice().len()), ("a", 0));
    }
}

#[test]
fn texts_are_not_blank_and_have_no_control_characters() {
    for text in ["  ", "", "a\\u0000", "1234567890"] {
        assert_eq!(pointers(&format!(r#"{{"note": "{text}"}}"#)), ["/note"], "{text}");
    }
}

#[test]
fn negative_and_zero_amounts_and_numbers_are_refused() {
    for amount in [
        r#"{"value":"-1","currency":"EUR"}"#,
        r#"{"value":"0","currency":"EUR"}"#,
        r#"{"value":1,"currency":"EUR"}"#,
        r#"{"value":"1"}"#,
        "5",
    ] {
        let found = pointers(&format!(r#"{{"note": "a", "amount": {amount}}}"#));
        assert!(found.len() == 1 && found[0].starts_with("/amount"), "{amount}: {found:?}");
    }
}

#[test]
fn a_day_is_written_in_one_way_only() {
    for (day, faults) in [("2026-12-31", 0), ("2026-1-5", 1), ("1969-12-31", 1), ("+2026-01-01", 1)] {
        let result = parse::<Body>(format!(r#"{{"note": "a", "day": "{day}"}}"#).as_bytes());
        assert_eq!(result.map_or(1, |body| usize::from(body.day.is_none())), faults, "{day}");
    }
}

#[test]
fn a_body_that_is_no_object_or_too_large_is_refused() {
    for body in ["", "[]", "1", "{", "\u{0}"] {
        assert_eq!(parse::<Body>(body.as_bytes()).unwrap_err().status(), 400);
    }
    assert_eq!(parse::<Body>(&vec![b' '; BODY_BYTES_MAX + 1]).unwrap_err().status(), 413);
}
