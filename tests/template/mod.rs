//! The rules that `template.yaml` must keep, beyond what its schema asks for.

mod access;
mod api;
pub(crate) mod document;
mod metrics;
mod queues;
mod samconfig;
mod storage;
mod watching;
