//! Signed calls to the emulator as the account's root: what `up`, the demo and the tests need to inspect the stack from
//! outside. The functions never use this; they run under their own roles.

mod s3;
mod services;

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, anyhow, bail};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use serde_json::Value;
use ureq::{Agent, http};

pub use s3::Object;
pub use services::{Email, LogEvent, QueueDepth};

/// The emulator's credentials of the account's root.
pub const ROOT_KEY: &str = "test";
/// What to do when the emulator does not run.
const HINT: &str = "`cargo xtask status` shows what runs, `cargo xtask up` starts what does not";
const TIMEOUT: Duration = Duration::from_secs(60);
/// The maximum size of a response: nothing in the local stack is larger.
const ANSWER_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A client of one emulator.
#[derive(Debug, Clone)]
pub struct Aws {
    endpoint: String,
    region: String,
    agent: Agent,
}

/// A service's response.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text, for messages and XML.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// An HTTP client for the servers on this machine: no proxy, limits on everything, error statuses are returned as
/// responses.
#[must_use]
pub fn local_agent(timeout: Duration) -> Agent {
    Agent::config_builder()
        .proxy(None)
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .into()
}

impl Aws {
    /// A client of the emulator at `endpoint` (`http://127.0.0.1:4566`).
    #[must_use]
    pub fn new(endpoint: &str, region: &str) -> Self {
        Self { endpoint: endpoint.to_owned(), region: region.to_owned(), agent: local_agent(TIMEOUT) }
    }

    /// Calls an operation of a service with a JSON protocol: `sqs`, `dynamodb`, `secretsmanager`, `cognito-idp`,
    /// `logs`, `monitoring`, `kms`, `ssm`, but not `scheduler`. `json_call("sqs", "SendMessage", json!({…}))`.
    ///
    /// # Errors
    /// When the service is unknown here, can't be reached, or refuses; the message has its error type and text.
    pub fn json_call(&self, service: &str, operation: &str, body: &Value) -> Result<Value> {
        let (target, version) = json_target(service)?;
        let headers = [
            ("content-type", format!("application/x-amz-json-{version}")),
            ("x-amz-target", format!("{target}.{operation}")),
        ];
        let answer = self.send(service, "POST", "/", &headers, &serde_json::to_vec(body)?)?;
        let json: Value = if answer.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&answer.body)
                .with_context(|| format!("{service} {operation} did not return JSON: {}", answer.text()))?
        };
        if answer.status >= 300 {
            let text = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
            bail!(
                "{service} {operation}: {}: {}",
                text("__type").unwrap_or_else(|| answer.status.to_string()),
                text("message").or_else(|| text("Message")).unwrap_or_default()
            );
        }
        Ok(json)
    }

    /// Calls an operation of a service with the Query protocol (`cloudformation`, `sns`, `iam`, `sts`, `email`) and
    /// returns its XML.
    ///
    /// # Errors
    /// When the service can't be reached or refuses; the message has its code and text.
    pub fn query_call(&self, service: &str, operation: &str, parameters: &[(&str, &str)]) -> Result<String> {
        let body = form_encoded([("Action", operation), ("Version", query_version(service)?)].iter().chain(parameters));
        let headers = [("content-type", "application/x-www-form-urlencoded".to_owned())];
        let answer = self.send(service, "POST", "/", &headers, body.as_bytes())?;
        let text = answer.text();
        if answer.status >= 300 {
            bail!("{service} {operation}: {}", xml_error(&text).unwrap_or(text));
        }
        Ok(text)
    }

    /// Sends a signed request; `path` may carry a query string and must be percent-encoded.
    ///
    /// # Errors
    /// When the emulator can't be reached. A refusal is returned as a response.
    pub fn send(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: &[u8],
    ) -> Result<Answer> {
        let url = format!("{}{path}", self.endpoint);
        let mut builder = http::Request::builder().method(method).uri(&url);
        for (name, value) in headers {
            builder = builder.header(*name, value);
        }
        let mut request = builder.body(body.to_vec()).context("not an HTTP request")?;
        self.sign(service, &mut request)?;
        let answer = self
            .agent
            .run(request)
            .with_context(|| format!("could not reach the emulator for {method} {url}; {HINT}"))?;
        read(answer)
    }

    /// The emulator's own pages, unsigned: `/_ministack/…`.
    ///
    /// # Errors
    /// When it can't be reached or does not respond with JSON.
    pub fn inspect(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.endpoint);
        let answer = self.agent.get(&url).call().with_context(|| format!("could not reach {url}; {HINT}"))?;
        let answer = read(answer)?;
        if answer.status >= 300 {
            bail!("{url} answered {}: {}", answer.status, answer.text());
        }
        serde_json::from_slice(&answer.body).with_context(|| format!("{url} did not return JSON"))
    }

    fn sign(&self, service: &str, request: &mut http::Request<Vec<u8>>) -> Result<()> {
        let identity = Credentials::new(ROOT_KEY, ROOT_KEY, None, None, "local stack").into();
        let mut settings = SigningSettings::default();
        if service == "s3" {
            settings.percent_encoding_mode = aws_sigv4::http_request::PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = aws_sigv4::http_request::UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = aws_sigv4::http_request::PayloadChecksumKind::XAmzSha256;
        }
        let signing_name = if service == "email" { "ses" } else { service };
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(signing_name)
            .time(SystemTime::now())
            .settings(settings)
            .build()?
            .into();
        let uri = request.uri().to_string();
        let mut headers: Vec<(&str, &str)> = Vec::new();
        for (name, value) in request.headers() {
            headers.push((name.as_str(), value.to_str().context("a header is not text")?));
        }
        let body = SignableBody::Bytes(request.body());
        let signable = SignableRequest::new(request.method().as_str(), uri, headers.into_iter(), body)?;
        let (instructions, _) = sign(signable, &parameters)?.into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
    }
}

fn read(answer: http::Response<ureq::Body>) -> Result<Answer> {
    let (parts, mut body) = answer.into_parts();
    let body = body.with_config().limit(ANSWER_MAX_BYTES).read_to_vec().context("the response is incomplete")?;
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

fn json_target(service: &str) -> Result<(&'static str, &'static str)> {
    Ok(match service {
        "sqs" => ("AmazonSQS", "1.0"),
        "dynamodb" => ("DynamoDB_20120810", "1.0"),
        "secretsmanager" => ("secretsmanager", "1.1"),
        "cognito-idp" => ("AWSCognitoIdentityProviderService", "1.1"),
        "logs" => ("Logs_20140328", "1.1"),
        "monitoring" => ("GraniteServiceVersion20100801", "1.0"),
        "kms" => ("TrentService", "1.1"),
        "ssm" => ("AmazonSSM", "1.1"),
        other => bail!("no JSON protocol known for {other}"),
    })
}

fn query_version(service: &str) -> Result<&'static str> {
    Ok(match service {
        "cloudformation" => "2010-05-15",
        "sns" => "2010-03-31",
        "iam" => "2010-05-08",
        "sts" => "2011-06-15",
        "email" => "2010-12-01",
        other => bail!("no Query protocol known for {other}"),
    })
}

/// `code: message` of an error document.
fn xml_error(text: &str) -> Option<String> {
    let document = roxmltree::Document::parse(text).ok()?;
    let find =
        |name: &str| document.descendants().find(|node| node.tag_name().name() == name).and_then(|node| node.text());
    Some(format!("{}: {}", find("Code")?, find("Message").unwrap_or_default()))
}

/// Percent-encodes everything except the unreserved characters of RFC 3986 (and `/`, if `keep_slash`).
pub(crate) fn percent_encoded(text: &str, keep_slash: bool) -> String {
    text.bytes()
        .map(|byte| {
            let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keep_slash && byte == b'/');
            if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
        })
        .collect()
}

/// `application/x-www-form-urlencoded`.
pub(crate) fn form_encoded<'a>(pairs: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> String {
    pairs
        .into_iter()
        .map(|(key, value)| format!("{}={}", percent_encoded(key, false), percent_encoded(value, false)))
        .collect::<Vec<_>>()
        .join("&")
}

/// A field that is part of every response of the service.
pub(crate) fn text_at<'a>(json: &'a Value, pointer: &str) -> Result<&'a str> {
    json.pointer(pointer)
        .and_then(Value::as_str)
        .ok_or_else(|| anyhow!("the response has no text at {pointer}: {json}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_signed_for_its_service_and_region() {
        let aws = Aws::new("http://127.0.0.1:1", "eu-central-1");
        let mut request = http::Request::post("http://127.0.0.1:1/").body(b"{}".to_vec()).unwrap();
        aws.sign("sqs", &mut request).unwrap();
        let authorization = request.headers()["authorization"].to_str().unwrap();
        assert!(authorization.contains("Credential=test/"), "{authorization}");
        assert!(authorization.contains("/eu-central-1/sqs/aws4_request"), "{authorization}");
    }

    #[test]
    fn a_form_keeps_what_would_break_it_apart_encoded() {
        assert_eq!(form_encoded(&[("a", "1&b=2"), ("c d", "ü/")]), "a=1%26b%3D2&c%20d=%C3%BC%2F");
    }

    #[test]
    fn an_error_document_is_shown_in_one_line() {
        let text = "<ErrorResponse><Error><Code>ValidationError</Code><Message>no such stack</Message></Error></ErrorResponse>";
        assert_eq!(xml_error(text).unwrap(), "ValidationError: no such stack");
        assert_eq!(xml_error("not xml"), None);
    }

    #[test]
    fn an_unknown_service_is_refused_before_anything_is_sent() {
        let aws = Aws::new("http://127.0.0.1:1", "eu-central-1");
        assert!(aws.json_call("sns", "Publish", &Value::Null).unwrap_err().to_string().contains("sns"));
    }
}
