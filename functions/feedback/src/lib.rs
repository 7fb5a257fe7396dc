//! Hears what became of e-mails.
//!
//! In: what Amazon SES tells of e-mails (sent, delivered, rejected, come back, complained of) from `FeedbackQueue`, through a
//! topic. Out: the word on the record of the delivery that the e-mail's tags name, which decides where `notification` did not
//! get an answer; addresses that came back for good or whose owners complained, which nobody writes to any more, with an
//! audit record. May fail: the table or the database (the message comes back), a message that cannot be read (parked at
//! once). Who retries: the queue. All of it may come several times and in any order.

pub mod config;
pub mod handler;
pub mod ses_event;

/// The name of the function in audit records.
pub(crate) const FUNCTION: &str = "feedback";
