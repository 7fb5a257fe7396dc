//! Brings the database to the schema that this deployment needs.
//!
//! In: CloudFormation's custom resource requests, before any other function of the new version runs. Out: migrations
//! applied, each function's login role with its password, and an answer to CloudFormation on every path: success,
//! failure, panic, and a deadline that comes near. Deleting the stack leaves the data alone. Who retries: whoever
//! deploys.

pub mod answer;
pub mod config;
pub mod handler;
