//! Refunds that staff ask for. What a gateway tells of refunds is in [`crate::returned`].

use serde::{Deserialize, Serialize};

use crate::id::RefundId;
use crate::money::{Money, MoneyError, PositiveMoney};
use crate::names::stored_name;
use crate::payment::PaymentState;
use crate::refund_reason::{RefundEffect, RefundReason, RefundTerms};

/// How far a refund is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// Nothing is captured yet; it is decided as soon as something is.
    Waiting,
    /// Its amount is reserved, and the provider is asked.
    Requested,
    /// The money went back.
    Succeeded,
    /// The money did not go back, or came back to us.
    Failed,
    /// More than there is to refund. Nothing was asked of the provider.
    Refused,
}

stored_name!(RefundStatus {
    Waiting => "waiting",
    Requested => "requested",
    Succeeded => "succeeded",
    Failed => "failed",
    Refused => "refused",
});

/// A refund that staff asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRequest {
    /// Its id; the movement that facts about it name.
    pub id: RefundId,
    /// How much.
    pub amount: PositiveMoney,
    /// How far it is.
    pub status: RefundStatus,
    /// Why it is made.
    pub terms: RefundTerms,
}

impl RefundRequest {
    /// The refund of a client's credit, not decided yet.
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
        /// What was asked for.
        asked: Money,
        /// What is left.
        left: Money,
    },
    /// The payment is in another currency.
    #[error("{asked} cannot be refunded of a payment in {currency}")]
    OtherCurrency {
        /// What was asked for.
        asked: Money,
        /// The payment's currency.
        currency: crate::money::Currency,
    },
}

/// What the requests of one payment reserve: refunds that the provider was asked for and has not answered.
///
/// # Errors
/// [`MoneyError::Overflow`].
pub fn reserved(requests: &[RefundRequest], like: Money) -> Result<Money, MoneyError> {
    sum_requested(requests.iter(), like)
}

/// What of it will leave invoices and surplus: all but goodwill, which comes from our own pocket.
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

/// What can be refunded: what is left of the payment, without what is asked for already or disputed.
fn available(requests: &[RefundRequest], state: &PaymentState, net: Money) -> Result<Money, MoneyError> {
    let disputed = state.disputes.iter().filter(|dispute| dispute.is_open()).map(|dispute| dispute.amount);
    let disputed = disputed.filter(|amount| amount.currency() == net.currency());
    disputed.chain([reserved(requests, net)?]).try_fold(net, Money::checked_sub)
}

/// Where requests stand now that the payment's facts add up to `state`: those that somebody told of have succeeded or
/// failed, and those that waited are decided, first come first served. Brings `requests` up to date, and returns the
/// places of those that changed with the reason of a refusal.
///
/// # Errors
/// [`MoneyError`] if a sum cannot be kept.
pub fn decide(
    requests: &mut [RefundRequest],
    state: &PaymentState,
) -> Result<Vec<(usize, Option<RefundRefusal>)>, MoneyError> {
    let mut changed = Vec::new();
    for (place, request) in requests.iter_mut().enumerate() {
        let movement = request.id.to_string();
        if let Some(told) = state.refunds.iter().find(|refund| refund.movement == movement) {
            let status = if told.failed { RefundStatus::Failed } else { RefundStatus::Succeeded };
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

/// Why so much cannot be refunded of what is left; none if it can.
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
        let told = changed.iter().find_map(|(_, refusal)| refusal.as_ref()).unwrap().to_string();
        assert_eq!(told, "60.00 EUR is more than the 40.00 EUR that can be refunded of this payment");
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
    fn what_the_gateway_tells_of_a_refund_decides_it() {
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
