//! Rules for `template.yaml` beyond its schema.

mod access;
mod api;
pub(crate) mod document;
mod metrics;
mod queues;
mod samconfig;
mod storage;
mod watching;
