//! Migrates the database to the schema of this deployment.
//!
//! In: CloudFormation's custom resource requests, before any other function of the new version runs. Out: migrations
//! applied, each function's login role with its password, and a response to CloudFormation on every path: success,
//! failure, panic, and an approaching deadline. Deleting the stack leaves the data alone. Retries: the deployment.

pub mod answer;
pub mod config;
pub mod handler;
