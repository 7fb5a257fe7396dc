//! Tells the platform's BFF, by signed HTTP.
//!
//! In: events from `WebhookQueue`, in groups of one invoice. Out: one POST per event, signed as Standard Webhooks 1.0;
//! its `webhook-id` is the event's id, so that the receiver can tell a repetition. May fail: the receiver (the
//! message comes back, and is parked at the third receive), a message that cannot be read (parked at once). Who
//! retries: the queue.

pub mod config;
pub mod deliver;
pub mod handler;
pub mod signature;
