//! `/v1/clients`: the debtors.

use quittance_domain::id::ClientId;
use quittance_domain::party::ClientDetails;
use quittance_lambda::body::email_address::EmailAddress;
use quittance_lambda::prelude::*;
use quittance_store::clients::{self, ClientFilter, ClientRecord};
use uuid::Uuid;

use crate::Billing;
use crate::translated_language::TranslatedLanguage;

type LegalName = Text<1, 200>;
type AddressLine = Text<1, 100>;
type AddressLines = List<AddressLine, 1, 6>;
type TaxNumber = Text<1, 30>;
type Client = Resource<NewClient>;
type ClientList = Listed<NewClient>;
type ClientPatch = Patch<NewClient>;

/// A client: the party that owes invoices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
#[schema(examples(json!({
    "name": "Nordlicht Handels GmbH", "email": "accounts@nordlicht.example",
    "address": ["Speicherstraße 12", "20457 Hamburg", "Germany"], "tax_id": "DE123456789", "language": "de",
})))]
pub(crate) struct NewClient {
    /// Legal name.
    name: LegalName,
    /// The address for documents; no two active clients have the same.
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

impl ResourceBody for NewClient {
    type Record = ClientRecord;
    type Id = ClientId;
    const NAMES: ResourceNames = ResourceNames { schema: "Client", one: "client", many: "clients" };
    const DEFAULTED: &'static [&'static str] = &["language"];

    fn resource(ClientRecord { details, version, created_at, updated_at, deleted_at }: ClientRecord) -> Client {
        let body = Self {
            name: Text::stored(details.name),
            email: EmailAddress::stored(details.email),
            address: List::stored(details.address.into_iter().map(Text::stored).collect()),
            tax_id: details.tax_id.map(Text::stored),
            language: Some(TranslatedLanguage(details.language)),
        };
        Resource { id: details.id, body, history: History { version, created_at, updated_at, deleted_at } }
    }
}

impl NewClient {
    pub(crate) fn details(self, id: ClientId) -> ClientDetails {
        ClientDetails {
            id,
            name: self.name.into(),
            email: self.email.into(),
            address: self.address.into(),
            tax_id: self.tax_id.map(String::from),
            language: self.language.unwrap_or_default().0,
        }
    }
}

/// The filters of clients.
#[derive(Debug, Clone, Deserr, IntoParams)]
#[deserr(error = Faults, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ClientParameters {
    /// Only the client with this e-mail address, in capital or small letters.
    #[deserr(default)]
    #[param(nullable = false, inline)]
    email: Option<EmailAddress>,
}

/// Creates a client.
#[utoipa::path(
    post, path = "/v1/clients", operation_id = "createClient", tag = "clients", params(ChangeHeaders),
    request_body = NewClient, responses((status = 201, description = "The client.", body = Client, headers(("ETag" = String, description = "The version."))), ClientConflict)
)]
pub(crate) async fn create(
    State(billing): State<Arc<Billing>>,
    ChangeRequest { head, body }: ChangeRequest<NewClient>,
) -> Result<Response, Reply> {
    let mut work = billing.begin(head).await?;
    let client = body.details(ClientId::from_uuid(Uuid::now_v7()));
    let created = clients::insert(&mut work.transaction, &client).await?.ok_or_else(email_taken)?;
    work.finish_resource::<NewClient>(StatusCode::CREATED, "client.created", None, created).await
}

/// Lists clients by name, e-mail address and tax number; a client's own users see that client only.
#[utoipa::path(
    get, path = "/v1/clients", operation_id = "listClients", tag = "clients",
    params(ClientParameters, ListingParameters, PageParameters),
    responses((status = 200, description = "A page of clients.", body = ClientList))
)]
pub(crate) async fn list(
    State(billing): State<Arc<Billing>>,
    Permit { reach, .. }: Permit,
    query: ResourceQuery<ClientParameters, ClientId>,
) -> Result<ClientList, Reply> {
    let email = query.filters.email.clone().map(String::from);
    let filter = ClientFilter { id: reach.client_id(), email, listing: query.listing.clone() };
    Ok(query.page(clients::list(&billing.database, &filter).await?))
}

/// Returns a client, also a deleted one; a client's own users see that client only.
#[utoipa::path(
    get, path = "/v1/clients/{id}", operation_id = "readClient", tag = "clients",
    params(("id" = ClientId, Path, description = "The client.")),
    responses((status = 200, description = "The client.", body = Client, headers(("ETag" = String, description = "The version."))))
)]
pub(crate) async fn read(
    State(billing): State<Arc<Billing>>,
    Permit { reach, .. }: Permit,
    PathId(id): PathId<ClientId>,
) -> Result<Client, Reply> {
    Ok(NewClient::resource(reachable(&billing, reach, id).await?))
}

/// Changes a client. Documents that were issued stay as they are.
#[utoipa::path(
    patch, path = "/v1/clients/{id}", operation_id = "changeClient", tag = "clients", 
    request_body(content((ClientPatch = "application/merge-patch+json"), (ClientPatch = "application/json"))),
    params(("id" = ClientId, Path, description = "The client."), ChangeHeaders, EditHeaders),
    responses((status = 200, description = "The client after the change.", body = Client, headers(("ETag" = String, description = "The version."))), ClientConflict, ChangedMeanwhile)
)]
pub(crate) async fn change(
    State(billing): State<Arc<Billing>>,
    PathId(id): PathId<ClientId>,
    ChangeRequest { head, body }: ChangeRequest<ClientPatch>,
) -> Result<Response, Reply> {
    let mut work = billing.begin_edit(head).await?;
    let found = clients::lock(&mut work.transaction, id).await?;
    let before = work.editable::<NewClient>(id, found)?;
    let wanted = body.apply(&before.body)?.details(id);
    if wanted == before.body.clone().details(id) {
        return work.finish(StatusCode::OK, &before).await;
    }
    let after = clients::update(&mut work.transaction, &wanted).await?.ok_or_else(email_taken)?;
    work.finish_resource(StatusCode::OK, "client.changed", Some(&before), after).await
}

/// Deletes a client that owes nothing and has no credit. It stays readable, and gets no new invoices.
#[utoipa::path(
    delete, path = "/v1/clients/{id}", operation_id = "deleteClient", tag = "clients",
    params(("id" = ClientId, Path, description = "The client."), ChangeHeaders, EditHeaders),
    responses((status = 200, description = "The deleted client.", body = Client, headers(("ETag" = String, description = "The version."))), ClientConflict, ChangedMeanwhile)
)]
pub(crate) async fn delete(
    State(billing): State<Arc<Billing>>,
    PathId(id): PathId<ClientId>,
    ChangeRequest { head, body: NoBody {} }: ChangeRequest<NoBody>,
) -> Result<Response, Reply> {
    let mut work = billing.begin_edit(head).await?;
    let found = clients::lock_to_delete(&mut work.transaction, id).await?;
    let before = work.editable::<NewClient>(id, found)?;
    if let Some(open) = clients::open_balance(&mut work.transaction, id).await? {
        return Err(Problem::conflict(format!("client {id} {open}")).into());
    }
    let after = clients::delete(&mut work.transaction, id).await?;
    work.finish_resource(StatusCode::OK, "client.deleted", Some(&before), after).await
}

fn email_taken() -> Problem {
    Problem::conflict("another active client has this e-mail address; GET /v1/clients?email=… finds it")
}

/// The client, if the caller's permission covers it; another client's id is not found.
pub(crate) async fn reachable(billing: &Billing, reach: Reach, id: ClientId) -> Result<ClientRecord, Problem> {
    let found = clients::find(&billing.database, id).await?;
    found.filter(|_| reach.covers(id)).ok_or_else(|| Problem::not_found("client", id))
}
