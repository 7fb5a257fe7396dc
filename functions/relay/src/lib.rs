//! Publishes what was committed but not told.
//!
//! In: the minute schedule. Out: events on `InvoiceEventsTopic`, marked as published. May fail: the database or SNS;
//! nothing is lost, the next minute tries again. A message that SNS refuses is parked in its row and holds up nobody.

pub mod config;
pub mod relay;
