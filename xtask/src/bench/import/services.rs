//! The parts of S3, SQS and Secrets Manager that the importer uses.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Result, bail};
use serde_json::json;

use crate::bench::http::{Answer, Request, Response};

const ROLE: &str = "quittance_importer";

/// The text in front of a message's deduplication id in a batch. Within a message's body, quotes are escaped.
const NAME: &str = r#""MessageDeduplicationId":""#;

/// A fake that returns one file and records the ids of the messages that it accepted.
#[derive(Debug)]
pub(super) struct Services {
    password: String,
    file: Mutex<PathBuf>,
    sent: Mutex<Sent>,
}

#[derive(Debug, Default)]
struct Sent {
    count: u64,
    names: HashSet<u128>,
}

impl Services {
    pub(super) fn new(password: &str) -> Self {
        Self { password: password.to_owned(), file: Mutex::default(), sent: Mutex::default() }
    }

    /// From here on this is the object for every key.
    pub(super) fn hand_out(&self, file: &Path) {
        file.clone_into(&mut self.file.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The number of messages since the last call.
    ///
    /// # Errors
    /// When a message was sent twice.
    pub(super) fn take_sent(&self) -> Result<u64> {
        let sent = std::mem::take(&mut *self.sent());
        let names = u64::try_from(sent.names.len())?;
        if names != sent.count {
            bail!("{} messages with {names} names were sent", sent.count);
        }
        Ok(sent.count)
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Only searches for the ids: parsing all of the JSON would use as much of the machine as the measured process.
    fn take(&self, body: &[u8]) -> Option<String> {
        let body = std::str::from_utf8(body).ok()?;
        let mut sent = self.sent();
        let mut taken = Vec::new();
        for (place, rest) in body.split(NAME).skip(1).enumerate() {
            // The first half of a SHA-256.
            sent.names.insert(u128::from_str_radix(rest.get(..32)?, 16).ok()?);
            sent.count = sent.count.saturating_add(1);
            taken.push(format!(r#"{{"Id":"{place}","MessageId":"m","MD5OfMessageBody":"d"}}"#));
        }
        Some(format!(r#"{{"Successful":[{}],"Failed":[]}}"#, taken.join(",")))
    }
}

impl Answer for Services {
    fn answer(&self, request: &Request) -> Option<Response> {
        let answer = match request.header("x-amz-target").unwrap_or_default() {
            "secretsmanager.GetSecretValue" => {
                let secret = json!({"username": ROLE, "password": self.password}).to_string();
                json!({"ARN": "arn", "Name": "bench", "SecretString": secret}).to_string()
            }
            "AmazonSQS.SendMessageBatch" => match self.take(&request.body) {
                Some(answer) => answer,
                None => return Some(Response::new(400, r#"{"__type": "not understood here"}"#)),
            },
            _ if request.method == "GET" => {
                return Some(Response {
                    status: 200,
                    headers: vec![("etag", "\"bench\"".to_owned())],
                    body: String::new(),
                });
            }
            _ => "{}".to_owned(),
        };
        let headers = vec![("content-type", "application/x-amz-json-1.0".to_owned())];
        Some(Response { status: 200, headers, body: answer })
    }

    fn file(&self, request: &Request) -> Option<File> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if request.method == "GET" { File::open(&*file).ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_arrives_twice_is_reported() {
        let services = Services::new("secret");
        let body = json!({"QueueUrl": "q", "Entries": [
            {"Id": "0", "MessageBody": "a \"quoted\" body", "MessageDeduplicationId": "0123456789abcdef".repeat(4)},
        ]});
        let request = Request {
            headers: vec![("x-amz-target".to_owned(), "AmazonSQS.SendMessageBatch".to_owned())],
            body: body.to_string().into_bytes(),
            ..Request::default()
        };
        assert_eq!(services.answer(&request).unwrap().status, 200);
        assert_eq!(services.take_sent().unwrap(), 1);
        services.answer(&request);
        services.answer(&request);
        assert!(services.take_sent().is_err());
    }
}
