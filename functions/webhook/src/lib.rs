//! Records which events are to be delivered to webhook endpoints.
//!
//! In: events from `WebhookQueue`, in groups of one invoice. Out: for each webhook endpoint subscribed to such events,
//! one record in the deliveries' table with the body as it will be sent, and a message in `DeliveryQueue`; for a
//! disabled endpoint only the record, to be sent on request. No endpoint is called here, so none delays the queue. May
//! fail: the database or the table (the message is redelivered), a message that cannot be parsed (parked immediately).
//! Retries: the queue.

pub mod compose;
pub mod config;
pub mod handler;
