//! Deliveries: one record for each event and recipient (a webhook endpoint, or a client on a channel), until it is
//! delivered or given up.
//!
//! Guarantees:
//! - An event is recorded once for each recipient, however often it is delivered here, and its `webhook-id` is the
//!   event's id at every attempt.
//! - Of any number of workers, one holds the lease of a record. The lease of a worker that dies expires, and the record
//!   is due again.
//! - Due records are found in the table alone: a lost message delays a delivery by minutes and never loses it.
//! - At most [`SLOTS`] workers serve one endpoint at a time, so that a slow one does not delay the others.
//! - A message to a provider without idempotency keys is not sent again while it may have been accepted (`once`).

mod item;
mod listing;
mod once;
pub mod queue;
pub mod schedule;
pub mod secrets;
mod table;
mod table_error;
pub mod tags;

pub use item::{Delivery, DeliveryAttempt, DeliveryState, EventKey};
pub use listing::{DeliveryPage, EventTimeRange};
pub use once::ReceiverReport;
pub use table::{
    DeliveriesTable, DeliveryLease, NewDelivery, Recipient, RecipientSlot, RecordedDelivery, SHARDS, SLOTS,
};
pub use table_error::TableError;
