//! `/v1/clients`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use quittance_domain::id::ClientId;
use quittance_domain::language::Language;
use quittance_domain::party::ClientDetails;
use quittance_lambda::caller::{Caller, Permission, Reach};
use quittance_lambda::described;
use quittance_lambda::fields::Fields;
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::names::address;
use quittance_lambda::openapi::parameters::ChangeHeaders;
use quittance_lambda::openapi::schema::{Members, matching, object, refer, text};
use quittance_lambda::problem::Problem;
use quittance_store::clients;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::idempotent_change::{ChangeRequest, IdempotentChange, answer};
use crate::{Billing, unavailable};

/// The longest legal name, in characters.
const NAME_LENGTH_MAX: usize = 200;

/// The longest address that mail can be sent to (RFC 5321 §4.5.3.1.3, minus the angle brackets).
const EMAIL_LENGTH_MAX: usize = 254;

/// The maximum number of lines of a postal address, and their maximum length.
const ADDRESS_LINES_MAX: usize = 6;
const ADDRESS_LINE_LENGTH_MAX: usize = 100;

/// The longest tax number, in characters.
const TAX_ID_LENGTH_MAX: usize = 30;

/// The addresses that [`is_address`] accepts: one at sign, followed by a domain of at least two labels, without
/// characters that separate addresses in a header.
const EMAIL: &str = r"^[!\x23-\x2b\x2d-\x3a=?A-~]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$";

/// Does not list the languages, because that would change the API contract with every new translation.
pub(crate) const SPOKEN: &str = "The language of documents and messages (ISO 639-1); `en` by default. A language without a \
                      translation is refused, and the refusal lists those available.";

fn shape(members: Members) -> Members {
    let email = matching(EMAIL, "The address for documents.").min_length(Some(3)).max_length(Some(EMAIL_LENGTH_MAX));
    members
        .with("name", text(1, NAME_LENGTH_MAX, "Legal name."))
        .with("email", email)
        .with("address", address(ADDRESS_LINES_MAX, ADDRESS_LINE_LENGTH_MAX))
}

described! {
    /// The body of `POST /v1/clients`.
    pub(crate) NewClient => shape(object("A client to create."))
        .optional("tax_id", text(1, TAX_ID_LENGTH_MAX, "VAT or other tax number."))
        .optional("language", matching(Language::PATTERN, SPOKEN))
        .closed_like(json!({
            "name": "Nordlicht Handels GmbH", "email": "accounts@nordlicht.example",
            "address": ["Speicherstraße 12", "20457 Hamburg", "Germany"], "tax_id": "DE123456789",
            "language": "de",
        }))
}

described! {
    pub(crate) Client => shape(object("A client: the party that owes invoices.").with("id", refer("ClientId")))
        .with_or_null("tax_id", text(1, TAX_ID_LENGTH_MAX, "VAT or other tax number."))
        .with("language", matching(Language::PATTERN, SPOKEN))
        .open_like(json!({
            "id": examples::CLIENT_ID, "name": "Nordlicht Handels GmbH", "email": "accounts@nordlicht.example",
            "address": ["Speicherstraße 12", "20457 Hamburg", "Germany"], "tax_id": "DE123456789",
            "language": "de",
        }))
}

/// Creates a client.
#[utoipa::path(
    post,
    path = "/v1/clients",
    operation_id = "createClient",
    tag = "clients",
    params(ChangeHeaders),
    request_body = NewClient,
    responses((status = 201, description = "The client.", body = Client))
)]
pub(crate) async fn create(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    caller.may(Permission::WriteInvoices)?;
    let client = parse(&body)?;
    let mut work = match IdempotentChange::begin(&billing, &caller, &headers, &[b"POST /v1/clients", &body]).await? {
        ChangeRequest::New(work) => work,
        ChangeRequest::Answered(status, body) => return Ok(answer(status, body)),
    };
    clients::insert(&mut work.transaction, &client).await.map_err(unavailable)?;
    // Names and addresses are personal data: the audit record only has the id.
    work.audit("client.created", client.id.to_string(), Value::Null, json!({"id": client.id})).await?;
    let shown = json!({
        "id": client.id, "name": client.name, "email": client.email, "address": client.address, "tax_id": client.tax_id,
        "language": client.language,
    });
    work.commit(StatusCode::CREATED, &shown).await?;
    Ok(answer(StatusCode::CREATED, shown))
}

fn parse(body: &[u8]) -> Result<ClientDetails, Problem> {
    let mut fields = Fields::parse(body)?;
    let name = fields.text("name", 1, NAME_LENGTH_MAX);
    let email = fields.text("email", 3, EMAIL_LENGTH_MAX);
    if email.as_ref().is_some_and(|email| !is_address(email)) {
        fields.problem("email", "must be an e-mail address");
    }
    let address = fields.texts("address", ADDRESS_LINES_MAX, ADDRESS_LINE_LENGTH_MAX);
    let tax_id = fields.optional_text("tax_id", TAX_ID_LENGTH_MAX);
    let language = spoken(&mut fields);
    fields.finish()?;
    match (name, email, address) {
        (Some(name), Some(email), Some(address)) => {
            Ok(ClientDetails { id: ClientId::from_uuid(Uuid::now_v7()), name, email, address, tax_id, language })
        }
        // A member that is `None` has recorded a problem, so `finish` has failed already.
        _ => Err(Problem::invalid(Vec::new())),
    }
}

/// The client, if the caller's permission covers it; another client's id is not found.
pub(crate) async fn reachable(billing: &Billing, reach: Reach, id: ClientId) -> Result<ClientDetails, Problem> {
    let is_foreign = reach.client_id().is_some_and(|own| own != id);
    let found = clients::find(&billing.database, id).await.map_err(unavailable)?;
    found.filter(|_| !is_foreign).ok_or_else(|| Problem::not_found("client", id))
}

/// The requested language, if there is a translation.
pub(crate) fn spoken(fields: &mut Fields) -> Language {
    let asked_for = fields.optional::<Language>("language").unwrap_or_default();
    if !quittance_wording::languages().any(|language| language == asked_for) {
        let there_are: Vec<String> = quittance_wording::languages().map(String::from).collect();
        fields.problem("language", format!("must be one of {}", there_are.join(", ")));
    }
    asked_for
}

/// Whether a text is plausibly an address: the mail system decides for good.
fn is_address(text: &str) -> bool {
    let is_plain = text.is_ascii() && !text.contains(char::is_whitespace) && !text.contains([',', ';', '<', '>', '"']);
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_domain = |domain: &str| domain.contains('.') && domain.split('.').all(is_label);
    is_plain && text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && is_domain(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_written_to_in_a_language_that_there_are_words_in() {
        let body = |language: Value| {
            let address = ["Speicherstraße 12"];
            json!({"name": "A", "email": "a@b.example", "address": address, "language": language}).to_string()
        };
        for (asked_for, spoken) in [(json!("de"), "de"), (json!("en"), "en"), (Value::Null, "en")] {
            assert_eq!(parse(body(asked_for).as_bytes()).unwrap().language.as_str(), spoken);
        }
        for unknown in ["xx", "DE", "deu", ""] {
            let refused = format!("{:?}", parse(body(json!(unknown)).as_bytes()).unwrap_err());
            assert!(refused.contains("/language"), "{refused}");
        }
        let refused = format!("{:?}", parse(body(json!("xx")).as_bytes()).unwrap_err());
        assert!(refused.contains("must be one of "), "{refused}");
    }

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
