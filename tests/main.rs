//! The system's own tests: structural rules for the code and the template, the functions on a real PostgreSQL, the
//! sample events, and the whole flow on the local stack.
//!
//! `cargo xtask test` runs them with everything they need. Without a stack, all tests except the module `end_to_end`
//! can be run by `cargo test --package quittance-tests -- --skip end_to_end`; that module uses the stack whose state
//! file `QUITTANCE_STACK` names, otherwise the stack `default`.

// clippy.toml allows `unwrap` and similar calls in tests; without this line it does not recognise these as tests.
#![cfg(test)]

mod api;
mod architecture;
mod billing;
mod contract;
mod crowd;
mod database;
mod end_to_end;
mod events;
mod generated;
mod glossary;
mod house;
mod importer;
mod inquiries;
mod ledger;
mod loopback;
mod operator;
mod processor;
mod relay;
mod requests;
mod roles;
mod signatures;
mod spans;
mod strangers;
mod template;
