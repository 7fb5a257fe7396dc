//! Adds a user's client to access tokens.
//!
//! In: Cognito's pre-token-generation trigger, version 2. Out: the same event, with `custom:client_id` as a claim of
//! the access token. Never fails: a user without a client gets a token without the claim, which grants access to no
//! client's data.

pub mod handler;
