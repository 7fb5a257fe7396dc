//! One module for each command.

mod audit;
mod cases;
mod dead_letters;
pub mod events;
mod history;
mod ledger;
mod outbox;
mod status;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cli::{Audit, Command, DeadLetters, InvoiceCommand, LedgerCommand, PaymentSubcommand, Replay, Reveal};
use crate::deployment::Deployment;
use crate::replay::ReplayPlan;
use crate::report::Report;

/// The longest reason, in characters.
const REASON_LENGTH_MAX: usize = 500;

/// Does what the command line says.
///
/// # Errors
/// When AWS or the database fails, or the command lacks something.
pub async fn run(desk: &Deployment, command: Command) -> Result<Report> {
    match command {
        Command::Status => status::status(desk).await,
        Command::DeadLetters(command) => about_dead_letters(desk, command).await,
        Command::Payment(PaymentSubcommand::Show { transaction_id }) => history::payment(desk, &transaction_id).await,
        Command::Invoice(InvoiceCommand::Show { id }) => history::invoice(desk, id).await,
        Command::Replay(Replay::Events { consumer, from, to, kinds, subject, act, dry_run, rate }) => {
            let choice = events::Choice { consumer, from, to, kinds, subject };
            events::replay(desk, choice, (&act, dry_run), rate).await
        }
        Command::Outbox(command) => outbox::outbox(desk, command).await,
        Command::Cases { kind, all } => cases::cases(desk, kind, all).await,
        Command::Audit(Audit::Export { from, to, subject }) => audit::export(desk, from, to, subject).await,
        Command::Ledger(LedgerCommand::Check { as_of }) => ledger::check(desk, as_of).await,
    }
}

async fn about_dead_letters(desk: &Deployment, command: DeadLetters) -> Result<Report> {
    match command {
        DeadLetters::List { filter } => dead_letters::list(desk, &filter).await,
        DeadLetters::Show { message, queue, reveal } => {
            dead_letters::show(desk, &message, queue.as_deref(), revealed_for(&reveal)?).await
        }
        DeadLetters::Replay { filter, act, dry_run, rate, force, edited, wait } => {
            let reason = if dry_run { None } else { Some(reason_of(act.reason.as_deref())?.to_owned()) };
            let read = |path: PathBuf| {
                std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))
            };
            let (edited, wait) = (edited.map(read).transpose()?, Duration::from_secs(wait));
            let plan = ReplayPlan { filter, reason, count_max: act.limit, rate, is_forced: force, edited, wait };
            dead_letters::replay(desk, &plan, act.yes).await
        }
        DeadLetters::Discard { filter, act, force } => dead_letters::discard(desk, &filter, &act, force).await,
        DeadLetters::Export { filter, output, reveal } => {
            dead_letters::export(desk, &filter, &output, revealed_for(&reveal)?).await
        }
    }
}

/// The reason that a change needs.
fn reason_of(reason: Option<&str>) -> Result<&str> {
    match reason.map(str::trim).filter(|reason| !reason.is_empty()) {
        Some(reason) if reason.chars().count() <= REASON_LENGTH_MAX => Ok(reason),
        Some(_) => bail!("--reason has at most {REASON_LENGTH_MAX} characters"),
        None => bail!("--reason says why; it is kept in the audit records"),
    }
}

/// Why bodies are revealed; none if they are not.
fn revealed_for(reveal: &Reveal) -> Result<Option<&str>> {
    reveal.reveal.then(|| reason_of(reveal.reason.as_deref())).transpose()
}

/// Asks whoever sits at the terminal.
fn confirm(question: &str, is_sure: bool) -> Result<()> {
    if is_sure {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        bail!("{question} Nobody can be asked here: say --yes if you are sure");
    }
    eprint!("{question} Type yes: ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if answer.trim() != "yes" {
        bail!("nothing was done");
    }
    Ok(())
}
