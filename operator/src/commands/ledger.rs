//! `quittance ledger check`.

use anyhow::Result;
use chrono::{DateTime, Utc};
use quittance_domain::ledger::reconciliation::{Discrepancy, Sum, reconcile};
use quittance_store::{books, overview};
use serde_json::json;

use crate::deployment::Deployment;
use crate::report::{Report, table};

/// The maximum number of differences shown; more have a common cause.
const FINDINGS_MAX: i64 = 1_000;

pub(super) async fn check(deployment: &Deployment, as_of: DateTime<Utc>) -> Result<Report> {
    let differences = books::differences(&deployment.database, as_of, FINDINGS_MAX).await?;
    let findings: Vec<Discrepancy> = reconcile(differences);
    let broken = overview::broken(&deployment.database).await?;
    let reported = |sum: &Option<Sum>| {
        sum.map_or_else(|| "nothing".to_owned(), |sum| format!("{} on {}", sum.amount, sum.first_on))
    };
    let id = |id: Option<String>| id.unwrap_or_default();
    let row = |finding: &Discrepancy| {
        let place = &finding.place;
        let (invoice, payment) = (place.invoice_id.map(|id| id.to_string()), place.payment_id.map(|id| id.to_string()));
        let (expected, booked) = (reported(&finding.expected), reported(&finding.booked));
        [finding.difference.to_string(), place.account.clone(), id(invoice), id(payment), expected, booked]
    };
    let head = ["difference", "account", "invoice", "payment", "expected", "posted"];
    let text = [
        table(head, findings.iter().map(row).collect(), "The ledger agrees with invoices and payments."),
        table(
            ["rule", "broken by", "details"],
            broken.iter().map(|one| [one.rule.clone(), one.subject.clone(), one.detail.clone()]).collect(),
            "All rules about money hold.",
        ),
    ];
    let is_clean = findings.is_empty() && broken.is_empty();
    let json = json!({"as_of": as_of, "findings": findings, "broken": broken, "is_clean": is_clean});
    Ok(Report::new(text.join("\n\n"), json).clean_if(is_clean))
}
