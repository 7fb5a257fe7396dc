//! Dry run of a message: the real processing, in a transaction that is rolled back.

use std::time::Duration;

use chrono::DateTime;
use chrono_tz::Tz;
use quittance_domain::id::AuditId;
use quittance_lambda::batch::PermanentFailure;
use quittance_store::audit::{self, Change};
use quittance_store::retry::TransactionRetries;
use quittance_store::{Database, StoreError, Transaction};
use uuid::Uuid;

use crate::emitted_events::EmittedEvents;
use crate::handler::{Instruction, decision_conflict, idempotency_conflict, parse_instruction};
use crate::{decide, settle};

/// The time limit of a dry run's statements, since its locks block the processor.
const STATEMENT_MAX: Duration = Duration::from_secs(10);

/// The result of a dry run.
#[derive(Debug, Clone)]
pub enum Rehearsal {
    /// The message would be parked again.
    Refused(PermanentFailure),
    /// Its content is recorded already: it would change nothing.
    Known,
    /// The message would have these effects.
    Changes {
        /// The changes, as in the audit records.
        changes: Vec<Change>,
        /// The events and commands that would be emitted.
        emitted: EmittedEvents,
    },
}

/// Processes the message and rolls back. Others wait for the locked rows meanwhile; conflicts with other transactions
/// are retried, as in the processor.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn rehearse(database: &Database, body: &str, now: DateTime<Tz>) -> Result<Rehearsal, StoreError> {
    let work = match parse_instruction(body) {
        Err(refusal) => return Ok(Rehearsal::Refused(refusal)),
        Ok(work) => work,
    };
    let mut attempts = TransactionRetries::new();
    loop {
        match attempt(database, &work, now).await {
            Ok(rehearsal) => return Ok(rehearsal),
            Err(error) => attempts.pause(error).await?,
        }
    }
}

async fn attempt(database: &Database, work: &Instruction, now: DateTime<Tz>) -> Result<Rehearsal, StoreError> {
    let since = AuditId::from_uuid(Uuid::now_v7());
    let transaction = database.begin_limited(STATEMENT_MAX).await?;
    match work {
        Instruction::Evidence(instruction) => match settle::prepare(transaction, &[instruction], now).await? {
            settle::PreparedSettlement::Written(transaction, emitted) => roll_back(transaction, since, emitted).await,
            settle::PreparedSettlement::Conflicting(_) => Ok(Rehearsal::Refused(idempotency_conflict(instruction))),
        },
        Instruction::Decision(decision) => match decide::prepare(transaction, decision, now).await? {
            decide::PreparedCommand::Written(transaction, emitted) => roll_back(transaction, since, emitted).await,
            decide::PreparedCommand::Known => Ok(Rehearsal::Known),
            decide::PreparedCommand::OtherContent => Ok(Rehearsal::Refused(decision_conflict(decision))),
        },
    }
}

async fn roll_back(
    mut transaction: Transaction,
    since: AuditId,
    emitted: EmittedEvents,
) -> Result<Rehearsal, StoreError> {
    let changes = audit::of_transaction(&mut transaction, since).await?;
    transaction.rollback().await?;
    Ok(if changes.is_empty() { Rehearsal::Known } else { Rehearsal::Changes { changes, emitted } })
}
