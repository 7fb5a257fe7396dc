//! Selects parked messages.

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;

use crate::dead_letters::DeadLetter;

/// A selection of parked messages; all criteria must match.
#[derive(Debug, Clone, Default, Args)]
pub struct Filter {
    /// Only this dead-letter queue, or those of this function: `payments`, `ledger-subscription-dead-letter`.
    #[arg(long)]
    pub queue: Option<String>,
    /// Only messages parked with this code; `none` for those moved by the queue's own redrive policy.
    #[arg(long)]
    pub code: Option<String>,
    /// Only messages whose cause contains this text: the code and the reason as grouped by `dlq list`.
    #[arg(long)]
    pub cause: Option<String>,
    /// Only messages of this type: `ConfirmPayment`, `invoice.paid`.
    #[arg(long = "type")]
    pub kind: Option<String>,
    /// Only messages of this group: a transaction id, or an invoice's.
    #[arg(long)]
    pub group: Option<String>,
    /// Only messages that name this invoice, by id or number.
    #[arg(long)]
    pub invoice: Option<String>,
    /// Only messages about this provider's payments.
    #[arg(long)]
    pub provider: Option<String>,
    /// Only messages parked since then: a time (RFC 3339), or how long ago (`90m`, `12h`, `3d`).
    #[arg(long, value_parser = moment)]
    pub since: Option<DateTime<Utc>>,
    /// Only messages parked before then: a time, or how long ago.
    #[arg(long, value_parser = moment)]
    pub until: Option<DateTime<Utc>>,
    /// Only the message with this id in its dead-letter queue.
    #[arg(long)]
    pub message: Option<String>,
}

impl Filter {
    /// Whether a message matches. Its queue was selected before.
    #[must_use]
    pub fn fits(&self, dead_letter: &DeadLetter) -> bool {
        let is = |wanted: &Option<String>, there: &str| wanted.as_deref().is_none_or(|wanted| wanted == there);
        is(&self.code, dead_letter.code.as_deref().unwrap_or("none"))
            && self.cause.as_deref().is_none_or(|part| dead_letter.cause().contains(part))
            && is(&self.kind, dead_letter.kind())
            && is(&self.group, &dead_letter.group_id)
            && is(&self.message, &dead_letter.message_id)
            && is(&self.provider, dead_letter.provider().unwrap_or_default())
            && self.invoice.as_deref().is_none_or(|invoice| dead_letter.mentions(invoice))
            && self.since.is_none_or(|since| dead_letter.parked_at >= since)
            && self.until.is_none_or(|until| dead_letter.parked_at < until)
    }
}

/// A text that is no point in time.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is neither a time (2026-11-02T03:00:00Z) nor how long ago (90m, 12h, 3d)")]
pub struct NoMoment(String);

/// Parses a time in RFC 3339, or an age such as `90m`.
///
/// # Errors
/// [`NoMoment`] if it is neither.
pub fn moment(text: &str) -> Result<DateTime<Utc>, NoMoment> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.with_timezone(&Utc));
    }
    let refused = || NoMoment(text.to_owned());
    let unit = text.chars().next_back().ok_or_else(refused)?;
    let count: i64 = text.strip_suffix(unit).and_then(|digits| digits.parse().ok()).ok_or_else(refused)?;
    let ago = match unit {
        's' => TimeDelta::try_seconds(count),
        'm' => TimeDelta::try_minutes(count),
        'h' => TimeDelta::try_hours(count),
        'd' => TimeDelta::try_days(count),
        _ => None,
    };
    ago.filter(|ago| *ago >= TimeDelta::zero()).and_then(|ago| Utc::now().checked_sub_signed(ago)).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        assert_eq!(moment("2026-11-02T03:00:00Z").unwrap().timestamp(), 1_793_588_400);
        let then = moment("12h").unwrap();
        assert_eq!((Utc::now() - then).num_hours(), 12);
        for text in ["", "h", "12", "-3h", "12w", "yesterday", "9999999999999d", "3é"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
