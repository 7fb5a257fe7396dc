//! Turns requests into evidence: parses them into types that cannot be invalid.

use chrono::{DateTime, Utc};
use quittance_domain::calendar::recent_time;
use quittance_domain::command::{ChargePayment, Evidence, InitiateCharge, InvoiceReference, PaymentCommand};
use quittance_domain::fact::{EvidenceChannel, FactKind};
use quittance_domain::id::{ClientId, InvoiceId, PaymentId, Provider, TransactionId};
use quittance_domain::money::PositiveMoney;
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::fields::Fields;
use quittance_lambda::problem::Problem;
use quittance_providers::ProviderModule as Gateway;
use uuid::Uuid;

use crate::FUNCTION;
use crate::bodies::PAYMENT_METHOD_LENGTH_MAX;

/// The kinds of evidence that a trusted machine may confirm.
pub(crate) const CONFIRMABLE: [FactKind; 4] =
    [FactKind::Settlement, FactKind::Refund, FactKind::RefundFailure, FactKind::Reversal];

/// The longest movement id: bank references have 35 characters (ISO 20022 `Max35Text`), gateways' ids more.
pub(crate) const MOVEMENT_LENGTH_MAX: usize = 100;

/// The maximum number of invoices that one payment names.
pub(crate) const INVOICES_MAX: usize = 20;

/// The longest invoice number, in characters.
pub(crate) const INVOICE_NUMBER_LENGTH_MAX: usize = 50;

/// A prefixed id has 36 characters.
const ID_LENGTH_MAX: usize = 36;

/// The body of `POST /v1/payments`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The payment, in its provider's namespace.
    pub transaction_id: TransactionId,
    /// The provider that moved the money.
    pub provider: Provider,
    pub invoice_id: InvoiceId,
    pub amount: PositiveMoney,
    /// The gateway's reference for the payer's card or mandate, if the gateway is to collect the payment.
    pub payment_method: Option<String>,
}

/// The body of `POST /v1/payments/{transaction_id}/confirmation`, with its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfirmRequest {
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

impl ClaimRequest {
    /// Parses the body.
    ///
    /// # Errors
    /// 400 with every problem found, 413 if it is too large.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = Fields::parse(body)?;
        let provider = fields.required::<Provider>("provider");
        let reference = fields.required::<TransactionId>("transaction_id");
        let transaction_id = provider.as_ref().zip(reference).and_then(|(provider, reference)| {
            let named = TransactionId::namespaced(provider, reference.as_str());
            named.map_err(|error| fields.problem("transaction_id", error)).ok()
        });
        if transaction_id.as_ref().is_some_and(TransactionId::is_bank_line) {
            fields.problem("transaction_id", "is reserved for lines of bank statements; use another name");
        }
        let invoice_id = fields.required("invoice_id");
        let amount = fields.money("amount");
        if let Some(withdrawn) = amount.map(|amount| amount.currency()).filter(|currency| currency.is_withdrawn()) {
            fields.problem("amount", format!("{withdrawn} was withdrawn and is not used any more"));
        }
        let payment_method = fields.optional_text("payment_method", PAYMENT_METHOD_LENGTH_MAX);
        if payment_method.as_ref().is_some_and(|method| !method.bytes().all(|byte| byte.is_ascii_graphic())) {
            fields.problem("payment_method", "must have only printable ASCII characters, without spaces");
        }
        if let (Some(method), Some(name), Some(invoice_id), Some(amount)) =
            (&payment_method, &transaction_id, invoice_id, amount)
        {
            check_charge(&mut fields, name, invoice_id, amount, method);
        }
        fields.finish()?;
        match (transaction_id, provider, invoice_id, amount) {
            (Some(transaction_id), Some(provider), Some(invoice_id), Some(amount)) => {
                Ok(Self { transaction_id, provider, invoice_id, amount, payment_method })
            }
            // A member that is `None` has recorded a problem, so `finish` has failed already.
            _ => Err(Problem::invalid(Vec::new())),
        }
    }

    /// The order to have the gateway collect the payment, if the request is for a charge.
    #[must_use]
    pub fn charge(&self, caller: &str, client_id: ClientId, key: &str, now: DateTime<Utc>) -> Option<ChargePayment> {
        Some(ChargePayment {
            transaction_id: self.transaction_id.clone(),
            provider: self.provider.clone(),
            invoice_id: self.invoice_id,
            client_id,
            amount: self.amount,
            payment_method: self.payment_method.clone()?,
            actor: caller.to_owned(),
            request: format!("{caller}:{key}"),
            ordered_at: now,
        })
    }

    #[must_use]
    pub fn evidence(&self, caller: &str, client_id: Option<ClientId>, key: &str, now: DateTime<Utc>) -> Evidence {
        Evidence {
            transaction_id: self.transaction_id.clone(),
            provider: self.provider.clone(),
            kind: FactKind::Claim,
            amount: Some(self.amount),
            channel: EvidenceChannel::Api,
            event_id: format!("{caller}:{key}"),
            movement: self.transaction_id.to_string(),
            invoice: Some(InvoiceReference::Id(self.invoice_id)),
            further_invoices: Vec::new(),
            payment_id: None,
            references: Vec::new(),
            client_id,
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
fn check_charge(
    fields: &mut Fields,
    name: &TransactionId,
    invoice_id: InvoiceId,
    amount: PositiveMoney,
    payment_method: &str,
) {
    let provider = name.provider();
    let Some(api) = quittance_providers::by_name(provider.as_str()).and_then(Gateway::api) else {
        return fields.problem("payment_method", format!("{provider} cannot collect payments for us"));
    };
    if api.names_payments(name.reference()) {
        let detail = format!("may be one of {provider}'s own names; use another name for a payment to be collected");
        fields.problem("transaction_id", detail);
    }
    let command = InitiateCharge {
        payment_id: PaymentId::from_uuid(Uuid::nil()),
        attempt: 1,
        transaction_id: name.clone(),
        provider,
        invoice_id,
        amount,
        payment_method: payment_method.to_owned(),
        ordered_at: DateTime::UNIX_EPOCH,
    };
    if let Err(unfit) = api.takes(&command) {
        fields.problem("payment_method", format!("{} cannot collect with it: {}", command.provider, unfit.reason));
    }
}

impl ConfirmRequest {
    /// Parses path and body. A bare transaction id belongs to the provider that the body names, otherwise it is a bank
    /// transfer's.
    ///
    /// # Errors
    /// 400 with every problem found, 413 if it is too large.
    pub fn parse(transaction_id: &str, body: &[u8]) -> Result<Self, Problem> {
        let mut fields = Fields::parse(body)?;
        let request = Self::read(&mut fields, transaction_id, &CONFIRMABLE);
        fields.finish()?;
        // A member that is missing has recorded a problem, so `finish` has failed already.
        request.ok_or_else(|| Problem::invalid(Vec::new()))
    }

    /// Reads the members of a movement of one of these kinds; the first kind is the default.
    pub(crate) fn read(fields: &mut Fields, transaction_id: &str, kinds: &[FactKind]) -> Option<Self> {
        let provider = fields.optional::<Provider>("provider");
        let named = match &provider {
            Some(provider) => TransactionId::namespaced(provider, transaction_id)
                .map(|transaction_id| (provider.clone(), transaction_id)),
            None => TransactionId::with_provider(transaction_id),
        };
        let named = named.map_err(|error| fields.problem("transaction_id", error)).ok();
        let arrived = kinds.first().copied();
        let kind = fields.optional::<FactKind>("kind").or(arrived);
        if !kind.is_some_and(|kind| kinds.contains(&kind)) {
            let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
            fields.problem("kind", format!("must be one of {}", names.join(", ")));
        }
        let movement = fields.optional_text("movement", MOVEMENT_LENGTH_MAX);
        if kind != arrived && movement.is_none() {
            fields.problem("movement", "is missing: set it to the refund's id or the returned debit's reference");
        }
        let invoices = invoices(fields);
        let amount = fields.money("amount");
        let occurred_at = fields
            .optional("occurred_at")
            .and_then(|time| recent_time(time, Utc::now()).map_err(|error| fields.problem("occurred_at", error)).ok());
        let ((provider, transaction_id), kind, amount) = (named?, kind?, amount?);
        Some(Self { transaction_id, provider, kind, movement, invoices, amount, occurred_at })
    }

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

/// The invoices that a confirmation names: one by id or by number, or several by their ids.
fn invoices(fields: &mut Fields) -> Vec<InvoiceReference> {
    let by_id = fields.optional::<InvoiceId>("invoice_id").map(InvoiceReference::Id);
    let by_number = fields.optional_text("invoice_number", INVOICE_NUMBER_LENGTH_MAX).map(InvoiceReference::Number);
    let several = fields.optional_texts("invoice_ids", INVOICES_MAX, ID_LENGTH_MAX).unwrap_or_default();
    let named = usize::from(by_id.is_some()) + usize::from(by_number.is_some()) + usize::from(!several.is_empty());
    if named > 1 {
        fields.problem("invoice_ids", "name the invoices in one way: invoice_id, invoice_number or invoice_ids");
    }
    let mut hints: Vec<InvoiceReference> = by_id.or(by_number).into_iter().collect();
    for text in several {
        match text.parse() {
            Ok(id) => hints.push(InvoiceReference::Id(id)),
            Err(error) => fields.problem("invoice_ids", error),
        }
    }
    hints
}

/// The envelope that carries a command to the processor.
#[must_use]
pub fn envelope(command: PaymentCommand, correlation_id: String, now: DateTime<Utc>) -> CloudEvent<PaymentCommand> {
    let subject = command.transaction_id().to_string();
    CloudEvent::new(Uuid::now_v7(), FUNCTION, subject, now, correlation_id, command)
}

#[cfg(test)]
mod tests;
