//! `/v1/clients`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use quittance_domain::id::ClientId;
use quittance_domain::party::ClientDetails;
use quittance_lambda::caller::{Caller, Permission};
use quittance_lambda::fields::Fields;
use quittance_lambda::problem::Problem;
use quittance_store::clients;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::work::{Request, Work, answer};
use crate::{Billing, unavailable};

/// Creates a client.
pub(crate) async fn create(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    caller.may(Permission::WriteInvoices)?;
    let client = parse(&body)?;
    let mut work = match Work::begin(&billing, &caller, &headers, &[b"POST /v1/clients", &body]).await? {
        Request::New(work) => work,
        Request::Answered(status, body) => return Ok(answer(status, body)),
    };
    clients::insert(&mut work.transaction, &client).await.map_err(unavailable)?;
    // Names and addresses are personal data: the audit record has the id alone.
    work.audit("client.created", client.id.to_string(), Value::Null, json!({"id": client.id})).await?;
    let shown = json!({
        "id": client.id, "name": client.name, "email": client.email, "address": client.address, "tax_id": client.tax_id,
    });
    work.commit(StatusCode::CREATED, &shown).await?;
    Ok(answer(StatusCode::CREATED, shown))
}

fn parse(body: &[u8]) -> Result<ClientDetails, Problem> {
    let mut fields = Fields::parse(body)?;
    let name = fields.text("name", 1, 200);
    let email = fields.text("email", 3, 254);
    if email.as_ref().is_some_and(|email| !is_address(email)) {
        fields.problem("email", "must be an e-mail address");
    }
    let address = fields.texts("address", 6, 100);
    let tax_id = fields.optional_text("tax_id", 30);
    fields.finish()?;
    match (name, email, address) {
        (Some(name), Some(email), Some(address)) => {
            Ok(ClientDetails { id: ClientId::from_uuid(Uuid::now_v7()), name, email, address, tax_id })
        }
        // A member that is None has left a problem behind, and `finish` has refused.
        _ => Err(Problem::invalid(Vec::new())),
    }
}

/// Whether a text can be an address: the mail system has the last word.
fn is_address(text: &str) -> bool {
    let is_plain = text.is_ascii() && !text.contains(char::is_whitespace) && !text.contains([',', ';', '<', '>', '"']);
    is_plain
        && text
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.') && !domain.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_at_sign_and_no_way_to_name_two() {
        assert!(is_address("accounts@nordlicht.example"));
        for text in ["a", "@b.c", "a@b", "a@b@c.d", "a@b.c,d@e.f", "a b@c.d", "<a@b.c>"] {
            assert!(!is_address(text), "{text}");
        }
    }
}
