//! Combines signals into a match or a case.

use super::signs::{AmountMatch, InvoiceMention, PayerMatch, Signal, too_early};
use super::{
    BankLine, CANDIDATES_MAX, Candidate, LookupKeys, Match, MatchResult, OpenClaim, OpenItem, THRESHOLD, weights,
};
use crate::fact::kept_reason;
use crate::id::{ClientId, InvoiceId};
use crate::money::{Money, MoneyError};

/// An open item with the signals for and against it.
#[derive(Debug)]
struct ScoredItem<'a> {
    item: &'a OpenItem,
    named: Option<InvoiceMention>,
    payer: PayerMatch,
    amount: AmountMatch,
    signs: Vec<Signal>,
}

/// Matches a line to the open items and claims that were looked up by its [`keys`](BankLine::keys). They must include
/// all open invoices of clients with the payer's name whose amount is near the line's amount.
///
/// # Errors
/// [`MoneyError::Overflow`] if a sum overflows.
pub fn find(
    line: &BankLine,
    keys: &LookupKeys,
    open_items: &[OpenItem],
    claims: &[OpenClaim],
) -> Result<MatchResult, MoneyError> {
    let mut weighed = Vec::with_capacity(open_items.len());
    for open_item in open_items {
        weighed.push(ScoredItem::weigh(line, open_item, keys.naming.of_open_item(line, open_item, claims))?);
    }
    let named = surely_named(&weighed);
    mark_others(&mut weighed, &named);
    weighed.sort_by(|left, right| {
        (right.score(), &left.item.number, left.item.invoice_id).cmp(&(
            left.score(),
            &right.item.number,
            right.item.invoice_id,
        ))
    });
    if named.len() > 1 {
        return several(line, claims, weighed.iter().filter(|one| named.contains(&one.item.invoice_id)).collect());
    }
    Ok(match weighed.as_slice() {
        [best, rest @ ..] if best.score() >= THRESHOLD && rest.first().is_none_or(|next| next.score() < THRESHOLD) => {
            MatchResult::Match(Match {
                invoices: vec![best.item.invoice_id],
                payment_id: best.named.as_ref().and_then(|named| named.payment_id),
                text: best.named.as_ref().and_then(|_| naming_text(line, best.item, claims)),
                score: best.score(),
                reason: best.reason(),
            })
        }
        _ => MatchResult::Unsure(candidates(weighed.iter())),
    })
}

impl<'a> ScoredItem<'a> {
    fn weigh(line: &BankLine, open_item: &'a OpenItem, named: Option<InvoiceMention>) -> Result<Self, MoneyError> {
        let (payer, mut amount) =
            (PayerMatch::compare(line, open_item), AmountMatch::compare(line, open_item.outstanding, open_item.total)?);
        if named.as_ref().is_some_and(|named| named.payment_id.is_some()) && matches!(amount, AmountMatch::Part(_)) {
            // A partial amount was claimed, and this line has that amount.
            amount = AmountMatch::Fits;
        }
        let signs = named.iter().map(|named| named.sign.clone());
        let signs = signs.chain([amount.sign(), payer.sign(&open_item.client)]);
        let signs = signs.chain(too_early(line, open_item, named.is_some())).collect();
        Ok(Self { item: open_item, named, payer, amount, signs })
    }

    fn score(&self) -> u8 {
        let sum: i16 = self.signs.iter().map(|(weight, _)| weight).sum();
        u8::try_from(sum.clamp(0, 100)).unwrap_or_default()
    }

    fn reason(&self) -> String {
        shortened(self.signs.iter().map(|(_, reason)| reason.as_str()))
    }

    /// Named only by a number that may be mistyped, with an amount that does not settle it.
    fn is_doubtful(&self) -> bool {
        let is_reference = self.named.as_ref().is_some_and(|named| named.sign.0 >= weights::REFERENCE);
        !is_reference && !self.amount.fits()
    }

    fn is_surely_named(&self) -> bool {
        self.named.as_ref().is_some_and(|named| named.is_sure)
    }
}

/// The invoices that the line names with certainty. If it names several, the payer's invoices take precedence over
/// other clients', and open ones over those that are not: people also mention what they paid earlier.
fn surely_named(weighed: &[ScoredItem<'_>]) -> Vec<InvoiceId> {
    let mut named: Vec<&ScoredItem<'_>> = weighed.iter().filter(|one| one.is_surely_named()).collect();
    let prefer = |named: &mut Vec<&ScoredItem<'_>>, is_better: fn(&ScoredItem<'_>) -> bool| {
        if named.iter().any(|one| is_better(one)) {
            named.retain(|one| is_better(one));
        }
    };
    prefer(&mut named, |one| one.payer.is_client());
    prefer(&mut named, |one| one.item.outstanding.is_positive());
    named.iter().map(|one| one.item.invoice_id).collect()
}

/// Weighs the items against one another. An item that is not named loses if another is named, and gains if no other is
/// like it. An item that is named by a number loses if the amount fits another item of the same client.
fn mark_others(weighed: &mut [ScoredItem<'_>], named: &[InvoiceId]) {
    let fitting: Vec<ClientId> = weighed.iter().filter(|one| one.amount.fits()).map(|one| one.item.client_id).collect();
    for one in weighed {
        if named.contains(&one.item.invoice_id) {
            if one.is_doubtful() && fitting.contains(&one.item.client_id) {
                one.signs.push((weights::OTHER_FITS, "another invoice of the client has that amount".to_owned()));
            }
        } else if !named.is_empty() {
            one.signs.push((weights::OTHER_NUMBER, "its text names another invoice".to_owned()));
        } else if one.amount.fits() && one.payer == PayerMatch::Name {
            let is_alone = fitting.iter().filter(|client| **client == one.item.client_id).count() == 1;
            one.signs.extend(is_alone.then(|| (weights::ONLY_ONE, "no other open invoice has that amount".to_owned())));
        }
    }
}

/// The reference or text of the line that on its own names the item as surely as all of them together; otherwise the
/// first that names it.
fn naming_text(line: &BankLine, open_item: &OpenItem, claims: &[OpenClaim]) -> Option<String> {
    let alone = |references: &[String], texts: &[String]| {
        let alone = BankLine { references: references.to_vec(), texts: texts.to_vec(), ..line.clone() };
        alone.keys().naming.of_open_item(&alone, open_item, claims)
    };
    let references = line.references.iter().map(|text| (text, alone(std::slice::from_ref(text), &[])));
    let texts = line.texts.iter().map(|text| (text, alone(&[], std::slice::from_ref(text))));
    let named = references.chain(texts).filter_map(|(text, named)| Some((text, named?.sign.0)));
    let mut best: Option<(&String, i16)> = None;
    for (text, weight) in named {
        if best.is_none_or(|(_, most)| weight > most) {
            best = Some((text, weight));
        }
    }
    best.map(|(text, _)| text.clone())
}

/// A line that names several invoices of one client pays them if its amount is the sum of their outstanding amounts.
fn several(line: &BankLine, claims: &[OpenClaim], named: Vec<&ScoredItem<'_>>) -> Result<MatchResult, MoneyError> {
    let unsure = MatchResult::Unsure(candidates(named.iter().copied()));
    let Some(first) = named.first() else { return Ok(unsure) };
    let is_of_one_client = named.iter().all(|one| one.item.client_id == first.item.client_id);
    let currency = line.amount.currency();
    let dues: Vec<Money> =
        named.iter().map(|one| one.item.outstanding).filter(|due| due.currency() == currency).collect();
    let due = dues.iter().copied().try_fold(Money::zero(currency), Money::checked_add)?;
    let amount = AmountMatch::compare(line, due, due)?;
    if !is_of_one_client || dues.len() < named.len() || !amount.fits() {
        return Ok(unsure);
    }
    let naming = named.iter().filter_map(|one| one.named.as_ref().map(|named| named.sign.0)).min().unwrap_or_default();
    let payer = first.payer.sign(&first.item.client);
    let score = naming + amount.sign().0 + payer.0;
    let score = u8::try_from(score.clamp(0, 100)).unwrap_or_default();
    if score < THRESHOLD {
        return Ok(unsure);
    }
    let mut open_items: Vec<&OpenItem> = named.iter().map(|one| one.item).collect();
    open_items.sort_by(|left, right| (left.issued_on, &left.number).cmp(&(right.issued_on, &right.number)));
    let numbers: Vec<&str> = open_items.iter().map(|open_item| open_item.number.as_str()).collect();
    let naming = format!("it names {}", numbers.join(", "));
    Ok(MatchResult::Match(Match {
        invoices: open_items.iter().map(|open_item| open_item.invoice_id).collect(),
        payment_id: None,
        text: open_items.first().and_then(|open_item| naming_text(line, open_item, claims)),
        score,
        reason: shortened([naming.as_str(), &amount.sign().1, &payer.1].into_iter()),
    }))
}

fn candidates<'a>(weighed: impl Iterator<Item = &'a ScoredItem<'a>>) -> Vec<Candidate> {
    let candidate = |one: &ScoredItem<'_>| Candidate {
        invoice_id: one.item.invoice_id,
        number: one.item.number.clone(),
        score: one.score(),
        reason: one.reason(),
    };
    weighed.map(candidate).filter(|candidate| candidate.score > 0).take(CANDIDATES_MAX).collect()
}

fn shortened<'a>(reasons: impl Iterator<Item = &'a str>) -> String {
    let reasons: Vec<&str> = reasons.collect();
    kept_reason(&reasons.join("; "))
}

#[cfg(test)]
mod tests;
