//! SQS on loopback as the operator's tool needs it: queues with groups, messages that are hidden while they are in
//! flight, and a caller that is killed at any call.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_config::SdkConfig;
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::loopback::aws_at;

/// The deployment's name.
pub(crate) const STACK: &str = "q";

const QUEUES: [&str; 8] = [
    "payments.fifo",
    "payments-dead-letter.fifo",
    "ledger.fifo",
    "ledger-dead-letter.fifo",
    "stripe-gateway.fifo",
    "uploads",
    "uploads-dead-letter",
    "validator-dead-letter.fifo",
];

/// When a caller is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before the call is made.
    Before,
    /// After the call was made, without receiving its response.
    After,
}

#[derive(Debug, Clone)]
struct Message {
    id: String,
    group: String,
    body: String,
    attributes: BTreeMap<String, String>,
    receipt: Option<String>,
}

#[derive(Debug, Default)]
struct Seen {
    queues: BTreeMap<String, Vec<Message>>,
    deduplicated: BTreeSet<String>,
    count: usize,
    calls: usize,
    changes: usize,
    is_silent: bool,
    process: usize,
    kill: Option<(usize, Moment)>,
}

pub(crate) struct Sqs {
    seen: Arc<Mutex<Seen>>,
    killed: Arc<Notify>,
    url: String,
}

impl Sqs {
    pub(crate) fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Seen { queues: QUEUES.map(|name| (name.to_owned(), Vec::new())).into(), ..Seen::default() };
        let (seen, killed) = (Arc::new(Mutex::new(seen)), Arc::new(Notify::new()));
        let (served, kill, place) = (Arc::clone(&seen), Arc::clone(&killed), url.clone());
        std::thread::spawn(move || {
            listener.set_nonblocking(true).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            runtime.block_on(async {
                let answering =
                    axum::Router::new().fallback(async move |uri: Uri, headers: HeaderMap, body: String| {
                        let (fate, answer) = {
                            let mut seen = lock(&served);
                            if uri.path() != format!("/{}/", seen.process) {
                                // Calls that a killed process had in flight are rejected.
                                return StatusCode::GONE.into_response();
                            }
                            seen.calls += 1;
                            let fate = seen.kill.filter(|(call, _)| *call == seen.calls).map(|(_, moment)| moment);
                            let operation = headers["x-amz-target"].to_str().unwrap().to_owned();
                            let message: Value = serde_json::from_str(&body).unwrap();
                            let is_made = fate != Some(Moment::Before);
                            (fate, is_made.then(|| seen.answer(&operation, &message, &place)))
                        };
                        if fate.is_some() {
                            kill.notify_one();
                            std::future::pending::<()>().await;
                        }
                        (StatusCode::OK, answer.unwrap_or_default().to_string()).into_response()
                    });
                axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), answering).await.unwrap();
            });
        });
        Self { seen, killed, url }
    }

    /// The address for a new process. Earlier processes are dead.
    pub(crate) fn aws(&self) -> SdkConfig {
        let mut seen = lock(&self.seen);
        seen.process += 1;
        aws_at(&format!("{}/{}/", self.url, seen.process))
    }

    /// Puts a message into a queue, with its code and reason. Returns its id.
    pub(crate) fn park(&self, queue: &str, group: &str, body: &str, code: &str, reason: &str) -> String {
        let attributes = [("code", code), ("reason", reason)];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        lock(&self.seen).put(queue, group, body, attributes)
    }

    /// Groups and bodies in a queue, in their order.
    pub(crate) fn lying_in(&self, queue: &str) -> Vec<(String, String)> {
        let seen = lock(&self.seen);
        seen.queues[queue].iter().map(|message| (message.group.clone(), message.body.clone())).collect()
    }

    /// The number of a queue's messages that are in flight.
    pub(crate) fn hidden_in(&self, queue: &str) -> usize {
        lock(&self.seen).queues[queue].iter().filter(|message| message.receipt.is_some()).count()
    }

    /// From here on the queues do not return their counts.
    pub(crate) fn hush(&self) {
        lock(&self.seen).is_silent = true;
    }

    /// The number of messages sent or deleted.
    pub(crate) fn changes(&self) -> usize {
        lock(&self.seen).changes
    }

    /// Shifts time so far that everything hidden becomes visible, and sent messages are not deduplicated any more.
    pub(crate) fn let_time_pass(&self) {
        let mut seen = lock(&self.seen);
        seen.deduplicated.clear();
        for message in seen.queues.values_mut().flatten() {
            message.receipt = None;
        }
    }

    /// Runs work that is killed at a call; returns whether it survived, because there is no such call.
    pub(crate) async fn run(&self, kill: Option<(usize, Moment)>, work: impl Future<Output = ()>) -> bool {
        {
            let mut seen = lock(&self.seen);
            (seen.calls, seen.kill) = (0, kill);
        }
        let lived = tokio::select! {
            () = work => true,
            () = self.killed.notified() => false,
        };
        lock(&self.seen).kill = None;
        lived
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seen {
    fn put(&mut self, queue: &str, group: &str, body: &str, attributes: BTreeMap<String, String>) -> String {
        self.count += 1;
        let id = format!("m{}", self.count);
        let message =
            Message { id: id.clone(), group: group.to_owned(), body: body.to_owned(), attributes, receipt: None };
        self.queues.get_mut(queue).unwrap().push(message);
        id
    }

    fn answer(&mut self, operation: &str, message: &Value, url: &str) -> Value {
        let queue = message["QueueUrl"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        let queue = queue.strip_prefix(&format!("{STACK}-")).unwrap_or_default();
        match operation.rsplit('.').next().unwrap() {
            "ListQueues" => {
                let of_another = "staging-payments-dead-letter.fifo";
                let names = QUEUES.iter().chain([&of_another]);
                let urls: Vec<String> = names.map(|name| format!("{url}/000000000000/{STACK}-{name}")).collect();
                json!({"QueueUrls": urls})
            }
            "GetQueueAttributes" if self.is_silent => json!({}),
            "GetQueueAttributes" => {
                let hidden = self.queues[queue].iter().filter(|message| message.receipt.is_some()).count();
                let waiting = self.queues[queue].len() - hidden;
                json!({"Attributes": {
                    "ApproximateNumberOfMessages": waiting.to_string(),
                    "ApproximateNumberOfMessagesNotVisible": hidden.to_string(),
                    "ApproximateNumberOfMessagesDelayed": "0",
                }})
            }
            "ReceiveMessage" => json!({"Messages": self.receive(queue)}),
            "SendMessage" if queue.ends_with(".fifo") => self.send(queue, message),
            "SendMessage" => {
                self.changes += 1;
                assert!(message["MessageGroupId"].is_null() && message["MessageDeduplicationId"].is_null());
                self.put(queue, "", message["MessageBody"].as_str().unwrap(), BTreeMap::new());
                json!({"MessageId": "sent"})
            }
            "DeleteMessage" => {
                self.changes += 1;
                let receipt = message["ReceiptHandle"].as_str();
                self.queues.get_mut(queue).unwrap().retain(|message| message.receipt.as_deref() != receipt);
                json!({})
            }
            "ChangeMessageVisibility" => {
                let receipt = message["ReceiptHandle"].as_str();
                let messages = self.queues.get_mut(queue).unwrap().iter_mut();
                messages.filter(|message| message.receipt.as_deref() == receipt).for_each(|one| one.receipt = None);
                json!({})
            }
            "ListTables" => json!({"TableNames": []}),
            other => panic!("{other} is not served here"),
        }
    }

    /// At most ten, and none of a group with a message in flight.
    fn receive(&mut self, queue: &str) -> Vec<Value> {
        let messages = self.queues.get_mut(queue).unwrap();
        let is_fifo = queue.ends_with(".fifo");
        let busy: BTreeSet<String> =
            messages.iter().filter(|one| one.receipt.is_some()).map(|one| one.group.clone()).collect();
        let mut handed = Vec::new();
        let is_free = |one: &&mut Message| {
            if is_fifo { !busy.contains(&one.group) } else { one.receipt.is_none() }
        };
        for message in messages.iter_mut().filter(is_free).take(10) {
            self.count += 1;
            message.receipt = Some(format!("r{}", self.count));
            let text = |value: &String| json!({"DataType": "String", "StringValue": value});
            let attributes: BTreeMap<&String, Value> =
                message.attributes.iter().map(|(name, value)| (name, text(value))).collect();
            handed.push(json!({
                "MessageId": message.id, "ReceiptHandle": message.receipt, "Body": message.body,
                "Attributes": if is_fifo {
                    json!({"MessageGroupId": message.group, "SentTimestamp": "1793620800000"})
                } else {
                    json!({"SentTimestamp": "1793620800000"})
                },
                "MessageAttributes": attributes,
            }));
        }
        handed
    }

    fn send(&mut self, queue: &str, message: &Value) -> Value {
        self.changes += 1;
        let text = |name: &str| message[name].as_str().unwrap().to_owned();
        if self.deduplicated.insert(text("MessageDeduplicationId")) {
            self.put(queue, &text("MessageGroupId"), &text("MessageBody"), BTreeMap::new());
        }
        json!({"MessageId": "sent"})
    }
}
