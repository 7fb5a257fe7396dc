//! Schemas of webhook endpoints and deliveries, from the limits that requests are parsed by.

use quittance_deliveries::DeliveryState;
use quittance_domain::event::InvoiceEvent;
use quittance_lambda::envelope::Payload;
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::parameters::{in_path, in_query};
use quittance_lambda::openapi::schema::{
    Members, count, flag, list_of, matching, number, object, one_of, or_null, refer, some_of, text, time, words,
};
use quittance_lambda::{described, parameters};
use serde_json::{Value, json};

use super::deliveries::{ALL, REPLAYED_MAX, STATES, UNDELIVERED};
use super::{DESCRIPTION_LENGTH_MAX, URL_LENGTH_MAX};
use crate::page;

parameters! {
    pub(crate) EndpointPath => [in_path("id", refer("WebhookEndpointId"), "The endpoint.")]
}

parameters! {
    /// The filters of deliveries.
    pub(crate) DeliveryParameters => [
        in_query("from", time("A point in time."), "Events from this time on."),
        in_query("until", time("A point in time."), "Events before this time."),
        in_query("state", one_of(STATES.map(DeliveryState::as_str), "The state."), "Only deliveries in this state."),
    ]
}

fn types() -> impl Iterator<Item = &'static str> {
    InvoiceEvent::TYPES.iter().copied()
}

described! {
    /// The body of `POST /v1/webhook-endpoints`.
    pub(crate) NewEndpoint => object("An endpoint to which events are posted.")
        .with("url", text(1, URL_LENGTH_MAX, "An https URL on port 443 or 8443 that leads to public addresses only, without user name, password and fragment."))
        .optional("description", text(1, DESCRIPTION_LENGTH_MAX, "The purpose."))
        .optional("event_types", some_of(one_of(types(), "An event type."), InvoiceEvent::TYPES.len(), "The types of events to deliver; all by default."))
        .closed_like(json!({
            "url": "https://bff.example/webhooks/quittance", "description": "The platform's BFF",
            "event_types": ["invoice.paid", "invoice.partially_paid", "invoice.reopened"],
        }))
}

fn shape(members: Members) -> Members {
    members
        .with("id", refer("WebhookEndpointId"))
        .with("url", words("The URL to which events are posted."))
        .with_or_null("description", words("The purpose."))
        .with(
            "event_types",
            list_of(one_of(types(), "An event type."), "The types of events to deliver; an empty list means all."),
        )
        .with("status", one_of(["enabled", "disabled", "deleted"], "Whether events are delivered."))
        .with_or_null("disabled_reason", words("Why it was disabled."))
        .with_or_null("disabled_at", time("When it was disabled."))
        .with_or_null(
            "previous_secret_until",
            time("When the previous secret stops signing; null unless the secret is being rotated."),
        )
        .with("created_by", words("Who registered it."))
        .with("created_at", time("When it was registered."))
}

fn example() -> Value {
    json!({
        "id": examples::WEBHOOK_ENDPOINT_ID, "url": "https://bff.example/webhooks/quittance",
        "description": "The platform's BFF", "event_types": ["invoice.paid"], "status": "enabled",
        "disabled_reason": null, "disabled_at": null, "previous_secret_until": null, "created_by": "machine:bff",
        "created_at": examples::TIME,
    })
}

described! {
    /// A webhook endpoint.
    pub(crate) Endpoint => shape(object("A webhook endpoint.")).open_like(example())
}

described! {
    /// A webhook endpoint with the secret that signs.
    pub(crate) EndpointWithSecret => shape(object("A webhook endpoint, with its signing secret."))
        .with_or_null(
            "secret",
            matching("^whsec_[A-Za-z0-9+/]+={0,2}$", "The signing secret (Standard Webhooks); null if it is not in use any more."),
        )
        .open()
}

described! {
    /// A page of webhook endpoints.
    pub(crate) Endpoints => page::shape("webhook_endpoints", "Endpoint").open(), holding [Endpoint]
}

described! {
    /// The body of `POST …/rotate-secret`.
    pub(crate) SecretRotation => object("How to rotate the secret.")
        .optional("revoke", flag("Whether older secrets stop signing immediately, as after a leak.").default(Some(json!(false))))
        .closed_like(json!({"revoke": true}))
}

described! {
    /// An event for an endpoint, and the status of its delivery.
    pub(crate) WebhookDelivery => object("An event for an endpoint, and the status of its delivery.")
        .with("webhook_id", words("The event's `id`, the same at every attempt."))
        .with("type", one_of(types(), "The type of the event."))
        .with("subject", words("The invoice, otherwise the payment or the adjustment."))
        .with("subjectsequence", count(1, u64::MAX, "The number of the delivery among those of the subject to this endpoint."))
        .with("time", time("The time of the event."))
        .with("state", one_of(STATES.map(DeliveryState::as_str), "The state: `failed` after the last attempt, `held` if the endpoint was disabled before."))
        .with("attempts", number("Attempts since it was recorded or last replayed."))
        .with_or_null("next_attempt_at", time("The earliest time of the next attempt; null if there is none."))
        .with("last_attempt", or_null(object("The last attempt.")
            .with("at", time("When it ended."))
            .with_or_null("status", count(100, 999, "The HTTP status; null without an answer."))
            .with_or_null("failure", words("Why it failed."))
            .open()))
        .open()
}

described! {
    /// A page of deliveries.
    pub(crate) WebhookDeliveries => page::shape("deliveries", "WebhookDelivery").open(), holding [WebhookDelivery]
}

described! {
    /// The body of `POST …/replay`.
    pub(crate) Replay => object("The deliveries to replay, under the same ids.")
        .with("from", time("Events from this time on."))
        .optional("until", time("Events before this time; without it, all later events."))
        .optional("which", one_of([UNDELIVERED, ALL], "Deliveries that were not accepted, or all.").default(Some(json!(UNDELIVERED))))
        .optional("cursor", words("The `next_cursor` of the previous response, to continue."))
        .closed_like(json!({"from": examples::TIME, "which": UNDELIVERED}))
}

described! {
    /// The number of replayed deliveries.
    pub(crate) Replayed => object("The number of replayed deliveries.")
        .with("replayed", count(0, REPLAYED_MAX as u64, "The number of replayed deliveries; those being attempted right now are not replayed."))
        .with_or_null("next_cursor", words("Cursor of the next page; null if there are no more."))
        .open()
}
