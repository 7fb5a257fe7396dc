//! Notifications to clients by e-mail and text message, and the clients' preferences.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::{PartialSchema, ToSchema};

use crate::api_schema::text_schema;
use crate::event::InvoiceEvent;
use crate::id::{ClientId, IdError};
use crate::names::{serialized_name, stored_name};

/// A channel to reach a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// E-mail.
    Email,
    /// Text message to a mobile phone.
    Sms,
}

stored_name!(Channel { Email => "email", Sms => "sms" });

/// Clients are not notified of events older than this; the records are kept somewhat longer.
pub const NOTIFIED_UNTIL: TimeDelta = TimeDelta::days(365);

/// What clients are notified of. Each name is the type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotificationKind {
    /// An invoice is owed.
    InvoiceIssued,
    /// An invoice is not owed any more.
    InvoiceVoided,
    /// A credit note reduced an invoice.
    CreditNoteIssued,
    /// Money was taken back from an invoice, which is owed again.
    InvoiceReopened,
    /// A payment was received; with its receipt.
    ReceiptIssued,
    /// A refund was made; with its receipt.
    RefundReceiptIssued,
    /// Money came in that no invoice could take; it is the client's credit.
    UnappliedCashRecorded,
}

stored_name!(NotificationKind {
    InvoiceIssued => "invoice.issued",
    InvoiceVoided => "invoice.voided",
    CreditNoteIssued => "credit_note.issued",
    InvoiceReopened => "invoice.reopened",
    ReceiptIssued => "receipt.issued",
    RefundReceiptIssued => "refund_receipt.issued",
    UnappliedCashRecorded => "payment.surplus_recorded",
});
serialized_name!(NotificationKind);

impl NotificationKind {
    /// The notification for an event; none if clients are not notified of it.
    #[must_use]
    pub fn for_event(event: &InvoiceEvent) -> Option<Self> {
        event.type_name().parse().ok()
    }
}

/// A phone number in E.164 format: plus sign, country code, number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PhoneNumber(String);

/// E.164 allows 15 digits; numbers with fewer than 7 are not reachable.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// The text is not a phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a telephone number as E.164 writes it: a plus sign and 7 to 15 digits, the first no zero")]
pub struct PhoneNumberError;

impl PartialSchema for PhoneNumber {
    fn schema() -> RefOr<utoipa::openapi::Schema> {
        text_schema(r"^\+[1-9][0-9]{6,14}$", "A telephone number (E.164).", "+4915112345678")
    }
}

impl ToSchema for PhoneNumber {}

impl FromStr for PhoneNumber {
    type Err = PhoneNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('+').ok_or(PhoneNumberError)?;
        let is_number = PHONE_DIGITS.contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { Ok(Self(text.to_owned())) } else { Err(PhoneNumberError) }
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = PhoneNumberError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A client's preferences for one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelPreference {
    /// Whether the channel is used at all.
    pub is_enabled: bool,
    /// The kinds to send; empty means all.
    pub notices: Vec<NotificationKind>,
}

impl ChannelPreference {
    fn wants(&self, notice: NotificationKind) -> bool {
        self.is_enabled && (self.notices.is_empty() || self.notices.contains(&notice))
    }
}

/// A client's notification preferences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preferences {
    /// E-mail, to the client's address.
    pub email: ChannelPreference,
    /// Text messages.
    pub sms: ChannelPreference,
    /// The number for text messages. Without it none are sent.
    pub sms_number: Option<PhoneNumber>,
}

impl Default for Preferences {
    /// A client without preferences receives every e-mail and no text message.
    fn default() -> Self {
        Self {
            email: ChannelPreference { is_enabled: true, notices: Vec::new() },
            sms: ChannelPreference { is_enabled: false, notices: Vec::new() },
            sms_number: None,
        }
    }
}

impl Preferences {
    /// The channels through which a client wants to receive a notification.
    #[must_use]
    pub fn channels(&self, notice: NotificationKind) -> Vec<Channel> {
        let email = self.email.wants(notice).then_some(Channel::Email);
        let sms = (self.sms.wants(notice) && self.sms_number.is_some()).then_some(Channel::Sms);
        email.into_iter().chain(sms).collect()
    }
}

/// A client on a channel: the recipient that notifications are recorded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NotificationRecipient {
    /// The channel.
    pub channel: Channel,
    /// The client.
    pub client_id: ClientId,
}

impl fmt::Display for NotificationRecipient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.channel, self.client_id)
    }
}

impl FromStr for NotificationRecipient {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (channel, client_id) = text.split_once('.').unwrap_or((text, ""));
        let channel = channel.parse().map_err(|_| IdError::Malformed(ClientId::PREFIX))?;
        Ok(Self { channel, client_id: client_id.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telephone_number_has_its_country_and_digits_only() {
        for text in ["+4915112345678", "+1234567", "+123456789012345"] {
            assert_eq!(text.parse::<PhoneNumber>().unwrap().to_string(), text);
        }
        for text in
            ["", "+", "015112345678", "+0123456789", "+123456", "+1234567890123456", "+49 151 123", "+49151１２３"]
        {
            assert!(text.parse::<PhoneNumber>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_channel_is_used_for_the_notifications_that_the_client_chose() {
        let mut preferences = Preferences::default();
        assert_eq!(preferences.channels(NotificationKind::ReceiptIssued), [Channel::Email]);
        preferences.sms = ChannelPreference { is_enabled: true, notices: vec![NotificationKind::InvoiceReopened] };
        assert_eq!(preferences.channels(NotificationKind::InvoiceReopened), [Channel::Email], "there is no number");
        preferences.sms_number = Some("+4915112345678".parse().unwrap());
        assert_eq!(preferences.channels(NotificationKind::InvoiceReopened), [Channel::Email, Channel::Sms]);
        assert_eq!(preferences.channels(NotificationKind::ReceiptIssued), [Channel::Email]);
        preferences.email.is_enabled = false;
        assert_eq!(preferences.channels(NotificationKind::ReceiptIssued), []);
    }

    #[test]
    fn an_addressee_is_read_back() {
        let addressee =
            NotificationRecipient { channel: Channel::Sms, client_id: ClientId::from_uuid(uuid::Uuid::max()) };
        assert_eq!(addressee.to_string().parse(), Ok(addressee));
        for text in ["", "sms", "sms.", "fax.cli_ffffffffffffffffffffffffffffffff", "sms.inv_1"] {
            assert!(text.parse::<NotificationRecipient>().is_err(), "{text}");
        }
    }
}
