//! Imports one file: checked as a whole, then queued chunk by chunk.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use quittance_domain::command::PaymentCommand;
use quittance_domain::id::AuditId;
use quittance_formats::{Movement, ReadError};
use quittance_lambda::command_queue::CommandQueue;
use quittance_lambda::envelope::CloudEvent;
use quittance_store::audit::{self, AuditRecord, Json};
use quittance_store::upload_lines::{self, LineDecision, LineFilter};
use quittance_store::uploads::{self, ImportProgress, Upload};
use quittance_store::{Database, StoreError};
use serde_json::{Value, json};
use tokio::task::JoinError;
use uuid::Uuid;

use crate::check::{CheckedFile, check};
use crate::claims;
use crate::decide::{ImportMemory, decide};
use crate::file::DownloadedFile;
use crate::identity::Ordinals;
use crate::lookup::PayerAccounts;
use crate::reading::{FileReading, LineChunk};
use crate::recording::{Decisions, record};
use crate::sending::SendError;
use crate::sending::send;

/// The number of lines that are decided about with one set of queries, while earlier ones are sent.
pub const CHUNK: usize = 2_000;

/// No chunk is started with less time left.
const TIME_RESERVE: Duration = Duration::from_secs(30);

/// How an import ended in this invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportEnd {
    /// Every line has its outcome, or the file was refused.
    Finished,
    /// Time ran out; another invocation continues.
    Paused,
}

/// Why a file was not processed; its notification is redelivered.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// SQS did not accept the commands.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The disk failed: the whole file was checked and is readable.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The disk failed before the file was checked.
    #[error("the temporary file cannot be read")]
    Disk(#[from] std::io::Error),
    /// The task that reads ahead was aborted or panicked.
    #[error("the file was not read on")]
    Aborted(#[from] JoinError),
}

/// Refuses a file as a whole.
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

/// Checks a file if that has not been done, and queues its lines from where the last invocation ended.
///
/// # Errors
/// [`ImportError`]; repeating is safe.
pub async fn import(
    database: &Database,
    queue: &CommandQueue,
    upload: &Upload,
    copied: DownloadedFile,
    deadline: SystemTime,
) -> Result<ImportEnd, ImportError> {
    let (progress, reading) = match &upload.progress {
        Some(progress) => (progress.clone(), FileReading::resume(upload, copied.file, progress)?),
        None => match check(upload, copied)? {
            CheckedFile::Sound(progress, reading) => {
                begin(database, upload, &progress).await?;
                (progress, reading)
            }
            CheckedFile::Refused(reason) => {
                refuse(database, upload, &reason).await?;
                return Ok(ImportEnd::Finished);
            }
        },
    };
    let ordinals = Ordinals::load(database, upload.id, progress.lines_done).await?;
    let (reading, read) = read_on(reading).await?;
    let mut work = ImportPipeline {
        database,
        queue,
        upload,
        digest: progress.digest,
        names_payments: reading.names_payments(),
        reading: Some(reading),
        memory: ImportMemory { accounts: PayerAccounts::default(), ordinals },
        read,
        decided: None,
        ready: None,
        done: progress.lines_done,
    };
    let ended = loop {
        if SystemTime::now() + TIME_RESERVE > deadline {
            break ImportEnd::Paused;
        }
        if !work.go_on().await? {
            break ImportEnd::Finished;
        }
    };
    work.finish().await?;
    if ended == ImportEnd::Finished {
        accept(database, upload, work.done).await?;
    }
    Ok(ended)
}

/// Records that a file is readable as a whole; the next step queues its lines.
async fn begin(database: &Database, upload: &Upload, progress: &ImportProgress) -> Result<(), StoreError> {
    let mut transaction = database.begin().await?;
    uploads::begin(&mut transaction, upload.id, progress).await?;
    let after = json!({"status": "importing", "lines": progress.lines_total, "digest": progress.digest, "format": progress.format});
    audit::append(&mut transaction, &[audit_record(upload, "upload.checked", "every line can be used", after)]).await?;
    transaction.commit().await?;
    Ok(())
}

async fn accept(database: &Database, upload: &Upload, lines: u64) -> Result<(), StoreError> {
    let mut transaction = database.begin().await?;
    uploads::accept(&mut transaction, upload.id).await?;
    let after = json!({"status": "accepted", "lines": lines});
    audit::append(&mut transaction, &[audit_record(upload, "upload.accepted", "every line has its outcome", after)])
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// An import in progress: while one chunk is decided about and the next is read, the decisions about the chunk before
/// are recorded, and the one before that is sent.
struct ImportPipeline<'a> {
    database: &'a Database,
    queue: &'a CommandQueue,
    upload: &'a Upload,
    digest: String,
    names_payments: bool,
    /// None while the next chunk is being read.
    reading: Option<FileReading>,
    memory: ImportMemory,
    read: Option<ChunkProgress<LineChunk>>,
    decided: Option<ChunkProgress<Decisions>>,
    ready: Option<ChunkProgress<Vec<CloudEvent<PaymentCommand>>>>,
    /// The last line that was queued.
    done: u64,
}

/// The state of a chunk in the pipeline.
struct ChunkProgress<T> {
    work: T,
    /// Its last line.
    last: u64,
    /// The position after it.
    checkpoint: Value,
}

impl ImportPipeline<'_> {
    /// Advances by one chunk. Returns false at the end of the file.
    async fn go_on(&mut self) -> Result<bool, ImportError> {
        let Some(chunk) = self.read.take() else { return Ok(false) };
        if chunk.work.has_returns() {
            // They may return money received in the chunk before.
            self.hand_on(None).await?;
        }
        self.hand_on(Some(chunk)).await?;
        Ok(true)
    }

    /// Queues everything that is decided.
    async fn finish(&mut self) -> Result<(), ImportError> {
        self.hand_on(None).await?;
        self.hand_on(None).await
    }

    /// Runs every step that can run concurrently.
    async fn hand_on(&mut self, chunk: Option<ChunkProgress<LineChunk>>) -> Result<(), ImportError> {
        let (ready, decided) = (self.ready.take(), self.decided.take());
        let (database, queue, upload) = (self.database, self.queue, self.upload);
        let (sent, noted, read) = futures::join!(
            send_on(database, queue, upload, ready),
            async {
                let Some(ChunkProgress { work, last, checkpoint }) = decided else { return Ok(None) };
                Ok::<_, StoreError>(Some(ChunkProgress {
                    work: record(database, upload, work).await?,
                    last,
                    checkpoint,
                }))
            },
            self.decide(chunk)
        );
        self.done = sent?.unwrap_or(self.done);
        self.ready = noted?;
        read
    }

    /// Decides about a chunk while the next one is read.
    async fn decide(&mut self, chunk: Option<ChunkProgress<LineChunk>>) -> Result<(), ImportError> {
        let Some(ChunkProgress { work: chunk, last, checkpoint }) = chunk else { return Ok(()) };
        let reading = self.reading.take().map(read_on);
        let decisions = match chunk {
            LineChunk::Movements(movements) => self.decide_movements(&movements).await?,
            LineChunk::Confirmations(confirmations) => {
                Decisions::Claims(claims::claims(self.upload, &self.digest, &confirmations))
            }
        };
        self.decided = Some(ChunkProgress { work: decisions, last, checkpoint });
        if let Some(reading) = reading {
            let (reading, read) = reading.await?;
            (self.reading, self.read) = (Some(reading), read);
        }
        Ok(())
    }

    async fn decide_movements(&mut self, movements: &[Movement]) -> Result<Decisions, StoreError> {
        let before = decided_before(self.database, self.upload, movements).await?;
        let noted: Vec<u64> = before.keys().copied().collect();
        let decided = decide(self.database, movements, self.names_payments, &mut self.memory, before).await?;
        Ok(Decisions::Movements { decided, noted })
    }
}

/// Starts to read the next chunk, on a thread of its own; none at the end of the file.
fn read_on(
    mut reading: FileReading,
) -> impl Future<Output = Result<(FileReading, Option<ChunkProgress<LineChunk>>), ImportError>> {
    let task = tokio::task::spawn_blocking(move || {
        let work = reading.chunk(CHUNK)?;
        let Some(last) = work.last() else { return Ok((reading, None)) };
        let checkpoint = reading.checkpoint()?;
        Ok((reading, Some(ChunkProgress { work, last, checkpoint })))
    });
    async { task.await? }
}

/// Sends a chunk and moves the checkpoint behind it. Returns its last line.
async fn send_on(
    database: &Database,
    queue: &CommandQueue,
    upload: &Upload,
    ready: Option<ChunkProgress<Vec<CloudEvent<PaymentCommand>>>>,
) -> Result<Option<u64>, ImportError> {
    let Some(ChunkProgress { work: commands, last, checkpoint }) = ready else { return Ok(None) };
    send(queue, commands).await?;
    uploads::advance(database, upload.id, last, &checkpoint).await?;
    Ok(Some(last))
}

/// The decisions about a chunk that an earlier invocation recorded before it ended.
async fn decided_before(
    database: &Database,
    upload: &Upload,
    movements: &[Movement],
) -> Result<BTreeMap<u64, LineDecision>, StoreError> {
    let (Some(first), Some(last)) = (movements.first(), movements.last()) else { return Ok(BTreeMap::new()) };
    let filter = LineFilter { after: Some(first.number.saturating_sub(1)), ..LineFilter::default() };
    let limit = i64::try_from(movements.len()).unwrap_or(i64::MAX);
    let lines = upload_lines::list(database, upload.id, filter, limit).await?;
    let lines = lines.into_iter().map(|view| view.line).filter(|line| line.line <= last.number);
    Ok(lines.map(|line| (line.line, line.decision)).collect())
}

fn audit_record(upload: &Upload, action: &'static str, reason: &str, after: Value) -> AuditRecord {
    AuditRecord {
        id: AuditId::from_uuid(Uuid::now_v7()),
        actor: upload.uploaded_by.clone(),
        action,
        subject: upload.id.to_string(),
        reason: reason.to_owned(),
        before: Json::serialize(&json!({"status": upload.status.as_str()})),
        after: Json::serialize(&after),
        correlation_id: upload.id.to_string(),
    }
}
