//! Amazon SES event publishing records.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use quittance_deliveries::ReceiverReport;
use serde::Deserialize;

/// The relevant part of a record.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SesEvent {
    event_type: String,
    /// The e-mail.
    pub mail: SesMail,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
    reject: Option<Reject>,
}

/// The e-mail that a record is about.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SesMail {
    /// When Amazon SES received it.
    pub timestamp: DateTime<Utc>,
    message_id: String,
    /// The tags it was sent with.
    #[serde(default)]
    pub tags: HashMap<String, Vec<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
    bounce_sub_type: String,
    #[serde(default)]
    bounced_recipients: Vec<Addressed>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    #[serde(default)]
    complained_recipients: Vec<Addressed>,
}

#[derive(Debug, Clone, Deserialize)]
struct Reject {
    reason: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Addressed {
    email_address: String,
}

impl SesEvent {
    /// The report about the delivery; none if it does not state whether the e-mail was accepted.
    #[must_use]
    pub fn report(&self) -> Option<ReceiverReport> {
        let failure = match self.event_type.as_str() {
            "Send" | "Delivery" | "Complaint" => None,
            "Bounce" => Some(self.bounce.as_ref().map_or_else(
                || "it bounced".to_owned(),
                |bounce| format!("it bounced: {} {}", bounce.bounce_type, bounce.bounce_sub_type),
            )),
            "Reject" => {
                let reason = self.reject.as_ref().map_or("no reason given", |reject| &reject.reason);
                Some(format!("rejected: {reason}"))
            }
            _ => return None,
        };
        Some(ReceiverReport { failure, message_id: self.mail.message_id.clone(), given_at: self.mail.timestamp })
    }

    /// The addresses to suppress, and why: they bounced permanently, or their owners complained.
    #[must_use]
    pub fn suppressed(&self) -> Option<(&'static str, Vec<&str>)> {
        let (reason, addressed) = match (self.event_type.as_str(), &self.bounce, &self.complaint) {
            ("Bounce", Some(bounce), _) if bounce.bounce_type == "Permanent" => ("bounce", &bounce.bounced_recipients),
            ("Complaint", _, Some(complaint)) => ("complaint", &complaint.complained_recipients),
            _ => return None,
        };
        Some((reason, addressed.iter().map(|addressed| addressed.email_address.as_str()).collect()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(event_type: &str, name: &str, detail: Value) -> SesEvent {
        let mut record = json!({
            "eventType": event_type,
            "mail": {"timestamp": "2026-11-20T09:30:02.012Z", "messageId": "m-1", "tags": {"ses:caller-identity": ["q"]}},
        });
        record[name] = detail;
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn what_came_back_for_good_is_not_written_to_any_more_and_what_may_do_better_is() {
        let recipients = json!([{"emailAddress": "Gone@nordlicht.example", "status": "5.1.1"}]);
        let bounce = |kind: &str| {
            let detail = json!({"bounceType": kind, "bounceSubType": "General", "bouncedRecipients": recipients});
            event("Bounce", "bounce", detail)
        };
        assert_eq!(bounce("Permanent").suppressed(), Some(("bounce", vec!["Gone@nordlicht.example"])));
        assert_eq!(bounce("Transient").suppressed(), None);
        assert_eq!(bounce("Transient").report().unwrap().failure.unwrap(), "it bounced: Transient General");
        let complaint = event("Complaint", "complaint", json!({"complainedRecipients": recipients}));
        assert_eq!(complaint.suppressed().unwrap().0, "complaint");
        assert_eq!(complaint.report().unwrap().failure, None, "whoever complains has it");
    }

    #[test]
    fn only_events_about_acceptance_are_reports() {
        for event_type in ["Send", "Delivery"] {
            let report = event(event_type, "delivery", json!({})).report().unwrap();
            assert_eq!((report.failure, report.message_id.as_str()), (None, "m-1"));
        }
        let rejected = event("Reject", "reject", json!({"reason": "Bad content"})).report().unwrap();
        assert_eq!(rejected.failure.unwrap(), "rejected: Bad content");
        for event_type in ["DeliveryDelay", "Open", "Click", "Subscription"] {
            assert_eq!(event(event_type, "other", json!({})).report(), None, "{event_type}");
        }
    }
}
