//! HTTP that goes out: bounded in time, without redirects, and for URLs that strangers gave only to public addresses.
//!
//! What it promises:
//! - No call lasts longer than its timeouts, and none follows a redirect, which would carry a signed body or a key to
//!   wherever the other side points.
//! - An error names no URL: it may carry a token.
//! - A [`OutgoingTarget`] is a URL that passed the guard, and [`Sender`] posts to nothing else. Names are looked up anew for each
//!   connection, every address of the answer is checked, and the connection goes to one of those very addresses: an
//!   answer that changes between check and use ("rebinding") is checked again.

pub mod address;
mod client;
mod target;

pub use client::{Timeouts, client, reason};
pub use target::{OutgoingTarget, Sender, TargetError, Targets};
