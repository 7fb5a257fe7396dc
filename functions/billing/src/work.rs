//! What every change of billing does: the change, its audit record and its event, in one transaction.

use chrono::Utc;
use quittance_domain::event::{EventMessage, InvoiceEvent};
use quittance_domain::id::AuditId;
use quittance_lambda::caller::Caller;
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::problem::Problem;
use quittance_store::Transaction;
use quittance_store::audit::{self, AuditRecord, Json};
use quittance_store::outbox::{self, Destination};
use serde_json::Value;
use uuid::Uuid;

use crate::{Billing, unavailable};

/// The name in the envelopes' `source`.
const FUNCTION: &str = "billing";

/// A transaction of one caller, for one request.
pub(crate) struct Work<'a> {
    billing: &'a Billing,
    actor: String,
    correlation_id: String,
    pub(crate) transaction: Transaction,
    messages: Vec<EventMessage>,
}

impl<'a> Work<'a> {
    pub(crate) async fn begin(billing: &'a Billing, caller: &Caller, correlation_id: String) -> Result<Self, Problem> {
        let transaction = billing.database.begin().await.map_err(unavailable)?;
        Ok(Self { billing, actor: caller.name.clone(), correlation_id, transaction, messages: Vec::new() })
    }

    /// Appends the audit record of the change.
    pub(crate) async fn audit(
        &mut self,
        action: &'static str,
        subject: String,
        before: Value,
        after: Value,
    ) -> Result<(), Problem> {
        let record = AuditRecord {
            id: AuditId::from_uuid(Uuid::now_v7()),
            actor: self.actor.clone(),
            action,
            subject,
            reason: "requested through the API".to_owned(),
            before: Json::of(&before),
            after: Json::of(&after),
            correlation_id: self.correlation_id.clone(),
        };
        audit::append(&mut self.transaction, &[record]).await.map_err(unavailable)
    }

    /// Puts the event into the outbox.
    pub(crate) async fn tell(&mut self, event: InvoiceEvent) -> Result<(), Problem> {
        let envelope = CloudEvent::of_event(Uuid::now_v7(), FUNCTION, Utc::now(), self.correlation_id.clone(), event);
        let message = envelope.message().map_err(|error| {
            tracing::error!(error = %error, "an event cannot be written");
            Problem::unavailable(2)
        })?;
        outbox::insert(&mut self.transaction, Destination::InvoiceEvents, std::slice::from_ref(&message))
            .await
            .map_err(unavailable)?;
        self.messages.push(message);
        Ok(())
    }

    /// Commits, then publishes what the outbox took. What cannot be published now, the relay publishes.
    pub(crate) async fn commit(self) -> Result<(), Problem> {
        self.transaction.commit().await.map_err(|error| unavailable(error.into()))?;
        if !self.messages.is_empty() {
            let published = self.billing.publisher.publish(&self.messages).await.published;
            if let Err(error) = outbox::mark_published(&self.billing.database, &published).await {
                tracing::warn!(error = %error, "published events stay marked as unpublished");
            }
        }
        Ok(())
    }
}
