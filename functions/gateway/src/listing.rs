//! Asking a gateway for all that it told of a time: messages get lost.

use std::time::SystemTime;

use chrono::Utc;
use quittance_domain::command::{GatewayCommand, ListEvents, PaymentCommand, QueryResource};
use quittance_lambda::batch::{BatchError, PermanentFailure, RecordOutcome};
use quittance_lambda::envelope::CloudEvent;
use quittance_providers::WebhookNotice;
use quittance_providers::api::ListedEvents;
use uuid::Uuid;

use crate::FUNCTION;
use crate::handler::{CallFailure, CommandResult, Gateway, NamedGateway};

/// More parts than this are not read in one go: 4,000 events of Stripe's, 10,000 of GoCardless's.
const PAGES_MAX: usize = 40;

/// Kinds of parts that are named when a listing is parked; more are counted.
const NAMED_MAX: usize = 5;

/// The parts of a listing that nobody understands yet.
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

    /// The listing is kept whole in the dead-letter queue, to be asked for again when they are understood.
    fn refusal(&self, name: &str, listing: &ListEvents) -> Option<PermanentFailure> {
        let (from, until) = (listing.from, listing.until);
        let reason = format!(
            "{} of {name}'s events from {from} to {until} are not understood, among them: {}; the others are taken",
            self.count,
            self.named.join("; ")
        );
        (self.count > 0).then_some(PermanentFailure { code: "not_understood", reason })
    }
}

impl Gateway {
    /// Tells all that a gateway lists. What came by a webhook before bears the same name and changes nothing.
    pub(crate) async fn list_events(
        &self,
        (name, api): NamedGateway<'_>,
        listing: &ListEvents,
        correlation_id: &str,
        deadline: SystemTime,
    ) -> Result<CommandResult, CallFailure> {
        let access = self.gateways.access(name).await?;
        let (mut after, mut left) = (None, UnreadEvents::default());
        for _ in 0..PAGES_MAX {
            let call = api.list_events(&access, listing, after.as_deref())?;
            let answer = self.gateways.make(name, api.url(), call).await?;
            let (notices, next) = match api.parse_listing(&access, &answer)? {
                ListedEvents::Page(notices, next) => (notices, next),
                ListedEvents::Trouble(reason) => return Ok(CommandResult::Unknown(reason)),
            };
            let taken = self.take(notices, correlation_id, deadline, &mut left).await;
            taken.map_err(|error| CallFailure::Away(error.to_string()))?;
            after = next;
            if after.is_none() {
                return match left.refusal(name, listing) {
                    Some(refusal) => Err(CallFailure::Incomplete(refusal)),
                    None => Ok(CommandResult::Told(Vec::new())),
                };
            }
        }
        let (from, until) = (listing.from, listing.until);
        let reason =
            format!("{name} has more than {PAGES_MAX} parts of events from {from} to {until}; the rest is not read");
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
                WebhookNotice::Evidence(told) => evidence.push(PaymentCommand::from_evidence(*told)),
                WebhookNotice::Ask(question) => match self.ask(question, correlation_id, deadline).await? {
                    RecordOutcome::Done => {}
                    // The listing comes back, and finds what it has told already.
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

    /// Asks for what a listed event points at.
    async fn ask(
        &self,
        question: QueryResource,
        correlation_id: &str,
        deadline: SystemTime,
    ) -> Result<RecordOutcome, BatchError> {
        let subject = question.resource.clone();
        let command = GatewayCommand::QueryResource(question);
        let command =
            CloudEvent::new(Uuid::now_v7(), FUNCTION, subject, Utc::now(), correlation_id.to_owned(), command);
        Box::pin(self.process(command, deadline)).await
    }
}
