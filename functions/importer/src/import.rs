//! One file: read, parse, hand on, note the outcome.

use chrono::{NaiveTime, Utc};
use quittance_domain::command::{Evidence, InvoiceHint, PaymentCommand};
use quittance_domain::fact::{Door, FactKind};
use quittance_domain::id::AuditId;
use quittance_lambda::command_queue::CommandQueue;
use quittance_lambda::envelope::CloudEvent;
use quittance_store::audit::{self, AuditRecord, Json};
use quittance_store::uploads::{self, Upload, UploadKind, UploadLine};
use quittance_store::{Database, StoreError};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::parse::{Line, parse};

/// The name in the envelopes' `source`.
const FUNCTION: &str = "importer";

/// Why a file was not dealt with; its notification comes back.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// SQS or S3 failed.
    #[error("{0}")]
    Service(String),
}

/// Hands every line of the file on, or refuses it whole.
///
/// # Errors
/// [`ImportError`]; repeating is safe.
pub async fn import(
    database: &Database,
    queue: &CommandQueue,
    upload: &Upload,
    file: &[u8],
) -> Result<(), ImportError> {
    let digest = hex::encode(Sha256::digest(file));
    let lines = match parse(upload.kind, file) {
        Ok(lines) => lines,
        Err(broken) => return Ok(refuse(database, upload, &broken.to_string()).await?),
    };
    let commands: Vec<_> = lines.iter().map(|line| command(upload, &digest, line)).collect();
    queue.send(&commands).await.map_err(ImportError::Service)?;
    Ok(accept(database, upload, &digest, &lines).await?)
}

/// Refuses a file whole.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn refuse(database: &Database, upload: &Upload, reason: &str) -> Result<(), StoreError> {
    let mut transaction = database.begin().await?;
    uploads::refuse(&mut transaction, upload.id, reason).await?;
    let record = audit_record(upload, "upload.refused", reason, json!({"status": "refused"}));
    audit::append(&mut transaction, &[record]).await?;
    transaction.commit().await?;
    Ok(())
}

async fn accept(database: &Database, upload: &Upload, digest: &str, lines: &[Line]) -> Result<(), StoreError> {
    let taken: Vec<UploadLine> = lines
        .iter()
        .map(|line| UploadLine {
            line: i32::try_from(line.line).unwrap_or(i32::MAX),
            transaction_id: line.transaction_id.to_string(),
            amount: line.amount.into(),
        })
        .collect();
    let mut transaction = database.begin().await?;
    uploads::accept(&mut transaction, upload.id, digest, &taken).await?;
    let after = json!({"status": "accepted", "lines": lines.len(), "digest": digest});
    audit::append(&mut transaction, &[audit_record(upload, "upload.accepted", "every line can be used", after)])
        .await?;
    transaction.commit().await?;
    Ok(())
}

fn audit_record(upload: &Upload, action: &'static str, reason: &str, after: Value) -> AuditRecord {
    AuditRecord {
        id: AuditId::from_uuid(Uuid::now_v7()),
        actor: upload.uploaded_by.clone(),
        action,
        subject: upload.id.to_string(),
        reason: reason.to_owned(),
        before: Json::of(&json!({"status": upload.status})),
        after: Json::of(&after),
        correlation_id: upload.id.to_string(),
    }
}

/// The command that a line becomes. Its event id holds the file's digest: importing a file twice adds nothing.
fn command(upload: &Upload, digest: &str, line: &Line) -> CloudEvent<PaymentCommand> {
    let (kind, door) = match upload.kind {
        UploadKind::PaymentConfirmation => (FactKind::Claim, Door::Confirmation),
        // Uploaded by staff, not signed by the bank: as good as captured, not settled.
        UploadKind::BankStatement => (FactKind::Capture, Door::Bank),
    };
    let speaker = upload.client_id.map_or_else(|| "bank".to_owned(), |client_id| client_id.to_string());
    let evidence = Evidence {
        transaction_id: line.transaction_id.clone(),
        provider: line.provider.clone(),
        kind,
        amount: line.amount,
        door,
        event_id: format!("{speaker}:{digest}:{}", line.line),
        movement: line.bank_reference.clone().unwrap_or_else(|| line.transaction_id.to_string()),
        invoice: line.invoice_number.clone().map(InvoiceHint::Number),
        further_invoices: Vec::new(),
        payment_id: None,
        references: Vec::new(),
        client_id: upload.client_id,
        actor: format!("upload:{}#{}", upload.id, line.line),
        reason: None,
        occurred_at: line.day.and_time(NaiveTime::MIN).and_utc(),
    };
    let subject = line.transaction_id.to_string();
    CloudEvent::new(Uuid::now_v7(), FUNCTION, subject, Utc::now(), upload.id.to_string(), PaymentCommand::of(evidence))
}
