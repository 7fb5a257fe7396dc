use super::*;

fn read(file: &str) -> Result<Vec<Confirmation>, BrokenFile> {
    let mut reader =
        ConfirmationReader::open(file.as_bytes(), &CsvOptions::default()).map_err(|error| error.broken().unwrap())?;
    let mut confirmations = Vec::new();
    while let Some(confirmation) = reader.next_confirmation().map_err(|error| error.broken().unwrap())? {
        confirmations.push(confirmation);
    }
    Ok(confirmations)
}

const HEADER: &str = "transaction_id,invoice_number,amount,currency,paid_on\n";

#[test]
fn our_columns_are_read_in_any_order_behind_a_byte_order_mark() {
    let read =
        read("\u{feff}currency,amount,paid_on,invoice_number,transaction_id\nEUR, 100.00 ,2026-11-02,INV-1,\"t-1\"\n")
            .unwrap();
    assert_eq!((read[0].line, read[0].transaction_id.as_str(), read[0].number), (2, "manual:t-1", 1));
    assert_eq!(*read[0].amount, Money::parse("100", "EUR").unwrap());
    assert_eq!(read[0].invoice_number.as_deref(), Some("INV-1"));
}

#[test]
fn a_broken_line_refuses_the_file_and_is_named() {
    let good = "t-1,INV-1,100.00,EUR,2026-11-02\n";
    for (line, reason) in [
        ("t-2,INV-2,100.001,EUR,2026-11-02\n", "decimals"),
        ("t-2,INV-2,-1,EUR,2026-11-02\n", "positive"),
        ("t-2,INV-2,0,EUR,2026-11-02\n", "positive"),
        ("t-2,INV-2,1,DEM,2026-11-02\n", "currency"),
        ("t-2,INV-2,1,EUR,02.11.2026\n", "YYYY-MM-DD"),
        ("t 2,INV-2,1,EUR,2026-11-02\n", "transaction_id"),
        (",INV-2,1,EUR,2026-11-02\n", "transaction_id"),
        ("t-2,INV\u{0}2,1,EUR,2026-11-02\n", "control characters"),
        ("t-2,INV-2,1,EUR,-9999-11-02\n", "1970"),
        ("t-2,INV-2\n", "2 fields"),
    ] {
        let error = read(&format!("{HEADER}{good}{line}")).unwrap_err();
        assert_eq!(error.line(), 3, "{line}");
        assert!(error.reason.contains(reason), "{error}");
    }
    assert!(read(HEADER).unwrap_err().reason.contains("no line below"));
    assert!(read("").unwrap_err().reason.contains("empty"));
    assert!(read(&format!("{HEADER}{}", good.repeat(10_001))).unwrap_err().reason.contains("at most"));
}

#[test]
fn json_is_read_and_what_is_unfit_is_named_by_its_pointer() {
    let payment = r#"{"transaction_id":"pi_1","provider":"stripe","invoice_number":"INV-1","amount":{"value":"1.00","currency":"EUR"},"paid_on":"2026-11-02"}"#;
    let body = |payment: &str| format!("{{\"payments\":[{payment}]}}");
    let confirmations = read(&body(payment)).unwrap();
    assert_eq!(confirmations[0].transaction_id.as_str(), "stripe:pi_1");
    assert_eq!(confirmations[0].amount.to_string(), "1.00 EUR");
    for (from, to, reason) in [
        ("1.00", "1.001", "/payments/0/amount: "),
        ("\"1.00\"", "1.00", "before column"),
        ("pi_1", "pi 1", "/payments/0/transaction_id: "),
        ("stripe\"", "Stripe\"", "/payments/0/provider: "),
        ("2026-11-02", "2026-11-2", "/payments/0/paid_on: "),
        ("2026-11-02", "2026-02-30", "/payments/0/paid_on: "),
        ("\"invoice_number\"", "\"invoice\"", "unknown"),
        ("\"paid_on\"", "\"provider\"", "unfit"),
    ] {
        let refused = read(&body(&payment.replace(from, to))).unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
    assert!(read("{\"payments\":[]}").unwrap_err().reason.contains("no payment"));
    assert!(read("[]").unwrap_err().reason.contains("column"));
    assert!(read(&format!("{}x", body(payment))).is_err());
}
