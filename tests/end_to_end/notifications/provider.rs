//! Fakes of Amazon SES and Amazon SNS that misbehave, using the wire formats of their APIs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use http::{StatusCode, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;
use xtask::stack::REGION;

/// The time limit of a response; far more than it takes.
const GIVE_UP_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Takes,
    /// It accepts the message, and does not respond.
    TakesInSilence,
    /// It does not receive the message, and does not respond.
    IsSilent,
    /// An error without effect.
    Says(u16, &'static str),
}

/// An accepted e-mail.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) request: Value,
    message_id: String,
}

#[derive(Debug)]
struct State {
    manner: Manner,
    asked: usize,
    emails: Vec<Taken>,
    /// Phone number and text.
    texts: Vec<(String, String)>,
    reported: usize,
}

pub(super) struct Provider {
    state: Arc<Mutex<State>>,
    url: String,
}

impl Taken {
    pub(super) fn tags(&self) -> HashMap<String, Vec<String>> {
        let tags = self.request["EmailTags"].as_array().into_iter().flatten();
        let text = |tag: &Value, name: &str| tag[name].as_str().unwrap().to_owned();
        tags.map(|tag| (text(tag, "Name"), vec![text(tag, "Value")])).collect()
    }

    pub(super) fn simple(&self, pointer: &str) -> &str {
        self.request.pointer(&format!("/Content/Simple{pointer}")).and_then(Value::as_str).unwrap_or_default()
    }

    /// The event that Amazon SES publishes about it.
    pub(super) fn event(&self, event_type: &str, name: &str, detail: Value) -> String {
        let mut event = json!({
            "eventType": event_type,
            "mail": {
                "timestamp": Utc::now(), "messageId": self.message_id, "tags": self.tags(),
                "destination": self.request["Destination"]["ToAddresses"],
            },
        });
        event[name] = detail;
        event.to_string()
    }
}

impl Provider {
    pub(super) async fn that(manner: Manner) -> Self {
        let state = State { manner, asked: 0, emails: Vec::new(), texts: Vec::new(), reported: 0 };
        let state = Arc::new(Mutex::new(state));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = Arc::clone(&state);
        let calls = axum::Router::new().fallback(async move |uri: Uri, body: Bytes| {
            let manner = take(&mut lock(&served), uri.path(), &body);
            match manner {
                Manner::Takes => accepted(uri.path()),
                Manner::TakesInSilence | Manner::IsSilent => std::future::pending().await,
                Manner::Says(status, code) => refused(uri.path(), status, code),
            }
        });
        tokio::spawn(async move { axum::serve(listener, calls).await });
        Self { state, url }
    }

    pub(super) fn now(&self, manner: Manner) {
        lock(&self.state).manner = manner;
    }

    /// The number of calls.
    pub(super) fn asked(&self) -> usize {
        lock(&self.state).asked
    }

    pub(super) fn emails(&self) -> Vec<Taken> {
        lock(&self.state).emails.clone()
    }

    /// The number of e-mails about an event.
    pub(super) fn emails_of(&self, event: Uuid) -> usize {
        let id = event.to_string();
        self.emails().iter().filter(|email| email.request["EmailTags"].to_string().contains(&id)).count()
    }

    pub(super) fn texts(&self) -> Vec<(String, String)> {
        lock(&self.state).texts.clone()
    }

    /// The reports about what it has accepted and not reported yet.
    pub(super) fn words(&self) -> Vec<String> {
        let mut state = lock(&self.state);
        let (reported, all) = (state.reported, state.emails.len());
        state.reported = all;
        state.emails.iter().skip(reported).map(|email| email.event("Send", "send", json!({}))).collect()
    }

    /// The SDK's configuration for it. Nothing is retried.
    pub(super) async fn aws(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(&self.url)
            .credentials_provider(Credentials::new("provider", "provider", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder().connect_timeout(GIVE_UP_AFTER).operation_timeout(GIVE_UP_AFTER).build(),
            )
            .load()
            .await
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_email(path: &str) -> bool {
    path.starts_with("/v2/email")
}

/// Accepts a message if it accepts messages at present; returns how it answers.
fn take(state: &mut State, path: &str, body: &[u8]) -> Manner {
    state.asked += 1;
    if !matches!(state.manner, Manner::Takes | Manner::TakesInSilence) {
        return state.manner;
    }
    if is_email(path) {
        let request = serde_json::from_slice(body).unwrap();
        state.emails.push(Taken { request, message_id: Uuid::new_v4().to_string() });
    } else {
        let form: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        state.texts.push((form["PhoneNumber"].clone(), form["Message"].clone()));
    }
    state.manner
}

fn accepted(path: &str) -> Response {
    let id = Uuid::new_v4();
    if is_email(path) {
        return axum::Json(json!({"MessageId": id})).into_response();
    }
    let answer = format!(
        "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>{id}</MessageId>\
         </PublishResult><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></PublishResponse>"
    );
    ([("content-type", "text/xml")], answer).into_response()
}

fn refused(path: &str, status: u16, code: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    if is_email(path) {
        let text = "Email address accounts@nordlicht.example is not good";
        return (status, [("x-amzn-errortype", code)], axum::Json(json!({"message": text}))).into_response();
    }
    let answer = format!(
        "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>+4915112345678 is not good</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    );
    (status, [("content-type", "text/xml")], answer).into_response()
}
