//! The building blocks of the HTTP API's description (OpenAPI 3.1). Each HTTP function describes its routes beside the
//! code that handles them; this module has what they share: schemas, error responses, permissions and outgoing events.

pub mod events;
pub mod examples;
pub mod names;
pub mod operation;
pub mod parameters;
pub mod responses;

use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{ClientCredentials, Flow, HttpAuthScheme, HttpBuilder, OAuth2, Scopes, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{Components, Info, InfoBuilder, License, OpenApi, OpenApiBuilder, Paths, RefOr, ServerBuilder};

use crate::caller::Permission;
use crate::openapi::operation::{MACHINES, PEOPLE};

const ABOUT: &str = "Settles B2B invoices: clients claim payments, gateways and the bank prove them, and staff resolve \
    exceptions.\n\nErrors are `application/problem+json` (RFC 9457) and list all problems of a request; a 4xx has changed \
    nothing. Errors returned by API Gateway (401, some 429) are plain JSON. A path without a route answers 404, and so \
    does a resource that belongs to another client. Requests that change something take an `Idempotency-Key`: repeated \
    with the same key and request they take effect once; the order of members and white space do not matter, numbers \
    are compared as they are written. A method that a path does not have answers 405 with `Allow`, a path with an empty \
    segment (`//`) 404.\n\nLists take `limit` and `cursor`, the `next_cursor` of the page before; a parameter that a list does not \
    have is refused. A client or invoice has its `version` as `ETag`; a change with `If-Match` is refused (412) if it has \
    changed since. Where an invoice's id is accepted, its printed number is as well. `/api/v1/…` is the same as \
    `/v1/…`. Times are RFC 3339 in UTC; amounts \
    are strings, so that no client parses them as floating-point numbers.";

/// The server in the committed document: the one that the document is read from.
pub const SERVER: &str = "./";

/// The tags of the operations.
const TAGS: [(&str, &str); 10] = [
    ("clients", "Clients: the debtors."),
    ("invoices", "Invoices, credit notes and their timelines."),
    ("payments", "Payments, their evidence and refunds."),
    ("cases", "Cases: exceptions about payments that staff resolve."),
    ("uploads", "Uploads of payment confirmations and bank statements."),
    ("ledger", "The general ledger: balances, transactions, statements of account and reconciliation."),
    ("webhooks", "Incoming webhooks of payment gateways."),
    ("webhook endpoints", "Endpoints for outgoing webhooks, and their deliveries."),
    ("events", "Events, as they are sent to webhook endpoints."),
    ("description", "The API description."),
];

/// The document without paths: its introduction, security schemes and shared schemas.
#[must_use]
pub fn document() -> OpenApi {
    let mut components = names::components();
    components.responses.extend(responses::components());
    add_security(&mut components);
    OpenApiBuilder::new()
        .info(info())
        .servers(Some([ServerBuilder::new().url(SERVER).description(Some("The server of this document.")).build()]))
        .paths(Paths::new())
        .components(Some(components))
        .tags(Some(TAGS.map(|(name, description)| TagBuilder::new().name(name).description(Some(description)).build())))
        .build()
}

/// The same, with a schema that the operations of one function share.
#[must_use]
pub fn document_with<T: ToSchema>() -> OpenApi {
    let mut document = document();
    document.components.get_or_insert_default().schemas.insert(T::name().into_owned(), T::schema());
    document
}

/// The schema of a struct, to add members to it.
pub(crate) fn struct_schema<T: ToSchema>() -> Object {
    match T::schema() {
        RefOr::T(Schema::Object(object)) => object,
        _ => ObjectBuilder::new().schema_type(Type::Object).build(),
    }
}

/// The schema of a struct with one more required member: what `#[serde(flatten)]` writes. utoipa would make it an
/// `allOf`, which a reader that refuses unknown members cannot use.
#[must_use]
pub fn extend_schema<T: ToSchema>(description: &str, name: &str, member: impl Into<RefOr<Schema>>) -> RefOr<Schema> {
    let mut schema = struct_schema::<T>();
    schema.description = Some(description.to_owned());
    schema.examples.clear();
    schema.properties.insert(name.to_owned(), member.into());
    schema.required.push(name.to_owned());
    schema.into()
}

fn info() -> Info {
    InfoBuilder::new()
        .title("Quittance")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(License::new(env!("CARGO_PKG_LICENSE"))))
        .build()
}

fn add_security(components: &mut Components) {
    let people = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "An access token of a person, from the Cognito user pool; its groups determine the permissions.",
        ))
        .build();
    let scopes = Permission::ALL.iter().map(|permission| (permission.scope(), permission.describe().to_owned()));
    // The token endpoint differs from stack to stack; the template has its name.
    let flow = ClientCredentials::new("/oauth2/token", Scopes::from_iter(scopes));
    let machines = OAuth2::with_description(
        [Flow::ClientCredentials(flow)],
        "An access token of a machine client, from `/oauth2/token` of the user pool's domain. No client may both \
         create payments and prove them.",
    );
    components.add_security_scheme(PEOPLE, SecurityScheme::Http(people));
    components.add_security_scheme(MACHINES, SecurityScheme::OAuth2(machines));
}
