//! `quittance dlq …`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use chrono::Utc;
use quittance_store::overview;
use serde_json::{Value, json};

use super::{confirm, reason_of};
use crate::age::age;
use crate::cli::Act;
use crate::dead_letters::{DeadLetter, DeadLetterAction};
use crate::deployment::Deployment;
use crate::dry_run::{DryRun, ReplayProspect};
use crate::filter::Filter;
use crate::pace::WorkProgress;
use crate::redact::redacted;
use crate::replay::{Disposition, ReplayPlan, Replayed, described};
use crate::report::{Report, differences, table};

/// The number of message ids shown per cause.
const NAMED_MAX: usize = 3;

/// The selected messages, and roughly how many others in these queues are not visible at present.
async fn meant(deployment: &Deployment, filter: &Filter) -> Result<(Vec<DeadLetter>, usize)> {
    let queues = deployment.queues.dead_letters(filter.queue.as_deref())?;
    let (mut dead_letters, unseen) = deployment.queues.look(&queues).await?;
    dead_letters.retain(|dead_letter| filter.fits(dead_letter));
    Ok((dead_letters, unseen))
}

/// Why some messages are not visible; empty if all are.
fn of_unseen(unseen: usize) -> String {
    if unseen == 0 {
        return String::new();
    }
    format!(
        "\nAbout {unseen} more are not visible now: they are behind others of their group, or another process has received them."
    )
}

pub(super) async fn list(deployment: &Deployment, filter: &Filter) -> Result<Report> {
    let (dead_letters, unseen) = meant(deployment, filter).await?;
    let mut causes: BTreeMap<(String, String, String), Vec<&DeadLetter>> = BTreeMap::new();
    for dead_letter in &dead_letters {
        let cause = (dead_letter.queue.name.clone(), dead_letter.cause(), dead_letter.kind().to_owned());
        causes.entry(cause).or_default().push(dead_letter);
    }
    let now = Utc::now();
    let (mut rows, mut groups) = (Vec::new(), Vec::new());
    for ((queue, cause, kind), dead_letters) in causes {
        let named: Vec<&str> =
            dead_letters.iter().take(NAMED_MAX).map(|dead_letter| dead_letter.message_id.as_str()).collect();
        let (oldest, newest) =
            (dead_letters.first().map(|one| one.parked_at), dead_letters.last().map(|one| one.parked_at));
        let messages: Vec<Value> = dead_letters
            .iter()
            .map(
                |dead_letter| json!({"message": dead_letter.message_id, "group": dead_letter.group_id, "parked_at": dead_letter.parked_at}),
            )
            .collect();
        groups.push(json!({"queue": queue, "cause": cause, "type": kind, "messages": messages}));
        let count = dead_letters.len().to_string();
        rows.push([queue, kind, count, age(oldest, now), age(newest, now), cause, named.join(" ")]);
    }
    let head = ["queue", "type", "count", "oldest", "newest", "cause", "messages"];
    let text = table(head, rows, "No parked message matches.") + &of_unseen(unseen);
    let json = json!({"count": dead_letters.len(), "unseen": unseen, "causes": groups});
    Ok(Report::new(text, json).clean_if(dead_letters.is_empty() && unseen == 0))
}

pub(super) async fn show(
    deployment: &Deployment,
    message: &str,
    queue: Option<&str>,
    reveal: Option<&str>,
) -> Result<Report> {
    let filter = Filter { queue: queue.map(ToOwned::to_owned), message: Some(message.to_owned()), ..Filter::default() };
    let (found, unseen) = meant(deployment, &filter).await?;
    let dead_letter = found.first().with_context(|| {
        format!("no message {message} is visible; `dlq list` shows those that are{}", of_unseen(unseen))
    })?;
    if let Some(reason) = reveal {
        revealed(deployment, dead_letter, reason).await?;
    }
    let forecast = deployment.forecast(dead_letter).await?;
    let forecast = if reveal.is_some() { forecast } else { forecast.redacted() };
    let body = body_of(dead_letter, reveal.is_some());
    let reason = dead_letter.reason.as_deref().unwrap_or("SQS moved it after too many receives");
    let mut text = vec![
        format!(
            "{} in {}, parked {} ({})",
            dead_letter.kind(),
            dead_letter.queue.name,
            dead_letter.parked_at,
            age(Some(dead_letter.parked_at), Utc::now())
        ),
        format!("group    {}", dead_letter.group_id),
        format!("subject  {}", dead_letter.subject()),
        format!("code     {}", dead_letter.code.as_deref().unwrap_or("none")),
        format!("why      {reason}"),
        format!("now      {}", forecast.prospect.as_str()),
    ];
    text.extend(foreseen(&forecast));
    text.push(format!("body     {body:#}"));
    let json = json!({
        "message": dead_letter.message_id, "queue": dead_letter.queue.name, "group": dead_letter.group_id, "type": dead_letter.kind(),
        "parked_at": dead_letter.parked_at, "code": dead_letter.code, "reason": dead_letter.reason, "forecast": forecast, "body": body,
    });
    Ok(Report::new(text.join("\n"), json))
}

/// Records that a body is revealed; every time, and beforehand.
async fn revealed(deployment: &Deployment, dead_letter: &DeadLetter, reason: &str) -> Result<()> {
    let what = json!({"message": described(dead_letter), "revealed_at": Utc::now()});
    deployment.record_audit("dead_letter.revealed", &dead_letter.message_id, reason, &what).await
}

fn body_of(dead_letter: &DeadLetter, is_revealed: bool) -> Value {
    match (is_revealed, dead_letter.content.is_null()) {
        (true, true) => Value::from(dead_letter.body.as_str()),
        (true, false) => dead_letter.content.clone(),
        (false, true) => {
            Value::from(format!("{} bytes that are not JSON; --reveal shows them", dead_letter.body.len()))
        }
        (false, false) => redacted(&dead_letter.content),
    }
}

fn foreseen(forecast: &DryRun) -> Vec<String> {
    let mut lines: Vec<String> = forecast.says.iter().map(|says| format!("         {says}")).collect();
    for change in &forecast.changes {
        lines.push(format!("         {} {}: {}", change.subject, change.action, change.reason));
        lines.extend(differences(&change.before, &change.after).iter().map(|line| format!("           {line}")));
    }
    lines
}

pub(super) async fn replay(deployment: &Deployment, plan: &ReplayPlan, is_sure: bool) -> Result<Report> {
    let is_rehearsal = plan.reason.is_none();
    let count = if is_rehearsal { 0 } else { announced(deployment, plan, is_sure).await? };
    let broken_before = if is_rehearsal { Vec::new() } else { overview::broken(&deployment.database).await? };
    let progress = WorkProgress::visible(count);
    let replayed = deployment.replay(plan, &progress).await;
    progress.finish();
    let replayed = replayed?;
    if is_rehearsal {
        return Ok(report_replayed(&replayed, true));
    }
    let became = deployment.verify(&replayed, plan).await?;
    let broken: Vec<_> = overview::broken(&deployment.database)
        .await?
        .into_iter()
        .filter(|broken| !broken_before.contains(broken))
        .collect();
    let mut report = report_replayed(&replayed, false);
    for (what, count) in &became {
        report.text.push_str(&format!("\n{count} of those sent: {}", what_became(what)));
    }
    report.text.push_str(if broken.is_empty() {
        "\nAll rules about money that held before still hold."
    } else {
        "\nA rule about money that held before is broken: see `quittance ledger check`."
    });
    let not_applied = became.get("not_applied").copied().unwrap_or_default();
    if let Some(members) = report.json.as_object_mut() {
        members.insert("became".to_owned(), json!(became));
        members.insert("broken".to_owned(), json!(broken));
    }
    let is_clean = report.is_clean && broken.is_empty() && not_applied == 0;
    Ok(report.clean_if(is_clean))
}

fn what_became(what: &str) -> &'static str {
    match what {
        "applied" => "have had their effect; another replay would change nothing",
        "not_applied" => "have had no effect yet; check whether they are parked again",
        _ => "outcome known only to the function",
    }
}

/// Announces what will be done, and asks for confirmation.
async fn announced(deployment: &Deployment, plan: &ReplayPlan, is_sure: bool) -> Result<u64> {
    let (dead_letters, unseen) = meant(deployment, &plan.filter).await?;
    if dead_letters.is_empty() && unseen == 0 {
        bail!("no parked message matches");
    }
    let count = dead_letters.len().min(plan.count_max);
    let seconds = count / usize::try_from(plan.rate.max(1))?;
    let unseen = of_unseen(unseen);
    confirm(
        &format!("{count} messages will be replayed where that is useful, within about {seconds} s.{unseen}"),
        is_sure,
    )?;
    Ok(u64::try_from(count)?)
}

fn report_replayed(replayed: &Replayed, is_rehearsal: bool) -> Report {
    let sent = if is_rehearsal { "would be sent" } else { "sent" };
    let mut lines = Vec::new();
    for outcome in &replayed.outcomes {
        let fate = match outcome.fate {
            Disposition::Sent => sent,
            Disposition::Finished => "was sent before; removed",
            Disposition::Applied => "has had its effect; discard it",
            Disposition::Refused => "would be parked again; kept",
        };
        let dead_letter = &outcome.dead_letter;
        lines.push(format!("{} {} {}: {fate}", dead_letter.queue.name, dead_letter.message_id, dead_letter.subject()));
        if is_rehearsal {
            lines.extend(foreseen(&outcome.forecast));
        }
    }
    let [gone, finished, applied, refused] =
        [Disposition::Sent, Disposition::Finished, Disposition::Applied, Disposition::Refused]
            .map(|fate| replayed.count(fate));
    if finished > 0 {
        lines.push(format!("{finished} were sent by an earlier run that was killed"));
    }
    lines.push(format!(
        "{gone} {sent}, {applied} had their effect, {refused} would be parked again, {} others",
        replayed.others
    ));
    if replayed.is_stopped {
        lines.push("It was interrupted; run it again to continue.".to_owned());
    }
    if replayed.hidden > 0 {
        lines.push(format!("{} messages become visible again in two minutes.", replayed.hidden));
    }
    if replayed.unseen > 0 {
        let unseen = replayed.unseen;
        lines.push(format!("About {unseen} were not inspected: they are behind others of their group, another process has received them, or this run ended before."));
    }
    let outcomes: Vec<Value> = replayed
        .outcomes
        .iter()
        .map(|outcome| {
            json!({
                "message": outcome.dead_letter.message_id, "queue": outcome.dead_letter.queue.name,
                "group": outcome.dead_letter.group_id, "fate": outcome.fate, "forecast": outcome.forecast,
            })
        })
        .collect();
    let json = json!({
        "sent": gone, "finished": finished, "applied": applied, "refused": refused, "others": replayed.others, "hidden": replayed.hidden,
        "unseen": replayed.unseen, "is_stopped": replayed.is_stopped, "outcomes": outcomes,
    });
    Report::new(lines.join("\n"), json).clean_if(refused + replayed.unseen == 0 && !replayed.is_stopped)
}

pub(super) async fn discard(deployment: &Deployment, filter: &Filter, act: &Act, is_forced: bool) -> Result<Report> {
    let reason = reason_of(act.reason.as_deref())?;
    let (dead_letters, _) = meant(deployment, filter).await?;
    let mut useless = BTreeSet::new();
    for dead_letter in dead_letters.iter().take(act.limit) {
        if is_forced || deployment.forecast(dead_letter).await?.prospect == ReplayProspect::Applied {
            useless.insert(dead_letter.message_id.clone());
        }
    }
    let kept = dead_letters.len() - useless.len();
    if useless.is_empty() {
        bail!(
            "nothing is removed: {kept} messages match, and none is known to have had its effect; --force removes them anyway"
        );
    }
    confirm(&format!("{} messages will be removed permanently, {kept} are kept.", useless.len()), act.yes)?;
    let removed = deployment.remove(filter, &useless, reason).await?;
    let text = format!("{removed} removed, {kept} kept: they may still have an effect");
    Ok(Report::new(text, json!({"removed": removed, "kept": kept})).clean_if(removed == useless.len()))
}

impl Deployment {
    /// Removes the messages, each with an audit record. Returns their number.
    async fn remove(&self, filter: &Filter, useless: &BTreeSet<String>, reason: &str) -> Result<usize> {
        let mut removed = 0;
        for queue in self.queues.dead_letters(filter.queue.as_deref())? {
            let visit = async |dead_letter: &DeadLetter| {
                if !useless.contains(&dead_letter.message_id) {
                    return Ok(DeadLetterAction::GiveBack);
                }
                self.record_audit("dead_letter.discarded", &dead_letter.message_id, reason, &described(dead_letter))
                    .await?;
                self.queues.remove(dead_letter).await?;
                removed += 1;
                Ok(DeadLetterAction::Removed)
            };
            self.queues.walk(&queue, visit).await?;
        }
        Ok(removed)
    }
}

pub(super) async fn export(
    deployment: &Deployment,
    filter: &Filter,
    output: &Path,
    reveal: Option<&str>,
) -> Result<Report> {
    let (dead_letters, unseen) = meant(deployment, filter).await?;
    // Bodies may contain personal data: an existing file or link is never written to, and other users cannot read the
    // file.
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(output);
    let mut file = opened.with_context(|| format!("{} cannot be created", output.display()))?;
    for dead_letter in &dead_letters {
        if let Some(reason) = reveal {
            revealed(deployment, dead_letter, reason).await?;
        }
        let line = json!({
            "message": dead_letter.message_id, "queue": dead_letter.queue.name, "group": dead_letter.group_id, "type": dead_letter.kind(),
            "parked_at": dead_letter.parked_at, "code": dead_letter.code, "reason": dead_letter.reason,
            "body": body_of(dead_letter, reveal.is_some()),
        });
        writeln!(file, "{line}")?;
    }
    let text = format!("{} messages written to {}{}", dead_letters.len(), output.display(), of_unseen(unseen));
    let json = json!({"count": dead_letters.len(), "unseen": unseen, "output": output.display().to_string()});
    Ok(Report::new(text, json).clean_if(unseen == 0))
}
