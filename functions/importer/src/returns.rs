//! Returned money: finds the payment that was returned.

use quittance_domain::id::TransactionId;
use quittance_domain::money::Money;
use quittance_domain::upload::LineOutcome;
use quittance_formats::Movement;
use quittance_store::originals::{Original, originals};
use quittance_store::upload_lines::LineDecision;
use quittance_store::{Database, StoreError};

use crate::decide::ClassifiedEntry;
use crate::lines::{ReturnedMoney, day, left_out};

/// The maximum number of candidates named for a return.
const LIKELY_MAX: usize = 3;

/// Received money that may be returned.
pub(crate) struct Originals {
    known: Vec<Original>,
}

impl Originals {
    /// Looks up what these returns may refer to.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub(crate) async fn load(database: &Database, returns: &[&Movement]) -> Result<Self, StoreError> {
        let ids: Vec<String> = returns.iter().filter_map(|movement| movement.end_to_end_id.clone()).collect();
        let accounts: Vec<String> =
            returns.iter().filter_map(|movement| movement.counterparty.account.clone()).collect();
        Ok(Self { known: originals(database, &ids, &accounts).await? })
    }

    /// Adds money that a later line may return.
    pub(crate) fn add(&mut self, reported: &ClassifiedEntry<'_>, decision: &LineDecision) {
        let came = matches!(decision.outcome, LineOutcome::Matched | LineOutcome::Unmatched);
        let Some(transaction_id) = decision.transaction_id.clone().filter(|_| came) else { return };
        let movement = reported.movement;
        self.known.push(Original {
            end_to_end_id: movement.end_to_end_id.clone(),
            amount: reported.amount,
            transaction_id,
            account: movement.statement.account.clone(),
            payer: movement.counterparty.name.clone(),
            payer_account: movement.counterparty.account.clone(),
            booked_on: day(movement),
        });
    }
}

impl ClassifiedEntry<'_> {
    /// Assigns a return to the payment with the payer's end-to-end id and the same amount, if there is exactly one.
    /// Other returns are queued for a case, with the payments that they may belong to.
    ///
    /// # Errors
    /// [`StoreError`] if the line has no identity.
    pub(crate) fn take_back(&self, taken: &ReturnedMoney, originals: &Originals) -> Result<LineDecision, StoreError> {
        let why = self.movement.return_reason.as_deref().map(|why| format!("{why}: ")).unwrap_or_default();
        let mut count = 0_usize;
        for (amount, fee) in &taken.readings {
            let found = self.payments(*amount, originals, |original| self.has_its_id(original));
            if let [original] = found.as_slice() {
                let beside = fee.map(|fee| format!("; the bank charged {fee} in addition")).unwrap_or_default();
                return Ok(LineDecision {
                    transaction_id: Some((*original).clone()),
                    bank_fee: *fee,
                    reason: Some(format!("{why}it returns the payment with the same end-to-end id{beside}")),
                    ..left_out(LineOutcome::Returned, String::new())
                });
            }
            count = count.max(found.len());
        }
        if !taken.is_sure {
            return Ok(left_out(LineOutcome::Ignored, "money left the account".to_owned()));
        }
        let likely = match self.likely(taken, originals).as_slice() {
            [] => "no similar payment is known; find it".to_owned(),
            likely => format!("it may be {}; find out which", likely.join(" or ")),
        };
        let reason = format!(
            "{why}money was taken back, and {count} payments came under its end-to-end id and amount: {likely} and merge \
             this payment into it"
        );
        let bank_fee = taken.readings.first().and_then(|(_, fee)| *fee);
        Ok(LineDecision { transaction_id: Some(self.payment()?), bank_fee, ..left_out(LineOutcome::Rejected, reason) })
    }

    /// The payments of which the amount may be returned, each once.
    fn payments<'a>(
        &self,
        amount: Money,
        originals: &'a Originals,
        is_like: impl Fn(&Original) -> bool,
    ) -> Vec<&'a TransactionId> {
        let fits =
            |original: &&Original| original.amount == amount && self.may_take_back(original) && is_like(original);
        let mut found: Vec<&TransactionId> =
            originals.known.iter().filter(fits).map(|original| &original.transaction_id).collect();
        found.sort();
        found.dedup();
        found
    }

    fn has_its_id(&self, original: &Original) -> bool {
        original.end_to_end_id.is_some() && original.end_to_end_id == self.movement.end_to_end_id
    }

    /// The most likely payments: those with the payer's account and the amount, otherwise those with the end-to-end id,
    /// otherwise those with the payer's account.
    fn likely(&self, taken: &ReturnedMoney, originals: &Originals) -> Vec<String> {
        let is_amount = |original: &Original| taken.readings.iter().any(|(amount, _)| original.amount == *amount);
        let is_payer = |original: &Original| {
            original.payer_account.is_some() && original.payer_account == self.movement.counterparty.account
        };
        let signs: [&dyn Fn(&Original) -> bool; 4] = [
            &|original| self.has_its_id(original) && is_amount(original),
            &|original| is_payer(original) && is_amount(original),
            &|original| self.has_its_id(original),
            &|original| is_payer(original),
        ];
        let is_ours =
            |original: &&Original| original.account == self.movement.statement.account && self.is_later(original);
        let found = signs.iter().find_map(|sign| {
            let mut names: Vec<String> = originals
                .known
                .iter()
                .filter(is_ours)
                .filter(|original| sign(original))
                .map(|original| format!("{} ({})", original.transaction_id, original.amount))
                .collect();
            names.sort();
            names.dedup();
            names.truncate(LIKELY_MAX);
            (!names.is_empty()).then_some(names)
        });
        found.unwrap_or_default()
    }

    /// Whether both may be one transfer: at our account, from and to one account, and not returned before it was
    /// received.
    fn may_take_back(&self, original: &Original) -> bool {
        let theirs = self.movement.counterparty.account.as_ref();
        let is_same_payer = theirs.zip(original.payer_account.as_ref()).is_none_or(|(left, right)| left == right);
        original.account == self.movement.statement.account && is_same_payer && self.is_later(original)
    }

    fn is_later(&self, original: &Original) -> bool {
        original.booked_on.zip(day(self.movement)).is_none_or(|(came, went)| came <= went)
    }
}
