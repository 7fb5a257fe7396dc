//! Every change by billing: the change, its audit record, its events and its response, in one transaction.

use axum::response::Response;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use http::StatusCode;
use quittance_domain::calendar::day_in;
use quittance_domain::command::PaymentCommand;
use quittance_domain::error::Chain;
use quittance_domain::event::{EventMessage, InvoiceEvent};
use quittance_domain::id::AuditId;
use quittance_lambda::change::{self, ChangeHead, Changes, PartsBefore, Reply};
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::etag::IfMatch;
use quittance_lambda::fingerprint::SCHEME;
use quittance_lambda::idempotency_key;
use quittance_lambda::problem::Problem;
use quittance_lambda::resource::{Resource, ResourceBody};
use quittance_store::audit::{self, AuditRecord};
use quittance_store::outbox::{self, Destination};
use quittance_store::requests::{self, KeyClaim, RequestDigest};
use quittance_store::{StoreError, Transaction};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Billing;
use crate::parts_before::parts_before;

/// The name in the envelopes' `source`.
const FUNCTION: &str = "billing";

/// How long a key and its response are stored.
pub const KEY_RETENTION: TimeDelta = TimeDelta::days(30);

/// The transaction of one caller's request.
pub struct IdempotentChange<'a> {
    billing: &'a Billing,
    actor: String,
    key: String,
    correlation_id: String,
    /// The version of the resource that the caller has seen.
    if_match: IfMatch,
    pub(crate) transaction: Transaction,
    /// The current day in the seller's time zone, for everything that the request does.
    pub(crate) today: NaiveDate,
    messages: Vec<EventMessage>,
    commands: Vec<EventMessage>,
}

impl Changes for Billing {
    type Work<'a> = IdempotentChange<'a>;

    const PARTS_BEFORE: PartsBefore = parts_before;

    async fn begin(&self, head: ChangeHead) -> Result<IdempotentChange<'_>, Reply> {
        head.if_match.refuse()?;
        self.begin_edit(head).await
    }
}

impl Billing {
    /// Begins a change of a resource whose version the handler compares with `If-Match`.
    ///
    /// Of two concurrent requests with one key, the second waits for the first.
    pub(crate) async fn begin_edit(&self, head: ChangeHead) -> Result<IdempotentChange<'_>, Reply> {
        let ChangeHead { caller, key, fingerprint, if_match, correlation_id, .. } = head;
        let mut transaction = self.database.begin().await?;
        let digest =
            RequestDigest { scheme: SCHEME, digest: &fingerprint.digest, content_before: &fingerprint.content_before };
        let expired_before = Utc::now() - KEY_RETENTION;
        match requests::claim(&mut transaction, &caller.name, &key, &digest, expired_before).await? {
            KeyClaim::New => {}
            KeyClaim::Answered { status, answer } => {
                let status = StatusCode::from_u16(status);
                let status = status.map_err(|error| StoreError::corrupt("billing.requests", error))?;
                return Err(Reply::Answered(status, answer));
            }
            KeyClaim::OtherRequest => return Err(idempotency_key::used_otherwise(&key).into()),
        }
        Ok(IdempotentChange {
            billing: self,
            actor: caller.name,
            key,
            correlation_id,
            if_match,
            transaction,
            today: self.today(),
            messages: Vec::new(),
            commands: Vec::new(),
        })
    }
}

impl IdempotentChange<'_> {
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
            before: audit::Json::serialize(&before),
            after: audit::Json::serialize(&after),
            correlation_id: self.correlation_id.clone(),
        };
        Ok(audit::append(&mut self.transaction, &[record]).await?)
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
        outbox::insert(&mut self.transaction, Destination::InvoiceEvents, std::slice::from_ref(&message)).await?;
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
        outbox::insert(&mut self.transaction, Destination::PaymentCommands, std::slice::from_ref(&message)).await?;
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
    ///
    /// # Errors
    /// 503 if the commit fails.
    pub(crate) async fn commit(mut self, status: StatusCode, answer: &impl Serialize) -> Result<(), Problem> {
        let answer = serde_json::to_value(answer).map_err(|error| Problem::dependency_failed(&error))?;
        requests::answer(&mut self.transaction, &self.actor, &self.key, status.as_u16(), &answer).await?;
        self.transaction.commit().await.map_err(StoreError::from)?;
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

    /// The same, and responds with what was stored.
    pub(crate) async fn finish(self, status: StatusCode, answer: &impl Serialize) -> Result<Response, Reply> {
        let answer = serde_json::to_value(answer).map_err(|error| Problem::dependency_failed(&error))?;
        self.commit(status, &answer).await?;
        Ok(change::respond(status, answer))
    }

    /// Compares the version of what is changed with the version that the caller has seen.
    ///
    /// # Errors
    /// 412 if it is another one.
    pub(crate) fn check_version(&self, resource: &str, version: i64) -> Result<(), Problem> {
        self.if_match.check(resource, version)
    }

    /// A resource as it is stored, which the caller has locked to edit it.
    ///
    /// # Errors
    /// 404 if there is none, 409 if it is deleted, 412 if it has another version than the request names.
    pub(crate) fn editable<T: ResourceBody>(
        &self,
        id: T::Id,
        found: Option<T::Record>,
    ) -> Result<Resource<T>, Problem> {
        let resource = T::resource(found.ok_or_else(|| Problem::not_found(T::NAMES.one, id))?);
        resource.check_editable(&self.if_match)?;
        Ok(resource)
    }

    /// Records the change of a resource and responds with it. The audit record has its version and the names of the
    /// members that changed, not their values, which may be personal data.
    pub(crate) async fn finish_resource<T: ResourceBody>(
        mut self,
        status: StatusCode,
        action: &'static str,
        before: Option<&Resource<T>>,
        after: T::Record,
    ) -> Result<Response, Reply> {
        let after = T::resource(after);
        let changed = before.map(|before| before.changed(&after)).transpose();
        let changed = changed.map_err(|error| Problem::dependency_failed(&error))?;
        let before = before.map(|before| json!({"id": before.id, "version": before.history.version}));
        let now = json!({"id": after.id, "version": after.history.version, "changed": changed});
        self.audit(action, after.id.to_string(), before.unwrap_or_default(), now).await?;
        self.finish(status, &after).await
    }
}
