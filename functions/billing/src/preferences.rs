//! `/v1/clients/{id}/notification-preferences`: a client's notifications and their channels.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use quittance_domain::language::Language;
use quittance_domain::notification::{ChannelPreference, NotificationKind, PhoneNumber, Preferences};
use quittance_domain::party::ClientDetails;
use quittance_lambda::caller::{Caller, Permission};
use quittance_lambda::described;
use quittance_lambda::fields::Fields;
use quittance_lambda::openapi::parameters::ChangeHeaders;
use quittance_lambda::openapi::schema::{
    Members, flag, list_of, matching, object, one_of, or_null, refer, refer_as, time, words,
};
use quittance_lambda::problem::Problem;
use quittance_store::clients;
use quittance_store::notifications::{self, Suppression};
use serde_json::{Value, json};
use utoipa::openapi::ObjectBuilder;

use crate::clients::{SPOKEN, reachable, spoken};
use crate::idempotent_change::{ChangeRequest, IdempotentChange, answer};
use crate::statement::ClientPath;
use crate::{Billing, path_id, unavailable};

/// The format of a phone number, as a regular expression.
const PHONE_NUMBER: &str = r"^\+[1-9][0-9]{6,14}$";

/// Longer than the name of any notification kind.
const NOTICE_LENGTH_MAX: usize = 60;

fn notice() -> ObjectBuilder {
    one_of(NotificationKind::ALL.iter().map(|notice| notice.as_str()), "The type of an event.")
}

fn wanted(description: &str) -> Members {
    object(description).with("is_enabled", flag("Whether the channel is used.")).optional(
        "notices",
        list_of(notice(), "The notifications sent through it; all, if left out or empty.")
            .max_items(Some(NotificationKind::ALL.len())),
    )
}

fn phone_number() -> ObjectBuilder {
    matching(PHONE_NUMBER, "The number for text messages (E.164); required if they are enabled.")
}

fn example() -> Value {
    json!({
        "language": "de",
        "email": {"is_enabled": true},
        "sms": {"is_enabled": true, "number": "+4915112345678", "notices": ["invoice.reopened"]},
    })
}

described! {
    /// The body of `PUT /v1/clients/{id}/notification-preferences`.
    pub(crate) NewPreferences => object(
        "The notifications that a client wants. A response may be sent back: read-only members are accepted unchanged.",
    )
        .optional("client_id", refer_as("ClientId", "Read-only."))
        .optional("language", matching(Language::PATTERN, "The language of documents and messages (ISO 639-1); unchanged if left out."))
        .with("email", wanted("E-mail, to the client's address.")
            .optional("address", words("Read-only."))
            .optional("suppressed", or_null(object("Read-only.").open()))
            .closed())
        .with("sms", wanted("Text messages.").optional("number", or_null(phone_number())).closed())
        .closed_like(example())
}

described! {
    /// A client's notification preferences.
    pub(crate) NotificationPreferences => object("The notifications that a client receives, by channel.")
        .with("client_id", refer("ClientId"))
        .with("language", matching(Language::PATTERN, SPOKEN))
        .with("email", object("E-mail.")
            .with("is_enabled", flag("Whether the channel is used."))
            .with("notices", list_of(notice(), "The notifications sent through it; none means all."))
            .with("address", words("The address."))
            .with_or_null("suppressed", object("Why the address is suppressed; null if it is not.")
                .with("reason", one_of(["bounce", "complaint"], "A permanent bounce, or a complaint."))
                .with("since", time("When the suppression began."))
                .open())
            .open())
        .with("sms", object("Text messages.")
            .with("is_enabled", flag("Whether the channel is used."))
            .with("notices", list_of(notice(), "The notifications sent through them; none means all."))
            .with_or_null("number", phone_number())
            .open())
        .open()
}

/// Returns a client's notification preferences; clients see their own only.
#[utoipa::path(
    get,
    path = "/v1/clients/{id}/notification-preferences",
    operation_id = "readNotificationPreferences",
    tag = "clients",
    params(ClientPath),
    responses((status = 200, description = "The preferences.", body = NotificationPreferences))
)]
pub(crate) async fn read(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let client = reachable(&billing, caller.may(Permission::Read)?, path_id("client", &id)?).await?;
    let preferences = notifications::preferences(&billing.database, client.id).await.map_err(unavailable)?;
    let suppression = notifications::suppression(&billing.database, &client.email).await.map_err(unavailable)?;
    Ok(Json(to_json(&client, &preferences, suppression.as_ref())))
}

/// Sets a client's notification preferences; clients set their own only.
#[utoipa::path(
    put,
    path = "/v1/clients/{id}/notification-preferences",
    operation_id = "setNotificationPreferences",
    tag = "clients",
    params(ClientPath, ChangeHeaders),
    request_body = NewPreferences,
    responses((status = 200, description = "The preferences.", body = NotificationPreferences))
)]
pub(crate) async fn set(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let client = reachable(&billing, caller.may(Permission::WritePreferences)?, path_id("client", &id)?).await?;
    let (language, preferences) = parse(&body, &client)?;
    let language = language.unwrap_or(client.language);
    let name = client.id.to_string();
    let content: [&[u8]; 3] = [b"PUT preferences", name.as_bytes(), &body];
    let mut work = match IdempotentChange::begin(&billing, &caller, &headers, &content).await? {
        ChangeRequest::New(work) => work,
        ChangeRequest::Answered(status, body) => return Ok(answer(status, body)),
    };
    let before = notifications::preferences(&billing.database, client.id).await.map_err(unavailable)?;
    clients::set_language(&mut work.transaction, client.id, language).await.map_err(unavailable)?;
    notifications::set_preferences(&mut work.transaction, client.id, &preferences).await.map_err(unavailable)?;
    let suppression = notifications::suppression(&billing.database, &client.email).await.map_err(unavailable)?;
    let (before, now) = (audited(client.language, &before), audited(language, &preferences));
    work.audit("client.preferences_set", name, before, now).await?;
    let after = to_json(&ClientDetails { language, ..client }, &preferences, suppression.as_ref());
    work.commit(StatusCode::OK, &after).await?;
    Ok(answer(StatusCode::OK, after))
}

/// Lifts the suppression of a client's email address after a bounce or complaint.
#[utoipa::path(
    delete,
    path = "/v1/clients/{id}/email-suppression",
    operation_id = "liftEmailSuppression",
    tag = "clients",
    params(ClientPath, ChangeHeaders),
    responses((status = 200, description = "The preferences.", body = NotificationPreferences))
)]
pub(crate) async fn lift(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let client = reachable(&billing, caller.may(Permission::WritePreferences)?, path_id("client", &id)?).await?;
    let name = client.id.to_string();
    let content: [&[u8]; 2] = [b"DELETE email suppression", name.as_bytes()];
    let mut work = match IdempotentChange::begin(&billing, &caller, &headers, &content).await? {
        ChangeRequest::New(work) => work,
        ChangeRequest::Answered(status, body) => return Ok(answer(status, body)),
    };
    let preferences = notifications::preferences(&billing.database, client.id).await.map_err(unavailable)?;
    if notifications::lift_suppression(&mut work.transaction, &client.email).await.map_err(unavailable)? {
        let (before, after) = (json!({"suppressed": true}), json!({"suppressed": false}));
        work.audit("client.email_suppression_lifted", name, before, after).await?;
    }
    let shown = to_json(&client, &preferences, None);
    work.commit(StatusCode::OK, &shown).await?;
    Ok(answer(StatusCode::OK, shown))
}

fn parse(body: &[u8], client: &ClientDetails) -> Result<(Option<Language>, Preferences), Problem> {
    let mut fields = Fields::parse(body)?;
    fields.read_only("client_id", &json!(client.id));
    let language = fields.has("language").then(|| spoken(&mut fields));
    let email = fields.nested("email", |fields| {
        fields.read_only("address", &json!(client.email));
        // Whether the address is suppressed may have changed since it was read.
        fields.value("suppressed");
        preference(fields)
    });
    let sms = fields.nested("sms", |fields| {
        let (preference, number) = (preference(fields), fields.optional::<PhoneNumber>("number"));
        if number.is_none() && preference.as_ref().is_some_and(|preference| preference.is_enabled) {
            fields.problem("number", "is required while text messages are enabled");
        }
        preference.map(|preference| (preference, number))
    });
    fields.finish()?;
    match (email, sms) {
        (Some(email), Some((sms, sms_number))) => Ok((language, Preferences { email, sms, sms_number })),
        // A member that is `None` has recorded a problem, so `finish` has failed already.
        _ => Err(Problem::invalid(Vec::new())),
    }
}

fn preference(fields: &mut Fields) -> Option<ChannelPreference> {
    let is_enabled = fields.flag("is_enabled");
    let names = fields.texts_or_none("notices", NotificationKind::ALL.len(), NOTICE_LENGTH_MAX);
    let mut notices: Vec<NotificationKind> = Vec::new();
    for name in names {
        match name.parse::<NotificationKind>() {
            Ok(notice) if !notices.contains(&notice) => notices.push(notice),
            Ok(_) => {}
            Err(error) => fields.problem("notices", error),
        }
    }
    Some(ChannelPreference { is_enabled: is_enabled?, notices })
}

/// The data for the audit record. Numbers and addresses are personal data: it has the kinds and channels only.
fn audited(language: Language, preferences: &Preferences) -> Value {
    json!({"email": preference_to_json(&preferences.email), "sms": preference_to_json(&preferences.sms), "language": language})
}

fn names(preference: &ChannelPreference) -> Vec<&'static str> {
    preference.notices.iter().map(|notice| notice.as_str()).collect()
}

fn preference_to_json(preference: &ChannelPreference) -> Value {
    json!({"is_enabled": preference.is_enabled, "notices": names(preference)})
}

fn to_json(client: &ClientDetails, preferences: &Preferences, suppression: Option<&Suppression>) -> Value {
    let (email, sms) = (&preferences.email, &preferences.sms);
    json!({
        "client_id": client.id,
        "language": client.language,
        "email": {
            "is_enabled": email.is_enabled,
            "notices": names(email),
            "address": client.email,
            "suppressed": suppression.map(|known| json!({"reason": known.reason, "since": known.since})),
        },
        "sms": {"is_enabled": sms.is_enabled, "notices": names(sms), "number": preferences.sms_number},
    })
}
