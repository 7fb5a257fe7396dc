//! From S3's notifications to verdicts.

use aws_lambda_events::event::s3::{S3Event, S3EventRecord};
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_s3::operation::get_object::GetObjectError;
use lambda_runtime::LambdaEvent;
use quittance_lambda::batch::{BatchError, Outage, Record, Refusal, Verdict};
use quittance_lambda::command_queue::CommandQueue;
use quittance_lambda::consumer::consume_records;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_store::uploads::{self, FILE_BYTES_MAX};
use quittance_store::{Database, StoreError};
use serde_json::Value;

use crate::import::{ImportError, import, refuse};

/// What the importer works with.
#[derive(Clone)]
pub struct Importer {
    /// The database, as the importer's own role.
    pub database: Database,
    /// Where files lie.
    pub s3: aws_sdk_s3::Client,
    /// Where commands go.
    pub payments_queue: CommandQueue,
    /// Where notifications that cannot succeed go.
    pub dead_letters: DeadLetterQueue,
}

impl Importer {
    /// Handles a batch of the uploads queue.
    ///
    /// # Errors
    /// [`Outage`] while the database is away: everything comes back.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Outage> {
        consume_records(event, &self.dead_letters, async |record: &Record| self.process(record).await).await
    }

    async fn process(&self, record: &Record) -> Result<Verdict, BatchError> {
        let Ok(body) = serde_json::from_str::<Value>(&record.body) else {
            return Ok(Verdict::Park(malformed("the body is not JSON")));
        };
        // S3 sends one when the notification is set up.
        if body.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
            return Ok(Verdict::Done);
        }
        let Ok(notification) = serde_json::from_value::<S3Event>(body) else {
            return Ok(Verdict::Park(malformed("the body is not a notification of S3")));
        };
        for object in &notification.records {
            if let Some(verdict) = self.import_object(object).await? {
                return Ok(verdict);
            }
        }
        Ok(Verdict::Done)
    }

    /// Imports one object; a verdict only if it stands in the way of the message.
    async fn import_object(&self, object: &S3EventRecord) -> Result<Option<Verdict>, BatchError> {
        let (Some(bucket), Some(key)) = (&object.s3.bucket.name, &object.s3.object.key) else {
            return Ok(Some(Verdict::Park(malformed("the notification names no object"))));
        };
        let Some(upload) = uploads::find_by_key(&self.database, key).await.map_err(store_error)? else {
            let reason = format!("nobody announced the file {key}");
            return Ok(Some(Verdict::Park(Refusal { code: "unknown_upload", reason })));
        };
        if upload.status != "awaiting_file" {
            return Ok(None);
        }
        let imported = match self.read(bucket, key).await.map_err(BatchError::Spoiled)? {
            Some(file) => import(&self.database, &self.payments_queue, &upload, &file).await,
            None => {
                let reason = format!("a file has at most {FILE_BYTES_MAX} bytes");
                refuse(&self.database, &upload, &reason).await.map_err(ImportError::from)
            }
        };
        imported.map(|()| None).map_err(|error| match error {
            ImportError::Store(error) => store_error(error),
            ImportError::Service(reason) => BatchError::Spoiled(format!("upload {}: {reason}", upload.id)),
        })
    }

    /// The object's bytes; none if there are too many.
    async fn read(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, String> {
        let answer = self.s3.get_object().bucket(bucket).key(key).send().await;
        let object =
            answer.map_err(|error| format!("file {key} cannot be read: {}", kind(&error.into_service_error())))?;
        let is_small = object
            .content_length()
            .and_then(|length| u32::try_from(length).ok())
            .is_some_and(|length| length <= FILE_BYTES_MAX);
        if !is_small {
            return Ok(None);
        }
        let bytes = object.body.collect().await.map_err(|error| format!("file {key} broke off: {error}"))?;
        Ok(Some(bytes.to_vec()))
    }
}

fn kind(error: &GetObjectError) -> String {
    error.meta().code().unwrap_or("no answer").to_owned()
}

fn malformed(reason: &str) -> Refusal {
    Refusal { code: "malformed", reason: reason.to_owned() }
}

fn store_error(error: StoreError) -> BatchError {
    BatchError::of(&error, error.is_outage(), error.is_conflict())
}
