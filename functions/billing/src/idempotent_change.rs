//! Every change by billing: the change, its audit record, its events and its response, in one transaction.

use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use http::{HeaderMap, StatusCode};
use quittance_domain::calendar::day_in;
use quittance_domain::command::PaymentCommand;
use quittance_domain::error::Chain;
use quittance_domain::event::{EventMessage, InvoiceEvent};
use quittance_domain::id::AuditId;
use quittance_lambda::caller::Caller;
use quittance_lambda::correlation;
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::idempotency_key;
use quittance_lambda::problem::Problem;
use quittance_store::audit::{self, AuditRecord, Json};
use quittance_store::outbox::{self, Destination};
use quittance_store::requests::{self, KeyClaim};
use quittance_store::{StoreError, Transaction};
use serde_json::Value;
use uuid::Uuid;

use crate::{Billing, unavailable};

/// The name in the envelopes' `source`.
const FUNCTION: &str = "billing";

/// How long a key and its response are stored.
pub const KEY_RETENTION: TimeDelta = TimeDelta::days(30);

/// A request that changes something: new, or already answered.
pub(crate) enum ChangeRequest<'a> {
    New(IdempotentChange<'a>),
    Answered(StatusCode, Value),
}

/// The transaction of one caller's request.
pub(crate) struct IdempotentChange<'a> {
    billing: &'a Billing,
    actor: String,
    key: String,
    correlation_id: String,
    pub(crate) transaction: Transaction,
    /// The current day in the seller's time zone, for everything that the request does.
    pub(crate) today: NaiveDate,
    messages: Vec<EventMessage>,
    commands: Vec<EventMessage>,
}

impl<'a> IdempotentChange<'a> {
    /// Begins a request, unless this caller's key has been answered. `content` identifies the request: its method, path
    /// and body. Of two concurrent requests with one key, the second waits for the first.
    ///
    /// # Errors
    /// 400 without a key, 422 if the key belongs to another request, 503 if the database is unavailable.
    pub(crate) async fn begin(
        billing: &'a Billing,
        caller: &Caller,
        headers: &HeaderMap,
        content: &[&[u8]],
    ) -> Result<ChangeRequest<'a>, Problem> {
        let key = idempotency_key::read(headers)?;
        let mut transaction = billing.database.begin().await.map_err(unavailable)?;
        let expired_before = Utc::now() - KEY_RETENTION;
        let content = content.join(&b'\n');
        let claim = requests::claim(&mut transaction, &caller.name, &key, &content, expired_before).await;
        match claim.map_err(unavailable)? {
            KeyClaim::New => {}
            KeyClaim::Answered { status, answer } => {
                let status = StatusCode::from_u16(status)
                    .map_err(|error| unavailable(StoreError::corrupt("billing.requests", error)))?;
                return Ok(ChangeRequest::Answered(status, answer));
            }
            KeyClaim::OtherRequest => return Err(idempotency_key::used_otherwise(&key)),
        }
        let (actor, correlation_id) = (caller.name.clone(), correlation::correlation_id(headers));
        Ok(ChangeRequest::New(Self {
            billing,
            actor,
            key,
            correlation_id,
            transaction,
            today: billing.today(),
            messages: Vec::new(),
            commands: Vec::new(),
        }))
    }

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
            before: Json::serialize(&before),
            after: Json::serialize(&after),
            correlation_id: self.correlation_id.clone(),
        };
        audit::append(&mut self.transaction, &[record]).await.map_err(unavailable)
    }

    /// Puts the event into the outbox, with today as its accounting date.
    pub(crate) async fn emit(&mut self, event: InvoiceEvent) -> Result<(), Problem> {
        self.emit_on(event, self.today).await
    }

    /// The same, with another accounting date.
    pub(crate) async fn emit_on(&mut self, event: InvoiceEvent, day: NaiveDate) -> Result<(), Problem> {
        let envelope = CloudEvent::of_event(Uuid::now_v7(), FUNCTION, Utc::now(), self.correlation_id.clone(), event);
        let message = envelope.booked_on(day).message().map_err(|error| {
            tracing::error!(error = %Chain(&error), "event could not be serialised");
            Problem::unavailable(2)
        })?;
        outbox::insert(&mut self.transaction, Destination::InvoiceEvents, std::slice::from_ref(&message))
            .await
            .map_err(unavailable)?;
        self.messages.push(message);
        Ok(())
    }

    /// Sends a command to the processor after the commit.
    pub(crate) async fn command(&mut self, command: PaymentCommand) -> Result<(), Problem> {
        let subject = command.transaction_id().to_string();
        let (id, correlation_id) = (Uuid::now_v7(), self.correlation_id.clone());
        let envelope = CloudEvent::new(id, FUNCTION, subject, Utc::now(), correlation_id, command);
        let message = envelope.message().map_err(|error| {
            tracing::error!(error = %Chain(&error), "command could not be serialised");
            Problem::unavailable(2)
        })?;
        outbox::insert(&mut self.transaction, Destination::PaymentCommands, std::slice::from_ref(&message))
            .await
            .map_err(unavailable)?;
        self.commands.push(message);
        Ok(())
    }

    /// The day of a point in time, in the seller's time zone.
    pub(crate) fn day_of(&self, time: DateTime<Utc>) -> NaiveDate {
        day_in(self.billing.zone, time)
    }

    pub(crate) fn actor(&self) -> &str {
        &self.actor
    }

    /// Stores the response and commits, then publishes the outbox messages. The relay publishes what cannot be
    /// published now.
    pub(crate) async fn commit(mut self, status: StatusCode, answer: &Value) -> Result<(), Problem> {
        requests::answer(&mut self.transaction, &self.actor, &self.key, status.as_u16(), answer)
            .await
            .map_err(unavailable)?;
        self.transaction.commit().await.map_err(|error| unavailable(error.into()))?;
        let mut published = Vec::new();
        if !self.messages.is_empty() {
            published.extend(self.billing.publisher.publish(&self.messages).await.published);
        }
        if !self.commands.is_empty() {
            published.extend(self.billing.payments_queue.publish(&self.commands).await.published);
        }
        if !published.is_empty()
            && let Err(error) = outbox::mark_published(&self.billing.database, &published).await
        {
            tracing::warn!(error = %Chain(&error), "published events were not marked as published");
        }
        Ok(())
    }
}

/// A response with a JSON body.
pub(crate) fn answer(status: StatusCode, body: Value) -> Response {
    (status, axum::Json(body)).into_response()
}
