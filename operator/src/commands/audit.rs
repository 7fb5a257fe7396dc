//! `quittance audit export`.

use std::io::Write;

use anyhow::Result;
use chrono::{DateTime, Utc};
use quittance_store::audit::{self, AuditFilter};
use serde_json::Value;

use crate::deployment::Deployment;
use crate::report::Report;

/// The number of records read at a time.
const PAGE: i64 = 500;

/// Writes records to standard output while they are read, and their number to standard error.
pub(super) async fn export(
    deployment: &Deployment,
    from: Option<DateTime<Utc>>,
    before: Option<DateTime<Utc>>,
    subjects: Vec<String>,
) -> Result<Report> {
    let subjects = (!subjects.is_empty()).then_some(subjects);
    let mut filter = AuditFilter { subjects, from, before, after: None };
    let (mut output, mut count) = (std::io::stdout().lock(), 0_usize);
    loop {
        let records = audit::list(&deployment.database, &filter, PAGE).await?;
        for record in &records {
            writeln!(output, "{}", serde_json::to_string(record)?)?;
        }
        count += records.len();
        match records.last() {
            Some(last) => filter.after = Some(last.id),
            None => break,
        }
    }
    eprintln!("{count} records");
    Ok(Report::new(String::new(), Value::Null))
}
