//! `POST /webhooks/{provider}`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use chrono::Utc;
use http::{HeaderMap, StatusCode};
use quittance_domain::command::PaymentCommand;
use quittance_lambda::batch::{Record, Refusal};
use quittance_lambda::correlation;
use quittance_lambda::fields::BODY_BYTES_MAX;
use quittance_lambda::problem::Problem;
use quittance_providers::{Forged, Notice, Unreadable, by_name};
use sha2::{Digest, Sha256};

use crate::Validator;
use crate::commands::envelope;

/// The gateways' signing secrets by provider; several while they rotate.
#[derive(Clone)]
pub struct Secrets(HashMap<&'static str, Vec<String>>);

impl Secrets {
    /// Takes each provider's secrets as one text, separated by white space.
    pub fn new(secrets: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let split = |text: String| text.split_whitespace().map(ToOwned::to_owned).collect();
        Self(secrets.into_iter().map(|(provider, text)| (provider, split(text))).collect())
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// Takes a gateway's message: verified, made durable, then answered.
pub(crate) async fn receive(
    State(validator): State<Arc<Validator>>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let Some(provider) = by_name(&provider) else {
        return Err(Problem::not_found("provider", provider.chars().take(40).collect::<String>()));
    };
    if body.len() > BODY_BYTES_MAX {
        validator.rejections.note("too_large", provider.name(), &body).await;
        return Err(Problem::too_large(BODY_BYTES_MAX));
    }
    let secrets = validator.secrets.0.get(provider.name()).map(Vec::as_slice).unwrap_or_default();
    if let Err(forged) = provider.verify(&headers, &body, secrets, Utc::now()) {
        validator.rejections.note(forged.code(), provider.name(), &body).await;
        return Err(unauthentic(forged));
    }
    match provider.read(&body) {
        Ok(notices) => send(&validator, notices, correlation::of(&headers)).await?,
        Err(unreadable) => park(&validator, &unreadable, &body).await?,
    }
    Ok(StatusCode::OK)
}

fn unauthentic(forged: Forged) -> Problem {
    let detail = format!("{forged}; nothing was kept");
    Problem::new(StatusCode::UNAUTHORIZED, "unauthentic-webhook", "The webhook is not authentic", detail)
}

async fn send(validator: &Validator, notices: Vec<Notice>, correlation_id: String) -> Result<(), Problem> {
    let mut commands = Vec::new();
    for notice in notices {
        match notice {
            Notice::Evidence(evidence) => {
                commands.push(envelope(PaymentCommand::of(*evidence), correlation_id.clone(), Utc::now()));
            }
            Notice::Ignored { event_type } => {
                tracing::info!(webhook.r#type = event_type, "a webhook concerns no invoice")
            }
        }
    }
    validator.payments_queue.send(&commands).await.map_err(|error| {
        tracing::error!(error, "a webhook was not made durable; the gateway sends it again");
        Problem::unavailable(2)
    })
}

/// Keeps an authentic message that this build does not understand, to be replayed after a fix.
async fn park(validator: &Validator, unreadable: &Unreadable, body: &[u8]) -> Result<(), Problem> {
    let record = Record {
        message_id: hex::encode(Sha256::digest(body)),
        group_id: unreadable.provider.to_owned(),
        body: String::from_utf8_lossy(body).into_owned(),
        receive_count: 1,
    };
    let refusal = Refusal { code: "unreadable_webhook", reason: unreadable.to_string() };
    validator.dead_letters.park(&record, &refusal).await.map_err(|error| {
        tracing::error!(error, "an authentic webhook was not made durable; the gateway sends it again");
        Problem::unavailable(2)
    })
}
