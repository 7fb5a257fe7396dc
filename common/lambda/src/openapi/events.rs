//! The events that are sent as signed webhooks: each type of [`InvoiceEvent`] in its CloudEvents envelope.

use chrono::{DateTime, NaiveDate, Utc};
use quittance_domain::event::{EVENT_VERSION, InvoiceEvent};
use serde_json::Value;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{AllOfBuilder, Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::{ContentBuilder, Paths, Ref, RefOr, Required, ResponseBuilder};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// The name of the schema of an invoice, which the HTTP functions describe.
const INVOICE: &str = "Invoiced";

/// A CloudEvent 1.0 (JSON) that also has the members of Standard Webhooks 1.0. Order is best effort: of two events about
/// an invoice, the one with the greater `invoiceversion` has the later state; ignore lower versions. `subjectsequence`
/// counts the deliveries of a subject to this endpoint, from 1 without gaps: a missing number is still on its way, or
/// can be replayed.
#[derive(Debug, ToSchema)]
#[schema(as = CloudEvent)]
#[expect(dead_code, reason = "it describes what webhooks send")]
struct SentEvent {
    /// The version of CloudEvents.
    #[schema(pattern = "^1\\.0$")]
    specversion: String,
    /// Unique per source; a redelivery keeps it. Also the header `webhook-id`.
    id: String,
    /// The function that emits it.
    #[schema(pattern = "^/quittance/[a-z]+$")]
    source: String,
    /// The invoice, otherwise the payment or the adjustment.
    subject: String,
    /// The time of the event.
    time: DateTime<Utc>,
    /// The same as `time`, as Standard Webhooks names it.
    timestamp: DateTime<Utc>,
    /// The number of the delivery among those of the subject to this endpoint.
    #[schema(minimum = 1)]
    subjectsequence: u64,
    /// The media type of `data`.
    #[schema(pattern = "^application/json$")]
    datacontenttype: String,
    /// Links everything that one request or message caused.
    correlationid: String,
    /// The invoice's version after the change.
    #[schema(nullable = false)]
    invoiceversion: Option<i64>,
    /// The accounting date of what the event posts.
    #[schema(nullable = false)]
    accountingdate: Option<NaiveDate>,
    /// W3C trace context.
    #[schema(nullable = false)]
    traceparent: Option<String>,
}

/// The headers of a webhook.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes what webhooks send")]
struct WebhookHeaders {
    /// The event's `id`; identifies repeated deliveries.
    #[param(rename = "webhook-id")]
    id: String,
    /// When it was sent, in seconds since 1970.
    #[param(rename = "webhook-timestamp", pattern = "^[0-9]+$")]
    timestamp: String,
    /// Signs `<webhook-id>.<webhook-timestamp>.<body>` with the receiver's secret (Standard Webhooks 1.0): `v1,` and the
    /// base64 of an HMAC-SHA256; two of them, separated by a space, while a secret is being rotated.
    #[param(rename = "webhook-signature", pattern = "^v1,[A-Za-z0-9+/]+={0,2}( v1,[A-Za-z0-9+/]+={0,2})*$")]
    signature: String,
}

/// The schemas that the events share, for the document's `components`.
#[must_use]
pub fn components() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![(SentEvent::name().into_owned(), SentEvent::schema())];
    InvoiceEvent::schemas(&mut schemas);
    // The HTTP functions describe the invoice as webhooks show it.
    schemas.retain(|(name, _)| name != INVOICE);
    schemas
}

/// The document's `webhooks`: the types of [`InvoiceEvent`], as its derived schema has them.
#[must_use]
pub fn webhooks() -> Paths {
    let types = match InvoiceEvent::schema() {
        RefOr::T(Schema::OneOf(types)) => types.items,
        _ => Vec::new(),
    };
    let events = types.into_iter().filter_map(|item| match item {
        RefOr::T(Schema::Object(event)) => Some((name_of(&event)?, event)),
        _ => None,
    });
    let mut paths = PathsBuilder::new();
    for (name, event) in events {
        paths = paths.path(name.clone(), PathItem::new(HttpMethod::Post, webhook(&name, event)));
    }
    paths.build()
}

/// The only value of an event's `type`.
fn name_of(event: &Object) -> Option<String> {
    match event.properties.get("type")? {
        RefOr::T(Schema::Object(kind)) => kind.enum_values.as_ref()?.first()?.as_str().map(ToOwned::to_owned),
        _ => None,
    }
}

fn webhook(name: &str, mut event: Object) -> Operation {
    let description = event.description.clone().unwrap_or_default();
    let version = format!("urn:quittance:{name}:{EVENT_VERSION}");
    let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([Value::String(version)]));
    let schema = schema.description(Some("The schema of `data`, with its version.")).build();
    event.properties.insert("dataschema".to_owned(), schema.into());
    event.required.push("dataschema".to_owned());
    let body = AllOfBuilder::new().item(Ref::from_schema_name(SentEvent::name())).item(event);
    let content = ContentBuilder::new().schema(Some(body)).build();
    let request = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
    let taken = ResponseBuilder::new().description(
        "2xx within 15 seconds: accepted. 410: the endpoint is disabled. Anything else, including redirects: retried after \
         5 s, 5 and 30 minutes, 2, 5, 10, 14, 20 and 24 hours, or later if a 429 or 503 says so in `Retry-After`; then the \
         endpoint is disabled.",
    );
    OperationBuilder::new()
        .tag("events")
        .summary(Some(description))
        .operation_id(Some(name))
        .parameters(Some(WebhookHeaders::into_params(|| None)))
        .request_body(Some(request.build()))
        .response("2XX", taken.build())
        .build()
}
