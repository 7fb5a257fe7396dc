//! Who sells, and is paid.

use serde::Serialize;

/// The party at the head of every document.
#[derive(Debug, Clone, Serialize)]
pub struct Seller {
    /// Legal name.
    pub name: String,
    /// Postal address, one line per element.
    pub address: Vec<String>,
    /// VAT or other tax number.
    pub tax_id: String,
}

impl Seller {
    /// The seller as settings name it: the lines of the address with semicolons between.
    #[must_use]
    pub fn of_settings(name: String, address: &str, tax_id: String) -> Self {
        Self { name, address: address.split(';').map(|line| line.trim().to_owned()).collect(), tax_id }
    }

    /// The line at the foot of every page.
    pub(crate) fn footer(&self) -> String {
        format!("{} · {}", self.name, self.address.join(", "))
    }
}
