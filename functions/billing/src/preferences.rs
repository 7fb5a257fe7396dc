//! `/v1/clients/{id}/notification-preferences`: a client's notifications and their channels.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use deserr::{Deserr, ValuePointerRef};
use http::StatusCode;
use quittance_domain::id::ClientId;
use quittance_domain::language::Language;
use quittance_domain::notification::{ChannelPreference, NotificationKind, PhoneNumber, Preferences};
use quittance_domain::party::ClientDetails;
use quittance_lambda::body::Faults;
use quittance_lambda::body::values::List;
use quittance_lambda::caller::Reach;
use quittance_lambda::change::{ChangeRequest, Changes, NoBody, Reply};
use quittance_lambda::openapi::parameters::ChangeHeaders;
use quittance_lambda::openapi::responses::ClientConflict;
use quittance_lambda::path_id::PathId;
use quittance_lambda::permit::Permit;
use quittance_lambda::problem::Problem;
use quittance_store::clients;
use quittance_store::notifications::{self, Suppression};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::Billing;
use crate::clients::{NewClient, reachable};
use crate::idempotent_change::IdempotentChange;
use crate::translated_language::TranslatedLanguage;

/// The number of kinds of notifications, and more for repetitions.
const NOTICES_MAX: usize = 20;

/// Kinds of notifications.
type Notices = List<NotificationKind, 0, NOTICES_MAX>;

/// The notifications that a client wants. A response may be sent back: read-only members are accepted unchanged.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
#[schema(examples(json!({
    "language": "de",
    "email": {"is_enabled": true},
    "sms": {"is_enabled": true, "number": "+4915112345678", "notices": ["invoice.reopened"]},
})))]
pub(crate) struct NewPreferences {
    /// Read-only.
    #[deserr(default)]
    client_id: Option<ClientId>,
    /// The language of documents and messages (ISO 639-1); unchanged if left out.
    #[deserr(default)]
    language: Option<TranslatedLanguage>,
    email: NewEmailPreference,
    sms: NewSmsPreference,
}

/// E-mail, to the client's address.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
pub(crate) struct NewEmailPreference {
    /// Whether the channel is used.
    is_enabled: bool,
    /// The notifications sent through it; all, if left out or empty.
    #[deserr(default)]
    notices: Option<Notices>,
    /// Read-only.
    #[deserr(default)]
    address: Option<String>,
    /// Read-only. Whether the address is suppressed may have changed since it was read.
    #[deserr(default)]
    #[schema(value_type = Option<Object>)]
    suppressed: Option<Value>,
}

/// Text messages.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields, validate = reachable_by_phone -> Faults)]
pub(crate) struct NewSmsPreference {
    /// Whether the channel is used.
    is_enabled: bool,
    /// The notifications sent through it; all, if left out or empty.
    #[deserr(default)]
    notices: Option<Notices>,
    /// The number for text messages (E.164); required if they are enabled.
    #[deserr(default)]
    number: Option<PhoneNumber>,
}

fn reachable_by_phone(sms: NewSmsPreference, location: ValuePointerRef<'_>) -> Result<NewSmsPreference, Faults> {
    match (sms.is_enabled, &sms.number) {
        (true, None) => Err(Faults::at(location.push_key("number"), "is required while text messages are enabled")),
        _ => Ok(sms),
    }
}

/// The notifications that a client receives, by channel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NotificationPreferences {
    client_id: ClientId,
    /// The language of documents and messages.
    language: Language,
    email: EmailPreference,
    sms: SmsPreference,
}

/// E-mail.
#[derive(Debug, Serialize, ToSchema)]
struct EmailPreference {
    /// Whether the channel is used.
    is_enabled: bool,
    /// The notifications sent through it; none means all.
    notices: Vec<NotificationKind>,
    /// The address.
    address: String,
    /// Why the address is suppressed; null if it is not.
    #[schema(required)]
    suppressed: Option<SuppressedAddress>,
}

/// The suppression of an address to which mail cannot be delivered.
#[derive(Debug, Serialize, ToSchema)]
struct SuppressedAddress {
    /// A permanent `bounce`, or a `complaint`.
    reason: String,
    /// When the suppression began.
    since: DateTime<Utc>,
}

/// Text messages.
#[derive(Debug, Serialize, ToSchema)]
struct SmsPreference {
    /// Whether the channel is used.
    is_enabled: bool,
    /// The notifications sent through them; none means all.
    notices: Vec<NotificationKind>,
    /// The number for text messages.
    #[schema(required)]
    number: Option<PhoneNumber>,
}

impl NotificationPreferences {
    fn new(client: ClientDetails, preferences: Preferences, suppression: Option<Suppression>) -> Self {
        let Preferences { email, sms, sms_number } = preferences;
        let suppressed = suppression.map(|Suppression { reason, since }| SuppressedAddress { reason, since });
        Self {
            client_id: client.id,
            language: client.language,
            email: EmailPreference {
                is_enabled: email.is_enabled,
                notices: email.notices,
                address: client.email,
                suppressed,
            },
            sms: SmsPreference { is_enabled: sms.is_enabled, notices: sms.notices, number: sms_number },
        }
    }
}

/// Returns a client's notification preferences; clients see their own only.
#[utoipa::path(
    get,
    path = "/v1/clients/{id}/notification-preferences",
    operation_id = "readNotificationPreferences",
    tag = "clients",
    params(("id" = ClientId, Path, description = "The client.")),
    responses((status = 200, description = "The preferences.", body = NotificationPreferences))
)]
pub(crate) async fn read(
    State(billing): State<Arc<Billing>>,
    permit: Permit,
    PathId(id): PathId<ClientId>,
) -> Result<Json<NotificationPreferences>, Reply> {
    let client = reachable(&billing, permit.reach, id).await?.details;
    let preferences = notifications::preferences(&billing.database, id).await?;
    let suppression = notifications::suppression(&billing.database, &client.email).await?;
    Ok(Json(NotificationPreferences::new(client, preferences, suppression)))
}

/// Sets a client's notification preferences; clients set their own only.
#[utoipa::path(
    put,
    path = "/v1/clients/{id}/notification-preferences",
    operation_id = "setNotificationPreferences",
    tag = "clients",
    params(("id" = ClientId, Path, description = "The client."), ChangeHeaders),
    request_body = NewPreferences,
    responses((status = 200, description = "The preferences.", body = NotificationPreferences), ClientConflict)
)]
pub(crate) async fn set(
    State(billing): State<Arc<Billing>>,
    PathId(id): PathId<ClientId>,
    ChangeRequest { head, body }: ChangeRequest<NewPreferences>,
) -> Result<Response, Reply> {
    let reach = head.reach;
    let mut work = billing.begin(head).await?;
    let client = locked(&mut work, reach, id).await?;
    let (language, preferences) = wanted(body, &client)?;
    let before = notifications::preferences(&billing.database, id).await?;
    clients::set_language(&mut work.transaction, id, language).await?;
    notifications::set_preferences(&mut work.transaction, id, &preferences).await?;
    let suppression = notifications::suppression(&billing.database, &client.email).await?;
    let (before, after) = (audited(client.language, &before), audited(language, &preferences));
    work.audit("client.preferences_set", id.to_string(), before, after).await?;
    let client = ClientDetails { language, ..client };
    work.finish(StatusCode::OK, &NotificationPreferences::new(client, preferences, suppression)).await
}

/// Lifts the suppression of a client's email address after a bounce or complaint.
#[utoipa::path(
    delete,
    path = "/v1/clients/{id}/email-suppression",
    operation_id = "liftEmailSuppression",
    tag = "clients",
    params(("id" = ClientId, Path, description = "The client."), ChangeHeaders),
    responses((status = 200, description = "The preferences.", body = NotificationPreferences), ClientConflict)
)]
pub(crate) async fn lift(
    State(billing): State<Arc<Billing>>,
    PathId(id): PathId<ClientId>,
    ChangeRequest { head, body: NoBody {} }: ChangeRequest<NoBody>,
) -> Result<Response, Reply> {
    let reach = head.reach;
    let mut work = billing.begin(head).await?;
    let client = locked(&mut work, reach, id).await?;
    let preferences = notifications::preferences(&billing.database, id).await?;
    if notifications::lift_suppression(&mut work.transaction, &client.email).await? {
        let (before, after) = (json!({"suppressed": true}), json!({"suppressed": false}));
        work.audit("client.email_suppression_lifted", id.to_string(), before, after).await?;
    }
    work.finish(StatusCode::OK, &NotificationPreferences::new(client, preferences, None)).await
}

/// Locks an active client that the caller's permission covers.
async fn locked(work: &mut IdempotentChange<'_>, reach: Reach, id: ClientId) -> Result<ClientDetails, Problem> {
    if !reach.covers(id) {
        return Err(Problem::not_found("client", id));
    }
    let found = clients::lock(&mut work.transaction, id).await?;
    Ok(work.editable::<NewClient>(id, found)?.body.details(id))
}

/// The wanted language and preferences, unless the body changes what is read-only.
fn wanted(body: NewPreferences, client: &ClientDetails) -> Result<(Language, Preferences), Faults> {
    let NewPreferences { client_id, language, email, sms } = body;
    let mut faults = Faults::default();
    let read_only = "is read-only: leave it out, or send it unchanged";
    if client_id.is_some_and(|id| id != client.id) {
        faults.add("/client_id", read_only);
    }
    if email.address.is_some_and(|address| address != client.email) {
        faults.add("/email/address", read_only);
    }
    faults.finish()?;
    let preferences = Preferences {
        email: preference(email.is_enabled, email.notices),
        sms: preference(sms.is_enabled, sms.notices),
        sms_number: sms.number,
    };
    Ok((language.map_or(client.language, |language| language.0), preferences))
}

fn preference(is_enabled: bool, notices: Option<Notices>) -> ChannelPreference {
    let mut kinds: Vec<NotificationKind> = Vec::new();
    for notice in notices.unwrap_or_default().into_vec() {
        if !kinds.contains(&notice) {
            kinds.push(notice);
        }
    }
    ChannelPreference { is_enabled, notices: kinds }
}

/// The data for the audit record. Numbers and addresses are personal data: it has the kinds and channels only.
fn audited(language: Language, preferences: &Preferences) -> Value {
    let channel =
        |preference: &ChannelPreference| json!({"is_enabled": preference.is_enabled, "notices": preference.notices});
    json!({"email": channel(&preferences.email), "sms": channel(&preferences.sms), "language": language})
}
