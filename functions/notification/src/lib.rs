//! Notifies clients by e-mail and text message.
//!
//! In: the events that clients are notified of, from `NotificationQueue`, in groups of one invoice; the minute
//! schedule. Out: at most one e-mail (Amazon SES, the receipt attached) and one text message (Amazon SNS) for each
//! event, in the client's language, according to the client's preferences. May fail: a provider (the delivery is
//! stored, and retried by the schedule with growing pauses, so that the queue continues; after the last attempt the
//! event is parked), the database (the message is redelivered), a message that cannot be parsed (parked immediately).
//! Retries: the schedule, from the table of deliveries.
//!
//! Neither provider supports idempotency keys, so the record decides what is sent:
//! - Before an attempt the record is set to an unknown outcome ([`quittance_deliveries::DeliveryState::Unknown`]).
//! - The provider's answer decides: accepted; not accepted (retried); refused (parked).
//! - Without an answer (a timeout, a broken connection, a worker that died) nothing is sent again for an hour. Amazon
//!   SES reports each e-mail that it accepted to `feedback`, by the tags of the e-mail. If it has reported ours, it was
//!   sent. If it has reported others that it received later, but not ours, ours was never accepted and is retried. If
//!   it reports nothing, the hour starts again; after [`schedule::GIVE_UP_AFTER`], or after the maximum number of
//!   attempts, the event is parked with `outcome_unknown`, for people to decide.
//! - Amazon SNS does not report on text messages. One without an answer is parked with `outcome_unknown`, and never
//!   sent again.

pub mod attempt;
pub mod compose;
pub mod config;
pub mod handler;
pub mod outcome;
pub mod providers;
pub mod schedule;
