//! The page of a list that a request asks for, and its order.

use crate::names::{serialized_name, stored_name};

/// A request for a page of named resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<I> {
    /// Only resources with words that begin like each word of this text.
    pub search: Option<String>,
    /// Only deleted ones, or only active ones; none for both.
    pub is_deleted: Option<bool>,
    /// The order of the list.
    pub order: ListOrder,
    /// Only those after this one.
    pub after: Option<I>,
    /// The number of entries to read.
    pub limit: i64,
}

impl<I> Listing<I> {
    /// The words to search for: letters and digits, without punctuation.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let is_between = |one: char| !one.is_alphanumeric();
        self.search.as_deref().unwrap_or_default().split(is_between).filter(|word| !word.is_empty())
    }
}

/// The order of a list of named resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListOrder {
    /// Oldest first.
    #[default]
    Created,
    /// Newest first.
    CreatedLast,
    /// By name, in capital or small letters.
    Name,
}

stored_name!(ListOrder { Created => "created_at", CreatedLast => "-created_at", Name => "name" });
serialized_name!(ListOrder);
