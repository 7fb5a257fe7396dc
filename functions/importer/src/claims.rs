//! Payment confirmations by clients: each payment is a claim until its gateway, a bank line or staff prove it.

use quittance_domain::command::InvoiceReference;
use quittance_domain::upload::LineOutcome;
use quittance_formats::Confirmation;
use quittance_store::upload_lines::{LineDecision, UploadLine};
use quittance_store::uploads::Upload;
use sha2::{Digest, Sha256};

use crate::evidence::LineNames;
use crate::lines::left_out;

/// A line with its transaction id and the invoice that it names.
#[derive(Debug)]
pub(crate) struct ClaimedLine {
    pub(crate) line: UploadLine,
    pub(crate) names: LineNames,
    pub(crate) invoice: Option<InvoiceReference>,
}

/// Turns confirmed payments into claims. A client cannot claim an id that is reserved for bank lines.
pub(crate) fn claims(upload: &Upload, digest: &str, confirmations: &[Confirmation]) -> Vec<ClaimedLine> {
    // Payments that were entered with an image are part of the same upload.
    let typed = upload.typed.as_ref().map(|typed| hex::encode(Sha256::digest(format!("{digest}{typed}"))));
    let digest = typed.as_deref().unwrap_or(digest);
    confirmations.iter().map(|confirmation| claim(upload, digest, confirmation)).collect()
}

fn claim(upload: &Upload, digest: &str, confirmation: &Confirmation) -> ClaimedLine {
    let name = &confirmation.transaction_id;
    let decision = if name.is_bank_line() {
        let reason = format!("{name} is reserved for lines of bank statements; use another name");
        left_out(LineOutcome::Rejected, reason)
    } else {
        let transaction_id = Some(name.clone());
        LineDecision { transaction_id, reason: None, ..left_out(LineOutcome::Claimed, String::new()) }
    };
    let speaker = upload.client_id.map(|client_id| client_id.to_string()).unwrap_or_default();
    ClaimedLine {
        // The digest is part of the id: the same file counts once.
        names: LineNames {
            event_id: format!("{speaker}:{digest}:{}", confirmation.number),
            movement: name.to_string(),
        },
        invoice: confirmation.invoice_number.clone().map(InvoiceReference::Number),
        line: UploadLine {
            line: confirmation.number,
            place: format!("line {}", confirmation.line),
            identity: None,
            amount: confirmation.amount.into(),
            booked_on: Some(confirmation.paid_on),
            account: None,
            payer: None,
            payer_account: None,
            end_to_end_id: None,
            remittance: None,
            return_reason: None,
            decision,
        },
    }
}
