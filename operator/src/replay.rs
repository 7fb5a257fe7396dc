//! Replays parked messages.
//!
//! For each message, in this order: the audit record, sending the message to its function, its removal from the
//! dead-letter queue. If the tool is killed in between, the message stays in the dead-letter queue, and a second run
//! completes it: the audit record has the same id; a message that has had its effect in the meantime is only removed;
//! and the functions do nothing twice, because the idempotency keys are in the body.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use crate::dead_letters::{DeadLetter, DeadLetterAction};
use crate::deployment::Deployment;
use crate::dry_run::{DryRun, ReplayProspect};
use crate::filter::Filter;
use crate::pace::{Pace, WorkProgress};
use crate::queues::Outgoing;
use crate::rejected;
use crate::rejected::NotUnderstood;

/// How often the tool checks whether the functions are done.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// SQS's counts are delayed: a queue counts as empty when it is found empty this many times in a row.
const IDLE_MIN: u32 = 3;

/// The action in audit records.
const REPLAYED: &str = "dead_letter.replayed";

/// The options of a replay.
#[derive(Debug, Clone)]
pub struct ReplayPlan {
    /// The messages to select.
    pub filter: Filter,
    /// The reason for the audit records; none for a dry run.
    pub reason: Option<String>,
    /// The maximum number of messages to send.
    pub count_max: usize,
    /// The maximum number of messages per second.
    pub rate: u32,
    /// Whether messages that would be parked again are sent too.
    pub is_forced: bool,
    /// The body to send in place of that of the one selected message.
    pub edited: Option<String>,
    /// How long to wait for the functions before checking the outcome of the messages.
    pub wait: Duration,
}

/// What the replay did with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// It was sent, or would be.
    Sent,
    /// An earlier run sent it and was killed before removing it; now it is removed.
    Finished,
    /// It is kept: its effect exists already.
    Applied,
    /// It is kept: it would be parked again.
    Refused,
}

/// A message and its outcome.
#[derive(Debug, Clone)]
pub struct ReplayOutcome {
    /// The message.
    pub dead_letter: DeadLetter,
    /// What the replay did with it.
    pub fate: Disposition,
    /// The forecast when it was inspected.
    pub forecast: DryRun,
}

/// The result of a replay.
#[derive(Debug, Clone, Default)]
pub struct Replayed {
    /// Every selected message.
    pub outcomes: Vec<ReplayOutcome>,
    /// The number of messages that were not selected.
    pub others: usize,
    /// Roughly how many messages were not seen: others of their group are in front of them, they are in flight, or the
    /// replay was interrupted before.
    pub unseen: usize,
    /// The number of messages that could not be released, and become visible again in two minutes.
    pub hidden: usize,
    /// Whether it was interrupted.
    pub is_stopped: bool,
}

impl Replayed {
    /// The number of messages with that disposition.
    #[must_use]
    pub fn count(&self, fate: Disposition) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.fate == fate).count()
    }
}

impl Deployment {
    /// Replays parked messages in sequence, those of a group in their order; or forecasts what would happen.
    ///
    /// # Errors
    /// When SQS or the database fails; messages that were not sent then stay in the dead-letter queue.
    pub async fn replay(&self, plan: &ReplayPlan, progress: &WorkProgress) -> Result<Replayed> {
        let queues = self.queues.dead_letters(plan.filter.queue.as_deref())?;
        let mut replayed = Replayed::default();
        let mut pace = Pace::new(plan.rate);
        for queue in &queues {
            let visit = async |dead_letter: &DeadLetter| {
                self.replay_next(dead_letter, plan, &mut pace, progress, &mut replayed).await
            };
            let walked = self.queues.walk(queue, visit).await?;
            replayed.hidden += walked.hidden;
            replayed.unseen += walked.unseen;
        }
        Ok(replayed)
    }

    async fn replay_next(
        &self,
        dead_letter: &DeadLetter,
        plan: &ReplayPlan,
        pace: &mut Pace,
        progress: &WorkProgress,
        replayed: &mut Replayed,
    ) -> Result<DeadLetterAction> {
        replayed.is_stopped |= progress.is_stopped();
        if replayed.is_stopped
            || replayed.count(Disposition::Sent) + replayed.count(Disposition::Finished) >= plan.count_max
        {
            return Ok(DeadLetterAction::Stop);
        }
        if !plan.filter.fits(dead_letter) {
            replayed.others += 1;
            return Ok(DeadLetterAction::GiveBack);
        }
        let outcome = self.replay_letter(dead_letter, plan, pace).await?;
        progress.step();
        let is_gone = plan.reason.is_some() && matches!(outcome.fate, Disposition::Sent | Disposition::Finished);
        replayed.outcomes.push(outcome);
        Ok(if is_gone { DeadLetterAction::Removed } else { DeadLetterAction::GiveBack })
    }

    async fn replay_letter(
        &self,
        dead_letter: &DeadLetter,
        plan: &ReplayPlan,
        pace: &mut Pace,
    ) -> Result<ReplayOutcome> {
        let dead_letter = match &plan.edited {
            Some(body) => dead_letter.edited(body)?,
            None => dead_letter.clone(),
        };
        // A forecast may be a dry run, for which others wait.
        pace.wait().await;
        let forecast = self.forecast(&dead_letter).await?.redacted();
        let what = described(&dead_letter);
        let fate = match (forecast.prospect, plan.reason.as_deref()) {
            (ReplayProspect::Applied, Some(_)) if self.is_noted(REPLAYED, &dead_letter.message_id, &what).await? => {
                self.queues.remove(&dead_letter).await?;
                Disposition::Finished
            }
            (ReplayProspect::Applied, _) => Disposition::Applied,
            (ReplayProspect::Refused, _) if !plan.is_forced => Disposition::Refused,
            (_, None) => Disposition::Sent,
            (_, Some(reason)) => match outgoing(&dead_letter) {
                Err(_) => Disposition::Refused,
                Ok(messages) => {
                    self.record_audit(REPLAYED, &dead_letter.message_id, reason, &what).await?;
                    for message in &messages {
                        self.queues.send(message).await?;
                    }
                    self.queues.remove(&dead_letter).await?;
                    Disposition::Sent
                }
            },
        };
        Ok(ReplayOutcome { dead_letter, fate, forecast })
    }

    /// Waits until the functions have handled what was sent, and determines for each message whether it has had its
    /// effect.
    ///
    /// # Errors
    /// When SQS, the database or a table does not answer.
    pub async fn verify(&self, replayed: &Replayed, plan: &ReplayPlan) -> Result<BTreeMap<&'static str, usize>> {
        let sent = replayed.outcomes.iter().filter(|outcome| outcome.fate == Disposition::Sent);
        let sent: Vec<&DeadLetter> = sent.map(|outcome| &outcome.dead_letter).collect();
        let (until, mut idle) = (Instant::now() + plan.wait, 0);
        while idle < IDLE_MIN && Instant::now() < until {
            idle = if self.is_idle(&sent).await? { idle + 1 } else { 0 };
            tokio::time::sleep(ASKED_EVERY).await;
        }
        let (mut counts, mut pace) = (BTreeMap::new(), Pace::new(plan.rate));
        for dead_letter in sent {
            pace.wait().await;
            let became = match self.forecast(dead_letter).await?.prospect {
                ReplayProspect::Applied => "applied",
                ReplayProspect::Open => "told_by_its_function_only",
                ReplayProspect::Changes | ReplayProspect::Refused => "not_applied",
            };
            *counts.entry(became).or_insert(0) += 1;
        }
        Ok(counts)
    }

    /// Whether the queues of the messages' functions are empty, with nothing in flight.
    async fn is_idle(&self, dead_letters: &[&DeadLetter]) -> Result<bool> {
        let readers: BTreeSet<&str> = dead_letters.iter().map(|dead_letter| front(dead_letter)).collect();
        for reader in readers {
            let depth = self.queues.depth(self.queues.named(reader)?).await?;
            if depth.waiting.saturating_add(depth.in_flight) > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The queue of the function that a message is for.
fn front(dead_letter: &DeadLetter) -> &str {
    match dead_letter.queue.reader() {
        "validator" => "payments",
        reader => reader,
    }
}

/// The messages to send so that a parked message is handled as if it were new.
fn outgoing(dead_letter: &DeadLetter) -> Result<Vec<Outgoing>, NotUnderstood> {
    if dead_letter.queue.reader() == "validator" {
        return rejected::messages(dead_letter);
    }
    // For the queue, an edited message is a different one, whatever was sent before.
    let edit = dead_letter.edit.as_ref().map(|edit| format!("-{}", edit.body.simple())).unwrap_or_default();
    Ok(vec![Outgoing {
        queue: front(dead_letter).to_owned(),
        group_id: dead_letter.group_id.clone(),
        deduplication_id: format!("replay-{}{edit}", dead_letter.message_id),
        body: dead_letter.body.clone(),
    }])
}

/// A message as audit records describe it: without content.
pub(crate) fn described(dead_letter: &DeadLetter) -> serde_json::Value {
    json!({
        "queue": dead_letter.queue.name, "code": dead_letter.code, "type": dead_letter.kind(), "group": dead_letter.group_id,
        "event_id": dead_letter.text_at("/id"), "parked_at": dead_letter.parked_at, "edit": dead_letter.edit,
    })
}
