//! What an endpoint is told: the event, with the invoice as the API shows it.

use chrono::NaiveDate;
use quittance_domain::event::InvoiceEvent;
use quittance_domain::id::ClientId;
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::invoice_view::InvoiceView;
use serde_json::{Value, json};

/// The largest body, in bytes, as Standard Webhooks advises.
pub const BODY_BYTES_MAX: usize = 20 * 1024;

/// Where events carry the invoice.
const INVOICE_PLACES: [&str; 3] = ["/data/invoice", "/data/settled/invoice", "/data/refund/invoice"];

/// The body for an endpoint. `owner` is the client whose invoice it is, `sequence` the event's number among all that the
/// endpoint is told of its subject.
///
/// # Errors
/// A sentence, if the body would be too large or the event cannot be written.
pub fn body(
    event: &CloudEvent<InvoiceEvent>,
    owner: Option<ClientId>,
    sequence: u64,
    today: NaiveDate,
) -> Result<String, String> {
    let mut body = serde_json::to_value(event).map_err(|error| error.to_string())?;
    if let (Some(summary), Some(owner)) = (event.payload.invoice(), owner) {
        let shown = InvoiceView::from_summary(summary, owner).to_json(today);
        let place = INVOICE_PLACES.into_iter().find(|place| body.pointer(place).is_some());
        if let Some(invoice) = place.and_then(|place| body.pointer_mut(place)) {
            *invoice = shown;
        }
    }
    if let Value::Object(members) = &mut body {
        members.insert("timestamp".to_owned(), json!(event.time));
        members.insert("subjectsequence".to_owned(), json!(sequence));
    }
    let body = body.to_string();
    if body.len() > BODY_BYTES_MAX {
        return Err(format!("event {} has {} bytes, more than {BODY_BYTES_MAX}", event.id, body.len()));
    }
    Ok(body)
}
