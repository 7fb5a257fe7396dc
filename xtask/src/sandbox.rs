//! A stand-in for gateways that have none of their own to run here: it answers what it was told to, and keeps what it
//! was asked.
//!
//! `PUT /sandbox/<provider>/<path> {"status":200,"body":{…}}` says what that path answers from now on; any other method
//! gets that answer, or the one of the path without its query, or 404. `GET /sandbox` tells all that was asked.

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{aws::local_agent, stack::Stack};

/// Where it is, on the BFF's port.
pub const PATH: &str = "/sandbox";

/// What a path answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CannedAnswer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

/// A request that a gateway got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// `GET`, `POST`.
    pub method: String,
    /// Behind `/sandbox/`.
    pub path: String,
    /// The header `idempotency-key`, if it was there.
    pub idempotency_key: String,
    /// The body.
    pub body: String,
}

/// All gateways' state.
#[derive(Debug)]
pub(crate) struct Sandbox {
    answers: HashMap<String, CannedAnswer>,
    asked: Vec<Asked>,
}

impl Sandbox {
    /// Gateways at which nothing has happened yet.
    pub(crate) fn new() -> Self {
        // Without an answer, the question which events there were comes back for days.
        let none = json!({"events": [], "meta": {"cursors": {"after": null}}});
        let answers = [("/gocardless/events".to_owned(), CannedAnswer { status: 200, body: none })];
        Self { answers: answers.into(), asked: Vec::new() }
    }

    /// Answers one request.
    pub(crate) fn handle(&mut self, asked: Asked) -> Result<(u16, Vec<u8>)> {
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
    /// Where a gateway's stand-in is.
    ///
    /// # Errors
    /// When the BFF does not run.
    pub fn sandbox_url(&self, provider: &str) -> Result<String> {
        Ok(format!("{}{PATH}/{provider}", self.bff_url()?))
    }

    /// Says what a gateway's stand-in answers to a path.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn sandbox_answer(&self, provider: &str, path: &str, answer: &CannedAnswer) -> Result<()> {
        let url = format!("{}{path}", self.sandbox_url(provider)?);
        agent().put(&url).send_json(answer).with_context(|| format!("could not reach {url}"))?;
        Ok(())
    }

    /// What the gateways' stand-ins were asked.
    ///
    /// # Errors
    /// When they do not answer.
    pub fn sandbox_asked(&self) -> Result<Vec<Asked>> {
        let url = format!("{}{PATH}", self.bff_url()?);
        let mut answer = agent().get(&url).call().with_context(|| format!("could not reach {url}"))?;
        answer.body_mut().read_json().with_context(|| format!("{url} answered no list"))
    }
}

fn agent() -> ureq::Agent {
    local_agent(std::time::Duration::from_secs(30))
}
