//! Writes to clients.
//!
//! In: the events that clients are told of from `NotificationQueue`, in groups of one invoice; the minute schedule. Out: at
//! most one e-mail (Amazon SES, the receipt attached) and one text message (Amazon SNS) for each event, in the client's
//! language, as the client prefers. May fail: a provider (the delivery is kept, and tried again by the schedule with growing
//! pauses, so that the queue goes on; after the last attempt the event is parked), the database (the message comes back), a
//! message that cannot be read (parked at once). Who retries: the schedule, from the table of deliveries.
//!
//! Neither provider knows an idempotency key, so the record rules what is sent:
//! - Before an attempt the record says that its outcome is unknown ([`quittance_deliveries::DeliveryState::Unknown`]).
//! - An answer of the provider's decides: taken; not taken (tried again); refused (parked).
//! - Without an answer (a timeout, a cut connection, a worker that died) nothing is sent again for an hour. Amazon SES tells
//!   `feedback` of each e-mail that it took, by the tags of the e-mail. If it has told of ours, it was sent. If it has told
//!   of others that it was given later, but not of ours, ours was never taken and is tried again. If it tells of nothing, the
//!   hour starts again; after [`schedule::GIVE_UP_AFTER`], or as many attempts as any
//!   other has, the event is parked with `outcome_unknown`, for somebody to decide.
//! - Amazon SNS tells of no text message. One without an answer is parked with `outcome_unknown`, and never sent again.

pub mod attempt;
pub mod compose;
pub mod config;
pub mod handler;
pub mod outcome;
pub mod providers;
pub mod schedule;
