//! What identifies a request under its idempotency key: method, path and canonical body.
//!
//! The canonical form of a body sorts the members of objects and drops white space; numbers keep their text. RFC 8785
//! would write numbers as IEEE 754 doubles, which makes two large integers one.

use std::collections::BTreeMap;

use http::Method;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// The version of the scheme that new fingerprints are of.
pub const SCHEME: i16 = 2;

/// A digest of a request, and the digest of the scheme before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The digest by the current scheme.
    pub digest: [u8; 32],
    /// The content by scheme 1: the parts that an operation chose, joined by line feeds, with the body as it was sent.
    pub content_before: Vec<u8>,
}

impl Fingerprint {
    /// The fingerprint of a request. `path` is the route and the decoded parameters of the path; `parts_before` are the
    /// parts that identified the request by scheme 1.
    ///
    /// # Errors
    /// [`serde_json::Error`] if the body is not JSON.
    pub fn new(
        method: &Method,
        path: &[&str],
        body: &[u8],
        parts_before: &[Vec<u8>],
    ) -> Result<Self, serde_json::Error> {
        let mut digest = Sha256::new().chain_update(method.as_str()).chain_update(b"\n");
        for part in path {
            digest = digest.chain_update(part).chain_update(b"\n");
        }
        let digest = digest.chain_update(canonical(body)?).finalize();
        Ok(Self { digest: digest.into(), content_before: parts_before.join(&b'\n') })
    }
}

impl Fingerprint {
    /// The digest as text, with the version of its scheme.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{SCHEME}:{}", hex::encode(self.digest))
    }
}

/// The canonical form of a body; an empty body and an empty object are the same.
///
/// # Errors
/// [`serde_json::Error`] if it is not JSON.
fn canonical(body: &[u8]) -> Result<String, serde_json::Error> {
    if body.is_empty() {
        return Ok(String::new());
    }
    let mut text = String::with_capacity(body.len());
    write(serde_json::from_slice(body)?, &mut text)?;
    Ok(if text == "{}" { String::new() } else { text })
}

fn write(value: &RawValue, text: &mut String) -> Result<(), serde_json::Error> {
    match value.get().bytes().next() {
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(value.get())?;
            text.push('{');
            for (place, (name, member)) in members.into_iter().enumerate() {
                separate(place, text);
                text.push_str(&serde_json::to_string(&name)?);
                text.push(':');
                write(member, text)?;
            }
            text.push('}');
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(value.get())?;
            text.push('[');
            for (place, item) in items.into_iter().enumerate() {
                separate(place, text);
                write(item, text)?;
            }
            text.push(']');
        }
        // One text can be escaped in several ways.
        Some(b'"') => {
            let content: String = serde_json::from_str(value.get())?;
            text.push_str(&serde_json::to_string(&content)?);
        }
        _ => text.push_str(value.get()),
    }
    Ok(())
}

fn separate(place: usize, text: &mut String) {
    if place > 0 {
        text.push(',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(method: &Method, path: &str, body: &str) -> [u8; 32] {
        Fingerprint::new(method, &[path], body.as_bytes(), &[]).unwrap().digest
    }

    #[test]
    fn the_order_of_members_white_space_and_escapes_do_not_matter() {
        let one = r#"{"b": [1, {"y": "é", "x": null}], "a": 1.50}"#;
        let other = "{\n\t\"a\":1.50,\"b\":[1,{\"x\":null,\"y\":\"\\u00e9\"}]}";
        assert_eq!(canonical(one.as_bytes()).unwrap(), canonical(other.as_bytes()).unwrap());
        assert_eq!(digest(&Method::POST, "/v1/clients", "{}"), digest(&Method::POST, "/v1/clients", ""));
    }

    #[test]
    fn another_method_path_value_order_of_items_or_digit_is_another_request() {
        let body = r#"{"a": [1, 2], "n": 9007199254740993}"#;
        let first = digest(&Method::POST, "/v1/clients", body);
        assert_ne!(first, digest(&Method::PUT, "/v1/clients", body));
        assert_ne!(first, digest(&Method::POST, "/v1/invoices", body));
        for other in [
            r#"{"a": [2, 1], "n": 9007199254740993}"#,
            r#"{"a": [1, 2], "n": 9007199254740992}"#,
            r#"{"a": [1, 2], "n": 9007199254740993.0}"#,
            r#"{"a": [1, 2]}"#,
        ] {
            assert_ne!(first, digest(&Method::POST, "/v1/clients", other), "{other}");
        }
    }
}
