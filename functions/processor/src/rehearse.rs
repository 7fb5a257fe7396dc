//! What a message would do now: the real decision, in a transaction that is rolled back.

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

/// Others wait for what a rehearsal locks: it gives up as soon as the processor would.
const STATEMENT_MAX: Duration = Duration::from_secs(10);

/// What a message of the payments queue would do.
#[derive(Debug, Clone)]
pub enum Rehearsal {
    /// It would be parked again.
    Refused(PermanentFailure),
    /// All that it says is recorded: it would change nothing.
    Known,
    /// What would be written, and told to others.
    Changes {
        /// As the audit records say it.
        changes: Vec<Change>,
        /// Events and commands.
        emitted: EmittedEvents,
    },
}

/// Does what the message says and takes it back. Others wait meanwhile for the rows that it locks; what meets another
/// transaction is tried again, as the processor does.
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
            settle::PreparedSettlement::Renamed(_) => Ok(Rehearsal::Refused(idempotency_conflict(instruction))),
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
