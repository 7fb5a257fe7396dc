//! Tests of words within rows: the booking status and the direction.

use super::{read, refusal, with};
use crate::csv::{Column, CsvOptions};
use crate::movement::{BookingStatus, Direction, Movement};

fn booked(file: &str) -> Vec<String> {
    let is_booked = |movement: &&Movement| movement.status == BookingStatus::Booked;
    read(file).iter().filter(is_booked).map(|movement| movement.amount.value().to_string()).collect()
}

fn named(file: &str) -> Vec<(String, Direction)> {
    read(file).iter().map(|movement| (movement.amount.value().to_string(), movement.direction)).collect()
}

fn either_way() -> Vec<(String, Direction)> {
    vec![("70.00".to_owned(), Direction::Credit), ("30.00".to_owned(), Direction::Debit)]
}

#[test]
fn a_row_that_is_not_booked_is_no_booked_money_whatever_its_column_is_called() {
    for (column, booked_word, other_words) in [
        ("Status", "Completed", ["Pending", "Denied", "AUTHORISED"]),
        ("State", "COMPLETED", ["REVERTED", "FAILED", "declined"]),
        ("Info", "Umsatz gebucht", ["Umsatz vorgemerkt", "offen", "nicht gebucht"]),
        ("Statut", "Comptabilisé", ["En attente", "Annulé", "À venir"]),
        ("Remarks of the bank", "Geboekt", ["Gereserveerd", "In behandeling", "Mislukt"]),
    ] {
        let rows: String = other_words.map(|word| format!("2026-11-03;5.00;EUR;{word}\n")).concat();
        let file = format!("Date;Amount;Currency;{column}\n2026-11-02;1.00;EUR;{booked_word}\n{rows}");
        assert_eq!(booked(&file), ["1.00"], "{column}");
        assert_eq!(read(&file).len(), 4, "none is lost");
    }
}

#[test]
fn a_status_word_may_stand_where_a_day_belongs() {
    for file in [
        "Date;Value date;Amount;Currency\nvorgemerkt;;5.00;EUR\n02.11.2026;02.11.2026;1.00;EUR\n",
        "Date;Value date;Amount;Currency\n03.11.2026;offen;5.00;EUR\n02.11.2026;02.11.2026;1.00;EUR\n",
        "Date;Value date;Amount;Currency\n02.11.2026;02.11.2026;1.00;EUR\nPending;Pending;5.00;EUR\n",
    ] {
        assert_eq!(booked(file), ["1.00"], "{file}");
    }
}

#[test]
fn a_row_that_is_not_booked_may_lack_its_day_and_one_that_is_booked_may_not() {
    let file = "Date;Amount;Currency;State\n2026-11-02;1.00;EUR;COMPLETED\n;5.00;EUR;PENDING\n-;6.00;EUR;FAILED\n";
    assert_eq!(booked(&file.replace("\n-;", "\n;")), ["1.00"]);
    let only = read("Date;Amount;Currency;State\n;5.00;EUR;PENDING\n");
    assert_eq!((only[0].booked_on, &only[0].status), (None, &BookingStatus::Pending));
    assert!(
        refusal("Date;Amount;Currency;State\n2026-11-02;1.00;EUR;COMPLETED\n;5.00;EUR;COMPLETED\n").contains("day")
    );
}

#[test]
fn an_unknown_status_is_reported_and_a_column_without_any_status_is_none() {
    let file = "Date;Amount;Currency;Status\n2026-11-02;1.00;EUR;Completed\n2026-11-03;5.00;EUR;Escheated\n";
    assert_eq!(read(file)[1].status, BookingStatus::Unknown("Escheated".to_owned()));
    let place = "Date;Amount;Currency;State\n2026-11-02;1.00;EUR;CA\n2026-11-03;5.00;EUR;NY\n";
    assert_eq!(booked(place), ["1.00", "5.00"]);
}

#[test]
fn the_direction_is_found_under_any_name_or_none() {
    for (column, credit, debit) in [
        ("D/C", "C", "D"),
        ("Transaction Type", "credit", "debit"),
        ("", "H", "S"),
        ("Kind of business", "Gutschrift", "Belastung"),
        ("Debit/Credit Indicator", "CRDT", "DBIT"),
        ("Details", "Ingreso", "Gasto"),
        ("Type", "IN", "OUT"),
        ("+/-", "+", "-"),
    ] {
        let file =
            format!("Date;Amount;{column};Currency\n2026-11-02;70.00;{credit};EUR\n2026-11-03;30.00;{debit};EUR\n");
        assert_eq!(named(&file), either_way(), "{column}");
    }
}

#[test]
fn brackets_and_words_around_an_amount_give_its_direction() {
    for (credit, debit) in
        [("70.00", "(30.00)"), ("70.00 CR", "30.00 DR"), ("70.00Cr", "30.00Dr"), ("70.00 H", "30.00 S")]
    {
        let file = format!("Date;Amount;Currency\n2026-11-02;{credit};EUR\n2026-11-03;{debit};EUR\n");
        assert_eq!(named(&file), either_way(), "{debit}");
    }
    assert!(refusal("Date;Amount;Currency\n2026-11-02;1.00;EUR\n2026-11-03;(-30.00);EUR\n").contains("amount"));
}

#[test]
fn an_ambiguous_direction_refuses_the_file_with_the_option_that_helps() {
    for rows in [
        "2026-11-02;70.00;credit\n2026-11-03;30.00;debit\n2026-11-04;5.00;fee\n",
        "2026-11-02;70.00;D\n2026-11-03;30.00;D\n",
        "2026-11-02;-70.00;credit\n2026-11-03;30.00;debit\n",
    ] {
        let refused = refusal(&format!("Date;Amount EUR;Sort\n{rows}"));
        let helps = refused.contains("`columns`") && refused.contains("`direction`") && refused.contains("`Sort`");
        assert!(helps, "{rows}: {refused}");
    }
}

#[test]
fn the_direction_is_named_by_its_columns_place_or_is_the_amounts_sign() {
    let options = |direction: &str| CsvOptions {
        columns: [(Column::Direction, direction.to_owned())].into(),
        ..CsvOptions::default()
    };
    let unnamed = "Date;Amount EUR;\n2026-11-03;30.00;S\n";
    assert_eq!(with(unnamed, &options("3")).unwrap()[0].direction, Direction::Debit);
    let letters = "Date;Amount EUR;Sort\n2026-11-03;30.00;D\n";
    assert_eq!(with(letters, &options("Sort")).unwrap()[0].direction, Direction::Debit);
    assert_eq!(with(letters, &options("Amount EUR")).unwrap()[0].direction, Direction::Credit);
    let refused = with(letters, &options("Sorte")).unwrap_err();
    assert!(refused.reason.contains("`Sorte`"), "{}", refused.reason);
}

#[test]
fn a_column_with_other_things_beside_signed_amounts_is_no_indicator() {
    let file = "Date;Amount;Currency;Type\n2026-11-02;70.00;EUR;Credit\n2026-11-03;-30.00;EUR;Card\n";
    assert_eq!(named(file), either_way());
}
