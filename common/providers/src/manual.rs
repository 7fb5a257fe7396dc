//! Bank transfers: money that reaches our account without a gateway. Claims, statements and staff tell of it.

use crate::api::Api;
use crate::{Provider, Webhooks};

/// Nobody in between.
#[derive(Debug)]
pub struct Manual;

impl Provider for Manual {
    fn name(&self) -> &'static str {
        "manual"
    }

    fn webhooks(&self) -> Option<&dyn Webhooks> {
        None
    }

    fn api(&self) -> Option<&dyn Api> {
        None
    }
}
