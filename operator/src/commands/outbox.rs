//! `quittance outbox`.

use anyhow::{Result, bail};
use chrono::Utc;
use quittance_domain::id::AuditId;
use quittance_store::audit::{self, AuditRecord, Json};
use quittance_store::outbox::{self, OutboxFilter, OutboxMessage};
use serde_json::{Value, json};
use uuid::Uuid;

use super::reason_of;
use crate::age::age;
use crate::cli::Outbox;
use crate::deployment::Deployment;
use crate::report::{Report, cut_off, table};

/// The maximum number of rows shown; more have a common cause.
const SHOWN_MAX: i64 = 200;

pub(super) async fn outbox(deployment: &Deployment, command: Outbox) -> Result<Report> {
    if let Some(id) = command.release {
        return release(deployment, id, reason_of(command.reason.as_deref())?).await;
    }
    let filter = OutboxFilter { is_unpublished: true, ..OutboxFilter::default() };
    let messages = outbox::list(&deployment.database, &filter, SHOWN_MAX).await?;
    let now = Utc::now();
    let row = |message: &OutboxMessage| {
        let parked = message.parked_reason.clone().unwrap_or_default();
        let (id, group) = (message.id.to_string(), message.group_id.clone());
        [id, message.event_type.clone(), message.destination.clone(), group, age(Some(message.created_at), now), parked]
    };
    let head = ["id", "type", "destination", "group", "age", "reason"];
    let text = table(head, messages.iter().map(row).collect(), "Everything is published.")
        + &cut_off(messages.len(), SHOWN_MAX);
    let shown: Vec<Value> = messages.iter().map(to_json).collect();
    Ok(Report::new(text, json!({"messages": shown})).clean_if(messages.is_empty()))
}

pub(super) fn to_json(message: &OutboxMessage) -> Value {
    json!({
        "id": message.id, "type": message.event_type, "destination": message.destination, "group": message.group_id,
        "created_at": message.created_at, "published_at": message.published_at, "parked_reason": message.parked_reason,
    })
}

async fn release(deployment: &Deployment, id: Uuid, reason: &str) -> Result<Report> {
    let mut transaction = deployment.database.begin().await?;
    if !outbox::release(&mut transaction, id).await? {
        bail!("outbox row {id} is not parked");
    }
    let audit_id = AuditId::from_uuid(Uuid::now_v7());
    let record = AuditRecord {
        id: audit_id,
        actor: deployment.actor()?,
        action: "outbox.released",
        subject: id.to_string(),
        reason: reason.to_owned(),
        before: Json::serialize(&Value::Null),
        after: Json::serialize(&Value::Null),
        correlation_id: audit_id.to_string(),
    };
    audit::append(&mut transaction, &[record]).await?;
    transaction.commit().await?;
    Ok(Report::new(format!("The relay will retry {id} within a minute."), json!({"released": id})))
}
