//! The infrastructure of a function: settings, telemetry, AWS clients, the FIFO batch runner, the CloudEvents envelope,
//! publishing, and what the HTTP functions share.

pub mod accepted;
pub mod aws;
pub mod aws_error;
pub mod batch;
pub mod body;
pub mod caller;
pub mod change;
pub mod command_queue;
pub mod consumer;
pub mod correlation;
pub mod envelope;
pub mod failure;
pub mod fingerprint;
pub mod idempotency_key;
pub mod invoice_view;
mod log_context;
pub mod metrics;
pub mod openapi;
pub mod parking;
pub mod path_id;
pub mod permit;
pub mod problem;
pub mod publisher;
pub mod request_guard;
pub mod secret;
pub mod settings;
pub mod spans;
pub mod telemetry;
pub mod trace;
pub mod unique_json;
