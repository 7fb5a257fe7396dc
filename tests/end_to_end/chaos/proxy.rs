//! An unreliable connection to Stripe. It supports idempotency keys as Stripe does, which the fake Stripe behind it
//! does not: a repeated call gets the same response again. Before and after the call it delays responses, fails and
//! loses them.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tiny_http::{Method, Request, Response, Server};
use xtask::aws::local_agent;

use crate::end_to_end::LIMIT;

/// From this attempt on, a call has no faults.
const TROUBLE_TRIES: u32 = 3;

/// The fault of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// The call and its response arrive.
    None,
    /// The call never arrives.
    FailsBefore,
    /// The call arrives, and the response is an error.
    FailsAfter,
    /// The call arrives, and there is no response.
    LosesAnswer,
    /// The call arrives, and other responses overtake its own.
    Delays,
}

impl Fault {
    const ALL: [Self; 8] = [
        Self::None,
        Self::None,
        Self::FailsBefore,
        Self::FailsBefore,
        Self::FailsAfter,
        Self::LosesAnswer,
        Self::LosesAnswer,
        Self::Delays,
    ];

    /// The fault of a call, the same in every run.
    fn of(call: &str, tried: u32) -> Self {
        if tried >= TROUBLE_TRIES {
            return Self::None;
        }
        let digest = Sha256::digest(format!("{call} {tried}"));
        Self::ALL[usize::from(digest[0]) % Self::ALL.len()]
    }
}

/// A message to our webhook endpoint: its signature and its body.
pub(super) type Message = (String, Vec<u8>);

#[derive(Debug, Default)]
struct Seen {
    tried: HashMap<String, u32>,
    answers: HashMap<String, (u16, String)>,
    faults: BTreeMap<Fault, usize>,
    messages: Vec<Message>,
}

#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) url: String,
    upstream: String,
    seen: Arc<Mutex<Seen>>,
}

impl Proxy {
    pub(super) fn serve(upstream: &str) -> Self {
        let server = Arc::new(Server::http("127.0.0.1:0").unwrap());
        let url = format!("http://{}", server.server_addr());
        let proxy = Self { url, upstream: upstream.to_owned(), seen: Arc::default() };
        let serving = proxy.clone();
        thread::spawn(move || {
            for request in server.incoming_requests() {
                let proxy = serving.clone();
                thread::spawn(move || proxy.answer(request));
            }
        });
        proxy
    }

    pub(super) fn faults(&self) -> BTreeMap<Fault, usize> {
        self.seen().faults.clone()
    }

    /// The messages to our webhook endpoint.
    pub(super) fn messages(&self) -> Vec<Message> {
        self.seen().messages.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, mut request: Request) {
        let mut body = Vec::new();
        request.as_reader().read_to_end(&mut body).unwrap();
        let header = |name: &'static str| {
            let found = request.headers().iter().find(|header| header.field.equiv(name));
            found.map(|header| header.value.to_string()).unwrap_or_default()
        };
        if request.url() == "/webhooks" {
            self.seen().messages.push((header("stripe-signature"), body));
            return respond(request, 200, String::new());
        }
        let key = header("idempotency-key");
        let call = if key.is_empty() { request.url().to_owned() } else { key.clone() };
        let fault = {
            let mut seen = self.seen();
            let tried = seen.tried.entry(call.clone()).or_default();
            let fault = Fault::of(&call, *tried);
            *tried += 1;
            *seen.faults.entry(fault).or_default() += 1;
            fault
        };
        if fault == Fault::FailsBefore {
            return respond(request, 500, "{}".to_owned());
        }
        let (status, body) = self.make(&request, &key, body);
        match fault {
            Fault::FailsAfter => respond(request, 500, "{}".to_owned()),
            Fault::LosesAnswer => spoil(request),
            Fault::Delays => {
                thread::sleep(Duration::from_millis(200));
                respond(request, status, body);
            }
            _ => respond(request, status, body),
        }
    }

    /// Makes the call, unless it was already made under its key.
    fn make(&self, request: &Request, key: &str, body: Vec<u8>) -> (u16, String) {
        // One at a time, so that two concurrent calls under one key count as one.
        let mut seen = self.seen();
        if let Some(answer) = seen.answers.get(key) {
            return answer.clone();
        }
        let url = format!("{}{}", self.upstream, request.url());
        let agent = local_agent(LIMIT);
        let authorization = ("authorization", "Bearer sk_test_local");
        let answered = if *request.method() == Method::Post {
            let form = "application/x-www-form-urlencoded";
            agent.post(&url).header(authorization.0, authorization.1).header("content-type", form).send(&body)
        } else {
            agent.get(&url).header(authorization.0, authorization.1).call()
        };
        let mut answered = answered.unwrap();
        let answer = (answered.status().as_u16(), answered.body_mut().read_to_string().unwrap());
        if !key.is_empty() {
            seen.answers.insert(key.to_owned(), answer.clone());
        }
        answer
    }
}

/// A response that breaks off before its content: a chunk without a valid size.
fn spoil(request: Request) {
    let mut line = request.into_writer();
    // A client that has disconnected learns as little.
    let _ = line.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnothing\r\n");
    let _ = line.flush();
}

fn respond(request: Request, status: u16, body: String) {
    // A client that has disconnected needs no response.
    let _ = request.respond(Response::from_string(body).with_status_code(status));
}
