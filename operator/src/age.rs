//! Formats ages.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The time since then, in the largest significant unit.
pub(crate) fn age(since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> String {
    let Some(age) = since.map(|since| now - since) else { return String::new() };
    match (age.num_days(), age.num_hours(), age.num_minutes()) {
        (days @ 1.., _, _) => format!("{days} d"),
        (_, hours @ 1.., _) => format!("{hours} h"),
        (_, _, minutes @ 1..) => format!("{minutes} min"),
        _ => format!("{} s", age.num_seconds().max(0)),
    }
}

/// The time in an id that contains one (UUID version 7).
pub(crate) fn made_at(id: Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
}
