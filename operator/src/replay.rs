//! Sending parked messages again.
//!
//! For each message, in this order: the audit record, the message in front of its function, its removal from the dead-letter
//! queue. Whoever is killed in between leaves it in the dead-letter queue, and a second run finishes it: the audit record has
//! the same id; what has had its effect meanwhile is only removed; and the functions do nothing twice, because the keys of
//! what was done are in the body.

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

/// How often it is looked whether the functions have done their work.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// SQS counts what is in a queue with some delay: it is empty when it is found so as many times in a row.
const IDLE_MIN: u32 = 3;

/// What audit records call a replay.
const REPLAYED: &str = "dead_letter.replayed";

/// How a replay is to go.
#[derive(Debug, Clone)]
pub struct ReplayPlan {
    /// Which messages.
    pub filter: Filter,
    /// Why, for the audit records; none only tells what would happen.
    pub reason: Option<String>,
    /// At most so many messages are sent.
    pub count_max: usize,
    /// At most so many messages a second are looked at.
    pub rate: u32,
    /// Whether messages are sent that would be parked again, too.
    pub is_forced: bool,
    /// What is sent instead of the body of the one message that is meant.
    pub edited: Option<String>,
    /// How long to wait for the functions before it is checked what became of the messages.
    pub wait: Duration,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// It was sent again, or would be.
    Sent,
    /// A run before this one sent it and was killed before it could remove it; now it is removed.
    Finished,
    /// It stays where it is: its effect is there already.
    Applied,
    /// It stays where it is: it would be parked again.
    Refused,
}

/// One message, and what became of it.
#[derive(Debug, Clone)]
pub struct ReplayOutcome {
    /// The message.
    pub letter: DeadLetter,
    /// What became of it.
    pub fate: Disposition,
    /// What it would have done when it was looked at.
    pub forecast: DryRun,
}

/// What a replay did.
#[derive(Debug, Clone, Default)]
pub struct Replayed {
    /// Every message that was meant.
    pub outcomes: Vec<ReplayOutcome>,
    /// How many were passed over, because they were not meant.
    pub others: usize,
    /// About how many were not seen: others of their group stay before them, somebody has them, or it was stopped before.
    pub unseen: usize,
    /// How many could not be given back, and are seen again in two minutes.
    pub hidden: usize,
    /// Whether somebody stopped it.
    pub is_stopped: bool,
}

impl Replayed {
    /// How many messages had that fate.
    #[must_use]
    pub fn count(&self, fate: Disposition) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.fate == fate).count()
    }
}

impl Deployment {
    /// Sends parked messages again, one after the other, those of a group in their order; or tells what would happen.
    ///
    /// # Errors
    /// When SQS or the database fails; what is not sent then stays in the dead-letter queue.
    pub async fn replay(&self, plan: &ReplayPlan, progress: &WorkProgress) -> Result<Replayed> {
        let queues = self.queues.dead_letters(plan.filter.queue.as_deref())?;
        let mut replayed = Replayed::default();
        let mut pace = Pace::new(plan.rate);
        for queue in &queues {
            let visit =
                async |letter: &DeadLetter| self.replay_next(letter, plan, (&mut pace, progress), &mut replayed).await;
            let walked = self.queues.walk(queue, visit).await?;
            replayed.hidden += walked.hidden;
            replayed.unseen += walked.unseen;
        }
        Ok(replayed)
    }

    async fn replay_next(
        &self,
        letter: &DeadLetter,
        plan: &ReplayPlan,
        (pace, progress): (&mut Pace, &WorkProgress),
        replayed: &mut Replayed,
    ) -> Result<DeadLetterAction> {
        replayed.is_stopped |= progress.is_stopped();
        if replayed.is_stopped
            || replayed.count(Disposition::Sent) + replayed.count(Disposition::Finished) >= plan.count_max
        {
            return Ok(DeadLetterAction::Stop);
        }
        if !plan.filter.fits(letter) {
            replayed.others += 1;
            return Ok(DeadLetterAction::GiveBack);
        }
        let outcome = self.replay_letter(letter, plan, pace).await?;
        progress.step();
        let is_gone = plan.reason.is_some() && matches!(outcome.fate, Disposition::Sent | Disposition::Finished);
        replayed.outcomes.push(outcome);
        Ok(if is_gone { DeadLetterAction::Removed } else { DeadLetterAction::GiveBack })
    }

    async fn replay_letter(&self, letter: &DeadLetter, plan: &ReplayPlan, pace: &mut Pace) -> Result<ReplayOutcome> {
        let letter = match &plan.edited {
            Some(body) => letter.edited(body)?,
            None => letter.clone(),
        };
        // A forecast may be a rehearsal, for which others wait.
        pace.wait().await;
        let forecast = self.forecast(&letter).await?.redacted();
        let what = described(&letter);
        let fate = match (forecast.prospect, plan.reason.as_deref()) {
            (ReplayProspect::Applied, Some(_)) if self.is_noted(REPLAYED, &letter.message_id, &what).await? => {
                self.queues.remove(&letter).await?;
                Disposition::Finished
            }
            (ReplayProspect::Applied, _) => Disposition::Applied,
            (ReplayProspect::Refused, _) if !plan.is_forced => Disposition::Refused,
            (_, None) => Disposition::Sent,
            (_, Some(reason)) => match outgoing(&letter) {
                Err(_) => Disposition::Refused,
                Ok(messages) => {
                    self.record_audit(REPLAYED, &letter.message_id, reason, &what).await?;
                    for message in &messages {
                        self.queues.send(message).await?;
                    }
                    self.queues.remove(&letter).await?;
                    Disposition::Sent
                }
            },
        };
        Ok(ReplayOutcome { letter, fate, forecast })
    }

    /// Waits until the functions have handled what was sent, and tells of each message whether it has had its effect by now.
    ///
    /// # Errors
    /// When SQS, the database or a table cannot be asked.
    pub async fn verify(&self, replayed: &Replayed, plan: &ReplayPlan) -> Result<BTreeMap<&'static str, usize>> {
        let sent = replayed.outcomes.iter().filter(|outcome| outcome.fate == Disposition::Sent);
        let sent: Vec<&DeadLetter> = sent.map(|outcome| &outcome.letter).collect();
        let (until, mut idle) = (Instant::now() + plan.wait, 0);
        while idle < IDLE_MIN && Instant::now() < until {
            idle = if self.is_idle(&sent).await? { idle + 1 } else { 0 };
            tokio::time::sleep(ASKED_EVERY).await;
        }
        let (mut counts, mut pace) = (BTreeMap::new(), Pace::new(plan.rate));
        for letter in sent {
            pace.wait().await;
            let became = match self.forecast(letter).await?.prospect {
                ReplayProspect::Applied => "applied",
                ReplayProspect::Open => "told_by_its_function_only",
                ReplayProspect::Changes | ReplayProspect::Refused => "not_applied",
            };
            *counts.entry(became).or_insert(0) += 1;
        }
        Ok(counts)
    }

    /// Whether nothing waits or is handled in the queues in front of those whom the messages are for.
    async fn is_idle(&self, letters: &[&DeadLetter]) -> Result<bool> {
        let readers: BTreeSet<&str> = letters.iter().map(|letter| front(letter)).collect();
        for reader in readers {
            let depth = self.queues.depth(self.queues.named(reader)?).await?;
            if depth.waiting.saturating_add(depth.in_flight) > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The queue in front of the function that a message is for.
fn front(letter: &DeadLetter) -> &str {
    match letter.queue.reader() {
        "validator" => "payments",
        reader => reader,
    }
}

/// What has to be sent, so that a message is handled as if it came for the first time.
fn outgoing(letter: &DeadLetter) -> Result<Vec<Outgoing>, String> {
    if letter.queue.reader() == "validator" {
        return rejected::messages(letter);
    }
    // An edited message is another to the queue, whatever was sent before.
    let edit = letter.edit.as_ref().map(|edit| format!("-{}", edit.body.simple())).unwrap_or_default();
    Ok(vec![Outgoing {
        queue: front(letter).to_owned(),
        group_id: letter.group_id.clone(),
        deduplication_id: format!("replay-{}{edit}", letter.message_id),
        body: letter.body.clone(),
    }])
}

/// What the audit records say of a message: no content of it.
pub(crate) fn described(letter: &DeadLetter) -> serde_json::Value {
    json!({
        "queue": letter.queue.name, "code": letter.code, "type": letter.kind(), "group": letter.group_id,
        "event_id": letter.text_at("/id"), "parked_at": letter.parked_at, "edit": letter.edit,
    })
}
