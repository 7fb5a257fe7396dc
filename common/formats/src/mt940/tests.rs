mod returns;

use rust_decimal::Decimal;

use crate::movement::Direction;
use crate::movement::Movement;
use crate::reader::tests::{read_all, read_with_pauses};
use crate::summary::{Check, StatementSummary};

fn read(file: &str) -> (Vec<Movement>, Vec<StatementSummary>) {
    let read = read_all(file.as_bytes()).unwrap();
    assert_eq!(read_with_pauses(file.as_bytes()).unwrap(), read, "with pauses");
    read
}

fn statement(entries: &str) -> String {
    format!(":20:S1\n:25:DE02120300000000202051\n:28C:7/1\n:60F:C261101EUR100,\n{entries}:62F:C261102EUR110,00\n-\n")
}

fn only(entry: &str) -> Movement {
    let (mut movements, _) = read(&statement(entry));
    assert_eq!(movements.len(), 1);
    movements.remove(0)
}

fn refusal(file: &str) -> String {
    read_all(file.as_bytes()).unwrap_err().to_string()
}

#[test]
fn an_entry_is_read_to_its_last_subfield() {
    let movement = only(":61:2611021103CR10,00NTRFCUST-1//BANK-1\nmore\n:86:words\n");
    assert_eq!(movement.place.to_string(), "line 5, statement 1, entry 1");
    assert_eq!((movement.amount.to_string().as_str(), movement.direction), ("10.00 EUR", Direction::Credit));
    assert_eq!(movement.value_on.unwrap().to_string(), "2026-11-02");
    assert_eq!(movement.booked_on.unwrap().to_string(), "2026-11-03");
    assert_eq!(movement.customer_reference.as_deref(), Some("CUST-1"));
    assert_eq!(movement.bank_reference.as_deref(), Some("BANK-1"));
    assert_eq!(movement.bank_code.as_deref(), Some("NTRF"));
    assert_eq!(movement.additional.as_deref(), Some("more"));
    assert_eq!(movement.remittance, "words");
    assert_eq!(movement.statement.electronic_sequence.as_deref(), Some("7"));
}

#[test]
fn marks_say_which_way_the_money_went() {
    for (mark, direction, is_reversal) in [
        ("C", Direction::Credit, false),
        ("D", Direction::Debit, false),
        ("RC", Direction::Debit, true),
        ("RD", Direction::Credit, true),
        ("RCR", Direction::Debit, true),
    ] {
        let movement = only(&format!(":61:261102{mark}5,5NTRFNONREF\n"));
        assert_eq!((movement.direction, movement.is_reversal), (direction, is_reversal), "{mark}");
        assert_eq!(movement.customer_reference, None);
    }
}

#[test]
fn an_entry_date_lies_in_the_year_nearest_to_the_value_date() {
    for (dates, booked) in [("2601021231", "2025-12-31"), ("2512310102", "2026-01-02"), ("261102", "2026-11-02")] {
        assert_eq!(only(&format!(":61:{dates}C1,NTRFNONREF\n")).booked_on.unwrap().to_string(), booked);
    }
}

#[test]
fn the_thirtieth_of_february_is_its_last_day_and_other_impossible_days_are_refused() {
    assert_eq!(only(":61:260230C1,NMSCNONREF\n").value_on.unwrap().to_string(), "2026-02-28");
    assert_eq!(only(":61:2402300229C1,NMSCNONREF\n").value_on.unwrap().to_string(), "2024-02-29");
    for day in ["260231", "260431", "261301", "260100", "26110"] {
        let refused = refusal(&statement(&format!(":61:{day}C1,NMSCNONREF\n")));
        assert!(refused.starts_with("line 5: :61: `"), "{refused}");
    }
}

#[test]
fn what_is_no_entry_is_refused_with_its_line() {
    for (entry, reason) in [
        (":61:261102X1,NTRFNONREF\n", "mark"),
        (":61:261102CNTRFNONREF\n", "amount"),
        (":61:261102C1.00NTRFNONREF\n", "decimals"),
        (":61:261102C1,2,3NTRFNONREF\n", "amount"),
    ] {
        assert!(refusal(&statement(entry)).contains(reason), "{entry}");
    }
    assert!(refusal(":20:A\n:61:261102C1,NTRFNONREF\n").contains(":60F:"));
    assert!(refusal(&statement("").replace("C261101EUR", "X261101EUR")).contains("balance"));
}

#[test]
fn opening_and_entries_make_the_closing_balance() {
    let (_, ends) = read(&statement(":61:261102C10,NTRFNONREF\n"));
    assert_eq!(ends[0].check, Check::AddsUp);
    let (_, ends) = read(&statement(":61:261102D10,NTRFNONREF\n"));
    assert_eq!(ends[0].check, Check::Contradicts { expected: Decimal::new(90, 0), found: Decimal::new(110, 0) });
    let cut = statement(":61:261102C10,NTRFNONREF\n").replace(":62F:C261102EUR110,00\n-\n", "");
    assert!(matches!(read(&cut).1[0].check, Check::Incomplete(_)), "cut off before its closing balance");
}

#[test]
fn pages_of_one_statement_carry_the_balance_on() {
    let page = |number: u32, opening: &str, closing: &str| {
        format!(":20:S\n:25:1\n:28C:9/{number}\n:60{opening}\n:61:261102C1,NTRFNONREF\n:62{closing}\n-\n")
    };
    let first = page(1, "F:C261101EUR1,", "M:C261102EUR2,");
    let (_, ends) = read(&[first.clone(), page(2, "M:C261102EUR2,", "F:C261102EUR3,")].concat());
    assert!(ends.iter().all(|end| end.check == Check::AddsUp && end.is_sound()), "{ends:?}");
    let (_, ends) = read(&[first, page(2, "M:C261102EUR5,", "F:C261102EUR6,")].concat());
    assert!(ends[1].contradictions[0].contains("ends with 2"), "{:?}", ends[1].contradictions);
}

#[test]
fn blocks_headers_control_bytes_and_line_ends_do_not_matter() {
    let plain = statement(":61:261102C10,NTRFNONREF\n:86:a\n");
    let (expected, _) = read(&plain);
    let blocks = format!("{{1:F01BANKDEFFXXXX}}{{2:I940X}}{{4:\n{}", plain.replace("\n-\n", "\n-}{5:}\n"));
    let header = format!("BANKDEFF\n940\nBANKDEFF\n{plain}");
    let control = format!("\u{1}\r\n{}\u{3}\n", plain.replace('\n', "\r\n"));
    for file in [blocks, header, control, format!("\u{feff}{plain}")] {
        let (movements, ends) = read(&file);
        assert_eq!(movements[0].amount, expected[0].amount, "{file}");
        assert_eq!((movements[0].remittance.as_str(), ends.len()), ("a", 1));
    }
}

#[test]
fn subfields_name_the_payer_and_the_purpose() {
    for separator in ['?', '>', '^'] {
        let text =
            "166?00GUTSCHRIFT?109310?20EREF+E-1?21KREF+NONREF?22SVWZ+Rechnung INV-7 vom?23 02.11.\n2026?24ABWA+Otto\
                    ?30BANKDEFF?31DE02120300000000202051?32Ann?33 Miller"
                .replace('?', &separator.to_string());
        let movement = only(&format!(":61:261102C1,NTRFNONREF\n:86:{text}\n"));
        assert_eq!(movement.end_to_end_id.as_deref(), Some("E-1"));
        assert_eq!(movement.instruction_id, None);
        assert_eq!(movement.remittance, "Rechnung INV-7 vom 02.11.2026");
        assert_eq!(movement.counterparty.name.as_deref(), Some("Ann Miller"));
        assert_eq!(movement.counterparty.account.as_deref(), Some("DE02120300000000202051"));
        assert_eq!(movement.counterparty.ultimate_name.as_deref(), Some("Otto"));
    }
}

#[test]
fn codes_between_slashes_name_the_payer_and_the_purpose() {
    let text = "/TRTP/SEPA OVERBOEKING/IBAN/NL91ABNA0417164300/BIC/ABNANL2A/NAME/Ann\n Miller/REMI/INV-7/2026/EREF/E-1";
    let movement = only(&format!(":61:261102C1,NTRFEREF//B1\n:86:{text}\n"));
    assert_eq!(movement.counterparty.name.as_deref(), Some("Ann Miller"));
    assert_eq!(movement.counterparty.account.as_deref(), Some("NL91ABNA0417164300"));
    assert_eq!((movement.remittance.as_str(), movement.end_to_end_id.as_deref()), ("INV-7/2026", Some("E-1")));
    assert_eq!(movement.customer_reference, None, "it only points to field 86");
    let text = "/CNTP/NL91ABNA0417164300/INGBNL2A/Ann///REMI/STRD/CUR/RF18539007547034/";
    let movement = only(&format!(":61:261102C1,NTRFNONREF\n:86:{text}\n"));
    assert_eq!(movement.creditor_references, ["RF18539007547034"]);
    assert_eq!(movement.counterparty.name.as_deref(), Some("Ann"));
}

#[test]
fn a_field_86_behind_the_closing_balance_is_no_entrys() {
    let file = statement(":61:261102C10,NTRFNONREF\n").replace("-\n", ":86:of the statement\n-\n");
    assert_eq!(read(&file).0[0].remittance, "");
}

#[test]
fn lines_that_are_not_utf8_are_read_as_windows_1252() {
    let file = statement(":61:261102C10,NTRFNONREF\n:86:M@ller\n").replace('@', "\u{fc}");
    let bytes: Vec<u8> = file.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    assert_eq!(read_all(&bytes).unwrap().0[0].remittance, "Müller");
    assert_eq!(read(&file).0[0].remittance, "Müller");
}

#[test]
fn a_line_of_text_may_start_with_a_colon() {
    let movement = only(":61:261102C1,NTRFNONREF\n:86:at\n:15:30 o'clock\n");
    assert_eq!(movement.remittance, "at :15:30 o'clock");
}

#[test]
fn an_amount_has_digits_on_one_side_of_its_comma_at_least() {
    for (amount, value) in [("0,5", "0.5"), (",5", "0.5"), ("7,", "7"), ("0012,30", "12.30")] {
        assert_eq!(only(&format!(":61:261102C{amount}NTRFNONREF\n")).amount.value().to_string(), value);
    }
    assert!(refusal(&statement(":61:261102C,NTRFNONREF\n")).contains("amount"));
}

#[test]
fn a_line_may_break_before_the_amount() {
    assert_eq!(only(":61:2611021102CR\n300,00NTRFNONREF//B\n").amount.to_string(), "300.00 EUR");
}
