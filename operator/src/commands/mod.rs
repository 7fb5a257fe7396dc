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

/// Runs a command.
///
/// # Errors
/// When AWS or the database fails, or the command lacks something.
pub async fn run(deployment: &Deployment, command: Command) -> Result<Report> {
    match command {
        Command::Status => status::status(deployment).await,
        Command::DeadLetters(command) => about_dead_letters(deployment, command).await,
        Command::Payment(PaymentSubcommand::Show { transaction_id }) => {
            history::payment(deployment, &transaction_id).await
        }
        Command::Invoice(InvoiceCommand::Show { id }) => history::invoice(deployment, id).await,
        Command::Replay(Replay::Events { consumer, from, to, kinds, subject, act, dry_run, rate }) => {
            let choice = events::Choice { consumer, from, to, kinds, subject };
            events::replay(deployment, choice, &act, dry_run, rate).await
        }
        Command::Outbox(command) => outbox::outbox(deployment, command).await,
        Command::Cases { kind, all } => cases::cases(deployment, kind, all).await,
        Command::Audit(Audit::Export { from, to, subject }) => audit::export(deployment, from, to, subject).await,
        Command::Ledger(LedgerCommand::Check { as_of }) => ledger::check(deployment, as_of).await,
    }
}

async fn about_dead_letters(deployment: &Deployment, command: DeadLetters) -> Result<Report> {
    match command {
        DeadLetters::List { filter } => dead_letters::list(deployment, &filter).await,
        DeadLetters::Show { message, queue, reveal } => {
            dead_letters::show(deployment, &message, queue.as_deref(), revealed_for(&reveal)?).await
        }
        DeadLetters::Replay { filter, act, dry_run, rate, force, edited, wait } => {
            let reason = if dry_run { None } else { Some(reason_of(act.reason.as_deref())?.to_owned()) };
            let read = |path: PathBuf| {
                std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))
            };
            let (edited, wait) = (edited.map(read).transpose()?, Duration::from_secs(wait));
            let plan = ReplayPlan { filter, reason, count_max: act.limit, rate, is_forced: force, edited, wait };
            dead_letters::replay(deployment, &plan, act.yes).await
        }
        DeadLetters::Discard { filter, act, force } => dead_letters::discard(deployment, &filter, &act, force).await,
        DeadLetters::Export { filter, output, reveal } => {
            dead_letters::export(deployment, &filter, &output, revealed_for(&reveal)?).await
        }
    }
}

fn reason_of(reason: Option<&str>) -> Result<&str> {
    match reason.map(str::trim).filter(|reason| !reason.is_empty()) {
        Some(reason) if reason.chars().count() <= REASON_LENGTH_MAX => Ok(reason),
        Some(_) => bail!("--reason has at most {REASON_LENGTH_MAX} characters"),
        None => bail!("--reason is required; it is kept in the audit records"),
    }
}

/// The reason for revealing bodies; none if they are not revealed.
fn revealed_for(reveal: &Reveal) -> Result<Option<&str>> {
    reveal.reveal.then(|| reason_of(reveal.reason.as_deref())).transpose()
}

fn confirm(question: &str, is_sure: bool) -> Result<()> {
    if is_sure {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        bail!("{question} There is no terminal to confirm on: pass --yes.");
    }
    eprint!("{question} Type yes: ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if answer.trim() != "yes" {
        bail!("not confirmed; nothing was done");
    }
    Ok(())
}
