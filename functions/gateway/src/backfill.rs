//! Backfills events: has a gateway list the events of a period again, because webhook messages may have been lost.

use std::time::SystemTime;

use chrono::Utc;
use quittance_domain::command::{GatewayCommand, ListEvents, PaymentCommand, QueryResource};
use quittance_domain::error::Chain;
use quittance_lambda::batch::{BatchError, PermanentFailure, RecordOutcome};
use quittance_lambda::envelope::CloudEvent;
use quittance_providers::WebhookNotice;
use quittance_providers::api::ListedEvents;
use uuid::Uuid;

use crate::FUNCTION;
use crate::handler::{CallFailure, CommandResult, Gateway, NamedGateway};

/// The maximum number of pages read in one go: 4,000 events of Stripe's, 10,000 of GoCardless's.
const PAGES_MAX: usize = 40;

/// The number of event types that are named when a backfill is parked; further ones are counted.
const NAMED_MAX: usize = 5;

/// Listed events that this build cannot parse.
#[derive(Debug, Default)]
struct UnreadEvents {
    named: Vec<String>,
    count: usize,
}

impl UnreadEvents {
    fn add(&mut self, what: String) {
        self.count += 1;
        if self.named.len() < NAMED_MAX && !self.named.contains(&what) {
            self.named.push(what);
        }
    }

    /// The backfill is parked in the dead-letter queue as a whole, to be repeated by a build that can parse the events.
    fn refusal(&self, name: &str, backfill: &ListEvents) -> Option<PermanentFailure> {
        let (from, until) = (backfill.from, backfill.until);
        let reason = format!(
            "{} of {name}'s events from {from} to {until} could not be parsed, among them: {}; the others were processed",
            self.count,
            self.named.join("; ")
        );
        (self.count > 0).then_some(PermanentFailure { code: "not_understood", reason })
    }
}

impl Gateway {
    /// Sends all listed events to the processor. An event that already came by webhook has the same id and changes
    /// nothing.
    pub(crate) async fn list_events(
        &self,
        NamedGateway { name, api }: NamedGateway<'_>,
        backfill: &ListEvents,
        correlation_id: &str,
        deadline: SystemTime,
    ) -> Result<CommandResult, CallFailure> {
        let access = self.gateways.access(name).await?;
        let (mut after, mut left) = (None, UnreadEvents::default());
        for _ in 0..PAGES_MAX {
            let call = api.list_events(&access, backfill, after.as_deref())?;
            let answer = self.gateways.make(name, api.url(), call).await?;
            let (notices, next) = match api.parse_listing(&access, &answer)? {
                ListedEvents::Page(notices, next) => (notices, next),
                ListedEvents::Trouble(reason) => return Ok(CommandResult::Unknown(reason)),
            };
            let taken = self.take(notices, correlation_id, deadline, &mut left).await;
            taken.map_err(|error| CallFailure::Away(Chain(&error).to_string()))?;
            after = next;
            if after.is_none() {
                return match left.refusal(name, backfill) {
                    Some(refusal) => Err(CallFailure::Incomplete(refusal)),
                    None => Ok(CommandResult::Evidence(Vec::new())),
                };
            }
        }
        let (from, until) = (backfill.from, backfill.until);
        let reason =
            format!("{name} has more than {PAGES_MAX} pages of events from {from} to {until}; the rest was not read");
        Err(CallFailure::Incomplete(PermanentFailure { code: "too_many_events", reason }))
    }

    async fn take(
        &self,
        notices: Vec<WebhookNotice>,
        correlation_id: &str,
        deadline: SystemTime,
        left: &mut UnreadEvents,
    ) -> Result<(), BatchError> {
        let mut evidence = Vec::new();
        for notice in notices {
            match notice {
                WebhookNotice::Evidence(reported) => evidence.push(PaymentCommand::from_evidence(*reported)),
                WebhookNotice::Inquire(inquiry) => match self.ask(inquiry, correlation_id, deadline).await? {
                    RecordOutcome::Done => {}
                    // The backfill is redelivered, and detects what it has already sent.
                    RecordOutcome::Wait(reason) | RecordOutcome::Retry(reason) => return Err(BatchError::Busy(reason)),
                    RecordOutcome::Park(refusal) => left.add(refusal.reason),
                },
                WebhookNotice::Ignored { .. } => {}
                WebhookNotice::Unknown { event_type } => left.add(format!("the unknown type {event_type}")),
                WebhookNotice::Unreadable(error) => left.add(error.to_string()),
            }
        }
        self.send_to_processor(evidence, correlation_id).await
    }

    /// Fetches the object that a listed event refers to.
    async fn ask(
        &self,
        inquiry: QueryResource,
        correlation_id: &str,
        deadline: SystemTime,
    ) -> Result<RecordOutcome, BatchError> {
        let subject = inquiry.resource.clone();
        let command = GatewayCommand::QueryResource(inquiry);
        let command =
            CloudEvent::new(Uuid::now_v7(), FUNCTION, subject, Utc::now(), correlation_id.to_owned(), command);
        Box::pin(self.process(command, deadline)).await
    }
}
