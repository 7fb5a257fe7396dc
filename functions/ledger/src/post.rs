//! One event, one ledger transaction.

use quittance_domain::event::InvoiceEvent;
use quittance_domain::ledger::posting;
use quittance_lambda::envelope::CloudEvent;
use quittance_store::{Database, StoreError, ledger};
use uuid::Uuid;

/// Posts what the event says, unless it has been posted. Says whether entries were added.
///
/// # Errors
/// [`StoreError`]; nothing has changed then.
pub async fn post(database: &Database, event: &CloudEvent<InvoiceEvent>) -> Result<bool, StoreError> {
    let Some(posting) = posting(&event.payload) else { return Ok(false) };
    let mut transaction = database.begin().await?;
    let id = Uuid::now_v7();
    let is_new = ledger::post(&mut transaction, id, &event.id.to_string(), event.time, &posting).await?;
    transaction.commit().await?;
    Ok(is_new)
}
