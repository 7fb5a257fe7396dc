//! The AWS calls that the processor makes, answered immediately: its database password, and published events.

use std::sync::{Mutex, PoisonError};

use serde_json::json;

use crate::bench::http::{Answer, Request, Response};

/// A fake of Secrets Manager and SNS that records which events were published.
#[derive(Debug, Default)]
pub(super) struct Aws {
    password: String,
    published: Mutex<Vec<u128>>,
}

impl Aws {
    /// Returns that password for every secret.
    pub(super) fn new(password: &str) -> Self {
        Self { password: password.to_owned(), published: Mutex::default() }
    }

    /// The ids of the events published since the last call, once for each time.
    pub(super) fn take_published(&self) -> Vec<u128> {
        std::mem::take(&mut self.published.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn secret(&self) -> Response {
        let secret = json!({"username": "quittance_processor", "password": self.password}).to_string();
        let answer = json!({"ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:bench", "Name": "bench",
            "VersionId": "019a3f60-0000-7000-8000-000000000000", "SecretString": secret});
        Response {
            status: 200,
            headers: vec![("content-type", "application/x-amz-json-1.1".to_owned())],
            body: answer.to_string(),
        }
    }

    fn publish(&self, form: &str) -> Response {
        let mut entries = String::new();
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        for id in entry_ids(form) {
            let Some(number) = parse_uuid(id) else { return refusal("an entry's id is no UUID") };
            published.push(number);
            entries.push_str(&format!(
                "<member><Id>{id}</Id><MessageId>{id}</MessageId><SequenceNumber>1</SequenceNumber></member>"
            ));
        }
        if entries.is_empty() {
            return refusal("no entries");
        }
        let body = format!(
            "<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishBatchResult>\
             <Successful>{entries}</Successful><Failed/></PublishBatchResult><ResponseMetadata>\
             <RequestId>019a3f60-0000-7000-8000-000000000000</RequestId></ResponseMetadata></PublishBatchResponse>"
        );
        Response { status: 200, headers: vec![("content-type", "text/xml".to_owned())], body }
    }
}

impl Answer for Aws {
    fn answer(&self, request: &Request) -> Option<Response> {
        if request.header("x-amz-target") == Some("secretsmanager.GetSecretValue") {
            return Some(self.secret());
        }
        let form = String::from_utf8_lossy(&request.body);
        let is_publish = form.split('&').any(|pair| pair == "Action=PublishBatch");
        Some(if is_publish { self.publish(&form) } else { refusal("not expected here") })
    }
}

fn refusal(why: &str) -> Response {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidParameter</Code><Message>{why}</Message></Error>\
         </ErrorResponse>"
    );
    Response { status: 400, headers: vec![("content-type", "text/xml".to_owned())], body }
}

/// The ids of the entries in a PublishBatch form; a UUID needs no decoding.
fn entry_ids(form: &str) -> impl Iterator<Item = &str> {
    form.split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let field = key.strip_prefix("PublishBatchRequestEntries.member.")?.split_once('.')?.1;
        (field == "Id").then_some(value)
    })
}

/// A UUID as a number, for comparing thousands of them.
pub(super) fn parse_uuid(text: &str) -> Option<u128> {
    u128::from_str_radix(&text.replace('-', ""), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ids_of_entries_count_as_published() {
        let id = "019a3f60-0001-7000-8000-000000000001";
        let form = format!(
            "Action=PublishBatch&Version=2010-03-31&PublishBatchRequestEntries.member.1.Id={id}\
             &PublishBatchRequestEntries.member.1.MessageGroupId=inv_1\
             &PublishBatchRequestEntries.member.1.MessageAttributes.entry.1.Name=type"
        );
        let aws = Aws::new("secret");
        let request = Request { body: form.into_bytes(), ..Request::default() };
        let answer = aws.answer(&request).unwrap();
        assert!(roxmltree::Document::parse(&answer.body).is_ok());
        assert_eq!(aws.take_published(), [parse_uuid(id).unwrap()]);
        assert!(aws.take_published().is_empty());
    }

    #[test]
    fn another_call_is_refused() {
        let request = Request { body: b"Action=Publish".to_vec(), ..Request::default() };
        assert_eq!(Aws::default().answer(&request).unwrap().status, 400);
    }
}
