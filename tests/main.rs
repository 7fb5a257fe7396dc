//! The system's own tests: the rules of the house and of the template, the rooms on a real PostgreSQL, the sample events,
//! and the whole flow on the local stack.
//!
//! `cargo xtask test` runs them with all they need. Without a stack, all but the module `end_to_end` can be run by
//! `cargo test --package quittance-tests -- --skip end_to_end`; that module takes the stack whose state file
//! `QUITTANCE_STACK` names, else the stack `default`.

// clippy.toml allows `unwrap` and the like in tests; without this line it does not know that these are tests.
#![cfg(test)]

mod api;
mod architecture;
mod billing;
mod contract;
mod crowd;
mod database;
mod end_to_end;
mod events;
mod glossary;
mod house;
mod importer;
mod ledger;
mod loopback;
mod operator;
mod processor;
mod questions;
mod relay;
mod requests;
mod roles;
mod signatures;
mod spans;
mod strangers;
mod template;
