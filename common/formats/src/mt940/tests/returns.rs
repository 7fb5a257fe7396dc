//! Tests of collected direct debits that are returned.

use super::{only, read, statement};
use crate::movement::Direction;

#[test]
fn codes_of_returned_items_say_that_money_is_taken_back() {
    for (line, information, is_reversal) in [
        ("D5,00NDDTNONREF", "109?00RETOURE?20EREF+E-1", true),
        ("D5,00NDDTNONREF", "108?00RETOURE?20EREF+E-1", true),
        ("D5,00NRTINONREF", "/EREF/E-1", true),
        ("D5,00NDDTNONREF", "105?00LASTSCHRIFT?20EREF+E-1", false),
        ("C5,00NDDTNONREF", "109?00RETOURE?20EREF+E-1", false),
    ] {
        let movement = only(&format!(":61:261102{line}\n:86:{information}\n"));
        assert_eq!((movement.is_reversal, movement.may_be_return), (is_reversal, false), "{line} {information}");
        assert_eq!(movement.end_to_end_id.as_deref(), Some("E-1"));
    }
    let either = only(":61:261102D5,00NDDTNONREF\n:86:104?00LASTSCHRIFT B2B?20EREF+E-1\n");
    assert_eq!((either.is_reversal, either.may_be_return), (false, true));
}

#[test]
fn a_return_has_its_reason_the_collected_amount_and_the_banks_fee() {
    for entry in [
        ":61:261102D122,50NRTINONREF\n:86:109?00RETOURE?20EREF+E-1?21OAMT+119,00?22COAM+3,50?34914\n",
        ":61:261102D122,50NRTINONREF\n:86:109?00RETOURE?20EREF+E-1?21OAMT+EUR119,00?22COAM+3,50 EUR?34914\n",
        ":61:261102D122,50NRTINONREF\n/OCMT/EUR119,00/CHGS/EUR3,50/\n:86:109?00RETOURE?20EREF+E-1?34914\n",
        ":61:261102D122,50NRTINONREF\n:86:/EREF/E-1/RTRN/914/OCMT/EUR119,00/CHGS/EUR3,50/REMI/x\n",
    ] {
        let movement = only(entry);
        assert_eq!(movement.amount.to_string(), "122.50 EUR");
        assert_eq!(movement.instructed_amount.unwrap().to_string(), "119.00 EUR", "{entry}");
        let charge = &movement.charges[0];
        assert_eq!((charge.amount.to_string().as_str(), charge.direction), ("3.50 EUR", Direction::Debit), "{entry}");
        assert_eq!(movement.return_reason.as_deref(), Some("914"), "{entry}");
    }
    let ordinary = only(":61:261102C5,00NTRFNONREF\n:86:166?00GUTSCHRIFT?20EREF+E-1?34992\n");
    assert_eq!(ordinary.return_reason, None, "what stands there is the reason of returns alone");
}

#[test]
fn the_account_is_named_without_the_currency_that_banks_write_behind_it() {
    let file = statement(":61:261102C10,NTRFNONREF\n");
    for (field, account) in [
        ("DE02120300000000202051EUR", "DE02120300000000202051"),
        ("DE02 1203 0000 0000 2020 51 EUR", "DE02120300000000202051"),
        ("DE02120300000000202051", "DE02120300000000202051"),
        ("12030000/0000202051EUR", "12030000/0000202051"),
        ("12030000/0000202051", "12030000/0000202051"),
        ("MAINACCOUNTEUR", "MAINACCOUNTEUR"),
    ] {
        let (movements, _) = read(&file.replace("DE02120300000000202051", field));
        assert_eq!(movements[0].statement.account.as_deref(), Some(account), "{field}");
    }
}
