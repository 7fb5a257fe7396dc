//! A camt.053 statement, as far as tests need one.

use quittance_domain::money::Money;

use crate::database::scene::money;

fn euros(value: &str) -> Money {
    money(value, "EUR")
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    amount: Money,
    indicator: &'static str,
    status: &'static str,
    day: &'static str,
    reference: Option<String>,
    end_to_end_id: String,
    payer: String,
    text: String,
    sent: Option<Money>,
    return_reason: Option<&'static str>,
}

impl Entry {
    pub(crate) fn credit(value: &str, payer: &str, text: &str) -> Self {
        Self {
            amount: euros(value),
            indicator: "CRDT",
            status: "BOOK",
            day: "2026-11-03",
            reference: None,
            end_to_end_id: "NOTPROVIDED".to_owned(),
            payer: payer.to_owned(),
            text: text.to_owned(),
            sent: None,
            return_reason: None,
        }
    }

    pub(crate) fn debit(value: &str, payee: &str) -> Self {
        Self { indicator: "DBIT", ..Self::credit(value, payee, "") }
    }

    pub(crate) fn pending(mut self) -> Self {
        self.status = "PDNG";
        self
    }

    pub(crate) fn on(mut self, day: &'static str) -> Self {
        self.day = day;
        self
    }

    pub(crate) fn known_as(mut self, reference: &str) -> Self {
        self.reference = Some(reference.to_owned());
        self
    }

    pub(crate) fn end_to_end(mut self, id: &str) -> Self {
        id.clone_into(&mut self.end_to_end_id);
        self
    }

    pub(crate) fn sent_as(mut self, value: &str) -> Self {
        self.sent = Some(euros(value));
        self
    }

    pub(crate) fn returned(mut self) -> Self {
        self.return_reason = Some("AC04");
        self
    }

    fn xml(&self) -> String {
        let element = |name: &str, text: &str| format!("<{name}>{text}</{name}>");
        let amount = |name: &str, money: Money| format!(r#"<{name} Ccy="EUR">{}</{name}>"#, money.amount());
        let reference = self.reference.as_ref().map(|it| element("AcctSvcrRef", it)).unwrap_or_default();
        let sent = self.sent.map(|sent| format!("<AmtDtls><InstdAmt>{}</InstdAmt></AmtDtls>", amount("Amt", sent)));
        let returned = self.return_reason.map(|code| format!("<RtrInf><Rsn><Cd>{code}</Cd></Rsn></RtrInf>"));
        let party = if self.indicator == "CRDT" { "Dbtr" } else { "Cdtr" };
        format!(
            "<Ntry>{}<CdtDbtInd>{}</CdtDbtInd><Sts><Cd>{}</Cd></Sts><BookgDt><Dt>{}</Dt></BookgDt>{reference}\
             <NtryDtls><TxDtls><Refs><EndToEndId>{}</EndToEndId></Refs>{}<RltdPties><{party}><Pty><Nm>{}</Nm></Pty></{party}>\
             </RltdPties><RmtInf><Ustrd>{}</Ustrd></RmtInf>{}</TxDtls></NtryDtls></Ntry>",
            amount("Amt", self.amount),
            self.indicator,
            self.status,
            self.day,
            self.end_to_end_id,
            sent.unwrap_or_default(),
            self.payer,
            self.text,
            returned.unwrap_or_default(),
        )
    }
}

/// A statement with these entries and consistent balances.
pub(crate) fn camt(entries: &[Entry]) -> String {
    camt_closing(entries, |closing| closing)
}

/// A statement whose closing balance is inconsistent with its entries.
pub(crate) fn camt_closing(entries: &[Entry], closing: impl Fn(Money) -> Money) -> String {
    let booked = entries.iter().filter(|entry| entry.status == "BOOK");
    let sum = booked.fold(euros("1000000.00"), |sum, entry| {
        let amount = if entry.indicator == "CRDT" { entry.amount } else { entry.amount.negated() };
        sum.checked_add(amount).unwrap()
    });
    let balance = |code: &str, money: Money| {
        format!(
            r#"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-03</Dt></Dt></Bal>"#,
            money.amount()
        )
    };
    let entries: String = entries.iter().map(Entry::xml).collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-11-03T18:00:00+01:00</CreDtTm></GrpHdr><Stmt><Id>S1</Id><CreDtTm>2026-11-03T18:00:00+01:00</CreDtTm><Acct><Id><IBAN>DE75512108001245126199</IBAN></Id><Ccy>EUR</Ccy></Acct>{}{}{entries}</Stmt></BkToCstmrStmt></Document>"#,
        balance("OPBD", euros("1000000.00")),
        balance("CLBD", closing(sum)),
    )
}

/// A statement of one entry with several details.
pub(super) fn batch(reference: &str, amounts: &[&str]) -> String {
    batches(reference, amounts, 1)
}

/// The same entry so many times: entries that are equal.
pub(super) fn batches(reference: &str, amounts: &[&str], times: usize) -> String {
    let sum = amounts.iter().map(|value| euros(value)).try_fold(euros("0.00"), Money::checked_add).unwrap();
    let whole = camt(&vec![Entry::credit(&sum.amount().to_string(), "Sammler", "").known_as(reference); times]);
    let detail = |value: &&str| {
        let (value, indicator) = value.strip_prefix('-').map_or((*value, "CRDT"), |value| (value, "DBIT"));
        format!(r#"<TxDtls><Amt Ccy="EUR">{value}</Amt><CdtDbtInd>{indicator}</CdtDbtInd></TxDtls>"#)
    };
    let details: String = amounts.iter().map(detail).collect();
    let mut entries = whole.split("<TxDtls>");
    let mut file = entries.next().unwrap().to_owned();
    for rest in entries {
        file.push_str(&details);
        file.push_str(rest.split_once("</TxDtls>").unwrap().1);
    }
    file
}
