//! The parts that identified a request under its key before fingerprints were of method, path and canonical body.
//!
//! Keys are kept for 30 days: this file can go 30 days after the version that brought scheme 2 was deployed everywhere.

use http::Method;

/// The parts of a request, by its method and route.
pub(crate) fn parts_before(method: &Method, route: &str, parameters: &[(String, String)], body: &[u8]) -> Vec<Vec<u8>> {
    // Handlers wrote the id that they had parsed.
    let id = parameters.first().map(|(_, value)| value.to_ascii_lowercase()).unwrap_or_default();
    let whole = format!("{method} {route}");
    let (label, has_id, has_body) = match whole.as_str() {
        "PUT /v1/clients/{id}/notification-preferences" => ("PUT preferences", true, true),
        "DELETE /v1/clients/{id}/email-suppression" => ("DELETE email suppression", true, false),
        "POST /v1/invoices/{id}/send" => ("POST send", true, false),
        "POST /v1/invoices/{id}/void" => ("POST void", true, false),
        "POST /v1/invoices/{id}/credit-notes" => ("POST credit note", true, true),
        "POST /v1/ledger/adjustments" => ("POST adjustment", false, true),
        "POST /v1/ledger/transactions/{id}/reverse" => ("POST reverse", true, true),
        "POST /v1/ledger/corrections/{id}/approve" => ("POST correction\napproved", true, true),
        "POST /v1/ledger/corrections/{id}/dismiss" => ("POST correction\ndismissed", true, true),
        "DELETE /v1/webhook-endpoints/{id}" => ("DELETE webhook endpoint", true, false),
        "POST /v1/webhook-endpoints/{id}/enable" => ("POST enable", true, false),
        "POST /v1/webhook-endpoints/{id}/rotate-secret" => ("POST rotate-secret", true, true),
        "POST /v1/webhook-endpoints/{id}/replay" => ("POST replay", true, true),
        _ => (whole.as_str(), false, true),
    };
    let id = has_id.then(|| id.into_bytes());
    let body = has_body.then(|| body.to_vec());
    [Some(label.as_bytes().to_vec()), id, body].into_iter().flatten().collect()
}
