//! Checks whether a gateway may collect a payment. Unlike evidence of money that has moved, a charge may be refused.

use crate::id::InvoiceId;
use crate::invoice::{Invoice, InvoiceStatus};
use crate::money::{Money, MoneyError, PositiveMoney};
use crate::payment::PaymentStatus;

/// Why a charge is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChargeRefusal {
    /// The payment exists already, in a state that allows no further attempt.
    #[error("a payment of this transaction id is {0} already; use another id, or wait for its outcome")]
    Known(PaymentStatus),
    /// The order is too old.
    #[error("the request has expired; send it again")]
    Late,
    /// The payment is for another invoice.
    #[error("this transaction id belongs to a payment for another invoice; use another id")]
    OtherInvoice,
    /// The client has no such invoice.
    #[error("there is no invoice {0} of this client")]
    UnknownInvoice(InvoiceId),
    /// The invoice accepts no payments.
    #[error("invoice {0} is {1}")]
    NotPayable(InvoiceId, InvoiceStatus),
    /// More than the outstanding amount, or more than would be outstanding once charges in progress succeed.
    #[error("{asked} is more than what is left to pay: {left} less {under_way} of charges in progress")]
    TooMuch {
        /// The requested amount.
        asked: Money,
        /// The outstanding amount.
        left: Money,
        /// The amount of other charges of the invoice that are in progress.
        under_way: Money,
    },
    /// The invoice is in another currency.
    #[error("{asked} cannot pay an invoice of {total}")]
    OtherCurrency {
        /// The requested amount.
        asked: Money,
        /// The invoice's total.
        total: Money,
    },
}

/// Whether `amount` of an invoice may be collected while other payments of it are collecting `under_way`, an amount in
/// the invoice's currency. `known` is the status of an existing payment of that name and the invoices that it is for.
///
/// # Errors
/// [`MoneyError`] if a sum overflows.
pub fn refuse(
    amount: PositiveMoney,
    invoice: &Invoice,
    under_way: Money,
    known: Option<(PaymentStatus, &[InvoiceId])>,
) -> Result<Option<ChargeRefusal>, MoneyError> {
    match known {
        Some((_, invoices)) if !invoices.is_empty() && invoices != [invoice.id()] => {
            return Ok(Some(ChargeRefusal::OtherInvoice));
        }
        Some((status, _)) if !matches!(status, PaymentStatus::Failed | PaymentStatus::Expired) => {
            return Ok(Some(ChargeRefusal::Known(status)));
        }
        _ => {}
    }
    if !invoice.is_payable() {
        return Ok(Some(ChargeRefusal::NotPayable(invoice.id(), invoice.status())));
    }
    let (asked, total) = (Money::from(amount), invoice.total());
    if asked.currency() != total.currency() {
        return Ok(Some(ChargeRefusal::OtherCurrency { asked, total }));
    }
    let left = invoice.outstanding()?;
    let is_too_much = left.checked_sub(under_way)?.checked_sub(asked)?.is_negative();
    Ok(is_too_much.then_some(ChargeRefusal::TooMuch { asked, left, under_way }))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::ClientId;

    fn money(value: &str, currency: &str) -> Money {
        Money::parse(value, currency).unwrap()
    }

    fn invoice(number: u128) -> Invoice {
        let (id, client) = (InvoiceId::from_uuid(Uuid::from_u128(number)), ClientId::from_uuid(Uuid::from_u128(9)));
        Invoice::draft(id, client, money("100", "EUR").positive().unwrap())
    }

    fn refused(asked: &str, under_way: &str, known: Option<(PaymentStatus, &[InvoiceId])>) -> Option<String> {
        let invoice = invoice(1).issued().unwrap();
        let asked = money(asked, "EUR").positive().unwrap();
        refuse(asked, &invoice, money(under_way, "EUR"), known).unwrap().map(|refusal| refusal.to_string())
    }

    #[test]
    fn what_is_being_collected_already_is_not_collected_twice() {
        assert_eq!(refused("100", "0", None), None);
        assert_eq!(refused("40", "60", None), None);
        let too_much = "40.01 EUR is more than what is left to pay: 100.00 EUR less 60.00 EUR of charges in progress";
        assert_eq!(refused("40.01", "60", None).as_deref(), Some(too_much));
    }

    #[test]
    fn a_payment_is_tried_again_only_when_it_failed_and_only_for_its_invoice() {
        let (own, other) = ([invoice(1).id()], [invoice(2).id()]);
        for status in [PaymentStatus::Failed, PaymentStatus::Expired] {
            assert_eq!(refused("1", "0", Some((status, &own))), None);
            assert!(refused("1", "0", Some((status, &other))).is_some());
        }
        for status in
            [PaymentStatus::Pending, PaymentStatus::Unknown, PaymentStatus::Confirmed, PaymentStatus::Refunded]
        {
            assert!(refused("1", "0", Some((status, &own))).is_some(), "{status}");
        }
    }

    #[test]
    fn a_draft_and_another_currency_are_refused() {
        let amount = |currency| money("1", currency).positive().unwrap();
        let none = money("0", "EUR");
        let draft = refuse(amount("EUR"), &invoice(1), none, None).unwrap();
        assert!(matches!(draft, Some(ChargeRefusal::NotPayable(..))));
        let foreign = refuse(amount("USD"), &invoice(1).issued().unwrap(), none, None).unwrap();
        assert!(matches!(foreign, Some(ChargeRefusal::OtherCurrency { .. })));
    }
}
