mod indicators;
mod references;

use super::*;
use crate::movement::{Direction, Movement};
use crate::reader::StatementReader;
use crate::reader::tests::{read_all, read_with_pauses};
use crate::{BrokenFile, FileItem, Format};

const OURS: &str = "bank_reference,transaction_id,invoice_number,amount,currency,booked_on\n";

fn read(file: &str) -> Vec<Movement> {
    let read = read_all(file.as_bytes()).unwrap();
    assert_eq!(read_with_pauses(file.as_bytes()).unwrap(), read, "with pauses");
    read.0
}

fn refusal(file: &str) -> String {
    read_all(file.as_bytes()).unwrap_err().to_string()
}

fn with(file: &str, options: &CsvOptions) -> Result<Vec<Movement>, BrokenFile> {
    let mut reader = StatementReader::open(file.as_bytes(), options).map_err(|error| error.broken().unwrap())?;
    let mut movements = Vec::new();
    while let Some(item) = reader.next_item().map_err(|error| error.broken().unwrap())? {
        movements.extend(if let FileItem::Movement(movement) = item { Some(*movement) } else { None });
    }
    Ok(movements)
}

fn dialect(file: &str) -> String {
    let reader = StatementReader::open(file.as_bytes(), &CsvOptions::default()).unwrap();
    let Format::Csv(dialect) = reader.format() else { panic!("it is CSV") };
    dialect.to_string()
}

#[test]
fn our_own_columns_are_read_in_any_order_behind_a_byte_order_mark() {
    let file = "\u{feff}currency,amount,booked_on,invoice_number,transaction_id,bank_reference\nEUR, 1.00 ,2026-11-02,INV-1,\"t-1\",b1\n";
    let movements = read(file);
    assert_eq!((movements[0].place.line, movements[0].amount.to_string().as_str()), (2, "1.00 EUR"));
    assert_eq!(movements[0].transaction_id.as_deref(), Some("t-1"));
    assert_eq!(movements[0].documents, ["INV-1"]);
    assert_eq!(movements[0].bank_reference.as_deref(), Some("b1"));
}

#[test]
fn banks_of_several_countries_are_understood() {
    let german = "Kontoauszug\n\nKonto;DE02\n\"Buchungstag\";\"Wertstellung\";\"Beguenstigter/Zahlungspflichtiger\";\"Verwendungszweck\";\
                  \"Betrag\";\"W\u{e4}hrung\"\n02.11.2026;03.11.2026;Ann;\"Rechnung; INV-7\";\"1.234,50\";EUR\n02.11.2026;03.11.2026;Bo;x;-1,00;EUR\n";
    let movements = read(german);
    assert_eq!((movements[0].amount.to_string().as_str(), movements[0].direction), ("1234.50 EUR", Direction::Credit));
    assert_eq!((movements[1].direction, movements[1].place.line), (Direction::Debit, 6));
    assert_eq!(movements[0].remittance, "Rechnung; INV-7");
    assert_eq!(movements[0].counterparty.name.as_deref(), Some("Ann"));
    assert!(
        dialect(german).contains("fields between `;`, decimals behind a comma, days as DD.MM.YYYY, header in line 4")
    );
    let dutch = "Datum,Naam / Omschrijving,Rekening,Tegenrekening,Code,Af Bij,Bedrag (EUR),Mutatiesoort,Mededelingen\n\
                 20261102,Ann,NL1,NL2,GT,Bij,\"10,00\",Overschrijving,INV-7\n20261103,Bo,NL1,NL2,GT,Af,\"2,50\",Incasso,x\n";
    let movements = read(dutch);
    assert_eq!((movements[1].amount.to_string().as_str(), movements[1].direction), ("2.50 EUR", Direction::Debit));
    let english = "Date\tDescription\tPaid in\tPaid out\tCurrency\n31/10/2026\tINV-7\t5.00\t\tGBP\n02/11/2026\tfee\t\t1.00\tGBP\n";
    let movements = read(english);
    assert_eq!(movements[0].booked_on.unwrap().to_string(), "2026-10-31");
    assert_eq!((movements[0].direction, movements[1].direction), (Direction::Credit, Direction::Debit));
}

#[test]
fn what_has_two_readings_is_refused_until_an_option_settles_it() {
    let days = "Date;Amount;Currency\n01/02/2026;1,50;EUR\n";
    assert!(refusal(days).contains("`date_format`"), "{}", refusal(days));
    let american = DateFormat { order: DayOrder::MonthDayYear, separator: Some('/'), has_short_year: false };
    let options = CsvOptions { date_format: Some(american), ..CsvOptions::default() };
    assert_eq!(with(days, &options).unwrap()[0].booked_on.unwrap().to_string(), "2026-01-02");
    let amounts = "Date;Amount;Currency\n2026-02-01;1,234;KWD\n";
    assert!(refusal(amounts).contains("`decimal`"), "{}", refusal(amounts));
    let options = CsvOptions { decimal: Some(DecimalSeparator::Point), ..CsvOptions::default() };
    assert_eq!(with(amounts, &options).unwrap()[0].amount.to_string(), "1234 KWD");
    let options = CsvOptions { decimal: Some(DecimalSeparator::Comma), ..CsvOptions::default() };
    assert_eq!(with(amounts, &options).unwrap()[0].amount.to_string(), "1.234 KWD");
    let currency = "Date;Amount\n2026-02-01;1\n";
    assert!(refusal(currency).contains("`currency`"));
    let options = CsvOptions { currency: Some("EUR".to_owned()), ..CsvOptions::default() };
    assert_eq!(with(currency, &options).unwrap()[0].amount.to_string(), "1 EUR");
    let columns = "Day;Sum;Currency\n2026-02-01;1;EUR\n";
    assert!(refusal(columns).contains("amount"));
    let named = [(Column::BookedOn, "Day".to_owned()), (Column::Amount, "Sum".to_owned())].into();
    let options = CsvOptions { columns: named, ..CsvOptions::default() };
    assert_eq!(with(columns, &options).unwrap().len(), 1);
}

#[test]
fn a_line_that_contradicts_those_before_it_refuses_the_file() {
    let head = "Date;Amount;Currency\n2026-11-02;1,50;EUR\n";
    for (line, reason) in [
        ("2026-11-02;1.50;EUR", "another decimal separator"),
        ("02.11.2026;1,50;EUR", "not a day"),
        ("2026-11-02;1,505;EUR", "decimals"),
        ("2026-11-02;1,5x;EUR", "amount"),
        ("2026-11-02;1,50;Euro", "three letters"),
        ("2026-11-02;;EUR", "amount is empty"),
        (";1,50;EUR", "booking is empty"),
        ("2026-11-02;1,50", "2 fields; the header has 3"),
        ("2026-11-02;1,50;EUR;x", "4 fields"),
        ("2026-11-02;\"1,50;EUR", "not closed"),
        ("2026-11-02;1\"50;EUR", "quote"),
        ("2026-11-02;\"1,50\"x;EUR", "closing quote"),
        ("2026-02-30;1,50;EUR", "not a day"),
        ("-9999-11-02;1,50;EUR", "not a day"),
    ] {
        let refused = refusal(&format!("{head}{line}\n"));
        assert!(refused.starts_with("line 3: ") && refused.contains(reason), "{line}: {refused}");
    }
}

#[test]
fn far_behind_the_sample_the_dialect_still_holds() {
    let head = format!("Date;Amount;Currency\n{}", "2026-11-02;1,50;EUR\n".repeat(5000));
    assert_eq!(read_all(head.as_bytes()).unwrap().0.len(), 5000);
    for (line, reason) in [
        ("02.11.2026;1,50;EUR\n", "not a day"),
        ("2026-11-02;1.50;EUR\n", "not an amount"),
        ("2026-11-02;1,50;EUR\r2026-11-02;1,50;EUR\n", "carriage return"),
    ] {
        let refused = refusal(&format!("{head}{line}"));
        assert!(refused.starts_with("line 5002: ") && refused.contains(reason), "{line}: {refused}");
    }
    let mut bytes = head.into_bytes();
    bytes.extend(b"2026-11-02;1,50;\xc4\xd6\xdc\n");
    assert!(read_all(&bytes).unwrap_err().reason.contains("UTF-8"));
}

#[test]
fn empty_files_odd_headers_and_other_encodings_are_refused() {
    for (file, reason) in [
        ("", "empty"),
        ("\n\n", "empty"),
        (OURS, "no line below"),
        ("date;amount\n", "currency"),
        ("hello\nworld\n", "no header"),
        ("Date;Amount;Amount;Currency\n2026-11-02;1;2;EUR\n", "twice"),
        ("Date;Amount;Betrag;Currency\n2026-11-02;1;2;EUR\n", "`columns`"),
        ("Date;Amount;Currency\r2026-11-02;1;EUR\r", "carriage return"),
    ] {
        let refused = refusal(file);
        assert!(refused.contains(reason), "{file}: {refused}");
    }
    assert!(read_all(b"\xff\xfed\0a\0t\0e\0").unwrap_err().reason.contains("UTF-16"));
    let windows = b"Date;Name;Amount;Currency\n2026-11-02;M\xfcller;1;EUR\n";
    assert_eq!(read_all(windows).unwrap().0[0].counterparty.name.as_deref(), Some("Müller"));
}

#[test]
fn signs_and_groups_are_read_as_people_write_them() {
    for (amount, value, direction) in [
        ("1'234.50", "1234.50", Direction::Credit),
        ("1 234.50", "1234.50", Direction::Credit),
        ("1,234,567.5", "1234567.5", Direction::Credit),
        ("12.50-", "12.50", Direction::Debit),
        ("\u{2212}12.50", "12.50", Direction::Debit),
        ("+.5", "0.5", Direction::Credit),
    ] {
        let movements = read(&format!("Date;Amount;Currency\n2026-11-02;{amount};EUR\n"));
        assert_eq!((movements[0].amount.value().to_string().as_str(), movements[0].direction), (value, direction));
    }
    for amount in ["12,34.50", "1,2345.0", "1.", "--1.5", "-1.5-", "1e5.5", "0x1.5"] {
        assert!(read_all(format!("Date;Amount;Currency\n2026-11-02;{amount};EUR\n").as_bytes()).is_err(), "{amount}");
    }
}

#[test]
fn formulas_stay_texts_and_are_neutralised_only_for_exports() {
    let movements = read("Date;Amount;Currency;Description\n2026-11-02;1;EUR;=1+1\n");
    assert_eq!(movements[0].remittance, "=1+1");
    for (cell, written) in [("=1+1", "'=1+1"), ("@x", "'@x"), ("-1", "'-1"), ("\tx", "'\tx"), ("INV-1", "INV-1")] {
        assert_eq!(crate::neutralised(cell), written);
    }
}

#[test]
fn text_in_quotes_may_have_delimiters_quotes_and_lines() {
    let movements =
        read("Date;Amount;Currency;Description\n2026-11-02;1;EUR;\"a; \"\"b\"\"\nc\"\n2026-11-03;1;EUR;d\n");
    assert_eq!(movements[0].remittance, "a; \"b\" c");
    assert_eq!(movements[1].place.line, 4);
}
