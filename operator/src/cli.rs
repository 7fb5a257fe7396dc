//! The command line.

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};
use quittance_domain::case::CaseKind;

use crate::filter::{Filter, moment};

/// Looks into a deployment of Quittance, and sends again what was parked.
///
/// Needs AWS credentials with the deployment's OperatorPolicy, and the database's settings in the environment:
/// DATABASE_HOST, DATABASE_PORT, DATABASE_NAME, DATABASE_TLS (verify-full, or disable on loopback) and DATABASE_LOGIN (iam, or
/// the ARN of a secret). Exit codes: 0 all is well, 1 something is left to be done, 2 the command failed.
#[derive(Debug, Parser)]
#[command(name = "quittance", version)]
pub struct Cli {
    /// The deployment: its CloudFormation stack's name.
    #[arg(long, env = "QUITTANCE_DEPLOYMENT", global = true, default_value = "quittance")]
    pub stack: String,
    /// Who you are, for the audit records; needed for whatever changes or reveals something.
    #[arg(long = "as", env = "USER", global = true)]
    pub operator: Option<String>,
    /// Answer with JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// How much waits in queues and in the database, and since when. Exit code 1 if something has to be looked at.
    Status,
    /// What was parked, why, and what would become of it.
    #[command(subcommand, name = "dlq")]
    DeadLetters(DeadLetters),
    /// Everything that is known of a payment.
    #[command(subcommand)]
    Payment(PaymentSubcommand),
    /// Everything that happened to an invoice.
    #[command(subcommand)]
    Invoice(InvoiceCommand),
    /// Tell a consumer once more what happened.
    #[command(subcommand)]
    Replay(Replay),
    /// What was committed and is not published.
    Outbox(Outbox),
    /// Cases that staff close.
    Cases {
        /// Only cases of this kind.
        #[arg(long)]
        kind: Option<CaseKind>,
        /// Closed ones, too.
        #[arg(long)]
        all: bool,
    },
    /// Audit records.
    #[command(subcommand)]
    Audit(Audit),
    /// The books.
    #[command(subcommand)]
    Ledger(LedgerCommand),
}

/// Who does something about parked messages, and how fast.
#[derive(Debug, Clone, Args)]
pub struct Act {
    /// Why: it is kept in the audit record of each message.
    #[arg(long)]
    pub reason: Option<String>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// At most so many messages.
    #[arg(long, default_value_t = 10_000)]
    pub limit: usize,
}

/// Whether bodies are shown as they are.
#[derive(Debug, Clone, Args)]
pub struct Reveal {
    /// Give bodies as they are, personal data included; noted in the audit records.
    #[arg(long, requires = "reason")]
    pub reveal: bool,
    /// Why they have to be revealed.
    #[arg(long)]
    pub reason: Option<String>,
}

/// What can be done about parked messages.
#[derive(Debug, Subcommand)]
pub enum DeadLetters {
    /// Group what was parked by queue and cause. Nothing is changed.
    List {
        /// Which messages.
        #[command(flatten)]
        filter: Filter,
    },
    /// Explain one message: why it was parked, and what it would do now.
    Show {
        /// Its id in the dead-letter queue.
        message: String,
        /// Only look into this queue, or those of this function.
        #[arg(long)]
        queue: Option<String>,
        /// Whether to show personal data.
        #[command(flatten)]
        reveal: Reveal,
    },
    /// Send messages again: those of a group in their order, each with an audit record. Run it again if it was stopped.
    Replay {
        /// Which messages.
        #[command(flatten)]
        filter: Filter,
        /// Why, and how many.
        #[command(flatten)]
        act: Act,
        /// Only tell what would happen: decisions are really made, and rolled back.
        #[arg(long)]
        dry_run: bool,
        /// At most so many messages a second.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        rate: u32,
        /// Also send what would be parked again.
        #[arg(long)]
        force: bool,
        /// Send the body in this file instead of the one of that message: evidence with another invoice, time or reason.
        #[arg(long, requires = "message")]
        edited: Option<std::path::PathBuf>,
        /// How many seconds to wait for the functions, before it is checked what became of the messages.
        #[arg(long, default_value_t = 60)]
        wait: u64,
    },
    /// Remove messages. What would still have an effect stays, unless it is forced.
    Discard {
        /// Which messages.
        #[command(flatten)]
        filter: Filter,
        /// Why, and how many.
        #[command(flatten)]
        act: Act,
        /// Also remove what would still have an effect.
        #[arg(long)]
        force: bool,
    },
    /// Write messages to a file, a line of JSON for each. Nothing is changed.
    Export {
        /// Which messages.
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

/// What can be asked of a payment.
#[derive(Debug, Subcommand)]
pub enum PaymentSubcommand {
    /// Its evidence, where its money went, what was booked, who was told, what was done and why.
    Show {
        /// Its name, as in `stripe:pi_3Nn` or `PO-4711`.
        transaction_id: String,
    },
}

/// What can be asked of an invoice.
#[derive(Debug, Subcommand)]
pub enum InvoiceCommand {
    /// What happened to it, what was booked, and who was told.
    Show {
        /// Its id.
        id: quittance_domain::id::InvoiceId,
    },
}

/// Who hears of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Consumer {
    /// Makes receipts.
    Receipt,
    /// Books.
    Ledger,
    /// Writes to clients.
    Notification,
    /// Tells the platform.
    Webhook,
}

/// What can be told once more.
#[derive(Debug, Subcommand)]
pub enum Replay {
    /// Put events of the outbox, which keeps them for 30 days, into one consumer's queue. What it has done is passed over.
    Events {
        /// Who is to hear them.
        #[arg(long)]
        consumer: Consumer,
        /// From when on they happened: a time, or how long ago (`90m`, `12h`, `3d`).
        #[arg(long, value_parser = moment)]
        from: DateTime<Utc>,
        /// Until when; else until now.
        #[arg(long, value_parser = moment)]
        to: Option<DateTime<Utc>>,
        /// Only events of these types.
        #[arg(long = "type")]
        kinds: Vec<String>,
        /// Only events about this invoice or payment, by id.
        #[arg(long)]
        subject: Option<String>,
        /// Why, and how many.
        #[command(flatten)]
        act: Act,
        /// Only tell what would happen.
        #[arg(long)]
        dry_run: bool,
        /// At most so many events a second.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        rate: u32,
    },
}

/// The outbox.
#[derive(Debug, Args)]
pub struct Outbox {
    /// Let the relay try this parked row again.
    #[arg(long, requires = "reason")]
    pub release: Option<uuid::Uuid>,
    /// Why.
    #[arg(long)]
    pub reason: Option<String>,
}

/// What can be done with audit records.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Write records to standard output, the oldest first, a line of JSON for each.
    Export {
        /// From when on: a time, or how long ago.
        #[arg(long, value_parser = moment)]
        from: Option<DateTime<Utc>>,
        /// Until when; else until now.
        #[arg(long, value_parser = moment)]
        to: Option<DateTime<Utc>>,
        /// Only records about these ids.
        #[arg(long)]
        subject: Vec<String>,
    },
}

/// What can be asked of the books.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Compare the books with invoices and payments, and check the rules about money. Exit code 1 if something differs.
    Check {
        /// Until when what happened counts: a time, or how long ago.
        #[arg(long, default_value = "10m", value_parser = moment)]
        as_of: DateTime<Utc>,
    },
}
