//! Tests of collected direct debits that are returned.

use super::{entry, only};

const DEBIT: &str = "<Amt Ccy=\"EUR\">10.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts>";

#[test]
fn the_only_party_that_a_return_names_is_the_other_side_unless_it_is_ours() {
    let payer = "<Nm>Payer</Nm>";
    for role in ["Dbtr", "Cdtr"] {
        let movement = only(&entry(&format!(
            "{DEBIT}<RvslInd>true</RvslInd><NtryDtls><TxDtls><RltdPties><{role}>{payer}</{role}><{role}Acct><Id>\
             <IBAN>DE02120300000000202051</IBAN></Id></{role}Acct></RltdPties></TxDtls></NtryDtls>"
        )));
        assert_eq!(movement.counterparty.name.as_deref(), Some("Payer"), "{role}");
        assert_eq!(movement.counterparty.account.as_deref(), Some("DE02120300000000202051"), "{role}");
    }
    let ours = entry(&format!(
        "{DEBIT}<RvslInd>true</RvslInd><NtryDtls><TxDtls><RltdPties><Cdtr><Nm>Us</Nm></Cdtr><CdtrAcct><Id>\
         <IBAN>DE02120300000000202051</IBAN></Id></CdtrAcct></RltdPties></TxDtls></NtryDtls>"
    ))
    .replace("<Id>S1</Id>", "<Id>S1</Id><Acct><Id><IBAN>DE02120300000000202051</IBAN></Id></Acct>");
    assert_eq!(only(&ours).counterparty.name, None);
}

#[test]
fn a_banks_code_alone_says_that_a_collected_debit_comes_back() {
    let iso = |family: &str, sub: &str| {
        format!("<Domn><Cd>PMNT</Cd><Fmly><Cd>{family}</Cd><SubFmlyCd>{sub}</SubFmlyCd></Fmly></Domn>")
    };
    let bank = |code: &str| format!("<Prtry><Cd>{code}</Cd><Issr>DK</Issr></Prtry>");
    for (code, is_reversal, reason) in [
        (iso("IDDT", "UPDD"), true, None),
        (iso("RDDT", "ESDD"), false, None),
        (bank("NRTI+109+00931+914"), true, Some("914")),
        (bank("NDDT+108+00931"), true, None),
        (bank("NDDT+105+00931+992"), false, None),
    ] {
        for is_of_entry in [true, false] {
            let code = format!("<BkTxCd>{code}</BkTxCd>");
            let (of_entry, of_detail) = if is_of_entry { (code.as_str(), "") } else { ("", code.as_str()) };
            let movement = only(&entry(&format!("{DEBIT}{of_entry}<NtryDtls><TxDtls>{of_detail}</TxDtls></NtryDtls>")));
            assert_eq!((movement.is_reversal, movement.return_reason.as_deref()), (is_reversal, reason), "{code}");
        }
        let credit = DEBIT.replace("DBIT", "CRDT");
        assert!(!only(&entry(&format!("{credit}<BkTxCd>{code}</BkTxCd>"))).is_reversal, "{code}");
    }
    assert!(only(&entry(&format!("{DEBIT}<BkTxCd>{}</BkTxCd>", bank("NDDT+104+00931")))).may_be_return);
}

#[test]
fn a_credit_note_that_the_payer_deducts_is_no_document_that_it_pays() {
    let document = |code: &str, number: &str| {
        format!("<RfrdDocInf><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Nb>{number}</Nb></RfrdDocInf>")
    };
    let documents = [document("CINV", "INV-42"), document("CREN", "CN-7")].concat();
    let movement = only(&entry(&format!(
        "{DEBIT}<NtryDtls><TxDtls><RmtInf><Strd>{documents}</Strd></RmtInf></TxDtls></NtryDtls>"
    )));
    assert_eq!(movement.documents, ["INV-42"]);
}
