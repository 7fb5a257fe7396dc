//! The items that a reader returns.

use serde::{Deserialize, Serialize};

use crate::movement::Movement;
use crate::summary::StatementSummary;

/// The next item of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileItem {
    /// A movement of money.
    Movement(Box<Movement>),
    StatementEnd(Box<StatementSummary>),
}
