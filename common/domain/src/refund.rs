//! Refunds requested by staff. For refunds that a gateway reports see [`crate::returned`].

use serde::{Deserialize, Serialize};

use crate::id::RefundId;
use crate::money::{Money, MoneyError, PositiveMoney};
use crate::names::stored_name;
use crate::payment::PaymentState;
use crate::refund_reason::{RefundEffect, RefundReason, RefundTerms};

/// The status of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// Nothing is captured yet; the refund is decided as soon as something is.
    Waiting,
    /// Its amount is reserved, and the provider was asked for it.
    Requested,
    /// The money went back.
    Succeeded,
    /// The money did not go back, or was returned to us.
    Failed,
    /// More than can be refunded. The provider was not asked for it.
    Refused,
}

stored_name!(RefundStatus {
    Waiting => "waiting",
    Requested => "requested",
    Succeeded => "succeeded",
    Failed => "failed",
    Refused => "refused",
});

/// A refund requested by staff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRequest {
    /// Its id; also the movement id in facts about it.
    pub id: RefundId,
    /// The amount.
    pub amount: PositiveMoney,
    /// The status.
    pub status: RefundStatus,
    /// The reason, and its effect.
    pub terms: RefundTerms,
}

impl RefundRequest {
    /// A refund of a client's credit that is not decided yet.
    #[must_use]
    pub const fn of_credit(id: RefundId, amount: PositiveMoney) -> Self {
        let terms = RefundTerms { reason: RefundReason::Credited, reopens: false };
        Self { id, amount, status: RefundStatus::Waiting, terms }
    }
}

/// Why a refund is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefundRefusal {
    /// More than what is left of the payment.
    #[error("{asked} is more than the {left} that can be refunded of this payment")]
    TooMuch {
        /// The requested amount.
        asked: Money,
        /// The amount left.
        left: Money,
    },
    /// The payment is in another currency.
    #[error("{asked} cannot be refunded of a payment in {currency}")]
    OtherCurrency {
        /// The requested amount.
        asked: Money,
        /// The payment's currency.
        currency: crate::money::Currency,
    },
}

/// The amount that the requests of one payment reserve: refunds that the provider was asked for and has not completed.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn reserved(requests: &[RefundRequest], like: Money) -> Result<Money, MoneyError> {
    sum_requested(requests.iter(), like)
}

/// The part of it that will leave invoices and unapplied cash: all but goodwill, which is our expense.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn reserved_without_goodwill(requests: &[RefundRequest], like: Money) -> Result<Money, MoneyError> {
    sum_requested(requests.iter().filter(|request| request.terms.effect() != RefundEffect::Goodwill), like)
}

fn sum_requested<'a>(requests: impl Iterator<Item = &'a RefundRequest>, like: Money) -> Result<Money, MoneyError> {
    requests
        .filter(|request| request.status == RefundStatus::Requested && request.amount.currency() == like.currency())
        .try_fold(Money::zero(like.currency()), |sum, request| sum.checked_add(request.amount.into()))
}

/// The refundable amount: what is left of the payment, less what is already requested or disputed.
fn available(requests: &[RefundRequest], state: &PaymentState, net: Money) -> Result<Money, MoneyError> {
    let disputed = state.disputes.iter().filter(|dispute| dispute.is_open()).map(|dispute| dispute.amount);
    let disputed = disputed.filter(|amount| amount.currency() == net.currency());
    disputed.chain([reserved(requests, net)?]).try_fold(net, Money::checked_sub)
}

/// Updates requests after the payment's facts have changed to `state`: reported refunds have succeeded or failed, and
/// waiting ones are decided in the order of their requests. Updates `requests`, and returns the indexes of those that
/// changed, with the reason of a refusal.
///
/// # Errors
/// [`MoneyError`] if a sum overflows.
pub fn decide(
    requests: &mut [RefundRequest],
    state: &PaymentState,
) -> Result<Vec<(usize, Option<RefundRefusal>)>, MoneyError> {
    let mut changed = Vec::new();
    for (place, request) in requests.iter_mut().enumerate() {
        let movement = request.id.to_string();
        if let Some(reported) = state.refunds.iter().find(|refund| refund.movement == movement) {
            let status = if reported.failed { RefundStatus::Failed } else { RefundStatus::Succeeded };
            if request.status != status {
                request.status = status;
                changed.push((place, None));
            }
        }
    }
    let Some(net) = state.net()? else { return Ok(changed) };
    for place in 0..requests.len() {
        let left = available(requests, state, net)?;
        let Some(request) = requests.get_mut(place).filter(|request| request.status == RefundStatus::Waiting) else {
            continue;
        };
        let refusal = refuse(request.amount.into(), left);
        request.status = if refusal.is_some() { RefundStatus::Refused } else { RefundStatus::Requested };
        changed.push((place, refusal));
    }
    Ok(changed)
}

/// Why the amount cannot be refunded from what is left; none if it can.
#[must_use]
pub fn refuse(asked: Money, left: Money) -> Option<RefundRefusal> {
    match left.checked_sub(asked) {
        Err(_) => Some(RefundRefusal::OtherCurrency { asked, currency: left.currency() }),
        Ok(rest) if rest.is_negative() => Some(RefundRefusal::TooMuch { asked, left: left.or_zero() }),
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::fact::{EvidenceChannel, Fact, FactKind};

    fn euro(value: &str) -> PositiveMoney {
        Money::parse(value, "EUR").and_then(Money::positive).unwrap()
    }

    fn request(number: u128, value: &str) -> RefundRequest {
        let id = RefundId::from_uuid(Uuid::from_u128(number));
        RefundRequest { id, amount: euro(value), status: RefundStatus::Waiting, terms: RefundTerms::default() }
    }

    fn fact(kind: FactKind, value: &str, movement: &str) -> Fact {
        Fact {
            kind,
            amount: Some(euro(value)),
            channel: EvidenceChannel::Gateway,
            transaction_id: None,
            origin: None,
            event_id: format!("{kind} {movement}"),
            movement: movement.to_owned(),
            invoices: Vec::new(),
            occurred_at: DateTime::UNIX_EPOCH,
        }
    }

    fn statuses(requests: &[RefundRequest]) -> Vec<RefundStatus> {
        requests.iter().map(|request| request.status).collect()
    }

    #[test]
    fn of_two_refunds_that_are_too_much_together_the_second_is_refused() {
        let state = PaymentState::from_facts(&[fact(FactKind::Capture, "100", "c")]).unwrap();
        let mut requests = [request(1, "60"), request(2, "60"), request(3, "40")];
        let changed = decide(&mut requests, &state).unwrap();
        assert_eq!(statuses(&requests), [RefundStatus::Requested, RefundStatus::Refused, RefundStatus::Requested]);
        let reported = changed.iter().find_map(|(_, refusal)| refusal.as_ref()).unwrap().to_string();
        assert_eq!(reported, "60.00 EUR is more than the 40.00 EUR that can be refunded of this payment");
    }

    #[test]
    fn a_refund_of_what_has_not_arrived_waits_and_is_decided_when_it_arrives() {
        let mut requests = [request(1, "60")];
        let claimed = PaymentState::from_facts(&[fact(FactKind::Claim, "100", "c")]).unwrap();
        assert_eq!(decide(&mut requests, &claimed), Ok(vec![]));
        assert_eq!(statuses(&requests), [RefundStatus::Waiting]);
        let captured = PaymentState::from_facts(&[fact(FactKind::Capture, "50", "c")]).unwrap();
        decide(&mut requests, &captured).unwrap();
        assert_eq!(statuses(&requests), [RefundStatus::Refused]);
    }

    #[test]
    fn what_is_disputed_cannot_be_refunded_until_the_dispute_is_won() {
        let facts = [fact(FactKind::Capture, "100", "c"), fact(FactKind::Dispute, "70", "d")];
        let mut requests = [request(1, "60"), request(2, "30")];
        decide(&mut requests, &PaymentState::from_facts(&facts).unwrap()).unwrap();
        assert_eq!(statuses(&requests), [RefundStatus::Refused, RefundStatus::Requested]);
        let won = [facts.as_slice(), &[fact(FactKind::DisputeWon, "70", "d")]].concat();
        let mut requests = [request(3, "60")];
        decide(&mut requests, &PaymentState::from_facts(&won).unwrap()).unwrap();
        assert_eq!(statuses(&requests), [RefundStatus::Requested]);
    }

    #[test]
    fn the_gateways_report_decides_a_refund() {
        let movement = request(1, "60").id.to_string();
        let captured = fact(FactKind::Capture, "100", "c");
        let mut requests = [request(1, "60")];
        let done = [captured.clone(), fact(FactKind::Refund, "60", &movement)];
        decide(&mut requests, &PaymentState::from_facts(&done).unwrap()).unwrap();
        assert_eq!(statuses(&requests), [RefundStatus::Succeeded]);
        let undone = [done.as_slice(), &[fact(FactKind::RefundFailure, "60", &movement)]].concat();
        let state = PaymentState::from_facts(&undone).unwrap();
        decide(&mut requests, &state).unwrap();
        assert_eq!(statuses(&requests), [RefundStatus::Failed]);
        assert_eq!(state.net().unwrap(), captured.amount.map(Money::from));
    }
}
