//! Records the decisions about a chunk's lines, each movement of money once, and builds their commands.

use std::collections::BTreeMap;

use quittance_domain::command::{InvoiceReference, PaymentCommand};
use quittance_domain::id::UploadId;
use quittance_domain::upload::LineOutcome;
use quittance_lambda::envelope::CloudEvent;
use quittance_store::bank_movements::{self, FirstReport, ReportedMovement};
use quittance_store::upload_lines::{self, LineDecision, UploadLine};
use quittance_store::uploads::Upload;
use quittance_store::{Database, StoreError};

use crate::claims::ClaimedLine;
use crate::decide::DecidedLine;
use crate::evidence::{self, LineNames};
use crate::lines::left_out;

/// The decisions about the lines of a chunk.
pub(crate) enum Decisions {
    Movements {
        decided: Vec<DecidedLine>,
        /// The numbers of the lines, in order, that an earlier invocation recorded before it ended.
        noted: Vec<u64>,
    },
    Claims(Vec<ClaimedLine>),
}

/// Records decisions; after that, their commands may be sent.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails; nothing is recorded then.
pub(crate) async fn record(
    database: &Database,
    upload: &Upload,
    decisions: Decisions,
) -> Result<Vec<CloudEvent<PaymentCommand>>, StoreError> {
    match decisions {
        Decisions::Movements { decided, noted } => note_movements(database, upload, decided, &noted).await,
        Decisions::Claims(claims) => note_claims(database, upload, claims).await,
    }
}

async fn note_claims(
    database: &Database,
    upload: &Upload,
    claims: Vec<ClaimedLine>,
) -> Result<Vec<CloudEvent<PaymentCommand>>, StoreError> {
    let mut transaction = database.begin().await?;
    let lines: Vec<&UploadLine> = claims.iter().map(|claim| &claim.line).collect();
    upload_lines::insert(&mut transaction, upload.id, &lines).await?;
    transaction.commit().await?;
    let command =
        |claim: ClaimedLine| evidence::command(upload, &claim.line, claim.names, claim.invoice.into_iter().collect());
    Ok(claims.into_iter().filter_map(command).collect())
}

async fn note_movements(
    database: &Database,
    upload: &Upload,
    mut decided: Vec<DecidedLine>,
    noted: &[u64],
) -> Result<Vec<CloudEvent<PaymentCommand>>, StoreError> {
    let is_new = |decided: &DecidedLine| noted.binary_search(&decided.line.line).is_err();
    if noted.len() < decided.len() {
        let mut transaction = database.begin().await?;
        let reported = reported(decided.iter().filter(|decided| is_new(decided)));
        let before = bank_movements::take(&mut transaction, upload.id, &reported).await?;
        let firsts: Vec<&str> = decided.iter().filter_map(|decided| decided.first.as_deref()).collect();
        let firsts = bank_movements::first_reported(&mut transaction, &firsts).await?;
        for decided in decided.iter_mut().filter(|decided| is_new(decided)) {
            if let Some(decision) = reported_before(upload, decided, &reported, &before, &firsts) {
                decided.line.decision = decision;
            }
        }
        let lines: Vec<&UploadLine> = decided.iter().filter(|one| is_new(one)).map(|decided| &decided.line).collect();
        upload_lines::insert(&mut transaction, upload.id, &lines).await?;
        transaction.commit().await?;
    }
    let command = |decided: DecidedLine| {
        let movement = decided.movement?;
        let hints = decided.line.decision.invoices.iter().copied().map(InvoiceReference::Id).collect();
        let names = LineNames { event_id: format!("bank:{movement}"), movement };
        evidence::command(upload, &decided.line, names, hints)
    };
    Ok(decided.into_iter().filter_map(command).collect())
}

/// The movements that the lines report, and the entries whose details they report, which no other line may report as a
/// whole.
fn reported<'a>(decided: impl Iterator<Item = &'a DecidedLine>) -> BTreeMap<String, ReportedMovement> {
    let (mut reported, mut entries) = (BTreeMap::new(), BTreeMap::new());
    for decided in decided.filter(|decided| decided.line.decision.transaction_id.is_some()) {
        let line = decided.line.line;
        if let Some(movement) = &decided.movement {
            reported.insert(movement.clone(), ReportedMovement { line, is_whole: true });
        }
        if let Some(entry) = &decided.entry {
            entries.entry(entry.clone()).or_insert(ReportedMovement { line, is_whole: false });
        }
    }
    for (entry, detail) in entries {
        reported.entry(entry).or_insert(detail);
    }
    reported
}

/// Why a line is left out after all: its movement, the entry that it is a detail of, or details of it were reported
/// before.
fn reported_before(
    upload: &Upload,
    decided: &DecidedLine,
    reported: &BTreeMap<String, ReportedMovement>,
    before: &BTreeMap<String, FirstReport>,
    firsts: &BTreeMap<String, FirstReport>,
) -> Option<LineDecision> {
    decided.line.decision.transaction_id.as_ref()?;
    let movement = decided.movement.as_ref().and_then(|movement| before.get(movement));
    let of_equals = decided.first.as_ref().and_then(|first| firsts.get(first));
    if let Some(first) = [movement, of_equals].into_iter().flatten().find(|first| !first.reported.is_whole) {
        return Some(other_grain(upload, "in its details", first.upload_id));
    }
    if let Some(entry) = &decided.entry {
        let earlier = before.get(entry).map(|first| (first.reported, first.upload_id));
        let whole =
            earlier.or_else(|| Some((*reported.get(entry)?, upload.id))).filter(|(reported, _)| reported.is_whole);
        if let Some((_, first)) = whole {
            return Some(other_grain(upload, "as a whole", first));
        }
    }
    let first = movement?;
    let (outcome, also) = if first.is_other(&decided.line) {
        (LineOutcome::Rejected, ", but of another payer: find out whether it is other money")
    } else {
        (LineOutcome::Duplicate, "")
    };
    Some(left_out(outcome, format!("reported before, by line {} of {}{also}", first.reported.line, first.upload_id)))
}

fn other_grain(upload: &Upload, reported: &str, first: UploadId) -> LineDecision {
    // Within one file, both may be real: somebody has to look.
    let outcome = if first == upload.id { LineOutcome::Rejected } else { LineOutcome::Duplicate };
    left_out(outcome, format!("the entry was reported before {reported}, by {first}"))
}
