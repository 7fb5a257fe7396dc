//! The command line.

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};
use quittance_domain::case::CaseKind;

use crate::filter::{Filter, moment};

/// Inspects a deployment of Quittance, and replays parked messages.
///
/// Needs AWS credentials with the deployment's OperatorPolicy, and the database's settings in the environment:
/// DATABASE_HOST, DATABASE_PORT, DATABASE_NAME, DATABASE_TLS (verify-full, or disable on loopback) and DATABASE_LOGIN
/// (iam, or the ARN of a secret). Exit codes: 0 nothing to do, 1 something needs attention, 2 the command failed.
#[derive(Debug, Parser)]
#[command(name = "quittance", version)]
pub struct Cli {
    /// The deployment: the name of its CloudFormation stack.
    #[arg(long, env = "QUITTANCE_DEPLOYMENT", global = true, default_value = "quittance")]
    pub stack: String,
    /// Your name for the audit records; required for everything that changes or reveals something.
    #[arg(long = "as", env = "USER", global = true)]
    pub operator: Option<String>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what waits in queues and in the database, and since when. Exit code 1 if something needs attention.
    Status,
    /// Parked messages: why they were parked, and what a replay would do.
    #[command(subcommand, name = "dlq")]
    DeadLetters(DeadLetters),
    /// Everything about a payment.
    #[command(subcommand)]
    Payment(PaymentSubcommand),
    /// The history of an invoice.
    #[command(subcommand)]
    Invoice(InvoiceCommand),
    /// Send events to a consumer again.
    #[command(subcommand)]
    Replay(Replay),
    /// Messages that are committed but not published.
    Outbox(Outbox),
    /// Cases for staff.
    Cases {
        /// Only cases of this kind.
        #[arg(long)]
        kind: Option<CaseKind>,
        /// Include closed cases.
        #[arg(long)]
        all: bool,
    },
    /// Audit records.
    #[command(subcommand)]
    Audit(Audit),
    /// The ledger.
    #[command(subcommand)]
    Ledger(LedgerCommand),
}

/// The reason for a change of parked messages, and its limits.
#[derive(Debug, Clone, Args)]
pub struct Act {
    /// The reason, for the audit record of each message.
    #[arg(long)]
    pub reason: Option<String>,
    /// Do not ask for confirmation.
    #[arg(long)]
    pub yes: bool,
    /// The maximum number of messages.
    #[arg(long, default_value_t = 10_000)]
    pub limit: usize,
}

/// Whether bodies are shown unredacted.
#[derive(Debug, Clone, Args)]
pub struct Reveal {
    /// Show bodies unredacted, including personal data; recorded in the audit records.
    #[arg(long, requires = "reason")]
    pub reveal: bool,
    /// The reason for revealing them, for the audit records.
    #[arg(long)]
    pub reason: Option<String>,
}

/// The commands for parked messages.
#[derive(Debug, Subcommand)]
pub enum DeadLetters {
    /// Group parked messages by queue and cause. Changes nothing.
    List {
        /// The messages to select.
        #[command(flatten)]
        filter: Filter,
    },
    /// Explain one message: why it was parked, and what a replay would do.
    Show {
        /// Its id in the dead-letter queue.
        message: String,
        /// Only search this queue, or those of this function.
        #[arg(long)]
        queue: Option<String>,
        /// Whether to show personal data.
        #[command(flatten)]
        reveal: Reveal,
    },
    /// Replay messages: those of a group in their order, each with an audit record. Run it again if it was interrupted.
    Replay {
        /// The messages to select.
        #[command(flatten)]
        filter: Filter,
        /// The reason and the limits.
        #[command(flatten)]
        act: Act,
        /// Only show what would happen: each message is processed in a transaction that is rolled back.
        #[arg(long)]
        dry_run: bool,
        /// The maximum number of messages per second.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        rate: u32,
        /// Also send messages that would be parked again.
        #[arg(long)]
        force: bool,
        /// Send the body in this file in place of the message's own: evidence with another invoice, time or reason.
        #[arg(long, requires = "message")]
        edited: Option<std::path::PathBuf>,
        /// Seconds to wait for the functions before checking the outcome of the messages.
        #[arg(long, default_value_t = 60)]
        wait: u64,
    },
    /// Remove messages. Those that would still have an effect are kept, unless forced.
    Discard {
        /// The messages to select.
        #[command(flatten)]
        filter: Filter,
        /// The reason and the limits.
        #[command(flatten)]
        act: Act,
        /// Also remove messages that would still have an effect.
        #[arg(long)]
        force: bool,
    },
    /// Write messages to a file, one line of JSON each. Changes nothing.
    Export {
        /// The messages to select.
        #[command(flatten)]
        filter: Filter,
        /// The file.
        #[arg(long)]
        output: std::path::PathBuf,
        /// Whether to write personal data.
        #[command(flatten)]
        reveal: Reveal,
    },
}

/// The commands for a payment.
#[derive(Debug, Subcommand)]
pub enum PaymentSubcommand {
    /// Show its evidence, where its money went, its postings, deliveries and audit records.
    Show {
        /// Its transaction id, such as `stripe:pi_3Nn` or `PO-4711`.
        transaction_id: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum InvoiceCommand {
    /// Show its history, postings and deliveries.
    Show { id: quittance_domain::id::InvoiceId },
}

/// The consumers of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Consumer {
    /// Issues receipts.
    Receipt,
    /// Posts to the ledger.
    Ledger,
    /// Notifies clients.
    Notification,
    /// Delivers webhooks.
    Webhook,
}

/// What can be replayed.
#[derive(Debug, Subcommand)]
pub enum Replay {
    /// Put events of the outbox, which keeps them for 30 days, into one consumer's queue. Skips events that the
    /// consumer has processed.
    Events {
        /// The consumer to send them to.
        #[arg(long)]
        consumer: Consumer,
        /// Only events that happened since then: a time, or how long ago (`90m`, `12h`, `3d`).
        #[arg(long, value_parser = moment)]
        from: DateTime<Utc>,
        /// Only events before then; by default until now.
        #[arg(long, value_parser = moment)]
        to: Option<DateTime<Utc>>,
        /// Only events of these types.
        #[arg(long = "type")]
        kinds: Vec<String>,
        /// Only events about this invoice or payment, by id.
        #[arg(long)]
        subject: Option<String>,
        /// The reason and the limits.
        #[command(flatten)]
        act: Act,
        /// Only show what would happen.
        #[arg(long)]
        dry_run: bool,
        /// The maximum number of events per second.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        rate: u32,
    },
}

#[derive(Debug, Args)]
pub struct Outbox {
    /// Let the relay retry this parked row.
    #[arg(long, requires = "reason")]
    pub release: Option<uuid::Uuid>,
    /// The reason, for the audit record.
    #[arg(long)]
    pub reason: Option<String>,
}

/// The commands for audit records.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Write records to standard output, the oldest first, one line of JSON each.
    Export {
        /// Only records since then: a time, or how long ago.
        #[arg(long, value_parser = moment)]
        from: Option<DateTime<Utc>>,
        /// Only records before then; by default until now.
        #[arg(long, value_parser = moment)]
        to: Option<DateTime<Utc>>,
        /// Only records about these ids.
        #[arg(long)]
        subject: Vec<String>,
    },
}

/// The commands for the ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Reconcile the ledger with invoices and payments, and check the rules about money. Exit code 1 if there are
    /// differences.
    Check {
        /// Include only changes before then: a time, or how long ago.
        #[arg(long, default_value = "10m", value_parser = moment)]
        as_of: DateTime<Utc>,
    },
}
