//! One file: checked whole, then handed on chunk by chunk.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use quittance_domain::command::{InvoiceHint, PaymentCommand};
use quittance_domain::id::AuditId;
use quittance_domain::upload::LineOutcome;
use quittance_formats::{Confirmation, Movement, ReadError};
use quittance_lambda::command_queue::CommandQueue;
use quittance_lambda::envelope::CloudEvent;
use quittance_store::audit::{self, AuditRecord, Json};
use quittance_store::bank_movements;
use quittance_store::upload_lines::{self, LineDecision, LineFilter};
use quittance_store::uploads::{self, Progress, Upload};
use quittance_store::{Database, StoreError, Transaction};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::check::{Checked, check};
use crate::claims;
use crate::decide::{Decided, Memory, decide};
use crate::evidence::{self, Names};
use crate::file::Copy;
use crate::identity::Ordinals;
use crate::lines::left_out;
use crate::lookup::Accounts;
use crate::reading::{Chunk, Reading};
use crate::sending::send;

/// So many lines are decided about with one set of queries, while those before are sent.
pub const CHUNK: usize = 2_000;

/// A chunk is not begun with less time left.
const TIME_RESERVE: Duration = Duration::from_secs(30);

/// How an import ended for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every line has its outcome, or the file is refused.
    Finished,
    /// The time is up; the rest is for another invocation.
    Paused,
}

/// Why a file was not dealt with; its notification comes back.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// SQS, S3 or the disk failed.
    #[error("{0}")]
    Service(String),
}

impl From<ReadError> for ImportError {
    /// The file was checked whole: it can be read, so that the disk is to blame.
    fn from(error: ReadError) -> Self {
        Self::Service(error.to_string())
    }
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

/// Checks a file if that was not done, and hands on its lines from where the last invocation ended.
///
/// # Errors
/// [`ImportError`]; repeating is safe.
pub async fn import(
    database: &Database,
    queue: &CommandQueue,
    upload: &Upload,
    copied: Copy,
    deadline: SystemTime,
) -> Result<Ended, ImportError> {
    let (progress, mut reading) = match &upload.progress {
        Some(progress) => (progress.clone(), Reading::resume(upload, copied.file, progress)?),
        None => match check(upload, copied)? {
            Checked::Sound(progress, reading) => {
                begin(database, upload, &progress).await?;
                (progress, reading)
            }
            Checked::Refused(reason) => {
                refuse(database, upload, &reason).await?;
                return Ok(Ended::Finished);
            }
        },
    };
    let ordinals = Ordinals::of(database, upload.id, progress.lines_done).await?;
    let mut work = Work {
        database,
        queue,
        upload,
        digest: progress.digest,
        names_payments: reading.names_payments(),
        memory: Memory { accounts: Accounts::default(), ordinals },
        done: progress.lines_done,
    };
    let mut ready = None;
    let ended = loop {
        if SystemTime::now() + TIME_RESERVE > deadline {
            break Ended::Paused;
        }
        let chunk = reading.chunk(CHUNK)?;
        let Some(last) = chunk.last() else { break Ended::Finished };
        let checkpoint = reading.checkpoint()?;
        let commands = work.decide(&chunk, ready.take()).await?;
        ready = Some(Ready { commands, last, checkpoint });
    };
    work.send(ready).await?;
    if ended == Ended::Finished {
        accept(database, upload, work.done).await?;
    }
    Ok(ended)
}

/// Notes that a file can be read whole; the next step hands it on.
async fn begin(database: &Database, upload: &Upload, progress: &Progress) -> Result<(), StoreError> {
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

/// An import that is under way.
struct Work<'a> {
    database: &'a Database,
    queue: &'a CommandQueue,
    upload: &'a Upload,
    digest: String,
    names_payments: bool,
    memory: Memory,
    /// The last line that is handed on.
    done: u64,
}

/// A chunk that is decided about and is to be sent.
struct Ready {
    commands: Vec<CloudEvent<PaymentCommand>>,
    last: u64,
    checkpoint: Value,
}

impl Work<'_> {
    /// Decides about a chunk, notes it, and gives what is to be sent, while the chunk before is sent.
    async fn decide(
        &mut self,
        chunk: &Chunk,
        before: Option<Ready>,
    ) -> Result<Vec<CloudEvent<PaymentCommand>>, ImportError> {
        let Work { database, queue, upload, digest, names_payments, memory, .. } = self;
        let (sent, decided) = futures::join!(send_on(database, queue, upload, before), async {
            match chunk {
                Chunk::Movements(movements) => {
                    decide_movements(database, upload, movements, *names_payments, memory).await
                }
                Chunk::Confirmations(confirmations) => note_claims(database, upload, digest, confirmations).await,
            }
        });
        self.done = sent?.unwrap_or(self.done);
        Ok(decided?)
    }

    async fn send(&mut self, ready: Option<Ready>) -> Result<(), ImportError> {
        self.done = send_on(self.database, self.queue, self.upload, ready).await?.unwrap_or(self.done);
        Ok(())
    }
}

/// Sends a chunk and moves the checkpoint behind it. Answers its last line.
async fn send_on(
    database: &Database,
    queue: &CommandQueue,
    upload: &Upload,
    ready: Option<Ready>,
) -> Result<Option<u64>, ImportError> {
    let Some(Ready { commands, last, checkpoint }) = ready else { return Ok(None) };
    send(queue, commands).await.map_err(ImportError::Service)?;
    uploads::advance(database, upload.id, last, &checkpoint).await?;
    Ok(Some(last))
}

async fn note_claims(
    database: &Database,
    upload: &Upload,
    digest: &str,
    confirmations: &[Confirmation],
) -> Result<Vec<CloudEvent<PaymentCommand>>, StoreError> {
    let claims = claims::claims(upload, digest, confirmations);
    let lines: Vec<_> = claims.iter().map(|claim| claim.line.clone()).collect();
    let mut transaction = database.begin().await?;
    upload_lines::insert(&mut transaction, upload.id, &lines).await?;
    transaction.commit().await?;
    let command =
        |claim: claims::Claim| evidence::command(upload, &claim.line, claim.names, claim.invoice.into_iter().collect());
    Ok(claims.into_iter().filter_map(command).collect())
}

async fn decide_movements(
    database: &Database,
    upload: &Upload,
    movements: &[Movement],
    names_payments: bool,
    memory: &mut Memory,
) -> Result<Vec<CloudEvent<PaymentCommand>>, StoreError> {
    let before = decided_before(database, upload, movements).await?;
    let known: Vec<u64> = before.keys().copied().collect();
    let mut decided = decide(database, movements, names_payments, memory, before).await?;
    let is_new = |decided: &&mut Decided| known.binary_search(&decided.line.line).is_err();
    if known.len() < decided.len() {
        commit(database, upload, decided.iter_mut().filter(is_new).collect()).await?;
    }
    let command = |decided: Decided| {
        let movement = decided.movement?;
        let hints = decided.line.decision.invoices.iter().copied().map(InvoiceHint::Id).collect();
        let names = Names { event_id: format!("bank:{movement}"), movement };
        evidence::command(upload, &decided.line, names, hints)
    };
    Ok(decided.into_iter().filter_map(command).collect())
}

/// What an earlier invocation decided about a chunk before it ended.
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

/// Notes decisions, but for lines whose movement another line told of first: those are left out.
async fn commit(database: &Database, upload: &Upload, mut decided: Vec<&mut Decided>) -> Result<(), StoreError> {
    let mut transaction = database.begin().await?;
    leave_out_other_grain(&mut transaction, upload, &mut decided).await?;
    let is_taken = |decided: &&mut Decided| decided.line.decision.transaction_id.is_some();
    let movement = |decided: &&mut Decided| Some((decided.movement.clone()?, decided.line.line));
    let movements: Vec<(String, u64)> = decided.iter().filter(|one| is_taken(one)).filter_map(movement).collect();
    let taken = bank_movements::take_movements(&mut transaction, upload.id, &movements).await?;
    let told_before: Vec<String> =
        movements.iter().filter(|(_, line)| !taken.contains(line)).map(|(movement, _)| movement.clone()).collect();
    if !told_before.is_empty() {
        let first = bank_movements::first_told(&mut transaction, &told_before).await?;
        for decided in &mut decided {
            let told = decided.movement.as_ref().filter(|_| !taken.contains(&decided.line.line));
            if let Some(first) = told.and_then(|movement| first.get(movement)) {
                let (outcome, also) = if first.is_other(&decided.line) {
                    (LineOutcome::Rejected, ", but of another payer: find out whether it is other money")
                } else {
                    (LineOutcome::Duplicate, "")
                };
                let reason = format!("told before, by line {} of {}{also}", first.line, first.upload_id);
                decided.line.decision = left_out(outcome, reason);
            }
        }
    }
    let lines: Vec<_> = decided.iter().map(|decided| decided.line.clone()).collect();
    upload_lines::insert(&mut transaction, upload.id, &lines).await?;
    transaction.commit().await?;
    Ok(())
}

/// Leaves lines out whose entry was told as a whole when they are its details, or in details when they are the whole.
async fn leave_out_other_grain(
    transaction: &mut Transaction,
    upload: &Upload,
    decided: &mut [&mut Decided],
) -> Result<(), StoreError> {
    let is_taken = |decided: &Decided| decided.line.decision.transaction_id.is_some();
    let entry =
        |decided: &&mut Decided| Some((decided.entry.clone().filter(|_| is_taken(decided))?, decided.line.line));
    let entries: Vec<((String, bool), u64)> = decided.iter().filter_map(entry).collect();
    if entries.is_empty() {
        return Ok(());
    }
    let known = bank_movements::take_entries(transaction, upload.id, &entries).await?;
    for decided in decided {
        let Some((entry, is_whole)) = decided.entry.as_ref().filter(|_| is_taken(decided)) else { continue };
        let Some((was_whole, first)) = known.get(entry).filter(|(was_whole, _)| was_whole != is_whole) else {
            continue;
        };
        let told = if *was_whole { "as a whole" } else { "in its details" };
        let reason = format!("the entry was told before {told}, by {first}");
        // Within one file, both may be true: somebody has to look.
        let outcome = if *first == upload.id { LineOutcome::Rejected } else { LineOutcome::Duplicate };
        decided.line.decision = left_out(outcome, reason);
    }
    Ok(())
}

fn audit_record(upload: &Upload, action: &'static str, reason: &str, after: Value) -> AuditRecord {
    AuditRecord {
        id: AuditId::from_uuid(Uuid::now_v7()),
        actor: upload.uploaded_by.clone(),
        action,
        subject: upload.id.to_string(),
        reason: reason.to_owned(),
        before: Json::of(&json!({"status": upload.status.as_str()})),
        after: Json::of(&after),
        correlation_id: upload.id.to_string(),
    }
}
