//! Message tags by which a provider's reports are matched to deliveries.
//!
//! Amazon SES allows letters, digits, underscores, hyphens, at signs and dots in the values of message tags.

use std::collections::HashMap;

use chrono::DateTime;
use uuid::Uuid;

use crate::item::EventKey;
use crate::table::Recipient;

const RECIPIENT: &str = "quittance-recipient";
const EVENT_ID: &str = "quittance-event";
const EVENT_TIME: &str = "quittance-event-time";

/// The tags of a delivery.
#[must_use]
pub fn tags_for<R: Recipient>(recipient: R, event_key: &EventKey) -> [(&'static str, String); 3] {
    [
        (RECIPIENT, recipient.to_string()),
        (EVENT_ID, event_key.id().to_string()),
        (EVENT_TIME, event_key.at().timestamp_micros().to_string()),
    ]
}

/// The delivery that the tags identify; none if the tags are not ours.
#[must_use]
pub fn read<R: Recipient>(tags: &HashMap<String, Vec<String>>) -> Option<(R, EventKey)> {
    let value = |name: &str| tags.get(name).and_then(|values| values.first());
    let recipient = value(RECIPIENT)?.parse().ok()?;
    let id: Uuid = value(EVENT_ID)?.parse().ok()?;
    let at = DateTime::from_timestamp_micros(value(EVENT_TIME)?.parse().ok()?)?;
    Some((recipient, EventKey::new(at, id)))
}

#[cfg(test)]
mod tests {
    use quittance_domain::id::ClientId;
    use quittance_domain::notification::{Channel, NotificationRecipient};

    use super::*;

    #[test]
    fn a_delivery_is_recognised_by_tags_that_the_provider_takes() {
        let recipient = NotificationRecipient { channel: Channel::Email, client_id: ClientId::from_uuid(Uuid::max()) };
        let key = EventKey::new(DateTime::from_timestamp_nanos(1_793_000_000_123_456_789), Uuid::max());
        let tags = tags_for(recipient, &key);
        for (name, value) in &tags {
            assert!(value.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-@.".contains(letter)), "{value}");
            assert!(name.len() <= 256 && value.len() <= 256);
        }
        let mut reported: HashMap<String, Vec<String>> =
            tags.into_iter().map(|(name, value)| (name.to_owned(), vec![value])).collect();
        assert_eq!(read(&reported), Some((recipient, key)));
        reported.remove(EVENT_ID);
        assert_eq!(read::<NotificationRecipient>(&reported), None);
    }
}
