//! What Amazon SES tells of an e-mail: the records of its event publishing.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use quittance_deliveries::ReceiverReport;
use serde::Deserialize;

/// A record, as far as it is of interest.
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

/// The e-mail that it is about.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SesMail {
    /// When Amazon SES was given it.
    pub timestamp: DateTime<Utc>,
    message_id: String,
    /// What it was sent with.
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
    /// What it says of the delivery; none if it says nothing about whether it was taken.
    #[must_use]
    pub fn word(&self) -> Option<ReceiverReport> {
        let failure = match self.event_type.as_str() {
            "Send" | "Delivery" | "Complaint" => None,
            "Bounce" => Some(self.bounce.as_ref().map_or_else(
                || "it came back".to_owned(),
                |bounce| format!("it came back: {} {}", bounce.bounce_type, bounce.bounce_sub_type),
            )),
            "Reject" => {
                let reason = self.reject.as_ref().map_or("no reason given", |reject| &reject.reason);
                Some(format!("rejected: {reason}"))
            }
            _ => return None,
        };
        Some(ReceiverReport { failure, message_id: self.mail.message_id.clone(), given_at: self.mail.timestamp })
    }

    /// The addresses that must not be written to any more, and why: they came back for good, or their owners complained.
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
        assert_eq!(bounce("Transient").word().unwrap().failure.unwrap(), "it came back: Transient General");
        let complaint = event("Complaint", "complaint", json!({"complainedRecipients": recipients}));
        assert_eq!(complaint.suppressed().unwrap().0, "complaint");
        assert_eq!(complaint.word().unwrap().failure, None, "whoever complains has it");
    }

    #[test]
    fn only_what_says_whether_it_was_taken_is_a_word() {
        for event_type in ["Send", "Delivery"] {
            let word = event(event_type, "delivery", json!({})).word().unwrap();
            assert_eq!((word.failure, word.message_id.as_str()), (None, "m-1"));
        }
        let rejected = event("Reject", "reject", json!({"reason": "Bad content"})).word().unwrap();
        assert_eq!(rejected.failure.unwrap(), "rejected: Bad content");
        for event_type in ["DeliveryDelay", "Open", "Click", "Subscription"] {
            assert_eq!(event(event_type, "other", json!({})).word(), None, "{event_type}");
        }
    }
}
