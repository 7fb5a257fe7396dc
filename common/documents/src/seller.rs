//! The seller in documents.

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
    /// The seller from settings: the lines of the address are separated by semicolons.
    #[must_use]
    pub fn of_settings(name: String, address: &str, tax_id: String) -> Self {
        Self { name, address: address.split(';').map(|line| line.trim().to_owned()).collect(), tax_id }
    }

    pub(crate) fn footer(&self) -> String {
        format!("{} · {}", self.name, self.address.join(", "))
    }
}
