//! `quittance replay events`.

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use quittance_domain::event::InvoiceEvent;
use quittance_domain::ledger::posting;
use quittance_domain::notification::NotificationKind;
use quittance_lambda::envelope::{CloudEvent, Payload};
use quittance_store::outbox::{self, OutboxFilter, OutboxMessage};
use serde_json::json;
use uuid::Uuid;

use super::{confirm, reason_of};
use crate::cli::{Act, Consumer};
use crate::deployment::Deployment;
use crate::dry_run::{ReplayProspect, has_receipt};
use crate::pace::{Pace, WorkProgress};
use crate::queues::Outgoing;
use crate::report::Report;

/// The number of events read at a time.
const PAGE: i64 = 200;

/// All consumers of events.
pub(super) const CONSUMERS: [Consumer; 4] =
    [Consumer::Receipt, Consumer::Ledger, Consumer::Notification, Consumer::Webhook];

impl Consumer {
    pub(super) const fn queue(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Ledger => "ledger",
            Self::Notification => "notification",
            Self::Webhook => "webhook",
        }
    }

    /// Whether it subscribes to such events, according to its subscription's filter in the template.
    #[must_use]
    pub fn subscribes_to(self, body: &str) -> bool {
        let Ok(event) = CloudEvent::<InvoiceEvent>::parse(body) else { return false };
        match self {
            Self::Webhook => true,
            Self::Ledger => posting(&event.payload).is_ok_and(|posting| posting.is_some()),
            Self::Notification => event.payload.type_name().parse::<NotificationKind>().is_ok(),
            Self::Receipt => has_receipt(&event.payload),
        }
    }
}

/// The events and the consumer.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) consumer: Consumer,
    pub(super) from: DateTime<Utc>,
    pub(super) to: Option<DateTime<Utc>>,
    pub(super) kinds: Vec<String>,
    pub(super) subject: Option<String>,
}

impl Choice {
    fn filter(&self) -> Result<OutboxFilter> {
        let unknown = self.kinds.iter().find(|kind| !InvoiceEvent::TYPES.contains(&kind.as_str()));
        if let Some(kind) = unknown {
            bail!("there is no event type {kind}; there are {}", InvoiceEvent::TYPES.join(", "));
        }
        Ok(OutboxFilter {
            is_event: true,
            types: (!self.kinds.is_empty()).then(|| self.kinds.clone()),
            groups: self.subject.clone().map(|subject| vec![subject]),
            from: Some(self.from),
            before: self.to,
            ..OutboxFilter::default()
        })
    }
}

pub(super) async fn replay(
    deployment: &Deployment,
    choice: Choice,
    act: &Act,
    is_rehearsal: bool,
    rate: u32,
) -> Result<Report> {
    let reason = if is_rehearsal { None } else { Some(reason_of(act.reason.as_deref())?) };
    let (missing, done) = missing(deployment, &choice, act.limit).await?;
    let consumer = choice.consumer.queue();
    let mut sent = 0_usize;
    if let Some(reason) = reason.filter(|_| !missing.is_empty()) {
        confirm(
            &format!("{} events will be sent to {consumer}; it has processed {done} others.", missing.len()),
            act.yes,
        )?;
        let (progress, mut pace) = (WorkProgress::visible(u64::try_from(missing.len())?), Pace::new(rate));
        // The queue would deduplicate what another run sent within five minutes, although the consumer may have failed
        // in the meantime.
        let run = Uuid::now_v7();
        for message in missing.iter().take_while(|_| !progress.is_stopped()) {
            pace.wait().await;
            let after = json!({"consumer": consumer, "type": message.event_type, "asked_at": Utc::now()});
            deployment.record_audit("event.replayed", &message.id.to_string(), reason, &after).await?;
            deployment.queues.send(&outgoing(consumer, message, run)).await?;
            sent += 1;
            progress.step();
        }
        progress.finish();
    }
    let events: Vec<_> = missing
        .iter()
        .map(|one| json!({"id": one.id, "type": one.event_type, "group": one.group_id, "created_at": one.created_at}))
        .collect();
    let mut lines: Vec<String> = missing
        .iter()
        .map(|one| format!("{} {} {} {}", one.created_at.to_rfc3339(), one.event_type, one.group_id, one.id))
        .collect();
    let total = missing.len();
    let more = if total == act.limit { " or more (see --limit)" } else { "" };
    lines.push(match reason {
        None => format!("{total} events{more} would be sent to {consumer}; it has processed {done} others"),
        Some(_) => format!("{sent} of {total} events{more} sent to {consumer}; it has processed {done} others"),
    });
    let json = json!({"consumer": consumer, "sent": sent, "handled": done, "events": events});
    Ok(Report::new(lines.join("\n"), json).clean_if(is_rehearsal || sent == total))
}

/// The events that the consumer has not processed, and the number that it has.
async fn missing(deployment: &Deployment, choice: &Choice, count_max: usize) -> Result<(Vec<OutboxMessage>, usize)> {
    let (mut filter, mut missing, mut done) = (choice.filter()?, Vec::new(), 0);
    loop {
        let page = outbox::list(&deployment.database, &filter, PAGE).await?;
        let Some(last) = page.last() else { return Ok((missing, done)) };
        filter.after = Some(last.id);
        for message in page.into_iter().filter(|message| choice.consumer.subscribes_to(&message.body)) {
            if missing.len() == count_max {
                return Ok((missing, done));
            }
            match deployment.at_consumer(choice.consumer.queue(), &message.body).await?.prospect {
                ReplayProspect::Applied => done += 1,
                _ => missing.push(message),
            }
        }
    }
}

fn outgoing(consumer: &str, message: &OutboxMessage, run: Uuid) -> Outgoing {
    Outgoing {
        queue: consumer.to_owned(),
        group_id: message.group_id.clone(),
        deduplication_id: format!("replay-{}-{}", run.simple(), message.id),
        body: message.body.clone(),
    }
}
