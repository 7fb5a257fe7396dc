//! What the demonstration and the drill both play with: callers of the API, who owes what, the ways it is paid, and the rules
//! that must hold afterwards.

pub(crate) mod api;
pub(crate) mod check;
pub(crate) mod doors;
pub(crate) mod scene;
