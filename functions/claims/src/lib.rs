//! Puts a user's client into access tokens.
//!
//! In: Cognito's pre-token-generation trigger, version 2. Out: the same event, with `custom:client_id` as a claim of
//! the access token. Fails never: a user without a client gets a token without the claim, which reaches nothing.

pub mod handler;
