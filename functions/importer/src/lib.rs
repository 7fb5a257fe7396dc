//! Takes uploaded files apart.
//!
//! In: S3's notifications from `UploadsQueue` (standard: S3 cannot notify FIFO queues). Out: one command per line in
//! `PaymentsQueue`, and the outcome in the upload's record. A file with a broken line is refused whole, with line and
//! reason, and nothing of it is handed on. May fail: S3, SQS, the database (the notification comes back); a
//! notification of a file that nobody announced (parked). Who retries: the queue; a line keeps its name when it is
//! sent again, so that it counts once.

pub mod config;
pub mod handler;
pub mod import;
pub mod parse;
