//! All PostgreSQL access: connecting, migrations, and all SQL, one module per table.
//!
//! Functions that change money take a [`Transaction`] and never commit it: the caller locks, reads, decides (pure, in
//! `quittance-domain`), writes and commits. Locks are taken in one order everywhere: payments, invoices, cases of
//! unapplied cash, each by id. A business "no" is a value; [`StoreError`] means "try again" unless it reports that data
//! is corrupt.

pub mod adjustments;
pub mod allocations;
pub mod approvals;
pub mod audit;
pub mod bank_movements;
pub mod books;
pub mod cases;
pub mod charges;
pub mod clients;
pub mod credit_notes;
pub mod credits;
pub mod database;
pub mod decisions;
pub mod document_lines;
pub mod entries_by_hand;
pub mod error;
pub mod event_backfills;
pub mod exclusions;
pub mod facts;
pub mod goodwill;
pub mod health_metrics;
pub mod inquiries;
pub mod invoices;
pub mod ledger;
pub mod notifications;
pub mod open_items;
pub mod originals;
pub mod outbox;
pub mod overview;
pub mod payments;
pub mod proposed_corrections;
pub mod references;
pub mod refund_terms;
pub mod refunds;
pub mod requests;
pub mod retry;
pub mod single_person_approvals;
pub mod upload_lines;
pub mod uploads;
pub mod webhook_endpoints;

pub use database::{Database, DatabaseSettings, DatabaseSettingsError, Transaction};
pub use error::{LoginError, StoreError};
