//! The correlation id, which links everything that one request caused.

use http::HeaderMap;
use uuid::Uuid;

use crate::trace;

/// The header that carries it.
pub const HEADER: &str = "x-correlation-id";

/// Long enough for a UUID or a trace id, short enough for a log field.
const LENGTH_MAX: usize = 64;

/// The caller's own correlation id if it is harmless; otherwise the id of the request's trace; otherwise a new one.
#[must_use]
pub fn correlation_id(headers: &HeaderMap) -> String {
    let is_harmless = |id: &&str| {
        (1..=LENGTH_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let given = headers.get(HEADER).and_then(|value| value.to_str().ok()).filter(is_harmless);
    given.map(ToOwned::to_owned).or_else(|| trace::given(headers)).unwrap_or_else(|| Uuid::now_v7().to_string())
}
