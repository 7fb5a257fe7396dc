//! Progress for people: one line per step on stderr, with the time since the start.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Announces a step.
pub fn step(what: &str) {
    eprintln!("[{:>7}] {what}", seconds(START.elapsed()));
}

/// Reports something about the current step.
pub fn note(what: &str) {
    eprintln!("            {what}");
}

/// The time since the first message.
#[must_use]
pub fn elapsed() -> Duration {
    START.elapsed()
}

/// A duration in readable form: `0.4 s`, `12.3 s`, `4:07 min`.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 100_000 {
        format!("{}.{} s", millis / 1000, millis % 1000 / 100)
    } else {
        let whole = duration.as_secs();
        format!("{}:{:02} min", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_reads_as_seconds_and_then_as_minutes() {
        assert_eq!(seconds(Duration::from_millis(449)), "0.4 s");
        assert_eq!(seconds(Duration::from_millis(99_999)), "99.9 s");
        assert_eq!(seconds(Duration::from_secs(247)), "4:07 min");
    }
}
