//! AWS on loopback, as far as functions in tests use it: a topic and queues that keep messages, tables that are always
//! empty, and one secret.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use http::StatusCode;
use quittance_lambda::command_queue::{CommandQueue, GatewayQueues};
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::publisher::Publisher;
use serde_json::{Value, json};
use uuid::Uuid;

/// The secret of every gateway.
const SECRET: &str = "whsec_loopback";

/// A message in the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parked {
    pub(crate) body: String,
    pub(crate) code: String,
    pub(crate) reason: String,
}

/// How the topic responds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// It accepts everything.
    Takes,
    /// It throttles.
    Throttles,
}

#[derive(Debug)]
struct Seen {
    topic: Topic,
    published: Vec<Uuid>,
    calls: usize,
    parked: Vec<Parked>,
    /// Queue and group of each message.
    sent: Vec<(String, String)>,
    /// The same messages' bodies.
    bodies: Vec<Value>,
    /// The number of further messages that the queues accept; unlimited by default.
    function: usize,
    /// The delays after which messages are to be redelivered, in seconds.
    pauses: Vec<i64>,
}

pub(crate) struct Loopback {
    seen: Arc<Mutex<Seen>>,
    url: String,
}

impl Loopback {
    pub(crate) fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let empty = Seen {
            topic: Topic::Takes,
            published: Vec::new(),
            calls: 0,
            parked: Vec::new(),
            sent: Vec::new(),
            bodies: Vec::new(),
            function: usize::MAX,
            pauses: Vec::new(),
        };
        let seen = Arc::new(Mutex::new(empty));
        let served = Arc::clone(&seen);
        thread::spawn(move || serve(listener, &served));
        Self { seen, url }
    }

    pub(crate) fn publisher(&self) -> Publisher {
        Publisher::new(&self.aws(), "arn:aws:sns:eu-central-1:000000000000:events.fifo".to_owned())
    }

    pub(crate) fn dead_letters(&self) -> DeadLetterQueue {
        DeadLetterQueue::new(&self.aws(), format!("{}/000000000000/dead-letters.fifo", self.url))
    }

    /// The command queues of two gateways.
    pub(crate) fn gateways(&self) -> GatewayQueues {
        let url = |name: &'static str| (name, format!("{}/000000000000/{name}.fifo", self.url));
        GatewayQueues::new(&self.aws(), ["stripe", "adyen"].map(url).into())
    }

    pub(crate) fn payments_queue(&self) -> CommandQueue {
        CommandQueue::new(&self.aws(), format!("{}/000000000000/payments.fifo", self.url))
    }

    /// Queue and group of each message that was sent in a batch.
    pub(crate) fn sent(&self) -> Vec<(String, String)> {
        self.seen().sent.clone()
    }

    /// The messages that were sent in a batch since the last call: their envelopes' `type` and `data`.
    pub(crate) fn take_sent(&self) -> Vec<(String, Value)> {
        let bodies = std::mem::take(&mut self.seen().bodies);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        bodies.iter().map(|body| (text(&body["type"]), body["data"].clone())).collect()
    }

    /// Has the queues accept so many more messages, and then none.
    pub(crate) fn take_only(&self, count: usize) {
        self.seen().function = count;
    }

    /// The delays after which messages are to be redelivered, in seconds, since the last call.
    pub(crate) fn take_pauses(&self) -> Vec<i64> {
        std::mem::take(&mut self.seen().pauses)
    }

    pub(crate) fn set_topic(&self, topic: Topic) {
        self.seen().topic = topic;
    }

    /// The ids of the published events, in order.
    pub(crate) fn published(&self) -> Vec<Uuid> {
        self.seen().published.clone()
    }

    /// The number of calls to the topic.
    pub(crate) fn calls(&self) -> usize {
        self.seen().calls
    }

    /// The messages parked since the last call.
    pub(crate) fn take_parked(&self) -> Vec<Parked> {
        std::mem::take(&mut self.seen().parked)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn aws(&self) -> SdkConfig {
        aws_at(&self.url)
    }
}

/// Without retries, as in the functions.
pub(crate) fn aws_at(url: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "loopback");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(url)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// Serves until the process ends, on a thread of its own, because a test's runtime may be blocked.
fn serve(listener: TcpListener, seen: &Arc<Mutex<Seen>>) {
    listener.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let seen = Arc::clone(seen);
        let answering = axum::Router::new().fallback(async move |body: String| answer(&body, &seen));
        axum::serve(listener, answering).await.unwrap();
    });
}

fn answer(body: &str, seen: &Mutex<Seen>) -> (StatusCode, String) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let (status, text) = match serde_json::from_str::<Value>(body) {
        Ok(message) if message.get("Entries").is_some() => (200, send(&message, &mut seen)),
        // Secrets Manager `GetSecretValue`.
        Ok(message) if message.get("SecretId").is_some() => (200, json!({"SecretString": SECRET}).to_string()),
        // DynamoDB: there is no such item, and every write succeeds.
        Ok(message) if message.get("TableName").is_some() => (200, "{}".to_owned()),
        Ok(message) if message.get("VisibilityTimeout").is_some() => {
            seen.pauses.extend(message["VisibilityTimeout"].as_i64());
            (200, "{}".to_owned())
        }
        Ok(message) => (200, park(&message, &mut seen)),
        // A call to S3 without a body: every bucket is empty.
        Err(_) if body.is_empty() => (200, "<ListBucketResult/>".to_owned()),
        Err(_) => publish(body, &mut seen),
    };
    (StatusCode::from_u16(status).unwrap(), text)
}

/// SQS `SendMessage`, in JSON.
fn park(message: &Value, seen: &mut Seen) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let attribute = |name: &str| text(&message["MessageAttributes"][name]["StringValue"]);
    seen.parked.push(Parked {
        body: text(&message["MessageBody"]),
        code: attribute("code"),
        reason: attribute("reason"),
    });
    json!({"MessageId": Uuid::now_v7().to_string()}).to_string()
}

/// SQS `SendMessageBatch`, in JSON.
fn send(message: &Value, seen: &mut Seen) -> String {
    let queue = message["QueueUrl"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
    let (mut taken, mut failed) = (Vec::new(), Vec::new());
    for entry in message["Entries"].as_array().into_iter().flatten() {
        if seen.function == 0 {
            failed.push(json!({"Id": entry["Id"], "Code": "InternalError", "SenderFault": false}));
            continue;
        }
        seen.function -= 1;
        seen.sent.push((queue.clone(), entry["MessageGroupId"].as_str().unwrap_or_default().to_owned()));
        let body = entry["MessageBody"].as_str().unwrap_or_default();
        seen.bodies.push(serde_json::from_str(body).unwrap_or_default());
        taken.push(json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "d"}));
    }
    json!({"Successful": taken, "Failed": failed}).to_string()
}

/// SNS `PublishBatch`, a form with an XML response.
fn publish(form: &str, seen: &mut Seen) -> (u16, String) {
    seen.calls += 1;
    if seen.topic == Topic::Throttles {
        let error = "<Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error>";
        return (400, format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>"));
    }
    let entries = form.split('&').filter_map(|field| field.split_once(".Id=")).map(|(_, id)| id);
    let mut members = String::new();
    for id in entries {
        seen.published.push(id.parse().unwrap());
        members.push_str(&format!("<member><Id>{id}</Id><MessageId>{id}</MessageId></member>"));
    }
    let result = format!("<PublishBatchResult><Failed/><Successful>{members}</Successful></PublishBatchResult>");
    (200, format!("<PublishBatchResponse>{result}</PublishBatchResponse>"))
}
