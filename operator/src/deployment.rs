//! What the tool works with.

use anyhow::{Context, Result};
use aws_config::SdkConfig;
use chrono::TimeDelta;
use quittance_deliveries::DeliveriesTable;
use quittance_domain::id::{AuditId, WebhookEndpointId};
use quittance_domain::notification::NotificationRecipient;
use quittance_idempotency::IdempotencyTable;
use quittance_store::Database;
use quittance_store::audit::{self, AuditRecord, Json};
use serde_json::Value;
use uuid::Uuid;

use crate::queues::Queues;

/// Records are only read here, whatever time they are kept for.
const UNUSED: TimeDelta = TimeDelta::days(1);

/// The tables that say what was done.
#[derive(Debug, Clone, Default)]
pub struct DeploymentTables {
    receipts: Option<IdempotencyTable>,
    notifications: Option<DeliveriesTable<NotificationRecipient>>,
    webhooks: Option<DeliveriesTable<WebhookEndpointId>>,
}

impl DeploymentTables {
    /// Looks up the tables of a deployment, which bear its name and their own.
    ///
    /// # Errors
    /// When DynamoDB cannot be asked.
    pub async fn find(aws: &SdkConfig, stack: &str) -> Result<Self> {
        let client = aws_sdk_dynamodb::Client::new(aws);
        let mut names: Vec<String> = Vec::new();
        let mut pages = client.list_tables().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(aws_sdk_dynamodb::Error::from).context("the tables cannot be listed")?;
            names.extend(page.table_names.unwrap_or_default());
        }
        let named = |table: &str| {
            let prefix = format!("{stack}-{table}");
            names.iter().find(|name| **name == prefix || name.starts_with(&format!("{prefix}-"))).cloned()
        };
        Ok(Self {
            receipts: named("ReceiptIdempotencyTable").map(|name| IdempotencyTable::new(aws, name, UNUSED)),
            notifications: named("NotificationDeliveriesTable").map(|name| DeliveriesTable::new(aws, name)),
            webhooks: named("WebhookDeliveriesTable").map(|name| DeliveriesTable::new(aws, name)),
        })
    }

    pub(crate) fn receipts(&self) -> Result<&IdempotencyTable> {
        self.receipts.as_ref().context("this deployment has no ReceiptIdempotencyTable")
    }

    pub(crate) fn notifications(&self) -> Result<&DeliveriesTable<NotificationRecipient>> {
        self.notifications.as_ref().context("this deployment has no NotificationDeliveriesTable")
    }

    pub(crate) fn webhooks(&self) -> Result<&DeliveriesTable<WebhookEndpointId>> {
        self.webhooks.as_ref().context("this deployment has no WebhookDeliveriesTable")
    }
}

/// All that a command needs.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The queues.
    pub queues: Queues,
    /// The database, as the operator's own role.
    pub database: Database,
    /// What consumers have done.
    pub tables: DeploymentTables,
    /// Who sits here, as they say.
    pub operator: Option<String>,
    /// Who sits here, as AWS knows them: an ARN.
    pub identity: String,
}

/// Asks AWS whose credentials these are.
///
/// # Errors
/// When AWS does not know them, or cannot be asked.
pub async fn identity(aws: &SdkConfig) -> Result<String> {
    let answer = aws_sdk_sts::Client::new(aws).get_caller_identity().send().await.map_err(aws_sdk_sts::Error::from);
    let identity = answer.context("AWS does not say whose credentials these are")?;
    identity.arn.context("AWS does not say whose credentials these are")
}

impl Deployment {
    /// Who sits here, as audit records name them: `operator:<name> (<ARN>)`, what they say and what AWS knows.
    ///
    /// # Errors
    /// When nobody said.
    pub fn actor(&self) -> Result<String> {
        let name = self.operator.as_deref().map(str::trim).filter(|name| !name.is_empty());
        name.map(|name| format!("operator:{name} ({})", self.identity))
            .context("--as says who you are; it is kept in the audit records")
    }

    /// Notes in the audit records what is about to be done, once for the same thing done to the same subject: a second run
    /// finds what the first noted.
    ///
    /// # Errors
    /// When the database cannot be written to; then nothing may be done.
    pub async fn record_audit(&self, action: &'static str, subject: &str, reason: &str, after: &Value) -> Result<()> {
        let actor = self.actor()?;
        let id = note_id(action, subject, after);
        let record = AuditRecord {
            id,
            actor,
            action,
            subject: subject.to_owned(),
            reason: reason.to_owned(),
            before: Json::serialize(&Value::Null),
            after: Json::serialize(after),
            correlation_id: id.to_string(),
        };
        audit::append_once(&self.database, &record)
            .await
            .with_context(|| format!("{subject}: nothing is done without an audit record"))
    }

    /// Whether the same was noted before, by whomever.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn is_noted(&self, action: &str, subject: &str, after: &Value) -> Result<bool> {
        Ok(audit::is_kept(&self.database, note_id(action, subject, after)).await?)
    }
}

/// The same for the same thing done to the same subject.
fn note_id(action: &str, subject: &str, after: &Value) -> AuditId {
    AuditId::from_uuid(Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{action} {subject} {after}").as_bytes()))
}
