//! Redacts personal data in bodies: everything that is not known to be harmless is left out.

use serde_json::{Map, Value};

/// Replaces a text that is not shown.
pub(crate) const HIDDEN: &str = "…";

/// Members whose texts are ids, codes, amounts or times. All other texts may be personal data: names, addresses,
/// remarks.
const SHOWN: [&str; 48] = [
    "accountingdate",
    "action",
    "actor",
    "amount",
    "attempt",
    "audit_id",
    "case_id",
    "client_id",
    "correlationid",
    "currency",
    "datacontenttype",
    "dataschema",
    "decision",
    "document_key",
    "door",
    "due_on",
    "event_id",
    "id",
    "invoice_id",
    "invoiceversion",
    "issued_on",
    "kind",
    "language",
    "movement",
    "number",
    "occurred_at",
    "ordered_at",
    "origin",
    "outcome",
    "paid_at",
    "paid_on",
    "payment_id",
    "provider",
    "recipient",
    "refund_id",
    "request",
    "resource",
    "source",
    "specversion",
    "status",
    "subject",
    "time",
    "traceparent",
    "transaction_id",
    "twin",
    "type",
    "upload_id",
    "value",
];

/// A body that all on-call staff may see.
#[must_use]
pub fn redacted(content: &Value) -> Value {
    match content {
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| member(name, value)).collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(redacted).collect(),
        Value::String(_) => Value::from(HIDDEN),
        other => other.clone(),
    }
}

fn member(name: &str, value: &Value) -> (String, Value) {
    let shown = match value {
        Value::String(text) if SHOWN.contains(&name) => Value::from(text.as_str()),
        other => redacted(other),
    };
    (name.to_owned(), shown)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_and_amounts_are_shown_and_what_may_be_about_people_is_not() {
        let body = json!({
            "type": "invoice.paid", "subject": "inv_1",
            "data": {
                "client": {"id": "cli_1", "name": "Nordlicht", "email": "a@b.example", "address": ["Weg 1"]},
                "allocated": {"value": "1.00", "currency": "EUR"}, "reason": "Ms Meier called", "unheard_of": "DE89…",
            },
        });
        let expected = json!({
            "type": "invoice.paid", "subject": "inv_1",
            "data": {
                "client": {"id": "cli_1", "name": "…", "email": "…", "address": ["…"]},
                "allocated": {"value": "1.00", "currency": "EUR"}, "reason": "…", "unheard_of": "…",
            },
        });
        assert_eq!(redacted(&body), expected);
    }

    #[test]
    fn names_of_members_are_in_order_and_once() {
        assert!(SHOWN.is_sorted_by(|left, right| left < right));
    }
}
