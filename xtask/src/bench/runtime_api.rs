//! The Lambda Runtime API, from which a function's process fetches its next invocation, and to which it reports the
//! result.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde_json::Value;

use crate::bench::figures::Sample;
use crate::bench::http::{Answer, Request, Response};
use crate::bench::load::Load;

/// The timeout of the processor's invocations, as in the template.
const INVOCATION_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
const PREFIX: &str = "/2018-06-01/runtime/";

/// The data that all processes of a run share.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) load: Load,
    pub(super) batch: u64,
    pub(super) begin: Instant,
    /// Whether no new invocation is passed on.
    pub(super) is_ending: AtomicBool,
    /// Whether the processes have ended: nothing waits for an invocation any more.
    pub(super) is_over: AtomicBool,
    /// The number of acknowledged messages.
    pub(super) acknowledged: AtomicU64,
    failure: Mutex<Option<String>>,
}

impl Run {
    pub(super) fn new(load: Load, batch: u64) -> Self {
        Self {
            load,
            batch,
            begin: Instant::now(),
            is_ending: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
            failure: Mutex::new(None),
        }
    }

    /// The first failure.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fail(&self, why: String) {
        self.is_ending.store(true, Ordering::SeqCst);
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    }
}

/// An invocation that a process is working on.
#[derive(Debug)]
struct Invocation {
    id: String,
    handed_out: Instant,
}

/// The Runtime API of one process.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    run: Arc<Run>,
    process: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    invocations: u64,
    current: Option<Invocation>,
    /// It asked for an invocation after the end, so it has no work in progress.
    is_idle: bool,
    samples: Vec<Sample>,
}

impl RuntimeApi {
    pub(super) fn new(run: &Arc<Run>, process: usize) -> Self {
        Self { run: Arc::clone(run), process, state: Mutex::new(State::default()) }
    }

    /// Whether the process has finished its last invocation and got no other.
    pub(super) fn is_idle(&self) -> bool {
        self.with_state(|state| state.is_idle)
    }

    /// The samples of all invocations.
    pub(super) fn samples(&self) -> Vec<Sample> {
        self.with_state(|state| state.samples.clone())
    }

    fn with_state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn next(&self) -> Option<Response> {
        if self.run.is_ending.load(Ordering::SeqCst) {
            return self.wait_for_the_end();
        }
        let Some(event) = self.run.load.next_event(self.run.batch) else {
            self.run
                .fail("the invoices ran out: this machine is faster than expected; give more with --invoices".into());
            return self.wait_for_the_end();
        };
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + INVOCATION_LIMIT;
        let id = self.with_state(|state| {
            state.invocations = state.invocations.saturating_add(1);
            let id = format!("{:08x}-0000-4000-8000-{:012x}", self.process, state.invocations);
            state.current = Some(Invocation { id: id.clone(), handed_out: Instant::now() });
            id
        });
        let headers = vec![
            ("lambda-runtime-aws-request-id", id),
            ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
            (
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:eu-central-1:123456789012:function:quittance-processor".to_owned(),
            ),
            (
                "lambda-runtime-trace-id",
                "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0".to_owned(),
            ),
            ("content-type", "application/json".to_owned()),
        ];
        Some(Response { status: 200, headers, body: event })
    }

    /// The real API responds when there is work again; here that is never.
    fn wait_for_the_end(&self) -> Option<Response> {
        self.with_state(|state| state.is_idle = true);
        while !self.run.is_over.load(Ordering::SeqCst) {
            sleep(POLL);
        }
        None
    }

    fn done(&self, id: &str, body: &[u8]) -> Response {
        let at = self.run.begin.elapsed();
        match failed_items(body) {
            Ok(0) => {}
            Ok(count) => self.run.fail(format!("the processor sent {count} of {} messages back", self.run.batch)),
            Err(why) => self.run.fail(format!("the processor's response is not a batch response: {why}")),
        }
        let is_current = self.with_state(|state| {
            let Some(invocation) = state.current.take_if(|invocation| invocation.id == id) else { return false };
            let took = invocation.handed_out.elapsed();
            state.samples.push(Sample { at, took, payments: self.run.batch });
            true
        });
        if is_current {
            self.run.acknowledged.fetch_add(self.run.batch, Ordering::SeqCst);
            Response::new(202, r#"{"status":"OK"}"#)
        } else {
            self.run.fail(format!("the processor answered the invocation {id}, which it does not have"));
            Response::new(400, r#"{"errorType":"InvalidRequestID"}"#)
        }
    }
}

impl Answer for RuntimeApi {
    fn answer(&self, request: &Request) -> Option<Response> {
        let path = request.path.strip_prefix(PREFIX).unwrap_or(&request.path);
        let words: Vec<&str> = path.split('/').collect();
        match (request.method.as_str(), words.as_slice()) {
            ("GET", ["invocation", "next"]) => self.next(),
            ("POST", ["invocation", id, "response"]) => Some(self.done(id, &request.body)),
            ("POST", ["invocation", _, "error"] | ["init", "error"]) => {
                self.run.fail(format!("the processor failed: {}", String::from_utf8_lossy(&request.body)));
                Some(Response::new(202, r#"{"status":"OK"}"#))
            }
            _ => Some(Response::new(404, "{}")),
        }
    }
}

/// The number of messages that the processor could not settle.
fn failed_items(body: &[u8]) -> anyhow::Result<usize> {
    let response: Value = serde_json::from_slice(body)?;
    let failures = response.get("batchItemFailures").and_then(Value::as_array);
    failures.map(Vec::len).context("it has no batchItemFailures")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::Invoices;

    fn api(batch: u64) -> RuntimeApi {
        RuntimeApi::new(&Arc::new(Run::new(Load::new(Invoices::Spread, 100), batch)), 0)
    }

    fn id_of(response: &Response) -> String {
        let (_, id) = response.headers.iter().find(|(name, _)| *name == "lambda-runtime-aws-request-id").unwrap();
        id.clone()
    }

    #[test]
    fn a_batch_counts_when_it_is_acknowledged() {
        let api = api(10);
        let id = id_of(&api.next().unwrap());
        assert_eq!(api.run.acknowledged.load(Ordering::SeqCst), 0);
        assert_eq!(api.done(&id, br#"{"batchItemFailures":[]}"#).status, 202);
        assert_eq!(api.run.acknowledged.load(Ordering::SeqCst), 10);
        assert_eq!(api.samples().len(), 1);
        assert_eq!(api.run.failure(), None);
    }

    #[test]
    fn a_message_that_comes_back_ends_the_run() {
        let api = api(10);
        let id = id_of(&api.next().unwrap());
        api.done(&id, br#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#);
        assert_eq!(api.run.failure().unwrap(), "the processor sent 1 of 10 messages back");
        assert!(api.run.is_ending.load(Ordering::SeqCst));
    }

    #[test]
    fn an_answer_to_another_invocation_does_not_count() {
        let api = api(1);
        api.next().unwrap();
        assert_eq!(api.done("another", br#"{"batchItemFailures":[]}"#).status, 400);
        assert_eq!(api.run.acknowledged.load(Ordering::SeqCst), 0);
    }
}
