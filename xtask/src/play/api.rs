//! The HTTP API as its clients see it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use sha2::{Digest, Sha256};
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::aws::local_agent;
use crate::stack::Stack;
use crate::users::Role;

const TIMEOUT: Duration = Duration::from_secs(30);

/// The API of a stack, with the tokens that the demonstration needs.
pub(crate) struct Api {
    agent: Agent,
    base: String,
    pub(crate) finance: String,
    pub(crate) gateway: String,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// The `Retry-After` header in seconds, if there is one.
    pub(crate) retry_after: Option<String>,
}

impl Answer {
    /// The body, if the response has the expected status.
    pub(crate) fn expect(self, status: u16, what: &str) -> Result<Value> {
        if self.status != status {
            bail!("{what} was answered {} instead of {status}: {}", self.status, self.body);
        }
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&self.body).with_context(|| format!("the answer to {what} is not JSON: {}", self.body))
    }
}

impl Api {
    pub(crate) fn new(stack: &Stack) -> Result<Self> {
        Ok(Self {
            agent: local_agent(TIMEOUT),
            base: stack.api_url()?,
            finance: stack.token(&Role::Finance)?,
            gateway: stack.token(&Role::Gateway)?,
        })
    }

    /// Posts a body with headers.
    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer> {
        let mut request = self.agent.post(format!("{}{path}", self.base)).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.send(body).with_context(|| format!("POST {path} was not answered"))?)
    }

    /// Sends a GET with a token.
    pub(crate) fn get_as(&self, token: &str, path: &str) -> Result<Answer> {
        let request = self.agent.get(format!("{}{path}", self.base)).header("authorization", format!("Bearer {token}"));
        read(request.call().with_context(|| format!("GET {path} was not answered"))?)
    }

    /// Posts JSON with a token, under a new idempotency key.
    pub(crate) fn post_as(&self, token: &str, path: &str, body: &Value) -> Result<Answer> {
        self.post_once(token, &fresh_key(path, &body.to_string())?, path, body)
    }

    /// Deletes with a token, under a new idempotency key.
    pub(crate) fn delete_as(&self, token: &str, path: &str) -> Result<Answer> {
        let request =
            self.agent.delete(format!("{}{path}", self.base)).header("authorization", format!("Bearer {token}"));
        let request = request.header("idempotency-key", fresh_key(path, "")?);
        read(request.call().with_context(|| format!("DELETE {path} was not answered"))?)
    }

    /// Posts JSON with a token and an idempotency key.
    pub(crate) fn post_once(&self, token: &str, key: &str, path: &str, body: &Value) -> Result<Answer> {
        let authorization = format!("Bearer {token}");
        self.post(path, &[("authorization", &authorization), ("idempotency-key", key)], &body.to_string())
    }

    /// Uploads a CSV file to a presigned URL.
    pub(crate) fn put_file(&self, url: &str, content: &str) -> Result<()> {
        let answer = self.agent.put(url).header("content-type", "text/csv").header("if-none-match", "*").send(content);
        let mut answer = answer.context("the upload was not answered")?;
        if answer.status().as_u16() != 200 {
            bail!("the upload was answered {}: {}", answer.status(), answer.body_mut().read_to_string()?);
        }
        Ok(())
    }
}

fn fresh_key(path: &str, body: &str) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let key = Sha256::new().chain_update(path).chain_update(body).chain_update(now.as_nanos().to_be_bytes());
    Ok(hex::encode(key.finalize()))
}

fn read(mut answer: Response<Body>) -> Result<Answer> {
    let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
    Ok(Answer {
        status: answer.status().as_u16(),
        retry_after: retry_after.map(ToOwned::to_owned),
        body: answer.body_mut().read_to_string()?,
    })
}

/// A text within a response.
pub(crate) fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(ToOwned::to_owned).with_context(|| format!("the response has no {pointer}: {value}"))
}
