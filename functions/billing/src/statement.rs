//! `/v1/clients/{id}/statement`: what a client owed, what moved, and what it owes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, Utc};
use deserr::Deserr;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use quittance_domain::error::Chain;
use quittance_domain::id::ClientId;
use quittance_domain::ledger::Account;
use quittance_domain::money::{Currency, Money, MoneyError};
use quittance_formats::neutralised;
use quittance_lambda::body::Faults;
use quittance_lambda::body::times::Day;
use quittance_lambda::path_id::PathId;
use quittance_lambda::permit::Permit;
use quittance_lambda::problem::Problem;
use quittance_lambda::query::{Parameters, refused};
use quittance_store::StoreError;
use quittance_store::books::{self, StatementLine};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::Billing;
use crate::books::{day_before, days};
use crate::clients::reachable;
use crate::documents::{self, Pdf};

/// The maximum number of lines of a statement; longer ones have to be split into shorter periods.
const LINES_MAX: i64 = 5_000;

/// The maximum number of lines as PDF: Lambda responses are limited to 6 MB, and a line takes more than 1 kB of it.
const PRINTED_LINES_MAX: i64 = 1_000;

/// The period and the format.
#[derive(Debug, Deserr, IntoParams)]
#[deserr(error = Faults, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatementParameters {
    /// The first accounting date; by default the first day of the month of `to`.
    #[deserr(default)]
    #[param(nullable = false, inline)]
    from: Option<Day>,
    /// The last accounting date; by default today.
    #[deserr(default)]
    #[param(nullable = false, inline)]
    to: Option<Day>,
    /// JSON, CSV (RFC 4180, UTF-8) for a spreadsheet, or PDF in the client's language.
    #[deserr(default)]
    #[param(inline, required = false)]
    format: StatementFormat,
}

/// The format of a statement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserr, ToSchema)]
#[deserr(error = Faults, rename_all = lowercase)]
#[schema(rename_all = "lowercase", default = "json")]
enum StatementFormat {
    #[default]
    Json,
    Csv,
    Pdf,
}

/// A client's statement of account: opening balances, movements and closing balances. A negative balance is the client's
/// credit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Statement {
    client_id: ClientId,
    /// The client's name.
    client: String,
    /// The first day.
    from: NaiveDate,
    /// The last day.
    to: NaiveDate,
    /// One for each currency with a balance or a movement.
    currencies: Vec<CurrencyStatement>,
}

/// The statement in one currency.
#[derive(Debug, Serialize, ToSchema)]
struct CurrencyStatement {
    /// The balance before the first day.
    opening: Money,
    /// In order of accounting date.
    lines: Vec<StatementMovement>,
    /// The balance at the end of the last day.
    closing: Money,
}

/// A movement.
#[derive(Debug, Serialize, ToSchema)]
struct StatementMovement {
    /// The accounting date.
    accounting_date: NaiveDate,
    /// When the money moved or the document was issued.
    occurred_at: DateTime<Utc>,
    /// When it was posted.
    recorded_at: DateTime<Utc>,
    /// The description.
    description: String,
    /// The change of the balance: positive if more is owed.
    amount: Money,
    /// The balance after it.
    balance: Money,
}

/// The part of a statement in one currency.
pub(crate) struct CurrencySection {
    pub(crate) opening: Money,
    /// The lines, each with the balance after it.
    pub(crate) lines: Vec<(StatementLine, Money)>,
    pub(crate) closing: Money,
}

/// Returns a client's statement of account for a period; clients see their own only.
#[utoipa::path(
    get,
    path = "/v1/clients/{id}/statement",
    operation_id = "readStatement",
    tag = "ledger",
    params(("id" = ClientId, Path, description = "The client."), StatementParameters),
    responses((status = 200, description = "The statement.", content((Statement = "application/json"), (String = "text/csv"), (Pdf = "application/pdf"))))
)]
pub(crate) async fn read(
    State(billing): State<Arc<Billing>>,
    Permit { reach, .. }: Permit,
    PathId(id): PathId<ClientId>,
    Parameters(query): Parameters<StatementParameters>,
) -> Result<Response, Problem> {
    let (from, to) = days(query.from, query.to, billing.today())?;
    let format = query.format;
    let client = reachable(&billing, reach, id).await?.details;
    let mut snapshot = billing.database.snapshot().await?;
    let lines = books::statement(&mut snapshot, id, from, to, LINES_MAX + 1).await?;
    let lines_max = if format == StatementFormat::Pdf { PRINTED_LINES_MAX } else { LINES_MAX };
    if i64::try_from(lines.len()).is_ok_and(|count| count > lines_max) {
        return Err(refused("to", format!("there are more than {lines_max} lines; request fewer days")));
    }
    let mut opening = Vec::new();
    for account in [Account::Receivable(id), Account::Credit(id)] {
        opening.extend(books::balance(&mut snapshot, &account, day_before(from)).await?);
    }
    let parts = parts(&opening, lines).map_err(|error| StoreError::corrupt("ledger.entries", Chain(&error)))?;
    if format == StatementFormat::Csv {
        let name = format!("attachment; filename=\"statement-{id}-{from}-{to}.csv\"");
        let text = csv(&parts, from, to).map_err(|error| StoreError::corrupt("ledger.entries", Chain(&error)))?;
        return Ok(
            ([(CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, name)], text).into_response()
        );
    }
    if format == StatementFormat::Pdf {
        return documents::statement(&billing, &client, from, to, &parts);
    }
    let currencies = parts.into_iter().map(CurrencyStatement::from).collect();
    Ok(Json(Statement { client_id: id, client: client.name, from, to, currencies }).into_response())
}

fn parts(opening: &[Money], lines: Vec<StatementLine>) -> Result<Vec<CurrencySection>, MoneyError> {
    let currencies_of_lines =
        opening.iter().map(|money| money.currency()).chain(lines.iter().map(|line| line.amount.currency()));
    let mut currencies: Vec<Currency> = currencies_of_lines.collect();
    currencies.sort();
    currencies.dedup();
    let mut parts = Vec::with_capacity(currencies.len());
    for currency in currencies {
        let of = opening.iter().filter(|money| money.currency() == currency);
        let opening = of.copied().try_fold(Money::zero(currency), Money::checked_add)?;
        let (mut balance, mut shown) = (opening, Vec::new());
        for line in lines.iter().filter(|line| line.amount.currency() == currency) {
            balance = balance.checked_add(line.amount)?;
            shown.push((line.clone(), balance));
        }
        parts.push(CurrencySection { opening, lines: shown, closing: balance });
    }
    parts.retain(|part| !part.opening.is_zero() || !part.lines.is_empty());
    Ok(parts)
}

impl From<CurrencySection> for CurrencyStatement {
    fn from(part: CurrencySection) -> Self {
        let movement = |(line, balance): (StatementLine, Money)| StatementMovement {
            accounting_date: line.accounting_date,
            occurred_at: line.occurred_at,
            recorded_at: line.recorded_at,
            description: line.description,
            amount: line.amount,
            balance,
        };
        let lines = part.lines.into_iter().map(movement).collect();
        Self { opening: part.opening, lines, closing: part.closing }
    }
}

#[derive(Debug, thiserror::Error)]
enum StatementCsvError {
    #[error("a row cannot be written")]
    Row(#[from] csv::Error),
    #[error("the rows cannot be written")]
    Flush(#[from] std::io::Error),
    #[error("the rows are not UTF-8")]
    Encoding(#[from] std::string::FromUtf8Error),
}

/// The statement as CSV. Texts that a spreadsheet would interpret as formulas are escaped; amounts are our own numbers.
fn csv(parts: &[CurrencySection], from: NaiveDate, to: NaiveDate) -> Result<String, StatementCsvError> {
    let mut output = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    output.write_record(["Date", "Description", "Amount", "Balance", "Currency"])?;
    let mut row = |date: &str, description: &str, amount: &str, balance: Money| {
        let (balance, currency) = (balance.amount().to_string(), balance.currency().to_string());
        output.write_record([date, &neutralised(description), amount, &balance, &currency])
    };
    let written = (|| {
        for part in parts {
            row(&from.to_string(), "Opening balance", "", part.opening)?;
            for (line, balance) in &part.lines {
                let day = line.accounting_date.to_string();
                row(&day, &line.description, &line.amount.amount().to_string(), *balance)?;
            }
            row(&to.to_string(), "Closing balance", "", part.closing)?;
        }
        Ok::<_, csv::Error>(())
    })();
    written?;
    let bytes = output.into_inner().map_err(|error| error.into_error())?;
    Ok(String::from_utf8(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(description: &str, value: &str, currency: &str) -> StatementLine {
        let (occurred_at, recorded_at) =
            ("2026-11-02T23:00:00Z".parse().unwrap(), "2026-11-05T08:00:00Z".parse().unwrap());
        StatementLine {
            accounting_date: "2026-11-03".parse().unwrap(),
            occurred_at,
            recorded_at,
            description: description.to_owned(),
            amount: Money::parse(value, currency).unwrap(),
        }
    }

    #[test]
    fn each_currency_runs_from_its_opening_to_its_closing_balance() {
        let opening = [Money::parse("100", "EUR").unwrap(), Money::parse("-30", "EUR").unwrap()];
        let lines = vec![line("Invoice", "50", "EUR"), line("Invoice", "7", "USD"), line("Payment", "-120", "EUR")];
        let parts = parts(&opening, lines).unwrap();
        let sums: Vec<String> = parts.iter().map(|part| format!("{} to {}", part.opening, part.closing)).collect();
        assert_eq!(sums, ["70.00 EUR to 0.00 EUR", "0.00 USD to 7.00 USD"]);
    }

    #[test]
    fn a_text_that_a_spreadsheet_would_run_is_neutralised_and_an_amount_is_not() {
        let parts = parts(&[], vec![line("=HYPERLINK(\"x\"), and more", "-1.50", "EUR")]).unwrap();
        let day = NaiveDate::from_ymd_opt(2026, 11, 2).unwrap();
        let text = csv(&parts, day, day).unwrap();
        assert!(text.contains("2026-11-03,\"'=HYPERLINK(\"\"x\"\"), and more\",-1.50,-1.50,EUR\r\n"), "{text}");
    }
}
