//! `TxDtls`: one payment of an entry.

use crate::camt::values::{ReturnInformation, account, amount, bank_code, direction, flag, party_name, returned};
use crate::error::ReadError;
use crate::limits::{REMITTANCE_LENGTH_MAX, VALUES_MAX};
use crate::movement::{Counterparty, Direction, EntryAmount, EntryCharge};
use crate::text::{add, append, named, reference};
use crate::xml::Element;

/// The data of one payment.
#[derive(Debug, Clone, Default)]
pub(super) struct Detail {
    pub(super) line: u64,
    /// Its amounts, the most significant first.
    pub(super) amounts: Vec<EntryAmount>,
    pub(super) direction: Option<Direction>,
    pub(super) bank_reference: Option<String>,
    pub(super) end_to_end_id: Option<String>,
    pub(super) transaction_id: Option<String>,
    pub(super) instruction_id: Option<String>,
    pub(super) mandate_id: Option<String>,
    pub(super) uetr: Option<String>,
    pub(super) message_id: Option<String>,
    pub(super) payment_information_id: Option<String>,
    pub(super) debtor: Counterparty,
    pub(super) creditor: Counterparty,
    pub(super) creditor_references: Vec<String>,
    pub(super) documents: Vec<String>,
    pub(super) remittance: String,
    pub(super) additional: Option<String>,
    pub(super) instructed_amount: Option<EntryAmount>,
    pub(super) charges: Vec<EntryCharge>,
    pub(super) return_reason: Option<String>,
    pub(super) returned: ReturnInformation,
    pub(super) bank_code: Option<String>,
}

impl Detail {
    /// Parses a detail of an entry with the given direction.
    pub(super) fn read(details: &Element, entry_direction: Direction) -> Result<Self, ReadError> {
        let mut amounts = Vec::new();
        for path in [&["Amt"][..], &["AmtDtls", "TxAmt", "Amt"], &["AmtDtls", "CntrValAmt", "Amt"]] {
            amounts.extend(details.at(path).map(amount).transpose()?);
        }
        let refs = |name: &str| details.text_at(&["Refs", name]).and_then(reference);
        let mut detail = Self {
            line: details.line,
            amounts,
            direction: direction(details)?,
            bank_reference: refs("AcctSvcrRef"),
            end_to_end_id: refs("EndToEndId"),
            transaction_id: refs("TxId"),
            instruction_id: refs("InstrId"),
            mandate_id: refs("MndtId"),
            uetr: refs("UETR"),
            message_id: refs("MsgId"),
            payment_information_id: refs("PmtInfId"),
            debtor: party(details, "Dbtr"),
            creditor: party(details, "Cdtr"),
            additional: details.text_at(&["AddtlTxInf"]).and_then(named),
            instructed_amount: details.at(&["AmtDtls", "InstdAmt", "Amt"]).map(amount).transpose()?,
            charges: charges(details)?,
            return_reason: return_reason(details),
            returned: returned(details, direction(details)?.unwrap_or(entry_direction)),
            bank_code: bank_code(details),
            ..Self::default()
        };
        detail.read_remittance(details);
        Ok(detail)
    }

    /// Its amount in a currency.
    pub(super) fn amount_in(&self, currency: &str) -> Option<&EntryAmount> {
        self.amounts.iter().find(|amount| amount.currency() == currency)
    }

    fn read_remittance(&mut self, details: &Element) {
        for block in details.all("RmtInf").flat_map(|information| &information.children) {
            match block.name.as_str() {
                "Ustrd" => append(&mut self.remittance, &one_line(&block.text), REMITTANCE_LENGTH_MAX),
                "Strd" => self.read_structured(block),
                _ => {}
            }
        }
    }

    fn read_structured(&mut self, block: &Element) {
        let of = block.child("CdtrRefInf");
        // `CdtrRef` in version 1.
        let creditor = of.and_then(|of| of.text_at(&["Ref"]).or_else(|| of.text_at(&["CdtrRef"])));
        add(&mut self.creditor_references, creditor.and_then(reference));
        for document in block.all("RfrdDocInf") {
            // A credit note that the payer deducts is not something that the payment pays.
            if document.text_at(&["Tp", "CdOrPrtry", "Cd"]) == Some("CREN") {
                continue;
            }
            let number = document.text_at(&["Nb"]).or_else(|| document.text_at(&["RfrdDocNb"]));
            add(&mut self.documents, number.and_then(reference));
        }
        for text in block.all("AddtlRmtInf") {
            append(&mut self.remittance, &one_line(&text.text), REMITTANCE_LENGTH_MAX);
        }
    }
}

fn one_line(text: &str) -> String {
    crate::text::tidy(text, REMITTANCE_LENGTH_MAX)
}

fn party(details: &Element, role: &str) -> Counterparty {
    let Some(parties) = details.child("RltdPties") else { return Counterparty::default() };
    let [account_name, ultimate] = [format!("{role}Acct"), format!("Ultmt{role}")];
    Counterparty {
        name: parties.child(role).and_then(party_name),
        account: parties.child(&account_name).and_then(account),
        ultimate_name: parties.child(&ultimate).and_then(party_name),
    }
}

/// `Chrgs`: up to version 2 each is a charge, from version 3 on the records of one element are.
pub(super) fn charges(parent: &Element) -> Result<Vec<EntryCharge>, ReadError> {
    let mut found = Vec::new();
    for charges in parent.all("Chrgs") {
        let single = charges.child("Amt").map(|_| charges);
        for record in single.into_iter().chain(charges.all("Rcrd")) {
            let Some(amount) = record.child("Amt").map(amount).transpose()? else { continue };
            if found.len() == VALUES_MAX {
                return Ok(found);
            }
            found.push(EntryCharge {
                amount,
                direction: direction(record)?.unwrap_or(Direction::Debit),
                is_included: flag(record, "ChrgInclInd")?,
                bearer: record.text_at(&["Br"]).and_then(named),
            });
        }
    }
    Ok(found)
}

/// `RtrInf`: the code or the bank's own text (`RtrRsn` in version 1).
fn return_reason(details: &Element) -> Option<String> {
    let information = details.child("RtrInf")?;
    let reason = information.child("Rsn").or_else(|| information.child("RtrRsn"));
    let code = reason.and_then(|reason| reason.text_at(&["Cd"]).or_else(|| reason.text_at(&["Prtry"])));
    named(code.or_else(|| information.text_at(&["AddtlInf"])).unwrap_or("returned"))
}
