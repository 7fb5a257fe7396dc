//! Imports uploaded files.
//!
//! In: S3's notifications from `UploadsQueue` (standard: S3 cannot notify FIFO queues), one at a time. Out: one command
//! per line in `PaymentsQueue`, and each line's outcome in the database. A file is read completely before anything of
//! it is queued ([`check`](crate::import)); a broken one is refused with line and reason. Then its lines are matched
//! and queued in chunks; when time runs out, the next invocation continues after the last chunk. May fail: S3, SQS, the
//! database (the notification is redelivered); a notification of a file that was not announced (parked). Retries: the
//! queue; a line keeps its id and decision when it is queued again, so that it counts once.

mod check;
mod claims;
pub mod config;
mod decide;
mod evidence;
pub mod file;
pub mod handler;
mod identity;
pub mod import;
mod lines;
mod lookup;
mod reading;
mod recording;
mod returns;
mod sending;

/// The name in the envelopes' `source`.
pub(crate) const FUNCTION: &str = "importer";
