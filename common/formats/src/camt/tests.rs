mod returns;

use rust_decimal::Decimal;

use crate::movement::{BookingStatus, Direction, Movement};
use crate::reader::tests::{read_all, read_with_pauses};
use crate::summary::{Check, StatementSummary};

const ENTRY: &str = "<Amt Ccy=\"EUR\">10.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>";

fn message(namespace: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:{namespace}\">\n\
         <BkToCstmrStmt><GrpHdr><MsgId>M1</MsgId></GrpHdr>\n{content}\n</BkToCstmrStmt></Document>\n"
    )
}

fn statement(content: &str) -> String {
    message("camt.053.001.02", &format!("<Stmt><Id>S1</Id>\n{content}\n</Stmt>"))
}

fn entry(content: &str) -> String {
    statement(&format!("<Ntry>{content}</Ntry>"))
}

fn balance(kind: &str, amount: &str, direction: &str) -> String {
    format!(
        "<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">{amount}</Amt>\
         <CdtDbtInd>{direction}</CdtDbtInd><Dt><Dt>2026-11-02</Dt></Dt></Bal>"
    )
}

fn detail(amount: &str, id: &str) -> String {
    let amount = if amount.is_empty() { String::new() } else { format!("<Amt Ccy=\"EUR\">{amount}</Amt>") };
    format!("<TxDtls><Refs><EndToEndId>{id}</EndToEndId></Refs>{amount}</TxDtls>\n")
}

fn read(file: &str) -> (Vec<Movement>, Vec<StatementSummary>) {
    let read = read_all(file.as_bytes()).unwrap();
    assert_eq!(read_with_pauses(file.as_bytes()).unwrap(), read, "with pauses");
    read
}

fn only(file: &str) -> Movement {
    let (mut movements, _) = read(file);
    assert_eq!(movements.len(), 1);
    movements.remove(0)
}

fn refusal(file: &str) -> String {
    read_all(file.as_bytes()).unwrap_err().to_string()
}

#[test]
fn an_entry_without_details_is_one_movement() {
    let file = entry(&format!(
        "{ENTRY}<BookgDt><Dt>2026-11-02+01:00</Dt></BookgDt><ValDt><DtTm>2026-11-03T00:30:00+02:00</DtTm></ValDt>\
         <AcctSvcrRef> B-1 </AcctSvcrRef><BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly>\
         </Domn></BkTxCd><AddtlNtryInf>Gutschrift</AddtlNtryInf>"
    ));
    let movement = only(&file);
    assert_eq!(movement.number, 1);
    assert_eq!(movement.place.to_string(), "line 5, statement 1, entry 1");
    assert_eq!((movement.amount.to_string().as_str(), movement.direction), ("10.00 EUR", Direction::Credit));
    assert_eq!(movement.booked_on.unwrap().to_string(), "2026-11-02");
    assert_eq!(movement.value_on.unwrap().to_string(), "2026-11-03", "the day that the bank wrote");
    assert_eq!(movement.bank_reference.as_deref(), Some("B-1"));
    assert_eq!(movement.bank_code.as_deref(), Some("PMNT-RCDT-ESCT"));
    assert_eq!(movement.additional.as_deref(), Some("Gutschrift"));
    assert_eq!(movement.statement.message_id.as_deref(), Some("M1"));
}

#[test]
fn payment_details_are_found_in_every_version() {
    let parties = |name: &str| {
        format!(
            "<RltdPties><Dbtr>{name}</Dbtr><DbtrAcct><Id><IBAN>DE02120300000000202051</IBAN></Id></DbtrAcct>\
             <UltmtDbtr>{name}</UltmtDbtr><Cdtr>{name}</Cdtr></RltdPties>"
        )
    };
    let rest = "<RmtInf><Ustrd>Invoice&#32;7 &amp; </Ustrd><Ustrd><![CDATA[<8>]]></Ustrd><Strd><RfrdDocInf><Nb>INV-7</Nb>\
                </RfrdDocInf><CdtrRefInf><Ref>RF18539007547034</Ref></CdtrRefInf></Strd></RmtInf>";
    let refs = "<Refs><MsgId>O-1</MsgId><AcctSvcrRef>B-2</AcctSvcrRef><PmtInfId>P-1</PmtInfId><InstrId>I-1</InstrId>\
                <EndToEndId>E-1</EndToEndId><TxId>T-1</TxId><MndtId>NOTPROVIDED</MndtId></Refs>";
    for (version, status, name) in [
        ("02", "<Sts>BOOK</Sts>", "<Nm>Ann</Nm>"),
        ("08", "<Sts><Cd>BOOK</Cd></Sts>", "<Pty><Nm>Ann</Nm></Pty>"),
        ("13", "<Sts><Cd>BOOK</Cd></Sts>", "<Agt><FinInstnId><Nm>Ann</Nm></FinInstnId></Agt>"),
    ] {
        let parties = parties(name);
        let content = format!(
            "<Stmt><Ntry><Amt Ccy=\"EUR\">1</Amt><CdtDbtInd>CRDT</CdtDbtInd>{status}<NtryDtls><TxDtls>{refs}<AmtDtls>\
             <InstdAmt><Amt Ccy=\"USD\">2</Amt></InstdAmt></AmtDtls>{parties}{rest}</TxDtls></NtryDtls></Ntry></Stmt>"
        );
        let movement = only(&message(&format!("camt.053.001.{version}"), &content));
        assert_eq!(movement.counterparty.name.as_deref(), Some("Ann"), "{version}");
        assert_eq!(movement.counterparty.ultimate_name.as_deref(), Some("Ann"));
        assert_eq!(movement.counterparty.account.as_deref(), Some("DE02120300000000202051"));
        assert_eq!(movement.remittance, "Invoice 7 & <8>");
        assert_eq!(movement.creditor_references, ["RF18539007547034"]);
        assert_eq!(movement.documents, ["INV-7"]);
        assert_eq!(movement.end_to_end_id.as_deref(), Some("E-1"));
        assert_eq!(movement.transaction_id.as_deref(), Some("T-1"));
        assert_eq!(movement.instruction_id.as_deref(), Some("I-1"));
        assert_eq!(movement.bank_reference.as_deref(), Some("B-2"));
        assert_eq!(movement.mandate_id, None, "NOTPROVIDED is none");
        assert_eq!(movement.instructed_amount.unwrap().to_string(), "2 USD");
    }
}

#[test]
fn details_that_add_up_to_the_entry_are_movements_of_their_own() {
    let file = entry(&format!("{ENTRY}<NtryDtls>\n{}{}</NtryDtls>", detail("4.00", "a"), detail("6", "b")));
    let (movements, ends) = read(&file);
    let named: Vec<_> = movements.iter().map(|part| (part.number, part.end_to_end_id.as_deref().unwrap())).collect();
    assert_eq!(named, [(1, "a"), (2, "b")]);
    assert_eq!(movements[1].place.to_string(), "line 7, statement 1, entry 1, detail 2");
    assert_eq!(movements[1].amount.to_string(), "6 EUR");
    assert_eq!(movements[1].entry_amount.to_string(), "10.00 EUR");
    assert_eq!((ends[0].totals.entries, ends[0].totals.movements), (1, 2));
}

#[test]
fn details_that_do_not_add_up_are_one_movement_and_a_contradiction() {
    let file = entry(&format!("{ENTRY}<NtryDtls>{}{}</NtryDtls>", detail("4.00", "a"), detail("7", "b")));
    let (movements, ends) = read(&file);
    assert_eq!(movements[0].amount.to_string(), "10.00 EUR");
    assert_eq!(movements[0].further_references, ["a", "b"]);
    assert!(ends[0].contradictions[0].contains("come to Credit 11.00 EUR"), "{:?}", ends[0].contradictions);
    assert!(!ends[0].is_sound());
}

#[test]
fn details_without_amounts_are_one_movement_with_all_their_references() {
    let file = entry(&format!("{ENTRY}<NtryDtls>{}{}</NtryDtls>", detail("", "a"), detail("", "b")));
    let movement = only(&file);
    assert_eq!((movement.amount.to_string().as_str(), movement.details), ("10.00 EUR", 2));
    assert_eq!((movement.end_to_end_id, movement.further_references), (None, vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn a_batch_too_large_to_hold_is_given_one_by_one() {
    let long = |amount: &str| {
        let part = format!("<TxDtls><AddtlTxInf>{}</AddtlTxInf>{amount}</TxDtls>", "x".repeat(90_000));
        entry(&format!("{ENTRY}<NtryDtls>{}</NtryDtls>", part.repeat(20)))
    };
    let (movements, ends) = read(&long("<Amt Ccy=\"EUR\">0.50</Amt>"));
    assert_eq!((movements.len(), ends[0].contradictions_count), (20, 0));
    let (movements, ends) = read(&long("<Amt Ccy=\"EUR\">0.60</Amt>"));
    assert_eq!((movements.len(), ends[0].contradictions_count), (20, 1), "12.00 is not 10.00");
    let (movements, _) = read(&long(""));
    assert_eq!((movements.len(), movements[0].details), (1, 20));
}

#[test]
fn a_reversal_takes_the_money_back_from_the_same_payer() {
    let parties = "<NtryDtls><TxDtls><RltdPties><Dbtr><Nm>Payer</Nm></Dbtr><Cdtr><Nm>Us</Nm></Cdtr></RltdPties></TxDtls></NtryDtls>";
    let entry = entry(&format!(
        "<Amt Ccy=\"EUR\">10</Amt><CdtDbtInd>DBIT</CdtDbtInd><RvslInd>true</RvslInd><Sts>BOOK</Sts>{parties}"
    ));
    let movement = only(&entry);
    assert!(movement.is_reversal);
    assert_eq!((movement.direction, movement.counterparty.name.as_deref()), (Direction::Debit, Some("Payer")));
}

#[test]
fn charges_are_read_in_the_old_and_the_new_way() {
    let record = "<Amt Ccy=\"EUR\">0.35</Amt><CdtDbtInd>DBIT</CdtDbtInd><Br>SHAR</Br>";
    for charges in [
        format!("<Chrgs>{record}</Chrgs>"),
        format!("<Chrgs><TtlChrgsAndTaxAmt Ccy=\"EUR\">0.35</TtlChrgsAndTaxAmt><Rcrd>{record}</Rcrd></Chrgs>"),
    ] {
        let movement = only(&entry(&format!("{ENTRY}{charges}")));
        assert_eq!(movement.charges.len(), 1);
        assert_eq!(movement.charges[0].amount.value(), Decimal::new(35, 2));
        assert_eq!(movement.charges[0].bearer.as_deref(), Some("SHAR"));
    }
}

#[test]
fn opening_and_booked_entries_make_the_closing_balance() {
    let pending = ENTRY.replace("BOOK", "PDNG");
    let with = |closing: &str| {
        let balances = [balance("PRCD", "5.00", "DBIT"), balance("CLBD", closing, "CRDT")].concat();
        statement(&format!("{balances}<Ntry>{ENTRY}</Ntry><Ntry>{pending}</Ntry>"))
    };
    let (movements, ends) = read(&with("5.00"));
    assert_eq!(ends[0].check, Check::AddsUp);
    assert_eq!(movements[1].status, BookingStatus::Pending);
    let (_, ends) = read(&with("5.01"));
    assert_eq!(ends[0].check, Check::Contradicts { expected: Decimal::new(5, 0), found: Decimal::new(501, 2) });
    let (_, ends) = read(&statement(&format!("{}<Ntry>{ENTRY}</Ntry>", balance("ITBD", "1", "CRDT"))));
    assert!(matches!(ends[0].check, Check::CannotBeSaid(_)));
}

#[test]
fn a_count_that_is_not_that_of_the_entries_is_a_contradiction() {
    let summary = "<TxsSummry><TtlNtries><NbOfNtries>2</NbOfNtries></TtlNtries></TxsSummry>";
    let (_, ends) = read(&statement(&format!("{summary}<Ntry>{ENTRY}</Ntry>")));
    assert!(ends[0].contradictions[0].contains("announces 2 entries"), "{:?}", ends[0].contradictions);
}

#[test]
fn amounts_that_are_not_plain_are_refused_with_their_line() {
    for amount in ["-1", "1,00", "1e3", "", "1.", "0.123456", "1234567890123456789", "1 000"] {
        let refused = refusal(&entry(&ENTRY.replace("10.00", amount)));
        assert!(refused.starts_with("line 5: Amt: "), "{amount}: {refused}");
    }
    assert!(refusal(&entry(&ENTRY.replace("EUR", "EURO"))).contains("three letters"));
    assert_eq!(only(&entry(&ENTRY.replace("10.00", "0010.0000000"))).amount.value(), Decimal::new(10, 0));
}

#[test]
fn what_an_entry_must_have_is_missed() {
    for (part, reason) in [
        ("<CdtDbtInd>CRDT</CdtDbtInd>", "CdtDbtInd"),
        ("<Sts>BOOK</Sts>", "Sts"),
        ("<Amt Ccy=\"EUR\">10.00</Amt>", "no amount"),
    ] {
        assert!(refusal(&entry(&ENTRY.replace(part, ""))).contains(reason));
    }
    assert!(refusal(&entry(&format!("{ENTRY}<BookgDt><Dt>2026-02-30</Dt></BookgDt>"))).contains("not a day"));
    assert!(refusal(&entry(&ENTRY.replace("CRDT", "CRED"))).contains("CRDT or DBIT"));
}

#[test]
fn other_messages_and_versions_are_refused() {
    for namespace in ["camt.053.001.14", "camt.053.001.2", "camt.056.001.02", "pain.001.001.03"] {
        let refused = refusal(&message(namespace, "<Stmt/>"));
        assert!(refused.contains("read") || refused.contains("namespace"), "{refused}");
    }
    assert!(refusal(&message("camt.054.001.02", "<Stmt/>")).contains("BkToCstmrDbtCdtNtfctn"));
    assert!(refusal(&message("camt.053.001.02", "")).contains("has no Stmt"));
}

#[test]
fn prefixes_do_not_matter() {
    let file =
        entry(ENTRY).replace("xmlns=", "xmlns:c=").replace('<', "<c:").replace("<c:/", "</c:").replace("<c:?", "<?");
    assert_eq!(only(&file).amount.to_string(), "10.00 EUR");
}
