//! E-mail addresses in bodies.

use deserr::{Deserr, IntoValue, Value, ValuePointerRef};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::faults::{Faults, text};

/// The addresses that [`is_address`] accepts: one at sign, followed by a domain of at least two labels, without
/// characters that separate addresses in a header.
const PATTERN: &str = r"^[!\x23-\x2b\x2d-\x3a=?A-~]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$";

/// The longest address that mail can be sent to (RFC 5321 §4.5.3.1.3, minus the angle brackets).
const LENGTH_MAX: usize = 254;

/// An e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// An address that was checked before it was stored.
    #[must_use]
    pub const fn stored(address: String) -> Self {
        Self(address)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

impl Deserr<Faults> for EmailAddress {
    fn deserialize_from_value<V: IntoValue>(value: Value<V>, location: ValuePointerRef<'_>) -> Result<Self, Faults> {
        let text = text(value, location)?;
        let is_valid = text.len() <= LENGTH_MAX && is_address(&text);
        if is_valid { Ok(Self(text)) } else { Err(Faults::at(location, "must be an e-mail address")) }
    }
}

impl PartialSchema for EmailAddress {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(PATTERN));
        text.min_length(Some(3)).max_length(Some(LENGTH_MAX)).into()
    }
}

impl ToSchema for EmailAddress {}

/// Whether a text is plausibly an address: the mail system decides for good.
fn is_address(text: &str) -> bool {
    let is_plain = text.is_ascii()
        && !text.contains(char::is_whitespace)
        && !text.contains(char::is_control)
        && !text.contains([',', ';', '<', '>', '"']);
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_domain = |domain: &str| domain.contains('.') && domain.split('.').all(is_label);
    is_plain && text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && is_domain(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_at_sign_and_no_way_to_name_two() {
        assert!(is_address("accounts@nordlicht.example"));
        for text in
            ["a", "@b.c", "a@b", "a@b@c.d", "0@.", "a@b.", "a@.b", "a@b..c", "a@b.c,d@e.f", "a b@c.d", "<a@b.c>"]
        {
            assert!(!is_address(text), "{text}");
        }
    }
}
