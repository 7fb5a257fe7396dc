//! Writes to clients.
//!
//! In: `receipt.issued` from `NotificationQueue`, in groups of one invoice. Out: one e-mail per event, through SES.
//! May fail: SES (the message comes back, and is parked at the third receive), a message that cannot be read (parked
//! at once). Who retries: the queue. SES knows no idempotency key: a function that dies between sending and noting
//! so sends again once its lease has lapsed.

pub mod compose;
pub mod config;
pub mod handler;
