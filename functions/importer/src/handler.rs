//! Turns S3 notifications into outcomes.

use std::cell::Cell;
use std::time::{Duration, SystemTime};

use aws_lambda_events::event::s3::{S3Event, S3EventRecord};
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use chrono::{DateTime, Utc};
use lambda_runtime::LambdaEvent;
use quittance_domain::error::Chain;
use quittance_domain::upload::UploadStatus;
use quittance_lambda::batch::{BatchError, Outage, PermanentFailure, Record, RecordOutcome};
use quittance_lambda::command_queue::CommandQueue;
use quittance_lambda::consumer::consume_records;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_store::uploads::{self, Upload};
use quittance_store::{Database, StoreError};
use serde_json::Value;

use crate::file::{DownloadError, copy};
use crate::import::{ImportEnd, ImportError, import, refuse};

/// The importer's dependencies.
#[derive(Clone)]
pub struct Importer {
    /// The database, as the importer's own role.
    pub database: Database,
    /// The uploaded files.
    pub s3: aws_sdk_s3::Client,
    /// The processor's queue.
    pub payments_queue: CommandQueue,
    /// The queue of S3 notifications.
    pub uploads_queue: CommandQueue,
    /// The dead-letter queue.
    pub dead_letters: DeadLetterQueue,
}

/// Why a notification cannot be processed.
enum NotificationError {
    Verdict(RecordOutcome),
    Error(BatchError),
}

impl From<StoreError> for NotificationError {
    fn from(error: StoreError) -> Self {
        Self::Error(BatchError::classify(&error, error.is_outage(), error.is_conflict()))
    }
}

impl Importer {
    /// Handles a batch of the uploads queue.
    ///
    /// # Errors
    /// [`Outage`] while the database is unavailable: every record is redelivered.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Outage> {
        let deadline = event.context.deadline();
        let receipts: Vec<_> = event.payload.records.iter().map(receipt).collect();
        let is_paused = Cell::new(false);
        let response = consume_records(event, &self.dead_letters, async |record: &Record| {
            let verdict = self.process(record, deadline).await?;
            is_paused.set(is_paused.get() || verdict.is_none());
            Ok(verdict.unwrap_or_else(|| RecordOutcome::Wait("the rest is for the next invocation".to_owned())))
        })
        .await?;
        // The queue's visibility timeout is long, so that it outlasts an invocation.
        let pause = if is_paused.get() { PAUSE_SECONDS } else { RETRY_SECONDS };
        for failure in &response.batch_item_failures {
            let receipt = receipts.iter().flatten().find(|(id, _)| *id == failure.item_identifier);
            let Some((id, handle)) = receipt else { continue };
            if let Err(error) = self.uploads_queue.redeliver_after(handle, pause).await {
                tracing::warn!(message.id = id, error = %Chain(&error), "message will be redelivered after the visibility timeout");
            }
        }
        Ok(response)
    }

    /// None if there was not enough time.
    async fn process(&self, record: &Record, deadline: SystemTime) -> Result<Option<RecordOutcome>, BatchError> {
        let Ok(body) = serde_json::from_str::<Value>(&record.body) else {
            return Ok(Some(RecordOutcome::Park(malformed("the body is not JSON"))));
        };
        // S3 sends one when the notification is configured.
        if body.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
            return Ok(Some(RecordOutcome::Done));
        }
        let Ok(notification) = serde_json::from_value::<S3Event>(body) else {
            return Ok(Some(RecordOutcome::Park(malformed("the body is not a notification of S3"))));
        };
        for object in &notification.records {
            match self.import_object(object, deadline).await {
                Ok(ImportEnd::Finished) => {}
                Ok(ImportEnd::Paused) => return Ok(None),
                Err(NotificationError::Verdict(verdict)) => return Ok(Some(verdict)),
                Err(NotificationError::Error(error)) => return Err(error),
            }
        }
        Ok(Some(RecordOutcome::Done))
    }

    async fn import_object(
        &self,
        object: &S3EventRecord,
        deadline: SystemTime,
    ) -> Result<ImportEnd, NotificationError> {
        let (Some(bucket), Some(key)) = (&object.s3.bucket.name, &object.s3.object.key) else {
            return Err(NotificationError::Verdict(RecordOutcome::Park(malformed("the notification names no object"))));
        };
        let Some(id) = uploads::id_by_key(&self.database, key).await? else {
            let reason = format!("the file {key} was not announced");
            return Err(NotificationError::Verdict(RecordOutcome::Park(PermanentFailure {
                code: "unknown_upload",
                reason,
            })));
        };
        let until = DateTime::<Utc>::from(deadline + LEASE_MARGIN);
        let is_ours = uploads::lease(&self.database, id, until).await?;
        // Read after taking the lease: its previous holder may have finished the upload.
        let upload = uploads::find(&self.database, id, None).await?;
        let upload = upload.ok_or_else(|| StoreError::corrupt("billing.uploads", format!("{id} is gone")))?;
        if matches!(upload.status, UploadStatus::Accepted | UploadStatus::Refused) {
            return Ok(ImportEnd::Finished);
        }
        if !is_ours {
            return Err(NotificationError::Verdict(RecordOutcome::Wait(format!("{id} is being read"))));
        }
        let ended = self.go_on(&upload, bucket, key, deadline).await;
        uploads::release(&self.database, upload.id).await?;
        ended
    }

    /// Copies the file and continues its import.
    async fn go_on(
        &self,
        upload: &Upload,
        bucket: &str,
        key: &str,
        deadline: SystemTime,
    ) -> Result<ImportEnd, NotificationError> {
        let etag = upload.progress.as_ref().map(|progress| progress.etag.as_str());
        let copied = match copy(&self.s3, bucket, key, etag, upload.kind.bytes_max()).await {
            Ok(copied) => copied,
            Err(DownloadError::TooLarge) => {
                let reason = format!("the file is too large: it may have {} bytes", upload.kind.bytes_max());
                refuse(&self.database, upload, &reason).await?;
                return Ok(ImportEnd::Finished);
            }
            Err(DownloadError::Replaced) => {
                let reason = format!("the file of {} is not the one that was checked", upload.id);
                return Err(NotificationError::Verdict(RecordOutcome::Park(PermanentFailure {
                    code: "replaced_file",
                    reason,
                })));
            }
            // Retried without limit: a pause counts as a receive, so a message that failed at its third receive would
            // be parked.
            Err(error) => return Err(NotificationError::Error(BatchError::Busy(Chain(&error).to_string()))),
        };
        let imported = import(&self.database, &self.payments_queue, upload, copied, deadline).await;
        imported.map_err(|error| match error {
            ImportError::Store(error) => NotificationError::from(error),
            error => NotificationError::Error(BatchError::Busy(format!("upload {}: {}", upload.id, Chain(&error)))),
        })
    }
}

/// Seconds until an import that ran out of time continues.
const PAUSE_SECONDS: i32 = 1;

/// Seconds until a retry after a failure, or while another invocation reads the file.
const RETRY_SECONDS: i32 = 300;

/// The holder of a lease may end a little after its deadline, by another clock.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

fn receipt(message: &aws_lambda_events::event::sqs::SqsMessage) -> Option<(String, String)> {
    Some((message.message_id.clone()?, message.receipt_handle.clone()?))
}

fn malformed(reason: &str) -> PermanentFailure {
    PermanentFailure { code: "malformed", reason: reason.to_owned() }
}
