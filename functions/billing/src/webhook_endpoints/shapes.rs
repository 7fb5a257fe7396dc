//! Bodies of webhook endpoints.

use std::fmt;

use chrono::{DateTime, Utc};
use deserr::{Deserr, IntoValue, ValuePointerRef};
use quittance_domain::event::InvoiceEvent;
use quittance_domain::id::WebhookEndpointId;
use quittance_lambda::body::values::{List, Text};
use quittance_lambda::body::{Faults, parsed};
use quittance_lambda::envelope::Payload;
use quittance_lambda::openapi::{examples, extend_schema};
use quittance_outgoing::{OutgoingTarget, Targets};
use quittance_store::webhook_endpoints::WebhookEndpoint;
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

/// The longest URL, in characters.
const URL_LENGTH_MAX: usize = 2_000;

/// More than the number of event types.
const EVENT_TYPES_MAX: usize = 50;

/// The type of an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct EventType(&'static str);

impl EventType {
    fn find(text: &str) -> Option<Self> {
        InvoiceEvent::TYPES.iter().find(|known| **known == text).map(|known| Self(known))
    }
}

impl Deserr<Faults> for EventType {
    fn deserialize_from_value<V: IntoValue>(
        value: deserr::Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        let text: String = parsed(value, location)?;
        let known = || format!("must be one of {}", InvoiceEvent::TYPES.join(", "));
        Self::find(&text).ok_or_else(|| Faults::at(location, known()))
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl PartialSchema for EventType {
    fn schema() -> RefOr<Schema> {
        names(InvoiceEvent::TYPES.iter().copied(), "The type of an event.")
    }
}

impl ToSchema for EventType {}

pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a str>, description: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
    text.description(Some(description)).into()
}

/// The URL of an endpoint, in a form that may be posted to. Where it leads is checked when it is known who may be posted
/// to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct EndpointUrl(String);

impl EndpointUrl {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deserr<Faults> for EndpointUrl {
    fn deserialize_from_value<V: IntoValue>(
        value: deserr::Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        let text = Text::<1, URL_LENGTH_MAX>::deserialize_from_value(value, location)?;
        match OutgoingTarget::parse(text.as_str(), Targets::PublicAndLoopback) {
            Ok(_) => Ok(Self(text.into())),
            Err(error) => Err(Faults::at(location, error)),
        }
    }
}

impl PartialSchema for EndpointUrl {
    fn schema() -> RefOr<Schema> {
        Text::<1, URL_LENGTH_MAX>::schema()
    }
}

impl ToSchema for EndpointUrl {}

/// The purpose of an endpoint.
type Purpose = Text<1, 200>;

/// Types of events.
type EventTypes = List<EventType, 1, EVENT_TYPES_MAX>;

/// An endpoint to which events are posted.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
#[schema(examples(json!({
    "url": "https://bff.example/webhooks/quittance", "description": "The platform's BFF",
    "event_types": ["invoice.paid", "invoice.partially_paid", "invoice.reopened"],
})))]
pub(crate) struct NewEndpoint {
    /// An https URL on port 443 or 8443 that leads to public addresses only, without user name, password and fragment.
    pub(super) url: EndpointUrl,
    /// The purpose.
    #[deserr(default)]
    description: Option<Purpose>,
    /// The types of events to deliver; all by default.
    #[deserr(default)]
    event_types: Option<EventTypes>,
}

impl NewEndpoint {
    pub(super) fn into_endpoint(self, created_by: String) -> WebhookEndpoint {
        let mut event_types = self.event_types.unwrap_or_default().into_vec();
        event_types.sort();
        event_types.dedup();
        WebhookEndpoint {
            id: WebhookEndpointId::from_uuid(Uuid::now_v7()),
            url: self.url.0,
            description: self.description.map(String::from),
            event_types: event_types.iter().map(EventType::to_string).collect(),
            status: "enabled".to_owned(),
            disabled_reason: None,
            disabled_at: None,
            secret_id: Uuid::now_v7(),
            previous_secret_id: None,
            previous_secret_until: None,
            created_by,
            created_at: Utc::now(),
        }
    }
}

/// A webhook endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "id": WebhookEndpointId::EXAMPLE, "url": "https://bff.example/webhooks/quittance",
    "description": "The platform's BFF", "event_types": ["invoice.paid"], "status": "enabled",
    "disabled_reason": null, "disabled_at": null, "previous_secret_until": null, "created_by": "machine:bff",
    "created_at": examples::TIME,
})))]
pub(crate) struct Endpoint {
    id: WebhookEndpointId,
    /// The URL to which events are posted.
    url: String,
    /// The purpose.
    #[schema(required)]
    description: Option<String>,
    /// The types of events to deliver; an empty list means all.
    #[schema(value_type = Vec<EventType>)]
    event_types: Vec<String>,
    /// Whether events are delivered.
    #[schema(value_type = EndpointStatus)]
    status: String,
    /// Why it was disabled.
    #[schema(required)]
    disabled_reason: Option<String>,
    /// When it was disabled.
    #[schema(required)]
    disabled_at: Option<DateTime<Utc>>,
    /// When the previous secret stops signing; null unless the secret is being rotated.
    #[schema(required)]
    previous_secret_until: Option<DateTime<Utc>>,
    /// Who registered it.
    created_by: String,
    /// When it was registered.
    created_at: DateTime<Utc>,
}

impl From<WebhookEndpoint> for Endpoint {
    fn from(endpoint: WebhookEndpoint) -> Self {
        Self {
            id: endpoint.id,
            url: endpoint.url,
            description: endpoint.description,
            event_types: endpoint.event_types,
            status: endpoint.status,
            disabled_reason: endpoint.disabled_reason,
            disabled_at: endpoint.disabled_at,
            previous_secret_until: endpoint.previous_secret_until.filter(|until| Utc::now() < *until),
            created_by: endpoint.created_by,
            created_at: endpoint.created_at,
        }
    }
}

/// The status of an endpoint.
#[derive(Debug)]
enum EndpointStatus {}

impl PartialSchema for EndpointStatus {
    fn schema() -> RefOr<Schema> {
        names(["enabled", "disabled", "deleted"], "Whether events are delivered.")
    }
}

impl ToSchema for EndpointStatus {}

/// A webhook endpoint, with its signing secret.
#[derive(Serialize)]
pub(crate) struct EndpointWithSecret {
    #[serde(flatten)]
    endpoint: Endpoint,
    /// The signing secret; none if it is not in use any more.
    secret: Option<String>,
}

impl EndpointWithSecret {
    pub(super) fn new(endpoint: WebhookEndpoint, secret: Option<String>) -> Self {
        Self { endpoint: Endpoint::from(endpoint), secret }
    }
}

impl PartialSchema for EndpointWithSecret {
    fn schema() -> RefOr<Schema> {
        let about = "The signing secret (Standard Webhooks); null if it is not in use any more.";
        let secret = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
        let secret = secret.pattern(Some("^whsec_[A-Za-z0-9+/]+={0,2}$")).description(Some(about));
        extend_schema::<Endpoint>("A webhook endpoint, with its signing secret.", "secret", secret)
    }
}

impl ToSchema for EndpointWithSecret {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Endpoint::schemas(schemas);
    }
}

/// A page of webhook endpoints.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Endpoints {
    /// Oldest first.
    pub(super) webhook_endpoints: Vec<Endpoint>,
    /// Cursor of the next page; null on the last.
    #[schema(required)]
    pub(super) next_cursor: Option<String>,
}

/// How to rotate the secret.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
#[schema(examples(json!({"revoke": true})))]
pub(crate) struct SecretRotation {
    /// Whether older secrets stop signing immediately, as after a leak.
    #[deserr(default)]
    #[schema(default = false)]
    pub(super) revoke: Option<bool>,
}
