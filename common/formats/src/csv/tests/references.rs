//! Tests of what distinguishes rows.

use super::read;

#[test]
fn a_reference_is_the_banks_only_if_its_column_says_so() {
    let file =
        |column: &str| read(&format!("Date;Amount;Currency;{column}\n2026-11-02;1.00;EUR;MEMBERSHIP\n")).remove(0);
    for column in ["Reference", "Referenz", "Referencia"] {
        let movement = file(column);
        let named = (movement.bank_reference, movement.customer_reference);
        assert_eq!(named, (None, Some("MEMBERSHIP".to_owned())), "{column}");
    }
    assert_eq!(file("Bank reference").bank_reference.as_deref(), Some("MEMBERSHIP"));
}

#[test]
fn words_of_unknown_columns_are_kept_where_nothing_known_names_the_payer() {
    let unknown = "Date;Amount;Currency;Sent by;Their account;No.;Seen at;Category\n\
                   2026-11-02;1.00;EUR;Agnes;DE02120300000000202051;17;2026-11-02T10:00:00Z;Income\n";
    assert_eq!(read(unknown)[0].unread.as_deref(), Some("Agnes DE02120300000000202051"));
    assert_eq!(read(&unknown.replace("Sent by", "Payer"))[0].unread, None);
}

#[test]
fn an_iban_with_blanks_names_the_same_account() {
    let file = "Date;Amount;Currency;Account\n2026-11-02;1.00;EUR;DE02 1203 0000 0000 2020 51\n";
    assert_eq!(read(file)[0].statement.account.as_deref(), Some("DE02120300000000202051"));
}
