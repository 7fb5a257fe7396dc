//! `POST /webhooks/{provider}`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use chrono::Utc;
use http::{HeaderMap, StatusCode};
use quittance_domain::command::{GatewayCommand, PaymentCommand};
use quittance_domain::error::Chain;
use quittance_lambda::batch::{PermanentFailure, Record};
use quittance_lambda::command_queue::QueueError;
use quittance_lambda::correlation;
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::openapi::responses::Unauthentic;
use quittance_lambda::problem::Problem;
use quittance_providers::{Forged, WebhookNotice, WebhookParser, by_name};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::bodies::{GatewayMessage, GatewayName};
use crate::commands::envelope;
use crate::signing_secrets::GatewaySecretError;
use crate::{FUNCTION, Validator};

/// The largest message of a gateway: GoCardless sends up to 250 events in one.
const BYTES_MAX: usize = 1024 * 1024;

/// Receives a gateway's webhook: verified and stored before it is acknowledged.
#[utoipa::path(
    post,
    path = "/webhooks/{provider}",
    operation_id = "receiveWebhook",
    tag = "webhooks",
    params(("provider" = inline(GatewayName), Path, description = "The gateway.")),
    request_body = GatewayMessage,
    responses((status = 200, description = "The message is stored durably. The response has no body."), Unauthentic)
)]
pub(crate) async fn receive(
    State(validator): State<Arc<Validator>>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let known = by_name(&provider).filter(|provider| validator.signing_secrets.expects(provider.name()));
    let Some((name, webhooks)) = known.and_then(|provider| Some((provider.name(), provider.webhooks()?))) else {
        let named: String = provider.chars().take(40).collect();
        validator.guard.record_refusal("unknown_provider", &named, &body).await;
        return Err(Problem::not_found("provider", named));
    };
    if body.len() > BYTES_MAX {
        validator.guard.record_refusal("too_large", name, &body).await;
        return Err(Problem::too_large(BYTES_MAX));
    }
    if let Err(forged) = verify(&validator, name, webhooks, &headers, &body).await? {
        validator.guard.record_refusal(forged.code(), name, &body).await;
        return Err(Problem::unauthentic(format!("{forged}; nothing was stored")));
    }
    match webhooks.read(&body, validator.accounts.get(name).map(String::as_str)) {
        Ok(notices) => take(&validator, name, notices, &body, correlation::correlation_id(&headers)).await?,
        Err(unreadable) => {
            let refusal = PermanentFailure { code: "unreadable_webhook", reason: unreadable.to_string() };
            park(&validator, name, &refusal, &body).await?;
        }
    }
    Ok(StatusCode::OK)
}

/// Verifies the signature, a second time with freshly read secrets if the cached ones do not match.
async fn verify(
    validator: &Validator,
    name: &'static str,
    webhooks: &dyn WebhookParser,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Result<(), Forged>, Problem> {
    let unavailable = |error: GatewaySecretError| {
        tracing::error!(provider = name, error = %Chain(&error), "signing secrets could not be read");
        Problem::unavailable(2)
    };
    let secrets = validator.signing_secrets.load(name).await.map_err(unavailable)?;
    let verdict = webhooks.verify(headers, body, &secrets, Utc::now());
    if verdict != Err(Forged::WrongSignature) {
        return Ok(verdict);
    }
    match validator.signing_secrets.read_again(name).await {
        Some(now) if now != secrets => Ok(webhooks.verify(headers, body, &now, Utc::now())),
        _ => Ok(verdict),
    }
}

/// Makes the content of the message durable, and parks the parts that this build does not know.
async fn take(
    validator: &Validator,
    name: &'static str,
    notices: Vec<WebhookNotice>,
    body: &[u8],
    correlation_id: String,
) -> Result<(), Problem> {
    let (mut commands, mut inquiries) = (Vec::new(), Vec::new());
    let (mut unknown, mut unreadable) = (BTreeSet::new(), None);
    for notice in notices {
        match notice {
            WebhookNotice::Evidence(evidence) => {
                commands.push(envelope(PaymentCommand::from_evidence(*evidence), correlation_id.clone(), Utc::now()));
            }
            WebhookNotice::Inquire(inquiry) => {
                let (subject, command) = (inquiry.resource.clone(), GatewayCommand::QueryResource(inquiry));
                let id = Uuid::now_v7();
                inquiries.push(CloudEvent::new(id, FUNCTION, subject, Utc::now(), correlation_id.clone(), command));
            }
            WebhookNotice::Ignored { event_type, reason } => {
                tracing::info!(provider = name, webhook.r#type = event_type, reason, "webhook ignored");
            }
            WebhookNotice::Unknown { event_type } => {
                unknown.insert(event_type);
            }
            WebhookNotice::Unreadable(error) => unreadable = Some(error),
        }
    }
    let unavailable = |error: QueueError| {
        tracing::error!(provider = name, error = %Chain(&error), "webhook was not stored; the gateway will resend it");
        Problem::unavailable(2)
    };
    validator.payments_queue.send(&commands).await.map_err(unavailable)?;
    if !inquiries.is_empty() {
        validator.gateway_queues.send(name, &inquiries).await.map_err(unavailable)?;
    }
    if let Some(error) = unreadable {
        return park(
            validator,
            name,
            &PermanentFailure { code: "unreadable_webhook", reason: error.to_string() },
            body,
        )
        .await;
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let types: Vec<String> = unknown.into_iter().collect();
    let reason = format!("this build does not know {}; deploy one that does, then replay", types.join(", "));
    park(validator, name, &PermanentFailure { code: "unknown_event_type", reason }, body).await
}

/// Parks an authentic message that this build cannot interpret, to be replayed after a fix.
async fn park(validator: &Validator, name: &str, refusal: &PermanentFailure, body: &[u8]) -> Result<(), Problem> {
    let digest = hex::encode(Sha256::digest(body));
    let account = validator.accounts.get(name).map(|account| format!("@{account}")).unwrap_or_default();
    let record = Record {
        // A group of its own: with one group per gateway, SQS would deliver ten messages and hold back the others.
        group_id: format!("{name}{account}:{digest}"),
        message_id: digest,
        body: String::from_utf8_lossy(body).into_owned(),
        receive_count: 1,
    };
    validator.dead_letters.park(&record, refusal).await.map_err(|error| {
        tracing::error!(provider = name, error = %Chain(&error), "authentic webhook was not stored; the gateway will resend it");
        Problem::unavailable(2)
    })?;
    // `RequestsRefusedMetric` in the template counts `refused` by its value.
    let (code, reason) = (refusal.code, &refusal.reason);
    tracing::error!(provider = name, refused = code, parked.reason = reason, "webhook parked");
    Ok(())
}
