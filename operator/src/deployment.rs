//! The tool's dependencies.

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

/// Records are only read here, so their retention is irrelevant.
const UNUSED: TimeDelta = TimeDelta::days(1);

/// The tables that record what consumers have done.
#[derive(Debug, Clone, Default)]
pub struct DeploymentTables {
    receipts: Option<IdempotencyTable>,
    notifications: Option<DeliveriesTable<NotificationRecipient>>,
    webhooks: Option<DeliveriesTable<WebhookEndpointId>>,
}

impl DeploymentTables {
    /// Finds the tables of a deployment by its name.
    ///
    /// # Errors
    /// When DynamoDB does not answer.
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

/// The dependencies of a command.
#[derive(Debug, Clone)]
pub struct Deployment {
    pub queues: Queues,
    /// The database, as the operator's own role.
    pub database: Database,
    /// What consumers have done.
    pub tables: DeploymentTables,
    /// The operator's name, as given by themselves.
    pub operator: Option<String>,
    /// The operator's identity in AWS: an ARN.
    pub identity: String,
}

/// The identity behind the AWS credentials.
///
/// # Errors
/// When the credentials are invalid, or AWS does not answer.
pub async fn identity(aws: &SdkConfig) -> Result<String> {
    let answer = aws_sdk_sts::Client::new(aws).get_caller_identity().send().await.map_err(aws_sdk_sts::Error::from);
    let identity = answer.context("AWS returned no identity for these credentials")?;
    identity.arn.context("AWS returned no identity for these credentials")
}

impl Deployment {
    /// The operator in audit records: `operator:<name> (<ARN>)`, the given name and the AWS identity.
    ///
    /// # Errors
    /// When no name was given.
    pub fn actor(&self) -> Result<String> {
        let name = self.operator.as_deref().map(str::trim).filter(|name| !name.is_empty());
        name.map(|name| format!("operator:{name} ({})", self.identity))
            .context("--as is required: your name is kept in the audit records")
    }

    /// Writes an audit record of what is about to be done, once for the same action on the same subject: a second
    /// run finds the record of the first.
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

    /// Whether the same action was recorded before, by anybody.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_noted(&self, action: &str, subject: &str, after: &Value) -> Result<bool> {
        Ok(audit::is_kept(&self.database, note_id(action, subject, after)).await?)
    }
}

/// The same id for the same action on the same subject.
fn note_id(action: &str, subject: &str, after: &Value) -> AuditId {
    AuditId::from_uuid(Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{action} {subject} {after}").as_bytes()))
}
