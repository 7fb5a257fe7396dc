//! Takes uploaded files apart.
//!
//! In: S3's notifications from `UploadsQueue` (standard: S3 cannot notify FIFO queues), one at a time. Out: one command
//! per line in `PaymentsQueue`, and each line's outcome in the database. A file is read whole before anything of it is
//! handed on ([`check`](crate::import)); a broken one is refused with line and reason. Then its lines are matched and
//! handed on in chunks; when the time is up, the next invocation goes on behind the last chunk. May fail: S3, SQS, the
//! database (the notification comes back); a notification of a file that nobody announced (parked). Who retries: the
//! queue; a line keeps its name and what was decided about it when it is handed on again, so that it counts once.

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
