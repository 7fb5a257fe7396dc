//! Turns SQS records into outcomes.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::LambdaEvent;
use quittance_deliveries::{DeliveriesTable, TableError, tags};
use quittance_domain::error::Chain;
use quittance_domain::id::AuditId;
use quittance_domain::notification::NotificationRecipient;
use quittance_lambda::batch::{BatchError, Outage, PermanentFailure, Record, RecordOutcome};
use quittance_lambda::consumer::consume_records;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_store::audit::{self, AuditRecord, Json};
use quittance_store::{Database, StoreError, notifications};
use serde_json::json;
use uuid::Uuid;

use crate::FUNCTION;
use crate::ses_event::SesEvent;

/// The message that Amazon SES sends once when the topic is configured.
const VALIDATION: &str = "Successfully validated SNS topic for Amazon SES event publishing.";

/// The feedback function's dependencies.
#[derive(Debug, Clone)]
pub struct Feedback {
    /// The database, as the feedback function's own role.
    pub database: Database,
    /// The table of notification deliveries.
    pub table: DeliveriesTable<NotificationRecipient>,
    /// The dead-letter queue.
    pub dead_letters: DeadLetterQueue,
}

impl Feedback {
    /// Handles a batch of the feedback queue.
    ///
    /// # Errors
    /// [`Outage`] if the database or the table is unavailable: every record is redelivered.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Outage> {
        consume_records(event, &self.dead_letters, async |record: &Record| self.process(record).await).await
    }

    async fn process(&self, record: &Record) -> Result<RecordOutcome, BatchError> {
        if record.body.trim() == VALIDATION {
            return Ok(RecordOutcome::Done);
        }
        let Ok(reported) = serde_json::from_str::<SesEvent>(&record.body) else {
            let reason = "the body is about no e-mail".to_owned();
            return Ok(RecordOutcome::Park(PermanentFailure { code: "malformed", reason }));
        };
        let Some((recipient, event_key)) = tags::read::<NotificationRecipient>(&reported.mail.tags) else {
            tracing::warn!("feedback for an email that was not sent by notification");
            return Ok(RecordOutcome::Done);
        };
        let store = |error: StoreError| BatchError::classify(&error, error.is_outage(), error.is_conflict());
        // Notification decides by the absence of reports about an e-mail, so waiting reports must not be dropped.
        let table = |error: TableError| BatchError::Outage(Chain(&error).to_string());
        self.suppress(recipient, &reported).await.map_err(store)?;
        if let Some(report) = reported.report() {
            let is_known = self.table.record_report(recipient, &event_key, &report).await.map_err(table)?;
            tracing::info!(recipient = %recipient, event.id = %event_key.id(), message.id = report.message_id, failure = report.failure, is_known, "SES feedback recorded");
        }
        // Last, because notification decides by the absence of reports and relies on all earlier ones being recorded.
        self.table.note_report_arrived(reported.mail.timestamp).await.map_err(table)?;
        Ok(RecordOutcome::Done)
    }

    /// Suppresses addresses. The audit record names the client, never the address.
    async fn suppress(&self, recipient: NotificationRecipient, reported: &SesEvent) -> Result<(), StoreError> {
        let Some((reason, addresses)) = reported.suppressed() else { return Ok(()) };
        let mut transaction = self.database.begin().await?;
        let mut is_new = false;
        for address in addresses {
            is_new |= notifications::suppress(&mut transaction, address, reason, reported.mail.timestamp).await?;
        }
        if !is_new {
            return Ok(());
        }
        let record = AuditRecord {
            id: AuditId::from_uuid(Uuid::now_v7()),
            actor: FUNCTION.to_owned(),
            action: "client.email_suppressed",
            subject: recipient.client_id.to_string(),
            reason: reason.to_owned(),
            before: Json::serialize(&json!({"suppressed": false})),
            after: Json::serialize(&json!({"suppressed": true})),
            correlation_id: recipient.to_string(),
        };
        audit::append(&mut transaction, &[record]).await?;
        Ok(transaction.commit().await?)
    }
}
