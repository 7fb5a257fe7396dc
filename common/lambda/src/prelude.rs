//! What every module of handlers needs.

pub use std::sync::Arc;

pub use axum::extract::State;
pub use axum::response::Response;
pub use deserr::Deserr;
pub use http::StatusCode;
pub use serde::Serialize;
pub use utoipa::{IntoParams, ToSchema};

pub use crate::body::Faults;
pub use crate::body::values::{List, Text};
pub use crate::caller::Reach;
pub use crate::change::{ChangeRequest, Changes, NoBody, Reply};
pub use crate::openapi::parameters::{ChangeHeaders, EditHeaders};
pub use crate::openapi::responses::{ChangedMeanwhile, ClientConflict};
pub use crate::path_id::PathId;
pub use crate::permit::Permit;
pub use crate::problem::Problem;
pub use crate::query::PageParameters;
pub use crate::resource::{
    History, Listed, ListingParameters, Patch, Resource, ResourceBody, ResourceNames, ResourceQuery,
};
