//! A fake of gateways that have no sandbox to run here: it returns configured responses, and records requests.
//!
//! `PUT /sandbox/<provider>/<path> {"status":200,"body":{…}}` sets the response of that path; any other method gets
//! that response, or the one of the path without its query, or 404. `GET /sandbox` returns all recorded requests.

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{aws::local_agent, stack::Stack};

/// Its path on the BFF's port.
pub const PATH: &str = "/sandbox";

/// A configured response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CannedAnswer {
    pub status: u16,
    pub body: Value,
}

/// A request to a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxRequest {
    /// `GET`, `POST`.
    pub method: String,
    /// The path after `/sandbox/`.
    pub path: String,
    /// The header `idempotency-key`, if present.
    pub idempotency_key: String,
    pub body: String,
}

/// All gateways' state.
#[derive(Debug)]
pub(crate) struct Sandbox {
    answers: HashMap<String, CannedAnswer>,
    asked: Vec<SandboxRequest>,
}

impl Sandbox {
    /// The initial state, without responses and requests.
    pub(crate) fn new() -> Self {
        // Without a response, event backfills would be redelivered for days.
        let none = json!({"events": [], "meta": {"cursors": {"after": null}}});
        let answers = [("/gocardless/events".to_owned(), CannedAnswer { status: 200, body: none })];
        Self { answers: answers.into(), asked: Vec::new() }
    }

    pub(crate) fn handle(&mut self, asked: SandboxRequest) -> Result<(u16, Vec<u8>)> {
        if asked.path.is_empty() {
            return Ok((200, serde_json::to_vec(&self.asked)?));
        }
        if asked.method == "PUT" {
            let answer = serde_json::from_str(&asked.body).context("not {\"status\":…,\"body\":…}")?;
            self.answers.insert(asked.path, answer);
            return Ok((204, Vec::new()));
        }
        let without_query = asked.path.split('?').next().unwrap_or_default();
        let answer = match self.answers.get(&asked.path).or_else(|| self.answers.get(without_query)) {
            Some(answer) => (answer.status, answer.body.to_string().into_bytes()),
            None => (404, b"{}".to_vec()),
        };
        self.asked.push(asked);
        Ok(answer)
    }
}

impl Stack {
    /// The URL of a gateway's fake.
    ///
    /// # Errors
    /// When the BFF does not run.
    pub fn sandbox_url(&self, provider: &str) -> Result<String> {
        Ok(format!("{}{PATH}/{provider}", self.bff_url()?))
    }

    /// Sets the response of a gateway's fake for a path.
    ///
    /// # Errors
    /// When it does not respond.
    pub fn sandbox_answer(&self, provider: &str, path: &str, answer: &CannedAnswer) -> Result<()> {
        let url = format!("{}{path}", self.sandbox_url(provider)?);
        agent().put(&url).send_json(answer).with_context(|| format!("could not reach {url}"))?;
        Ok(())
    }

    /// The requests to the gateways' fakes.
    ///
    /// # Errors
    /// When they do not respond.
    pub fn sandbox_asked(&self) -> Result<Vec<SandboxRequest>> {
        let url = format!("{}{PATH}", self.bff_url()?);
        let mut answer = agent().get(&url).call().with_context(|| format!("could not reach {url}"))?;
        answer.body_mut().read_json().with_context(|| format!("{url} did not return a list"))
    }
}

fn agent() -> ureq::Agent {
    local_agent(std::time::Duration::from_secs(30))
}
