//! `quittance`: the tool of whoever is on call.
//!
//! In: the queues, tables and database of a deployment, found by its name. Out: what waits, what was parked and why, what it
//! would do if it were sent again, and what became of it. It changes nothing but dead-letter queues, parked rows of the
//! outbox and the audit records, and each change only with a reason. May fail: AWS or the database; then what was not done
//! is named, and doing it again is safe.
//!
//! Money moves only through the functions: a replay puts a message in front of them again, and they do nothing twice.

mod age;
pub mod cli;
pub mod commands;
pub mod dead_letters;
pub mod deployment;
pub mod dry_run;
pub mod edit;
pub mod filter;
pub mod pace;
pub mod queues;
pub mod redact;
mod rejected;
pub mod replay;
pub mod report;
