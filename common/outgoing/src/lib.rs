//! Outgoing HTTP: limited in time, without redirects, and for URLs from outside only to public addresses.
//!
//! Guarantees:
//! - No call exceeds its timeouts, and none follows a redirect, which would send a signed body or a key to wherever the
//!   other side points.
//! - Errors contain no URL, which may carry a token.
//! - An [`OutgoingTarget`] is a URL that passed the guard, and [`Sender`] posts to nothing else. Names are resolved
//!   again for each connection, every address of the answer is checked, and the connection goes to one of exactly these
//!   addresses: an answer that changes between check and use ("rebinding") is checked again.

pub mod address;
mod client;
mod target;

pub use client::{ClientError, Timeouts, client, reason};
pub use target::{OutgoingTarget, Sender, TargetError, Targets};
