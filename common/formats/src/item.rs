//! What a reader gives, piece by piece.

use serde::{Deserialize, Serialize};

use crate::movement::Movement;
use crate::summary::StatementSummary;

/// The next thing in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileItem {
    /// Money moved.
    Movement(Box<Movement>),
    /// A statement ended.
    StatementEnd(Box<StatementSummary>),
}
