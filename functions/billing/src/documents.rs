//! PDF documents for clients: `/v1/invoices/{id}/pdf`, credit notes, and statements.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{NaiveDate, TimeDelta};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use quittance_documents::{
    CreditNoteSheet, InvoiceSheet, PressError, PrintedInvoiceLine, PrintedStatementLine, StatementPart, StatementSheet,
};
use quittance_domain::error::Chain;
use quittance_domain::id::CreditNoteId;
use quittance_domain::party::ClientDetails;
use quittance_lambda::body::invoice_reference::InvoiceIdOrNumber;
use quittance_lambda::openapi::responses::Conflict;
use quittance_lambda::path_id::PathId;
use quittance_lambda::permit::Permit;
use quittance_lambda::problem::Problem;
use quittance_store::{StoreError, credit_notes, document_lines, invoices};
use utoipa::ToSchema;

use crate::Billing;
use crate::books::start_of;
use crate::invoices::{InvoicePath, visible};
use crate::statement::CurrencySection;

/// The bytes of a PDF/A-2.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes a response")]
pub(crate) struct Pdf(String);

/// Returns an issued invoice as PDF in the client's language; clients see their own only.
#[utoipa::path(
    get,
    path = "/v1/invoices/{id}/pdf",
    operation_id = "printInvoice",
    tag = "invoices",
    params(("id" = InvoiceIdOrNumber, Path, description = "The invoice, by its id or its printed number.")),
    responses((status = 200, description = "The invoice.", content((Pdf = "application/pdf"))), Conflict)
)]
pub(crate) async fn invoice(
    State(billing): State<Arc<Billing>>,
    Permit { reach, .. }: Permit,
    InvoicePath(id): InvoicePath,
) -> Result<Response, Problem> {
    let record = visible(&billing, reach, id).await?;
    let (Some(number), Some(issued_on)) = (&record.number, record.issued_on) else {
        return Err(Problem::conflict(format!("invoice {id} is a draft: it has no number to print; send it first")));
    };
    let lines = invoices::lines(&billing.database, &record.invoice).await?;
    let sheet = InvoiceSheet {
        number,
        client: &record.client,
        issued_on,
        due_on: record.due_on,
        total: record.invoice.total(),
        credited: record.invoice.credited(),
        paid: record.invoice.paid(),
        status: record.invoice.status(),
        lines: lines.iter().map(printable_line).collect(),
    };
    answer(number, billing.press.invoice(&billing.seller, &sheet))
}

fn printable_line(line: &document_lines::InvoiceLine) -> PrintedInvoiceLine<'_> {
    PrintedInvoiceLine {
        description: &line.description,
        quantity: line.quantity,
        unit_amount: line.unit_amount,
        tax_percent: line.tax_percent,
    }
}

/// Returns a credit note as PDF in the client's language; clients see their own only.
#[utoipa::path(
    get,
    path = "/v1/credit-notes/{id}/pdf",
    operation_id = "printCreditNote",
    tag = "invoices",
    params(("id" = CreditNoteId, Path, description = "The credit note.")),
    responses((status = 200, description = "The credit note.", content((Pdf = "application/pdf"))))
)]
pub(crate) async fn credit_note(
    State(billing): State<Arc<Billing>>,
    Permit { reach, .. }: Permit,
    PathId(id): PathId<CreditNoteId>,
) -> Result<Response, Problem> {
    let not_found = || Problem::not_found("credit note", id);
    let found = credit_notes::find(&billing.database, id, reach.client_id()).await?;
    let note = found.ok_or_else(not_found)?;
    let found = invoices::find(&billing.database, note.invoice_id, reach.client_id()).await?;
    let invoice = found.ok_or_else(not_found)?;
    let lines = credit_notes::lines(&billing.database, &note).await?;
    let corrupt = || {
        StoreError::corrupt("billing.invoices", format!("invoice {} is credited and has no number", note.invoice_id))
    };
    let sheet = CreditNoteSheet {
        summary: &note.summary,
        invoice_number: invoice.number.as_deref().ok_or_else(corrupt)?,
        client: &invoice.client,
        lines: lines.iter().map(printable_line).collect(),
    };
    answer(&note.summary.number, billing.press.credit_note(&billing.seller, &sheet))
}

/// Renders a statement as PDF in the client's language.
pub(crate) fn statement(
    billing: &Billing,
    client: &ClientDetails,
    from: NaiveDate,
    to: NaiveDate,
    parts: &[CurrencySection],
) -> Result<Response, Problem> {
    let mut printed = Vec::with_capacity(parts.len());
    for part in parts {
        let lines = part.lines.iter().map(|(line, balance)| PrintedStatementLine {
            on: line.accounting_date,
            description: &line.description,
            amount: line.amount,
            balance: *balance,
        });
        printed.push(StatementPart { opening: part.opening, lines: lines.collect(), closing: part.closing });
    }
    let at = start_of(to) + TimeDelta::days(1);
    let statement = StatementSheet { client, from, to, at, parts: printed };
    let name = format!("statement-{}-{from}-{to}", client.id);
    answer(&name, billing.press.statement(&billing.seller, &statement))
}

fn answer(name: &str, pdf: Result<Vec<u8>, PressError>) -> Result<Response, Problem> {
    let pdf = pdf.map_err(|error| {
        tracing::error!(error = %Chain(&error), "document could not be rendered");
        Problem::unavailable(60)
    })?;
    let disposition = format!("attachment; filename=\"{name}.pdf\"");
    Ok(([(CONTENT_TYPE, "application/pdf".to_owned()), (CONTENT_DISPOSITION, disposition)], pdf).into_response())
}
