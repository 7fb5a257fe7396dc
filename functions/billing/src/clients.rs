//! `/v1/clients`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use deserr::{Deserr, IntoValue, ValuePointerRef};
use http::StatusCode;
use quittance_domain::id::ClientId;
use quittance_domain::language::Language;
use quittance_domain::party::ClientDetails;
use quittance_lambda::body::Faults;
use quittance_lambda::body::email_address::EmailAddress;
use quittance_lambda::body::values::{List, Text};
use quittance_lambda::caller::Reach;
use quittance_lambda::change::{ChangeRequest, Changes, Reply};
use quittance_lambda::openapi::parameters::ChangeHeaders;
use quittance_lambda::problem::Problem;
use quittance_store::clients;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::Billing;

/// The lines of a postal address.
type AddressLines = List<Text<1, 100>, 1, 6>;

/// The name of a company.
type LegalName = Text<1, 200>;

/// A VAT or other tax number.
type TaxNumber = Text<1, 30>;

/// A client to create.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
#[schema(examples(json!({
    "name": "Nordlicht Handels GmbH", "email": "accounts@nordlicht.example",
    "address": ["Speicherstraße 12", "20457 Hamburg", "Germany"], "tax_id": "DE123456789", "language": "de",
})))]
pub(crate) struct NewClient {
    /// Legal name.
    name: LegalName,
    /// The address for documents.
    email: EmailAddress,
    /// Postal address, one line per element.
    address: AddressLines,
    /// VAT or other tax number.
    #[deserr(default)]
    tax_id: Option<TaxNumber>,
    /// The language of documents and messages (ISO 639-1); `en` by default.
    #[deserr(default)]
    language: Option<TranslatedLanguage>,
}

/// A client: the party that owes invoices.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "id": ClientId::EXAMPLE, "name": "Nordlicht Handels GmbH", "email": "accounts@nordlicht.example",
    "address": ["Speicherstraße 12", "20457 Hamburg", "Germany"], "tax_id": "DE123456789", "language": "de",
})))]
pub(crate) struct Client {
    id: ClientId,
    /// Legal name.
    name: String,
    /// The address for documents.
    email: String,
    /// Postal address, one line per element.
    address: Vec<String>,
    /// VAT or other tax number.
    #[schema(required)]
    tax_id: Option<String>,
    /// The language of documents and messages.
    language: Language,
}

impl From<ClientDetails> for Client {
    fn from(client: ClientDetails) -> Self {
        let ClientDetails { id, name, email, address, tax_id, language } = client;
        Self { id, name, email, address, tax_id, language }
    }
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
    ChangeRequest { head, body }: ChangeRequest<NewClient>,
) -> Result<Response, Reply> {
    let client = ClientDetails {
        id: ClientId::from_uuid(Uuid::now_v7()),
        name: body.name.into(),
        email: body.email.into(),
        address: body.address.into_vec().into_iter().map(String::from).collect(),
        tax_id: body.tax_id.map(String::from),
        language: body.language.unwrap_or_default().0,
    };
    let mut work = billing.begin(head).await?;
    clients::insert(&mut work.transaction, &client).await?;
    // Names and addresses are personal data: the audit record only has the id.
    work.audit("client.created", client.id.to_string(), Value::Null, json!({"id": client.id})).await?;
    work.finish(StatusCode::CREATED, &Client::from(client)).await
}

/// The client, if the caller's permission covers it; another client's id is not found.
pub(crate) async fn reachable(billing: &Billing, reach: Reach, id: ClientId) -> Result<ClientDetails, Problem> {
    let is_foreign = reach.client_id().is_some_and(|own| own != id);
    let found = clients::find(&billing.database, id).await?;
    found.filter(|_| !is_foreign).ok_or_else(|| Problem::not_found("client", id))
}

/// A language that documents and messages are translated into. The schema does not list them, because that would change
/// the API's contract with every new translation.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct TranslatedLanguage(pub(crate) Language);

impl Deserr<Faults> for TranslatedLanguage {
    fn deserialize_from_value<V: IntoValue>(
        value: deserr::Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        let language = Language::deserialize_from_value(value, location)?;
        if quittance_wording::languages().any(|translated| translated == language) {
            return Ok(Self(language));
        }
        let translated: Vec<String> = quittance_wording::languages().map(String::from).collect();
        Err(Faults::at(location, format!("must be one of {}", translated.join(", "))))
    }
}

impl PartialSchema for TranslatedLanguage {
    fn schema() -> RefOr<Schema> {
        Language::schema()
    }
}

impl ToSchema for TranslatedLanguage {}

#[cfg(test)]
mod tests {
    use quittance_lambda::body;

    use super::*;

    fn parse(language: &Value) -> Result<NewClient, Problem> {
        let address = ["Speicherstraße 12"];
        body::from_value(json!({"name": "A", "email": "a@b.example", "address": address, "language": language}))
    }

    #[test]
    fn a_client_is_written_to_in_a_language_that_there_are_words_in() {
        for (asked_for, spoken) in [(json!("de"), "de"), (json!("en"), "en"), (Value::Null, "en")] {
            let language = parse(&asked_for).unwrap().language.unwrap_or_default();
            assert_eq!(language.0.as_str(), spoken);
        }
        for unknown in ["xx", "DE", "deu", ""] {
            let refused = format!("{:?}", parse(&json!(unknown)).unwrap_err());
            assert!(refused.contains("/language"), "{refused}");
        }
        let refused = format!("{:?}", parse(&json!("xx")).unwrap_err());
        assert!(refused.contains("must be one of "), "{refused}");
    }
}
