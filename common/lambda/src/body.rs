//! Bodies of requests: one struct gives the parser, the schema and the example.
//!
//! `#[derive(Deserr, ToSchema)]` with `#[deserr(error = Faults, deny_unknown_fields)]` and
//! `#[serde(deny_unknown_fields)]`, and value types whose bounds are in their type ([`values`], [`times`]). All faults of a body are
//! reported at once.

mod domain;
pub mod email_address;
mod faults;
pub mod invoice_reference;
pub mod times;
pub mod values;

use deserr::Deserr;
use serde_json::Value;

pub use self::faults::{Faults, parsed};
use crate::problem::{FieldProblem, Problem};
use crate::unique_json::{REPEATED, UniqueJson};

/// The largest body of a request.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// Parses a body.
///
/// # Errors
/// 413 above [`BODY_BYTES_MAX`], 400 with every fault if it is not what the type says.
pub fn parse<T: Deserr<Faults>>(body: &[u8]) -> Result<T, Problem> {
    from_value(document(body)?)
}

/// Parses a JSON value.
///
/// # Errors
/// 400 with every fault.
pub fn from_value<T: Deserr<Faults>>(value: Value) -> Result<T, Problem> {
    deserr::deserialize(value).map_err(Faults::into_problem)
}

/// Parses any JSON document without repeated members.
///
/// # Errors
/// 413 above [`BODY_BYTES_MAX`], 400 if it is not JSON.
pub fn document(body: &[u8]) -> Result<Value, Problem> {
    if body.len() > BODY_BYTES_MAX {
        return Err(Problem::too_large(BODY_BYTES_MAX));
    }
    match serde_json::from_slice(body) {
        Ok(UniqueJson(value)) => Ok(value),
        Err(error) if error.is_data() => {
            Err(whole(format!("{REPEATED}: line {} column {}", error.line(), error.column())))
        }
        Err(error) => Err(whole(format!("the body is not JSON: line {} column {}", error.line(), error.column()))),
    }
}

fn whole(detail: String) -> Problem {
    Problem::invalid(vec![FieldProblem { pointer: String::new(), detail }])
}

#[cfg(test)]
mod tests;
