//! Asking a gateway for all that it told of a time: messages get lost.

use std::time::SystemTime;

use chrono::Utc;
use quittance_domain::command::{GatewayCommand, ListEvents, PaymentCommand};
use quittance_lambda::batch::{BatchError, Verdict};
use quittance_lambda::envelope::CloudEvent;
use quittance_providers::Notice;
use quittance_providers::api::Listed;
use uuid::Uuid;

use crate::FUNCTION;
use crate::handler::{Done, Gateway, Named, Trouble};

/// More parts than this are not read in one go: 4,000 events of Stripe's, 10,000 of GoCardless's.
const PAGES_MAX: usize = 40;

impl Gateway {
    /// Tells all that a gateway lists. What came by a webhook before bears the same name and changes nothing.
    pub(crate) async fn list_events(
        &self,
        (name, api): Named<'_>,
        listing: &ListEvents,
        correlation_id: &str,
        deadline: SystemTime,
    ) -> Result<Done, Trouble> {
        let access = self.gateways.access(name).await?;
        let mut after = None;
        for _ in 0..PAGES_MAX {
            let call = api.list_events(&access, listing, after.as_deref())?;
            let answer = self.gateways.make(name, api.url(), call).await?;
            let (notices, next) = match api.listed(&answer)? {
                Listed::Page(notices, next) => (notices, next),
                Listed::Trouble(reason) => return Ok(Done::Unknown(reason)),
            };
            let taken = self.take(name, notices, correlation_id, deadline).await;
            taken.map_err(|error| Trouble::Away(error.to_string()))?;
            after = next;
            if after.is_none() {
                return Ok(Done::Told(Vec::new()));
            }
        }
        let (from, until) = (listing.from, listing.until);
        let reason =
            format!("{name} has more than {PAGES_MAX} parts of events from {from} to {until}; the rest is not read");
        Err(Trouble::TooMuch(reason))
    }

    async fn take(
        &self,
        name: &'static str,
        notices: Vec<Notice>,
        correlation_id: &str,
        deadline: SystemTime,
    ) -> Result<(), BatchError> {
        let mut evidence = Vec::new();
        for notice in notices {
            match notice {
                Notice::Evidence(told) => evidence.push(PaymentCommand::of(*told)),
                Notice::Ask(question) => {
                    let (subject, command) = (question.resource.clone(), GatewayCommand::QueryResource(question));
                    let (id, correlation_id) = (Uuid::now_v7(), correlation_id.to_owned());
                    let command = CloudEvent::new(id, FUNCTION, subject, Utc::now(), correlation_id, command);
                    match Box::pin(self.process(command, deadline)).await? {
                        Verdict::Done => {}
                        // The listing comes back, and finds what it has told already.
                        Verdict::Wait(reason) | Verdict::Retry(reason) => return Err(BatchError::Busy(reason)),
                        Verdict::Park(refusal) => {
                            let (code, reason) = (refusal.code, refusal.reason);
                            tracing::error!(
                                provider = name,
                                code,
                                reason,
                                "what a listed event tells is not found out"
                            );
                        }
                    }
                }
                Notice::Ignored { .. } => {}
                Notice::Unknown { event_type } => {
                    tracing::warn!(
                        provider = name,
                        webhook.r#type = event_type,
                        "a listed event is of an unknown type"
                    );
                }
                Notice::Unreadable(error) => {
                    tracing::error!(provider = name, error = %error, "a listed event is passed over")
                }
            }
        }
        self.tell(evidence, correlation_id).await
    }
}
