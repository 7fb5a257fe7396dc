//! The result of the demonstration, for people and for programs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::play::check::{Check, Evidence};
use crate::play::scene::Scene;
use crate::say;
use crate::stack::Stack;

#[derive(Debug, Clone)]
pub struct InvoiceOutcome {
    /// Number, amount and payment channel.
    pub invoice: String,
    pub status: String,
    /// The receipt's file name.
    pub receipt: String,
    /// What the ledger posted to the clearing account.
    pub ledger: String,
    /// E-mails sent.
    pub emails: usize,
    /// Webhooks accepted.
    pub webhooks: usize,
}

/// The result of the demonstration.
#[derive(Debug, Clone)]
pub struct Report {
    /// One row per invoice.
    pub invoices: Vec<InvoiceOutcome>,
    /// The rules, and whether they hold.
    pub checks: Vec<Check>,
    /// The figures, with stable names.
    pub figures: Value,
}

impl Report {
    /// Whether every rule holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.holds)
    }

    /// The table and the rules, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "{:<40} {:<8} {:<24} {:>14} {:>7} {:>8}\n",
            "invoice", "status", "receipt", "ledger", "e-mail", "webhook"
        );
        for row in &self.invoices {
            text += &format!(
                "{:<40} {:<8} {:<24} {:>14} {:>7} {:>8}\n",
                row.invoice, row.status, row.receipt, row.ledger, row.emails, row.webhooks
            );
        }
        text.push('\n');
        for check in &self.checks {
            let verdict = if check.holds { "holds " } else { "BROKEN" };
            text += &format!("{verdict}  {} ({})\n", check.rule, check.seen);
        }
        text
    }
}

pub(super) fn report(
    scene: &Scene,
    evidence: &Evidence,
    checks: Vec<Check>,
    duplicates_sent: usize,
    took: Duration,
) -> Report {
    let invoices: Vec<InvoiceOutcome> = scene
        .invoices
        .iter()
        .map(|invoice| {
            let row = evidence.row(invoice);
            let receipt = evidence.receipts_of(invoice).first().and_then(|key| key.rsplit('/').next());
            InvoiceOutcome {
                invoice: format!(
                    "{} {} {} ({})",
                    invoice.number,
                    invoice.amount,
                    invoice.currency,
                    invoice.entry_point.name()
                ),
                status: row.map_or("missing", |row| row.status.as_str()).to_owned(),
                receipt: receipt.unwrap_or("none").to_owned(),
                ledger: row.map(|row| row.posted.join(" + ")).unwrap_or_default(),
                emails: evidence.emails_of(scene, invoice).len(),
                webhooks: evidence.webhooks_of(invoice).len(),
            }
        })
        .collect();
    let sum = |count: &dyn Fn(&InvoiceOutcome) -> usize| invoices.iter().map(count).sum::<usize>();
    let figures = json!({
        "invoices": invoices.len(),
        "paid": sum(&|row| usize::from(row.status == "paid")),
        "payments_sent": scene.invoices.len(),
        "duplicates_sent": duplicates_sent,
        "posted": sum(&|row| usize::from(!row.ledger.is_empty())),
        "receipts": scene.invoices.iter().map(|invoice| evidence.receipts_of(invoice).len()).sum::<usize>(),
        "emails": sum(&|row| row.emails),
        "webhooks_delivered": sum(&|row| row.webhooks),
        "ledger_sum": evidence.ledger_sum,
        "parked": evidence.parked.len(),
        "lost": evidence.lost(scene),
        "twice": evidence.twice(scene),
        "seconds": took.as_secs(),
    });
    Report { invoices, checks, figures }
}

/// Copies the receipts of this run to `folder` for inspection; returns their number.
pub(super) fn keep_receipts(stack: &Stack, evidence: &Evidence, folder: &Path) -> Result<usize> {
    fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
    let aws = stack.aws()?;
    let bucket = stack.output("DocumentsBucketName")?;
    let mut kept = 0;
    for key in evidence.invoices.keys().filter_map(|id| evidence.receipts.get(id)).flatten() {
        let name = key.rsplit('/').next().unwrap_or(key);
        let file = folder.join(name);
        fs::write(&file, aws.s3_get(bucket, key)?).with_context(|| format!("could not write {}", file.display()))?;
        kept += 1;
    }
    if kept == 0 {
        say::note("no receipt was found");
    }
    Ok(kept)
}
