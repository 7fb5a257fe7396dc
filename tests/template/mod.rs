//! The rules that `template.yaml` must keep, beyond what its schema asks for.

mod access;
mod api;
mod document;
mod queues;
mod samconfig;
mod storage;
