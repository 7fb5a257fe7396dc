//! The calls of queues, secrets, e-mails, logs and stacks that tests, the demo and `up` make.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Aws, percent_encoded, text_at};

/// The number of messages in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct QueueDepth {
    /// Waiting to be received.
    pub visible: u64,
    /// Received and not yet deleted.
    pub in_flight: u64,
    pub delayed: u64,
}

impl QueueDepth {
    /// Whether the queue is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.visible == 0 && self.in_flight == 0 && self.delayed == 0
    }
}

/// An e-mail the emulator accepted.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Email {
    /// The SES message id.
    pub message_id: String,
    /// From.
    pub source: String,
    /// To.
    #[serde(default)]
    pub to: Vec<String>,
    #[serde(default)]
    pub subject: String,
    #[serde(default)]
    pub body_text: Option<String>,
    #[serde(default)]
    pub body_html: Option<String>,
}

/// A line of a function's log.
#[derive(Debug, Clone)]
pub struct LogEvent {
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The line.
    pub message: String,
}

impl Aws {
    /// Sends a message; group and deduplication id are for FIFO queues. Returns the message id.
    ///
    /// # Errors
    /// When SQS refuses.
    pub fn sqs_send(&self, queue_url: &str, body: &str, fifo: Option<(&str, &str)>) -> Result<String> {
        let mut request = json!({ "QueueUrl": queue_url, "MessageBody": body });
        if let (Some((group, deduplication)), Some(fields)) = (fifo, request.as_object_mut()) {
            fields.insert("MessageGroupId".to_owned(), json!(group));
            fields.insert("MessageDeduplicationId".to_owned(), json!(deduplication));
        }
        let answer = self.json_call("sqs", "SendMessage", &request)?;
        Ok(text_at(&answer, "/MessageId")?.to_owned())
    }

    /// Receives up to 10 messages with all their attributes. They stay in the queue, hidden for its visibility timeout.
    ///
    /// # Errors
    /// When SQS refuses.
    pub fn sqs_receive(&self, queue_url: &str) -> Result<Vec<Value>> {
        let answer = self.json_call(
            "sqs",
            "ReceiveMessage",
            &json!({ "QueueUrl": queue_url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0,
                     "MessageSystemAttributeNames": ["All"], "MessageAttributeNames": ["All"] }),
        )?;
        Ok(answer.get("Messages").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    /// Returns all messages of a queue without receiving them: receive counts and visibility do not change.
    ///
    /// # Errors
    /// When the emulator does not answer.
    pub fn sqs_peek(&self, queue_url: &str) -> Result<Vec<Value>> {
        let path = format!("/_ministack/sqs/messages?QueueUrl={}", percent_encoded(queue_url, false));
        Ok(messages_within(&self.inspect(&path)?))
    }

    /// The number of messages in a queue.
    ///
    /// # Errors
    /// When SQS refuses.
    pub fn sqs_depth(&self, queue_url: &str) -> Result<QueueDepth> {
        let request = json!({ "QueueUrl": queue_url, "AttributeNames": ["All"] });
        let answer = self.json_call("sqs", "GetQueueAttributes", &request)?;
        let count = |name: &str| -> Result<u64> {
            let text = text_at(&answer, &format!("/Attributes/{name}"))?;
            text.parse().with_context(|| format!("{name} of {queue_url} is not a number: {text}"))
        };
        Ok(QueueDepth {
            visible: count("ApproximateNumberOfMessages")?,
            in_flight: count("ApproximateNumberOfMessagesNotVisible")?,
            delayed: count("ApproximateNumberOfMessagesDelayed")?,
        })
    }

    /// Reads a secret's text.
    ///
    /// # Errors
    /// When it does not exist, or Secrets Manager refuses.
    pub fn secret_get(&self, id: &str) -> Result<String> {
        let answer = self.json_call("secretsmanager", "GetSecretValue", &json!({ "SecretId": id }))?;
        Ok(text_at(&answer, "/SecretString")?.to_owned())
    }

    /// Creates a secret, or updates the text of the one with that name; returns its ARN.
    ///
    /// # Errors
    /// When Secrets Manager refuses.
    pub fn secret_put(&self, name: &str, text: &str) -> Result<String> {
        let create = json!({ "Name": name, "SecretString": text });
        let answer = match self.json_call("secretsmanager", "CreateSecret", &create) {
            Err(error) if error.to_string().contains("ResourceExistsException") => {
                let put = json!({ "SecretId": name, "SecretString": text });
                self.json_call("secretsmanager", "PutSecretValue", &put)?
            }
            other => other?,
        };
        Ok(text_at(&answer, "/ARN")?.to_owned())
    }

    /// Changes an existing secret's text.
    ///
    /// # Errors
    /// When Secrets Manager refuses.
    pub fn secret_change(&self, id: &str, text: &str) -> Result<()> {
        self.json_call("secretsmanager", "PutSecretValue", &json!({ "SecretId": id, "SecretString": text })).map(drop)
    }

    /// All e-mails sent so far, in order.
    ///
    /// # Errors
    /// When the emulator does not answer.
    pub fn ses_messages(&self) -> Result<Vec<Email>> {
        let answer = self.inspect("/_ministack/ses/messages")?;
        let accounts = answer.get("messages").and_then(Value::as_object).context("no e-mails in the response")?;
        accounts
            .values()
            .filter_map(Value::as_array)
            .flatten()
            .map(|email| Email::deserialize(email).context("an e-mail cannot be parsed"))
            .collect()
    }

    /// The text messages sent to a phone number so far, in order.
    ///
    /// # Errors
    /// When the emulator does not answer.
    pub fn sms_messages(&self, number: &str) -> Result<Vec<String>> {
        let number = percent_encoded(number, false);
        let answer = self.inspect(&format!("/_ministack/sns/sms-messages?phoneNumber={number}"))?;
        let texts = messages_within(&answer).into_iter();
        Ok(texts.filter_map(|message| Some(message.get("Message")?.as_str()?.to_owned())).collect())
    }

    /// Verifies an address for sending e-mail.
    ///
    /// # Errors
    /// When SES refuses.
    pub fn ses_verify(&self, address: &str) -> Result<()> {
        self.query_call("email", "VerifyEmailIdentity", &[("EmailAddress", address)]).map(drop)
    }

    /// The names of all log groups.
    ///
    /// # Errors
    /// When CloudWatch Logs refuses.
    pub fn log_groups(&self) -> Result<Vec<String>> {
        let answer = self.json_call("logs", "DescribeLogGroups", &json!({}))?;
        let groups = answer.get("logGroups").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(groups.iter().filter_map(|group| Some(group.get("logGroupName")?.as_str()?.to_owned())).collect())
    }

    /// All lines of a log group, ordered by time.
    ///
    /// # Errors
    /// When CloudWatch Logs refuses.
    pub fn log_events(&self, group: &str) -> Result<Vec<LogEvent>> {
        self.log_events_since(group, 0)
    }

    /// The lines of a log group from a time on (milliseconds since 1970), ordered by time.
    ///
    /// # Errors
    /// When CloudWatch Logs refuses.
    pub fn log_events_since(&self, group: &str, since_ms: i64) -> Result<Vec<LogEvent>> {
        let mut events = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut request = json!({ "logGroupName": group, "startTime": since_ms });
            if let (Some(token), Some(fields)) = (&token, request.as_object_mut()) {
                fields.insert("nextToken".to_owned(), json!(token));
            }
            let answer = self.json_call("logs", "FilterLogEvents", &request)?;
            let page = answer.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
            events.extend(page.iter().filter_map(|event| {
                Some(LogEvent {
                    timestamp_ms: event.get("timestamp")?.as_i64()?,
                    message: event.get("message")?.as_str()?.trim_end().to_owned(),
                })
            }));
            token = answer.get("nextToken").and_then(Value::as_str).map(str::to_owned);
            if token.is_none() || page.is_empty() {
                events.sort_by_key(|event| event.timestamp_ms);
                return Ok(events);
            }
        }
    }

    /// The outputs of a CloudFormation stack.
    ///
    /// # Errors
    /// When the stack does not exist, or is not in a usable state.
    pub fn stack_outputs(&self, stack: &str) -> Result<BTreeMap<String, String>> {
        let text = self.query_call("cloudformation", "DescribeStacks", &[("StackName", stack)])?;
        let (status, outputs) = parse_stack(&text).with_context(|| format!("the stack {stack} cannot be parsed"))?;
        if !matches!(status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "UPDATE_ROLLBACK_COMPLETE") {
            bail!("the stack {stack} is in state {status}");
        }
        Ok(outputs)
    }
}

fn parse_stack(text: &str) -> Result<(String, BTreeMap<String, String>)> {
    let document = roxmltree::Document::parse(text)?;
    let named = |name: &'static str| move |node: &roxmltree::Node<'_, '_>| node.tag_name().name() == name;
    let status = document.descendants().find(named("StackStatus")).and_then(|node| node.text());
    let outputs = document
        .descendants()
        .filter(named("OutputKey"))
        .filter_map(|key| {
            let value = key.parent()?.children().find(named("OutputValue"))?;
            Some((key.text()?.to_owned(), value.text().unwrap_or_default().to_owned()))
        })
        .collect();
    Ok((status.context("no state")?.to_owned(), outputs))
}

/// The message objects at any depth of the emulator's nested response (by account, region and queue).
fn messages_within(answer: &Value) -> Vec<Value> {
    match answer {
        Value::Object(fields) if fields.contains_key("MessageId") => vec![answer.clone()],
        Value::Object(fields) => fields.values().flat_map(messages_within).collect(),
        Value::Array(items) => items.iter().flat_map(messages_within).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_read_with_its_state_and_outputs() {
        let text = "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackStatus>CREATE_COMPLETE</StackStatus>\
            <Outputs><member><OutputKey>ApiId</OutputKey><OutputValue>a1</OutputValue></member>\
            <member><OutputKey>Empty</OutputKey><OutputValue></OutputValue></member></Outputs></member></Stacks>\
            </DescribeStacksResult></DescribeStacksResponse>";
        let (status, outputs) = parse_stack(text).unwrap();
        assert_eq!(status, "CREATE_COMPLETE");
        assert_eq!(outputs["ApiId"], "a1");
        assert_eq!(outputs["Empty"], "");
    }

    #[test]
    fn messages_are_found_at_any_depth() {
        let answer = json!({ "messages": { "0": { "q": [{ "MessageId": "1" }, { "MessageId": "2" }] } } });
        assert_eq!(messages_within(&answer).len(), 2);
    }
}
