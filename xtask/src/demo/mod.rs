//! The demonstration: invoices are paid through every channel, everything is sent repeatedly, bad input is mixed in,
//! and finally the books are checked.

mod report;
mod trouble;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

pub use crate::demo::report::{InvoiceOutcome, Report};
pub use crate::play::check::Check;

use crate::play::api::Api;
use crate::play::check;
use crate::play::entry_points::EntryPoints;
use crate::play::scene::Scene;
use crate::stack::Stack;
use crate::{paths, say, wait};

/// Messages that cannot be parsed, sent by [`trouble::bad_input`].
const POISON: usize = 1;

/// The time limit for the pipeline to become idle.
const REST_LIMIT: Duration = Duration::from_secs(180);

/// Plays the demonstration on a running stack and returns its result. Receipts are kept in `target/demo`.
///
/// # Errors
/// When the stack does not respond, or does not become idle in time. A violated invariant is not an error but a failed
/// [`Check`] in the report.
pub fn play(stack: &Stack) -> Result<Report> {
    let begin = Instant::now();
    let api = Api::new(stack)?;
    stack.register_bff()?;
    say::step("creating 3 clients and 12 invoices");
    let scene = Scene::make(&api)?;
    let entry_points = EntryPoints { api: &api, stack, scene: &scene };
    say::step("paying 4 invoices through the API, with a trusted confirmation of each");
    entry_points.pay_through_api()?;
    say::step("paying 4 invoices through signed Stripe webhooks");
    entry_points.pay_through_webhooks()?;
    say::step("paying 4 invoices through uploaded confirmations and a bank statement");
    entry_points.pay_through_files()?;
    say::step("waiting for the payments to be settled");
    rest(stack, &scene)?;
    say::step("sending everything again, five times, in other orders, under new message ids");
    let duplicates_sent = trouble::repeat(stack, &entry_points, &scene)?;
    say::step("sending a forged webhook, a malformed body and a poison message");
    let refusals = trouble::bad_input(&entry_points)?;
    say::step("waiting for all work to finish");
    rest(stack, &scene)?;
    say::step("checking the books");
    let evidence = check::gather(stack, &scene)?;
    let mut checks = check::invariants(&scene, &evidence, POISON);
    checks.extend(refusals);
    let kept = report::keep_receipts(stack, &evidence, &paths::workspace_root().join("target").join("demo"))?;
    say::step(&format!("{kept} receipts are in target/demo"));
    Ok(report::report(&scene, &evidence, checks, duplicates_sent, begin.elapsed()))
}

/// Waits until no queue has a message, nothing waits in the outbox, and every invoice has its receipt, e-mail and
/// webhook.
fn rest(stack: &Stack, scene: &Scene) -> Result<()> {
    let watched: Vec<_> = ["emulator", "postgres"].iter().filter_map(|server| stack.living(server)).collect();
    wait::until("the queues to drain and every receipt, e-mail and webhook to be sent", REST_LIMIT, &watched, || {
        let is_quiet = check::under_way(stack)? == 0;
        Ok((is_quiet && check::gather(stack, scene)?.is_complete(scene)).then_some(()))
    })
    .context("the work did not finish; `cargo xtask logs <function>` shows what each function did")
}
