//! What is to be told to whom: one record for each event and recipient, a webhook endpoint or a client on a channel, until
//! it is delivered or given up.
//!
//! What it promises:
//! - An event is recorded once for each recipient, however often it comes, and its `webhook-id` is the event's id at every
//!   attempt.
//! - Of any number of workers, one has the lease of a record. A worker that dies lets it lapse, and the record is due again.
//! - What is due is found in the table alone: a lost message delays a delivery by minutes and never loses it.
//! - At most [`SLOTS`] workers are at one endpoint at a time, so that a slow one holds up no other.
//! - What is sent to somebody who knows no idempotency key is not sent again while it may have been taken (`once`).

mod item;
mod listing;
mod once;
pub mod queue;
pub mod schedule;
pub mod secrets;
mod table;
pub mod tags;

pub use item::{Delivery, DeliveryAttempt, DeliveryState, EventKey};
pub use listing::{DeliveryPage, EventTimeRange};
pub use once::ReceiverReport;
pub use table::{
    DeliveriesTable, DeliveryLease, NewDelivery, Recipient, RecipientSlot, RecordedDelivery, SHARDS, SLOTS, TableError,
};
