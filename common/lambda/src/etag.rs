//! Versions of resources that are edited: `ETag` and `If-Match` (RFC 9110 §8.8.3 and §13.1.1).
//!
//! The entity tag of a resource is its version, as a strong tag: `"3"`.

use http::header::{ETAG, IF_MATCH};
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::{FieldProblem, Problem};

/// The longest header that is read.
const LENGTH_MAX: usize = 500;

/// The `If-Match` header of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// No header, or `*`: any version.
    Any,
    /// One of these tags, each as it was sent.
    OneOf(Vec<String>),
}

impl IfMatch {
    /// Parses the header.
    ///
    /// # Errors
    /// 400 if it is not a list of entity tags.
    pub fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let refuse = || {
            let detail = "must be `*` or entity tags, as in the ETag of the resource: \"3\"".to_owned();
            Problem::invalid(vec![FieldProblem { pointer: "If-Match".to_owned(), detail }])
        };
        let mut tags = Vec::new();
        for value in headers.get_all(IF_MATCH) {
            let text = value.to_str().ok().filter(|text| text.len() <= LENGTH_MAX).ok_or_else(refuse)?;
            tags.extend(text.split(',').map(|tag| tag.trim().to_owned()));
        }
        match tags.as_slice() {
            [] => Ok(Self::Any),
            [only] if only == "*" => Ok(Self::Any),
            several if several.iter().all(|tag| is_tag(tag)) => Ok(Self::OneOf(tags)),
            _ => Err(refuse()),
        }
    }

    /// For an operation that compares no version: an `If-Match` that it would ignore is refused.
    ///
    /// # Errors
    /// 400 if the request names a version.
    pub fn refuse(&self) -> Result<(), Problem> {
        match self {
            Self::Any => Ok(()),
            Self::OneOf(_) => {
                let detail = "this operation compares no version; leave the header out".to_owned();
                Err(Problem::invalid(vec![FieldProblem { pointer: "If-Match".to_owned(), detail }]))
            }
        }
    }

    /// Checks the current version of a resource. The comparison is strong: a weak tag never matches.
    ///
    /// # Errors
    /// 412 if the resource has another version.
    pub fn check(&self, resource: &str, version: i64) -> Result<(), Problem> {
        let current = tag(version);
        match self {
            Self::OneOf(tags) if !tags.contains(&current) => Err(changed_meanwhile(resource, version)),
            Self::OneOf(_) | Self::Any => Ok(()),
        }
    }
}

/// 412: the resource has another version than the request names.
#[must_use]
pub fn changed_meanwhile(resource: &str, version: i64) -> Problem {
    let current = tag(version);
    let detail = format!(
        "{resource} has the version {current} now; nothing was changed; read it again and repeat the change with its new ETag"
    );
    Problem::new(StatusCode::PRECONDITION_FAILED, "changed-meanwhile", "The resource has changed", detail)
}

/// The `ETag` of a response whose body has a `version`.
#[must_use]
pub fn render(body: &Value) -> Option<[(HeaderName, String); 1]> {
    Some([(ETAG, tag(body.get("version")?.as_i64()?))])
}

fn tag(version: i64) -> String {
    format!("\"{version}\"")
}

fn is_tag(text: &str) -> bool {
    let opaque = text.strip_prefix("W/").unwrap_or(text);
    let inner = opaque.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| inner.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'))
}

impl PartialSchema for IfMatch {
    fn schema() -> RefOr<Schema> {
        let tag = r#"(W/)?"[!#-+\x2d-~]*""#;
        let pattern = format!(r"^(\*|{tag}(, ?{tag})*)$");
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).max_length(Some(LENGTH_MAX)).into()
    }
}

impl ToSchema for IfMatch {}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<IfMatch, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(IF_MATCH, HeaderValue::from_str(text).unwrap());
        IfMatch::read(&headers)
    }

    #[test]
    fn only_the_current_version_matches_and_weak_tags_never_do() {
        for (text, is_met) in [
            ("*", true),
            ("\"3\"", true),
            ("\"2\", \"3\"", true),
            ("\"2\"", false),
            ("W/\"3\"", false),
            ("\"03\"", false),
        ] {
            assert_eq!(read(text).unwrap().check("client cli_1", 3).is_ok(), is_met, "{text}");
        }
        assert!(IfMatch::read(&HeaderMap::new()).unwrap().check("client cli_1", 3).is_ok());
        for text in ["3", "\"3", "*, \"3\"", "\"3\",", "'3'", ""] {
            assert_eq!(read(text).unwrap_err().status(), 400, "{text}");
        }
        assert_eq!(read("\"2\"").unwrap().check("client cli_1", 3).unwrap_err().status(), 412);
    }

    #[test]
    fn a_body_with_a_version_has_an_entity_tag() {
        assert_eq!(render(&json!({"version": 3})), Some([(ETAG, "\"3\"".to_owned())]));
        assert_eq!(render(&json!({"id": 3})), None);
    }
}
