//! `quittance`: the tool for on-call staff.
//!
//! In: the queues, tables and database of a deployment, found by its name. Out: what waits, what was parked and why,
//! what a replay would do, and its outcome. It changes nothing except dead-letter queues, parked rows of the outbox and
//! the audit records, and each change requires a reason. May fail: AWS or the database; then it names what was not
//! done, and repeating it is safe.
//!
//! Money only moves through the functions: a replay sends a message to them again, and they do nothing twice.

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
