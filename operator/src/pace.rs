//! The rate, progress and cancellation of long-running commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The exit code of a program that was ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// A rate limit.
#[derive(Debug)]
pub struct Pace(Option<Interval>);

impl Pace {
    /// At most `rate` per second; 0 for no limit.
    #[must_use]
    pub fn new(rate: u32) -> Self {
        Self(Duration::from_secs(1).checked_div(rate).map(|pause| {
            let mut ticks = interval(pause);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        }))
    }

    /// Waits for the next turn.
    pub async fn wait(&mut self) {
        if let Some(ticks) = &mut self.0 {
            ticks.tick().await;
        }
    }
}

/// The progress of a command: a bar for people at a terminal.
#[derive(Debug, Clone)]
pub struct WorkProgress {
    bar: ProgressBar,
    stopped: Arc<AtomicBool>,
}

impl WorkProgress {
    /// Shows nothing.
    #[must_use]
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), stopped: Arc::default() }
    }

    /// Shows a bar on standard error, if that is a terminal, and stops after the current step when interrupted.
    #[must_use]
    pub fn visible(count: u64) -> Self {
        let bar = ProgressBar::new(count);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}") {
            bar.set_style(style);
        }
        let progress = Self { bar, stopped: Arc::default() };
        let stopped = Arc::clone(&progress.stopped);
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                stopped.store(true, Ordering::Relaxed);
                eprintln!("stopping after this message; interrupt again to stop immediately, which is safe too");
            }
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(INTERRUPTED);
            }
        });
        progress
    }

    /// Counts a completed step.
    pub fn step(&self) {
        self.bar.inc(1);
    }

    /// Whether it was interrupted.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
