//! Posts one event as one ledger transaction.

use chrono::{DateTime, TimeDelta, Utc};
use quittance_domain::error::Chain;
use quittance_domain::event::InvoiceEvent;
use quittance_domain::ledger::posting;
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::metrics;
use quittance_store::{Database, StoreError, ledger};
use uuid::Uuid;

/// The interval between rollups.
const ROLLUP_INTERVAL: TimeDelta = TimeDelta::hours(1);

/// Posts an event, unless it was posted before. Returns whether entries were added.
///
/// # Errors
/// [`StoreError`]; nothing has changed then.
pub async fn post(database: &Database, event: &CloudEvent<InvoiceEvent>) -> Result<bool, StoreError> {
    let posting = posting(&event.payload).map_err(|error| StoreError::corrupt("ledger.entries", error))?;
    let Some(posting) = posting else { return Ok(false) };
    let mut transaction = database.begin().await?;
    let id = Uuid::now_v7();
    let is_new =
        ledger::post(&mut transaction, id, &event.id.to_string(), event.time, event.accounting_date(), &posting)
            .await?;
    transaction.commit().await?;
    Ok(is_new)
}

/// Rolls up what was recorded since the last rollup, once per interval, so that balances need not read every entry, and
/// checks that the sums add up to zero. Never fails a posting: what is not rolled up now is part of the next rollup.
pub async fn roll_up(database: &Database, now: DateTime<Utc>) {
    let rolled_up = async {
        let mut transaction = database.begin().await?;
        let is_new = ledger::roll_up(&mut transaction, now - ROLLUP_INTERVAL, now).await?;
        transaction.commit().await?;
        // Separately: the rollup is committed even if checking it takes long.
        Ok::<_, StoreError>(if is_new { Some(ledger::unbalanced_currencies(database).await?) } else { None })
    };
    match rolled_up.await {
        Ok(Some(unbalanced)) => {
            tracing::info!(unbalanced, "ledger entries rolled up");
            metrics::CURRENCIES_UNBALANCED.record([], unbalanced);
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "ledger entries were not rolled up or not checked; the next run will")
        }
    }
}
