//! Domain types as members of bodies.

use deserr::{Deserr, IntoValue, Map, Value, ValueKind, ValuePointerRef};
use quittance_domain::adjustment::AdjustmentKind;
use quittance_domain::case::CaseKind;
use quittance_domain::id::{
    CaseId, ClientId, CreditNoteId, InvoiceId, LedgerTransactionId, PaymentId, Provider, RefundId, TransactionId,
    UploadId, WebhookEndpointId,
};
use quittance_domain::language::Language;
use quittance_domain::ledger::Account;
use quittance_domain::listing::ListOrder;
use quittance_domain::money::{Currency, Money, MoneyError, PositiveMoney};
use quittance_domain::notification::{NotificationKind, PhoneNumber};
use quittance_domain::payment::PaymentStatus;
use quittance_domain::refund_reason::RefundReason;
use quittance_domain::tax::TaxPercent;
use quittance_domain::upload::{LineOutcome, UploadKind};

use super::faults::{Faults, parsed, text};

macro_rules! parsed_members {
    ($($kind:ty),+ $(,)?) => {
        $(impl Deserr<Faults> for $kind {
            fn deserialize_from_value<V: IntoValue>(
                value: Value<V>,
                location: ValuePointerRef<'_>,
            ) -> Result<Self, Faults> {
                parsed(value, location)
            }
        })+
    };
}

parsed_members!(
    Account,
    AdjustmentKind,
    CaseId,
    CaseKind,
    ClientId,
    CreditNoteId,
    InvoiceId,
    Language,
    LedgerTransactionId,
    LineOutcome,
    ListOrder,
    NotificationKind,
    PaymentId,
    PaymentStatus,
    PhoneNumber,
    Provider,
    RefundId,
    RefundReason,
    TaxPercent,
    TransactionId,
    UploadId,
    UploadKind,
    WebhookEndpointId,
);

impl Deserr<Faults> for Currency {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef<'_>) -> Result<Self, Faults> {
        let currency: Self = parsed(value, location)?;
        if currency.is_withdrawn() {
            return Err(Faults::at(location, format!("{currency} was withdrawn; new amounts cannot use it")));
        }
        Ok(currency)
    }
}

impl Deserr<Faults> for PositiveMoney {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef<'_>) -> Result<Self, Faults> {
        money(value, location, |money| money.positive())
    }
}

/// `{"value": "100.00", "currency": "EUR"}`; a fault is at the member that is wrong.
fn money<T, V: IntoValue>(
    value: Value<V>,
    location: ValuePointerRef<'_>,
    convert: impl FnOnce(Money) -> Result<T, MoneyError>,
) -> Result<T, Faults> {
    let mut members = match value {
        Value::Map(members) => members,
        actual => return Err(Faults::wrong_kind(actual, &[ValueKind::Map], location)),
    };
    let mut faults = Faults::default();
    let [currency, amount] = ["currency", "value"].map(|name| {
        let member = members.remove(name).ok_or_else(|| Faults::at(location.push_key(name), "is missing"));
        member.and_then(|member| text(member.into_value(), location.push_key(name)))
    });
    for (name, _) in members.into_iter() {
        faults.merge(Faults::at(location.push_key(&name), "is not known here"));
    }
    let (currency, amount) = (faults.keep(currency), faults.keep(amount));
    let converted = currency.zip(amount).and_then(|(currency, amount)| {
        let place = |error: &MoneyError| match error {
            MoneyError::UnknownCurrency(_) => "currency",
            _ => "value",
        };
        let converted = Money::parse(&amount, &currency).and_then(convert);
        faults.keep(converted.map_err(|error| Faults::at(location.push_key(place(&error)), error)))
    });
    converted.filter(|_| faults.is_empty()).ok_or(faults)
}
