//! `quittance status`.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::try_join_all;
use quittance_store::overview::{self, PendingWork, ScheduledRun};
use serde_json::json;

use crate::age::age;
use crate::deployment::Deployment;
use crate::queues::{Depth, Queue};
use crate::report::{Report, table};

/// Work that waits in the database for longer than this needs attention; kinds that are not listed may wait.
const WAITING_MAX: [(&str, TimeDelta); 4] = [
    ("outbox.unpublished", TimeDelta::minutes(2)),
    ("outbox.parked", TimeDelta::zero()),
    ("questions.due", TimeDelta::minutes(10)),
    ("uploads.importing", TimeDelta::hours(1)),
];

/// A schedule runs each minute; one that has not run for this long is broken.
const SILENT_MAX: TimeDelta = TimeDelta::minutes(5);

pub(super) async fn status(deployment: &Deployment) -> Result<Report> {
    let (queues, database) = (queues(deployment).await?, in_database(deployment).await);
    let is_clean = queues.is_clean && database.as_ref().is_ok_and(|report| report.is_clean);
    // The queues are all the more useful while the database is unavailable.
    let (text, json) = match database {
        Ok(report) => (report.text, report.json),
        Err(error) => {
            let problem = format!("The database cannot be queried: {error:#}");
            (problem.clone(), json!({"problem": problem}))
        }
    };
    let json = json!({
        "stack": deployment.queues.stack(), "queues": queues.json, "database": json, "is_clean": is_clean,
    });
    Ok(Report::new(format!("{}\n\n{text}", queues.text), json).clean_if(is_clean))
}

async fn queues(deployment: &Deployment) -> Result<Report> {
    let now = Utc::now();
    let looked = try_join_all(deployment.queues.all().map(async |queue| {
        let depth = deployment.queues.depth(queue).await?;
        let is_full = queue.is_dead_letter() && depth.waiting > 0;
        let oldest = if is_full { deployment.queues.oldest(queue).await? } else { None };
        Ok::<_, anyhow::Error>((queue, depth, oldest))
    }));
    let looked: Vec<(&Queue, Depth, Option<DateTime<Utc>>)> = looked.await?;
    let row = |(queue, depth, oldest): &(&Queue, Depth, Option<DateTime<Utc>>)| {
        let numbers = [depth.waiting, depth.in_flight, depth.delayed].map(|count| count.to_string());
        let [waiting, in_flight, delayed] = numbers;
        [queue.name.clone(), waiting, in_flight, delayed, age(*oldest, now)]
    };
    let head = ["queue", "waiting", "in flight", "delayed", "oldest parked"];
    let text = table(head, looked.iter().map(row).collect(), "");
    let json = looked
        .iter()
        .map(|(queue, depth, oldest)| json!({"queue": queue.name, "depth": depth, "oldest_parked_at": oldest}))
        .collect();
    let is_clean =
        !looked.iter().any(|(queue, depth, _)| queue.is_dead_letter() && depth.waiting + depth.in_flight > 0);
    Ok(Report::new(text, json).clean_if(is_clean))
}

async fn in_database(deployment: &Deployment) -> Result<Report> {
    let (waiting, scheduled) =
        (overview::waiting(&deployment.database).await?, overview::scheduled(&deployment.database).await?);
    let now = Utc::now();
    let is_late = |one: &PendingWork| {
        let limit = WAITING_MAX.iter().find(|(what, _)| *what == one.what).map(|(_, limit)| *limit);
        one.count > 0 && limit.zip(one.oldest).is_some_and(|(limit, oldest)| now - oldest > limit)
    };
    let is_silent = |one: &ScheduledRun| one.ended_at.is_none_or(|at| now - at > SILENT_MAX);
    let mark = |is_wrong: bool| if is_wrong { "needs attention" } else { "" }.to_owned();
    let waits = |one: &PendingWork| [one.what.clone(), one.count.to_string(), age(one.oldest, now), mark(is_late(one))];
    let runs = |one: &ScheduledRun| {
        let ended = one.ended_at.map_or_else(|| "never".to_owned(), |at| format!("{} ago", age(Some(at), now)));
        [one.function.clone(), ended, mark(is_silent(one))]
    };
    let text = [
        table(["in the database", "count", "oldest", ""], waiting.iter().map(waits).collect(), ""),
        table(["schedule", "last run ended", ""], scheduled.iter().map(runs).collect(), ""),
    ];
    let is_clean = !waiting.iter().any(is_late) && !scheduled.iter().any(is_silent);
    let json = json!({"waiting": waiting, "schedules": scheduled});
    Ok(Report::new(text.join("\n\n"), json).clean_if(is_clean))
}
