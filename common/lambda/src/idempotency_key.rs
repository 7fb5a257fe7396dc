//! The `Idempotency-Key` header (IETF draft-ietf-httpapi-idempotency-key-header).

use http::{HeaderMap, StatusCode};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::openapi::examples;
use crate::problem::{FieldProblem, Problem};

/// The header's name, as documentation spells it.
pub const NAME: &str = "Idempotency-Key";

/// The header's name in small letters, as HTTP/2 and Lambda send it.
pub const HEADER: &str = "idempotency-key";

/// The longest key: a UUID has 36 characters, Stripe allows 255.
const LENGTH_MAX: usize = 255;

/// Parses the key: a structured-field string, with or without quotes.
///
/// # Errors
/// 400 if it is missing or not such a string.
pub fn read(headers: &HeaderMap) -> Result<String, Problem> {
    let refuse =
        |detail: &str| Problem::invalid(vec![FieldProblem { pointer: NAME.to_owned(), detail: detail.to_owned() }]);
    let Some(value) = headers.get(HEADER) else {
        return Err(refuse(
            "the header is missing; send one key per intent, a UUID for example, and keep it for retries",
        ));
    };
    let text = value.to_str().map_err(|_| refuse("only printable ASCII is allowed"))?.trim();
    let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_plain = key.bytes().all(|byte| (0x21..=0x7e).contains(&byte) && byte != b'"' && byte != b'\\');
    if key.is_empty() || key.len() > LENGTH_MAX || !is_plain {
        return Err(refuse("must have 1 to 255 printable characters without spaces, quotes or backslashes"));
    }
    Ok(key.to_owned())
}

/// The keys that [`read`] accepts, for the API's description.
#[derive(Debug)]
pub enum KeyHeader {}

impl PartialSchema for KeyHeader {
    fn schema() -> RefOr<Schema> {
        let key = format!("[!#-\\x5b\\x5d-~]{{1,{LENGTH_MAX}}}");
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(format!("^({key}|\"{key}\")$")));
        text.examples([examples::IDEMPOTENCY_KEY]).into()
    }
}

impl ToSchema for KeyHeader {}

/// The first request with this key is still running.
#[must_use]
pub fn still_running(key: &str) -> Problem {
    let detail = format!("the first request with the key {key} is still running; repeat the request shortly");
    Problem::new(StatusCode::CONFLICT, "idempotency-key-in-use", "The first request is still running", detail)
        .retry_after(1)
}

/// The key was used for a different request.
#[must_use]
pub fn used_otherwise(key: &str) -> Problem {
    let detail = format!(
        "the key {key} was used for a request with other content; nothing was changed; repeat the first request unchanged to \
         see its outcome"
    );
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency-key-reused",
        "The key belongs to another request",
        detail,
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read_text(text: &str) -> Result<String, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(text).unwrap());
        read(&headers)
    }

    #[test]
    fn a_key_is_the_same_with_and_without_quotes() {
        assert_eq!(read_text("\"8e03978e\""), read_text("8e03978e"));
    }

    #[test]
    fn a_missing_or_odd_key_is_refused() {
        assert_eq!(read(&HeaderMap::new()).unwrap_err().status(), 400);
        for text in ["", "\"\"", "a b", "\"a", "a\\b", &"x".repeat(256)] {
            assert_eq!(read_text(text).unwrap_err().status(), 400, "{text}");
        }
    }
}
