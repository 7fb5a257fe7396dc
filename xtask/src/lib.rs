//! The workspace's tools: the local stack, the tests that run on it, and what both need to inspect it.
//!
//! `cargo xtask --help` shows the commands. As a library this crate gives tests and the demo:
//!
//! - [`stack::Stack`]: a running local stack. [`Stack::from_environment`](stack::Stack::from_environment) finds the one
//!   that `cargo xtask test` created (`QUITTANCE_STACK` names its state file), otherwise the stack `default`;
//!   [`Stack::load`](stack::Stack::load) finds one by name. It provides `api_url()`, `emulator_url()`, `database_url()`
//!   (superuser), `bff_url()`, `webhook_url()`, `localstripe_url()`, `output("ReceiptQueueUrl")` (any output of the
//!   template), `token(&Role)`, `deliveries()` and `refuse_deliveries(…)` (what the BFF received, and how it responds),
//!   and `aws()`.
//! - [`aws::Aws`]: signed calls to the emulator as root: `json_call("dynamodb", "Scan", &json!({…}))`,
//!   `query_call("sns", …)`, `s3_get/s3_put/s3_list/s3_wait_for`, `sqs_send/sqs_receive/sqs_peek/sqs_depth`,
//!   `secret_get/secret_put`, `ses_messages`, `log_groups/log_events`; `inspect("/_ministack/…")` for the rest.
//! - [`users::Role`]: `Client(id)`, `Finance`, `Oncall`, `Admin`, `Bff`, `Gateway`; parses from `client:<id>`,
//!   `finance`, …
//! - [`postgres::ThrowAwayCluster`]: a PostgreSQL of the test process's own. `ThrowAwayCluster::shared()?` starts it
//!   once per process; `create_template("migrated")?` creates a database to migrate (returns its URL), then
//!   `create_database(Some("migrated"))?` gives each test a copy of its own. It ends with the process, however that
//!   ends.
//! - [`lifecycle::up`] and [`lifecycle::down`]: from nothing to a deployed stack, and back.
//! - [`drill::run`]: the practice of what to do when something breaks.
//! - [`bench::processor()`]: how fast the real processor settles payments, compared with `pgbench`.
//! - [`conformance::run`]: our parsers tested on real-world samples.
//! - [`wait::until`]: waits for a condition with a limit; the error names the condition.
//! - [`say::step`], [`say::note`]: progress on stderr. Results go to stdout.
//!
//! Everything here is for a developer's machine and CI: it starts servers on the loopback interface only, keeps all its
//! files below `target/local/<name>`, and keeps track of each process it started (see [`process`]).

pub mod aws;
pub mod bench;
pub mod bff;
pub mod checks;
pub mod conformance;
pub mod demo;
pub mod deploy;
pub mod drill;
pub mod functions;
pub mod fuzz;
pub mod lifecycle;
pub mod ops;
pub mod paths;
mod play;
pub mod ports;
pub mod postgres;
pub mod preview;
pub mod process;
pub mod python;
pub mod quiet;
pub mod sandbox;
pub mod say;
pub mod servers;
pub mod stack;
pub mod template;
pub mod users;
pub mod wait;
