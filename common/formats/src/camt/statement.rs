//! `Stmt`, `Rpt`, `Ntfctn`: the elements around the entries.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::camt::values::{account, amount, day, direction, flag};
use crate::error::{FilePosition, ReadError, broken};
use crate::movement::ParsedStatement;
use crate::summary::{Balance, Tally};
use crate::text::account_number;
use crate::text::named;
use crate::xml::Element;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) statement: Arc<ParsedStatement>,
    pub(super) tally: Tally,
    /// The previous day's closing balance, which opens the statement if no opening balance does (`PRCD`).
    previous: Option<Balance>,
    /// The number of entries that the statement declares.
    #[serde(rename = "entries_told")]
    declared_entries: Option<u64>,
}

impl Open {
    pub(super) fn new(ordinal: u64, message_id: Option<String>) -> Self {
        let statement = ParsedStatement { ordinal, message_id, ..ParsedStatement::default() };
        Self { statement: Arc::new(statement), tally: Tally::default(), previous: None, declared_entries: None }
    }

    /// Processes a child of the statement that is not an entry.
    pub(super) fn take(&mut self, part: &Element) -> Result<(), ReadError> {
        let text = || named(&part.text);
        let statement = Arc::make_mut(&mut self.statement);
        match part.name.as_str() {
            "Id" => statement.id = text(),
            "ElctrncSeqNb" => statement.electronic_sequence = text(),
            "LglSeqNb" => statement.legal_sequence = text(),
            "StmtPgntn" | "RptPgntn" | "NtfctnPgntn" => {
                statement.page = part.text_at(&["PgNb"]).and_then(named);
                statement.is_last_page = flag(part, "LastPgInd")?;
            }
            "Acct" => {
                statement.account = account(part).as_deref().and_then(account_number);
                statement.currency = part.text_at(&["Ccy"]).and_then(named);
                statement.owner = part.text_at(&["Ownr", "Nm"]).and_then(named);
            }
            "Bal" => self.balance(part)?,
            "TxsSummry" => {
                self.declared_entries = part.text_at(&["TtlNtries", "NbOfNtries"]).and_then(|count| count.parse().ok());
            }
            _ => {}
        }
        Ok(())
    }

    /// `Bal`. The codes are those of `ExternalBalanceType1Code`; available and forward balances are irrelevant to what
    /// is booked.
    fn balance(&mut self, part: &Element) -> Result<(), ReadError> {
        let kind = part.text_at(&["Tp", "CdOrPrtry", "Cd"]).or_else(|| part.text_at(&["Tp", "Cd"])).unwrap_or_default();
        let Some(sum) = part.child("Amt") else { return broken(part.line, "a balance has no amount (Amt)") };
        let Some(direction) = direction(part)? else {
            return broken(part.line, "a balance does not say whether it is credit or debit (CdtDbtInd)");
        };
        let is_interim = kind == "ITBD" || part.text_at(&["Tp", "SubTp", "Cd"]) == Some("INTM");
        let balance = Balance { amount: amount(sum)?, direction, day: day(part.child("Dt"))?, is_interim };
        let doubt = |tally: &mut Tally, why: &str| tally.doubt = Some(why.to_owned());
        if is_interim {
            doubt(&mut self.tally, "there is an interim balance, so the statement has other pages");
        }
        let kept = match kind {
            "OPBD" => &mut self.tally.opening,
            "CLBD" => &mut self.tally.closing,
            "PRCD" => &mut self.previous,
            _ => return Ok(()),
        };
        if kept.replace(balance).is_some() {
            doubt(&mut self.tally, "there are several balances of one kind");
        }
        Ok(())
    }

    /// Applies what only the complete head of a statement shows, at the first entry or at the end.
    pub(super) fn settle(&mut self) {
        if self.tally.opening.is_none() {
            self.tally.opening = self.previous.clone();
        }
        let statement = &self.statement;
        let is_first = statement.page.as_deref().is_none_or(|page| page.trim_start_matches('0') == "1");
        if !is_first || statement.is_last_page == Some(false) {
            self.tally.doubt = Some("the statement has other pages".to_owned());
        }
    }

    /// Checks the counts that the statement declares.
    pub(super) fn compare(&mut self, place: &FilePosition) {
        let found = self.tally.totals.entries;
        if let Some(named) = self.declared_entries.filter(|named| *named != found) {
            self.tally
                .contradiction(place, &format!("the statement announces {named} entries (TxsSummry) but has {found}"));
        }
    }
}
