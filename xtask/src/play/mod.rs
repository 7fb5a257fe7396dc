//! What the demonstration and the drill share: callers of the API, clients and invoices, the ways of paying, and the
//! invariants to check afterwards.

pub(crate) mod api;
pub(crate) mod check;
pub(crate) mod entry_points;
pub(crate) mod scene;
