//! Lines of invoices and credit notes, which have the same columns.

use quittance_domain::money::{Currency, Money};
use quittance_domain::tax::TaxPercent;
use rust_decimal::Decimal;

use crate::error::{StoreError, money};

const TABLE: &str = "billing.invoice_lines";

#[derive(Debug, Clone)]
pub struct InvoiceLine {
    /// The description of what is charged.
    pub description: String,
    pub quantity: u32,
    /// The unit price, without tax.
    pub unit_amount: Money,
    /// Its tax rate.
    pub tax_percent: TaxPercent,
}

/// Lines as PostgreSQL takes them: one array per column.
pub(crate) struct Columns {
    pub(crate) descriptions: Vec<String>,
    pub(crate) quantities: Vec<i32>,
    pub(crate) amounts: Vec<Decimal>,
    pub(crate) percents: Vec<Decimal>,
}

impl Columns {
    pub(crate) fn from_lines(lines: &[InvoiceLine]) -> Result<Self, StoreError> {
        let quantity =
            |line: &InvoiceLine| i32::try_from(line.quantity).map_err(|error| StoreError::corrupt(TABLE, error));
        Ok(Self {
            descriptions: lines.iter().map(|line| line.description.clone()).collect(),
            quantities: lines.iter().map(quantity).collect::<Result<_, _>>()?,
            amounts: lines.iter().map(|line| line.unit_amount.amount()).collect(),
            percents: lines.iter().map(|line| line.tax_percent.value()).collect(),
        })
    }
}

/// A line as PostgreSQL returns it.
pub(crate) struct LineRow {
    pub(crate) description: String,
    pub(crate) quantity: i32,
    pub(crate) unit_amount: Decimal,
    pub(crate) tax_percent: Decimal,
}

impl LineRow {
    pub(crate) fn line(self, currency: Currency) -> Result<InvoiceLine, StoreError> {
        Ok(InvoiceLine {
            description: self.description,
            quantity: u32::try_from(self.quantity).map_err(|error| StoreError::corrupt(TABLE, error))?,
            unit_amount: money(TABLE, self.unit_amount, currency.code())?,
            tax_percent: self.tax_percent.try_into().map_err(|error| StoreError::corrupt(TABLE, error))?,
        })
    }
}
