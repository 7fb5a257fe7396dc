//! Bodies about payments: claims and movements of money, and what they become.

use std::fmt;

use chrono::{DateTime, Utc};
use deserr::{Deserr, ValuePointerRef};
use quittance_domain::command::{ChargePayment, Evidence, InitiateCharge, InvoiceReference, PaymentCommand};
use quittance_domain::fact::{EvidenceChannel, FactKind};
use quittance_domain::id::{ClientId, InvoiceId, PaymentId, Provider, TransactionId};
use quittance_domain::money::PositiveMoney;
use quittance_lambda::body::Faults;
use quittance_lambda::body::invoice_reference::InvoiceIdOrNumber;
use quittance_lambda::body::times::RecentTime;
use quittance_lambda::body::values::{List, Text};
use quittance_lambda::envelope::CloudEvent;
use quittance_providers::ProviderModule as Gateway;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::FUNCTION;
use crate::bodies::Reason;
use crate::values::{ConfirmableKind, EnterableKind, PaymentMethod};

/// The kinds of evidence that a trusted machine may confirm; the first is the default.
pub(crate) const CONFIRMABLE: [FactKind; 4] =
    [FactKind::Settlement, FactKind::Refund, FactKind::RefundFailure, FactKind::Reversal];

/// The kinds of evidence that staff may enter; the first is the default.
pub(crate) const ENTERABLE: [FactKind; 4] =
    [FactKind::Capture, FactKind::Refund, FactKind::RefundFailure, FactKind::Reversal];

/// The maximum number of invoices that one payment names.
const INVOICES_MAX: usize = 20;

/// The id of a movement: bank references have 35 characters (ISO 20022 `Max35Text`), gateways' ids more.
type MovementId = Text<1, 100>;

/// The number printed on an invoice.
type InvoiceNumber = Text<1, 50>;

/// Invoices, by their ids or printed numbers.
type Invoices = List<InvoiceIdOrNumber, 1, INVOICES_MAX>;

/// A claimed payment or, with `payment_method`, a payment for the gateway to collect. `GET
/// /v1/payments/{transaction_id}` shows the outcome.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields, validate = claimable -> Faults)]
#[schema(examples(json!({
    "transaction_id": TransactionId::EXAMPLE, "provider": Provider::EXAMPLE, "invoice_id": InvoiceId::EXAMPLE,
    "amount": {"value": "1190.00", "currency": "EUR"},
})))]
pub struct NewPayment {
    /// The payment; once parsed, in its provider's namespace.
    pub transaction_id: TransactionId,
    /// The provider that moved the money.
    pub provider: Provider,
    /// The invoice that it pays.
    pub invoice_id: InvoiceIdOrNumber,
    /// The amount.
    pub amount: PositiveMoney,
    /// The card or mandate from which the gateway collects the payment, by the gateway's name for it: `pm_…` or
    /// `cus_…/pm_…` at Stripe, `<shopper>/<card>` at Adyen, `MD…` at GoCardless. Only the platform's machine clients
    /// and staff may set it. The `transaction_id` is then a name of your own, which must not look like one of the
    /// gateway's (`pi_…`, `PM…`, 16 capitals and digits).
    #[deserr(default)]
    pub payment_method: Option<PaymentMethod>,
}

/// A movement of money: received or sent back. The invoices are named in one way only: by `invoice_id`,
/// `invoice_number` or `invoice_ids`; payment and invoices may be unknown. Every kind except `settlement` needs a
/// `movement`.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
#[schema(examples(json!({
    "invoice_id": InvoiceId::EXAMPLE, "amount": {"value": "1190.00", "currency": "EUR"},
})))]
pub struct Confirmation {
    /// The provider whose name for the payment is in the path; a bare name without it is a bank transfer.
    #[deserr(default)]
    provider: Option<Provider>,
    /// The kind of movement; `settlement` by default.
    #[deserr(default)]
    kind: Option<ConfirmableKind>,
    /// The refund's id, or the returned debit's reference.
    #[deserr(default)]
    movement: Option<MovementId>,
    /// The invoice that it pays.
    #[deserr(default)]
    invoice_id: Option<InvoiceIdOrNumber>,
    /// The number printed on the invoice that it pays.
    #[deserr(default)]
    invoice_number: Option<InvoiceNumber>,
    /// The invoices that it pays, in this order.
    #[deserr(default)]
    invoice_ids: Option<Invoices>,
    /// The amount.
    amount: PositiveMoney,
    /// When the money moved, from ten years ago until tomorrow; the current time by default.
    #[deserr(default)]
    occurred_at: Option<RecentTime>,
}

/// A movement of money that staff enter by hand. A `capture` (money received) may name its invoices, in one way only. A
/// `refund` (money sent back), a `refund_failure` (it did not reach the payer) and a `reversal` (by the payer's bank)
/// need a `movement`.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
#[schema(examples(json!({
    "kind": "reversal", "movement": "RETURN-2026-4711", "amount": {"value": "1190.00", "currency": "EUR"},
    "reason": "seen on the bank's account page",
})))]
pub(crate) struct EvidenceByHand {
    /// The provider whose name for the payment is in the path; a bare name without it is a bank transfer.
    #[deserr(default)]
    provider: Option<Provider>,
    /// The kind of movement; `capture` by default.
    #[deserr(default)]
    kind: Option<EnterableKind>,
    /// The refund's id, or the returned debit's reference.
    #[deserr(default)]
    movement: Option<MovementId>,
    /// The invoice that it pays.
    #[deserr(default)]
    invoice_id: Option<InvoiceIdOrNumber>,
    /// The number printed on the invoice that it pays.
    #[deserr(default)]
    invoice_number: Option<InvoiceNumber>,
    /// The invoices that it pays, in this order.
    #[deserr(default)]
    invoice_ids: Option<Invoices>,
    /// The amount.
    amount: PositiveMoney,
    /// When the money moved, from ten years ago until tomorrow; the current time by default.
    #[deserr(default)]
    occurred_at: Option<RecentTime>,
    /// The proof, for the audit record.
    pub(crate) reason: Reason,
}

/// A movement of money about a payment, as a trusted machine or staff report it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentMovement {
    /// The payment, in its provider's namespace.
    pub transaction_id: TransactionId,
    /// The provider that moved the money.
    pub provider: Provider,
    /// The kind of evidence: money arrived, or went back.
    pub kind: FactKind,
    /// The movement of money, if it is not the payment itself: a refund's id, a returned debit's reference.
    pub movement: Option<String>,
    /// The invoices that it pays, if known, in the order in which they are to be paid.
    pub invoices: Vec<InvoiceReference>,
    pub amount: PositiveMoney,
    /// When it happened; defaults to the present.
    pub occurred_at: Option<DateTime<Utc>>,
}

/// Puts the payment into its provider's namespace, and checks a charge.
fn claimable(mut claim: NewPayment, location: ValuePointerRef<'_>) -> Result<NewPayment, Faults> {
    let mut faults = Faults::default();
    let at = |member: &str, detail: &dyn fmt::Display| Faults::at(location.push_key(member), detail);
    match TransactionId::namespaced(&claim.provider, claim.transaction_id.as_str()) {
        Ok(name) if name.is_bank_line() => {
            faults.merge(at("transaction_id", &"is reserved for lines of bank statements; use another name"));
        }
        Ok(name) => claim.transaction_id = name,
        Err(error) => faults.merge(at("transaction_id", &error)),
    }
    let currency = claim.amount.currency();
    if currency.is_withdrawn() {
        faults.merge(at("amount", &format!("{currency} was withdrawn and is not used any more")));
    }
    if let Some(method) = claim.payment_method.as_ref().filter(|_| faults.is_empty())
        && let Err((member, detail)) = check_charge(&claim, method.as_str())
    {
        faults.merge(at(member, &detail));
    }
    if faults.is_empty() { Ok(claim) } else { Err(faults) }
}

impl NewPayment {
    /// The order to have the gateway collect the payment, if the request is for a charge.
    #[must_use]
    pub fn charge(
        &self,
        caller: &str,
        named: (InvoiceId, ClientId),
        key: &str,
        now: DateTime<Utc>,
    ) -> Option<ChargePayment> {
        let (invoice_id, client_id) = named;
        Some(ChargePayment {
            transaction_id: self.transaction_id.clone(),
            provider: self.provider.clone(),
            invoice_id,
            client_id,
            amount: self.amount,
            payment_method: self.payment_method.as_ref()?.as_str().to_owned(),
            actor: caller.to_owned(),
            request: format!("{caller}:{key}"),
            ordered_at: now,
        })
    }

    /// The claim as evidence.
    #[must_use]
    pub fn evidence(&self, caller: &str, named: (InvoiceId, ClientId), key: &str, now: DateTime<Utc>) -> Evidence {
        let (invoice_id, client_id) = named;
        Evidence {
            transaction_id: self.transaction_id.clone(),
            provider: self.provider.clone(),
            kind: FactKind::Claim,
            amount: Some(self.amount),
            channel: EvidenceChannel::Api,
            event_id: format!("{caller}:{key}"),
            movement: self.transaction_id.to_string(),
            invoice: Some(InvoiceReference::Id(invoice_id)),
            further_invoices: Vec::new(),
            payment_id: None,
            references: Vec::new(),
            client_id: Some(client_id),
            actor: caller.to_owned(),
            reason: None,
            bank_fee: None,
            found_at: None,
            attachment: None,
            occurred_at: now,
        }
    }
}

/// Checks a charge: its gateway must support charges, its id must not be one of the gateway's own, and the gateway must
/// be able to express the order.
///
/// # Errors
/// The member, and what is wrong with it.
fn check_charge(claim: &NewPayment, method: &str) -> Result<(), (&'static str, String)> {
    let name = &claim.transaction_id;
    let provider = name.provider();
    let Some(api) = quittance_providers::by_name(provider.as_str()).and_then(Gateway::api) else {
        return Err(("payment_method", format!("{provider} cannot collect payments for us")));
    };
    if api.names_payments(name.reference()) {
        let detail = format!("may be one of {provider}'s own names; use another name for a payment to be collected");
        return Err(("transaction_id", detail));
    }
    let command = InitiateCharge {
        payment_id: PaymentId::from_uuid(Uuid::nil()),
        attempt: 1,
        transaction_id: name.clone(),
        provider,
        invoice_id: InvoiceId::from_uuid(Uuid::nil()),
        amount: claim.amount,
        payment_method: method.to_owned(),
        ordered_at: DateTime::UNIX_EPOCH,
    };
    let taken = api.takes(&command);
    taken.map_err(|unfit| ("payment_method", format!("{} cannot collect with it: {}", command.provider, unfit.reason)))
}

impl Confirmation {
    /// The movement, with the payment in the path. A bare transaction id belongs to the provider that the body names,
    /// otherwise it is a bank transfer's.
    ///
    /// # Errors
    /// Every fault of members that depend on each other.
    pub fn into_movement(self, transaction_id: &str) -> Result<PaymentMovement, Faults> {
        let kind = self.kind.unwrap_or_default().0;
        let invoices = NamedInvoices(self.invoice_id, self.invoice_number, self.invoice_ids);
        let is_payment = kind == CONFIRMABLE[0];
        let movement = Movement { provider: self.provider, kind, is_payment, movement: self.movement, invoices };
        movement.reported(transaction_id, self.amount, self.occurred_at)
    }
}

impl EvidenceByHand {
    /// The movement, with the payment in the path, and the reason.
    pub(crate) fn into_movement(self, transaction_id: &str) -> Result<(PaymentMovement, String), Faults> {
        let kind = self.kind.unwrap_or_default().0;
        let invoices = NamedInvoices(self.invoice_id, self.invoice_number, self.invoice_ids);
        let is_payment = kind == ENTERABLE[0];
        let mut faults = Faults::default();
        if !is_payment && invoices.is_any() {
            faults.add("/invoice_id", "only received money (`capture`) can name invoices");
        }
        let movement = Movement { provider: self.provider, kind, is_payment, movement: self.movement, invoices };
        let reported = faults.keep(movement.reported(transaction_id, self.amount, self.occurred_at));
        reported.filter(|_| faults.is_empty()).map(|reported| (reported, self.reason.into())).ok_or(faults)
    }
}

/// The members of a movement that depend on each other.
struct Movement {
    provider: Option<Provider>,
    kind: FactKind,
    /// Whether the movement is the payment itself.
    is_payment: bool,
    movement: Option<MovementId>,
    invoices: NamedInvoices,
}

impl Movement {
    fn reported(
        self,
        transaction_id: &str,
        amount: PositiveMoney,
        occurred_at: Option<RecentTime>,
    ) -> Result<PaymentMovement, Faults> {
        let mut faults = Faults::default();
        let named = match self.provider {
            Some(provider) => TransactionId::namespaced(&provider, transaction_id).map(|name| (provider, name)),
            None => TransactionId::with_provider(transaction_id),
        };
        let named = faults.keep(named.map_err(|error| Faults::of("transaction_id", error)));
        if !self.is_payment && self.movement.is_none() {
            faults.add("/movement", "is missing: set it to the refund's id or the returned debit's reference");
        }
        let invoices = faults.keep(self.invoices.references());
        match (named, invoices) {
            (Some((provider, transaction_id)), Some(invoices)) if faults.is_empty() => Ok(PaymentMovement {
                transaction_id,
                provider,
                kind: self.kind,
                movement: self.movement.map(String::from),
                invoices,
                amount,
                occurred_at: occurred_at.map(RecentTime::get),
            }),
            _ => Err(faults),
        }
    }
}

/// The invoices that a movement names: one by id or by number, or several by their ids.
struct NamedInvoices(Option<InvoiceIdOrNumber>, Option<InvoiceNumber>, Option<Invoices>);

impl NamedInvoices {
    const fn is_any(&self) -> bool {
        self.0.is_some() || self.1.is_some() || self.2.is_some()
    }

    fn references(self) -> Result<Vec<InvoiceReference>, Faults> {
        let Self(by_id, by_number, several) = self;
        match (by_id, by_number, several) {
            (one, None, None) => Ok(one.map(|InvoiceIdOrNumber(named)| named).into_iter().collect()),
            (None, Some(number), None) => Ok(vec![InvoiceReference::Number(number.into())]),
            (None, None, Some(several)) => {
                Ok(several.into_vec().into_iter().map(|InvoiceIdOrNumber(named)| named).collect())
            }
            _ => {
                let detail = "name the invoices in one way: invoice_id, invoice_number or invoice_ids";
                Err(Faults::of("/invoice_ids", detail))
            }
        }
    }
}

impl PaymentMovement {
    /// The evidence of a trusted machine: the money is in our account, or left it.
    #[must_use]
    pub fn evidence(&self, caller: &str, key: &str, now: DateTime<Utc>) -> Evidence {
        Evidence {
            transaction_id: self.transaction_id.clone(),
            provider: self.provider.clone(),
            kind: self.kind,
            amount: Some(self.amount),
            channel: EvidenceChannel::Api,
            event_id: format!("{caller}:{key}"),
            movement: self.movement.clone().unwrap_or_else(|| self.transaction_id.to_string()),
            invoice: self.invoices.first().cloned(),
            further_invoices: self.invoices.iter().skip(1).cloned().collect(),
            payment_id: None,
            references: Vec::new(),
            client_id: None,
            actor: caller.to_owned(),
            reason: None,
            bank_fee: None,
            found_at: None,
            attachment: None,
            occurred_at: self.occurred_at.unwrap_or(now),
        }
    }
}

/// The envelope that carries a command to the processor.
#[must_use]
pub fn envelope(command: PaymentCommand, correlation_id: String, now: DateTime<Utc>) -> CloudEvent<PaymentCommand> {
    let subject = command.transaction_id().to_string();
    CloudEvent::new(Uuid::now_v7(), FUNCTION, subject, now, correlation_id, command)
}

#[cfg(test)]
mod tests;
