//! The Lambda Runtime API of one process that gets one event after the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::bench::http::{Answer, Request, Response};

#[derive(Debug, Default)]
struct State {
    /// Whether the process asked for its next event.
    is_waiting: bool,
    event: Option<String>,
    answer: Option<Vec<u8>>,
}

/// The events and responses of a process.
#[derive(Debug)]
pub(super) struct Invocations {
    arn: String,
    /// The time limit of an invocation; a process that has not asked for work for this long never will.
    limit: Duration,
    state: Mutex<State>,
    changed: Condvar,
    is_over: AtomicBool,
}

impl Invocations {
    /// The invocations of a function, each with this time limit.
    pub(super) fn of(function: &str, limit: Duration) -> Self {
        Self {
            arn: format!("arn:aws:lambda:eu-central-1:123456789012:function:{function}"),
            limit,
            state: Mutex::default(),
            changed: Condvar::new(),
            is_over: AtomicBool::new(false),
        }
    }

    /// Waits until the process has started and asks for its first event; returns whether it did.
    pub(super) fn is_asked(&self) -> bool {
        self.wait(|state| state.is_waiting.then_some(())).is_some()
    }

    /// Passes an event to the process and waits for the response.
    pub(super) fn ask(&self, event: String) -> Option<Vec<u8>> {
        self.state().event = Some(event);
        self.changed.notify_all();
        self.wait(|state| state.answer.take())
    }

    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `look` finds something.
    fn wait<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let begin = Instant::now();
        let mut state = self.state();
        loop {
            if let Some(found) = look(&mut state) {
                return Some(found);
            }
            if begin.elapsed() > self.limit || self.is_over.load(Ordering::SeqCst) {
                return None;
            }
            let waited = self.changed.wait_timeout(state, Duration::from_secs(1));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Answer for Invocations {
    fn answer(&self, request: &Request) -> Option<Response> {
        if request.path.ends_with("/invocation/next") {
            self.state().is_waiting = true;
            self.changed.notify_all();
            let event = self.wait(|state| state.event.take())?;
            let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + self.limit;
            let headers = vec![
                ("lambda-runtime-aws-request-id", "00000000-0000-4000-8000-000000000001".to_owned()),
                ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
                ("lambda-runtime-invoked-function-arn", self.arn.clone()),
                ("content-type", "application/json".to_owned()),
            ];
            return Some(Response { status: 200, headers, body: event });
        }
        let mut state = self.state();
        state.answer = Some(request.body.clone());
        self.changed.notify_all();
        Some(Response::new(202, r#"{"status":"OK"}"#))
    }
}
