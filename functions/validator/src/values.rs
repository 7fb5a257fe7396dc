//! Values of bodies that only the validator has.

use std::fmt;

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use quittance_domain::fact::FactKind;
use quittance_lambda::body::{Faults, parsed};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::commands::{CONFIRMABLE, ENTERABLE};

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident, $kinds:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub(crate) struct $name(pub(crate) FactKind);

        impl Default for $name {
            fn default() -> Self {
                Self($kinds[0])
            }
        }

        impl Deserr<Faults> for $name {
            fn deserialize_from_value<V: IntoValue>(
                value: Value<V>,
                location: ValuePointerRef<'_>,
            ) -> Result<Self, Faults> {
                let text: String = parsed(value, location)?;
                let kind = $kinds.into_iter().find(|kind| kind.as_str() == text);
                let known = || $kinds.map(FactKind::as_str).join(", ");
                kind.map(Self).ok_or_else(|| Faults::at(location, format!("must be one of {}", known())))
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let names = $kinds.map(FactKind::as_str);
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
            }
        }

        impl ToSchema for $name {}
    };
}

kinds!(
    /// A kind of evidence that a trusted machine may confirm.
    ConfirmableKind,
    CONFIRMABLE
);
kinds!(
    /// A kind of evidence that staff may enter.
    EnterableKind,
    ENTERABLE
);

/// The longest payment method token of a provider.
const PAYMENT_METHOD_LENGTH_MAX: usize = 255;

/// A payer's card or mandate, by the gateway's name for it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct PaymentMethod(String);

impl fmt::Debug for PaymentMethod {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PaymentMethod(…)")
    }
}

impl PaymentMethod {
    /// The gateway's name for it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deserr<Faults> for PaymentMethod {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef<'_>) -> Result<Self, Faults> {
        let text: String = parsed(value, location)?;
        let is_valid =
            (1..=PAYMENT_METHOD_LENGTH_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        let detail =
            || format!("must have 1 to {PAYMENT_METHOD_LENGTH_MAX} printable ASCII characters, without spaces");
        if is_valid { Ok(Self(text)) } else { Err(Faults::at(location, detail())) }
    }
}

impl PartialSchema for PaymentMethod {
    fn schema() -> RefOr<Schema> {
        let pattern = format!("^[!-~]{{1,{PAYMENT_METHOD_LENGTH_MAX}}}$");
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).into()
    }
}

impl ToSchema for PaymentMethod {}
