//! Bank transfers: money that reaches our account without a gateway. Claims, statements and staff tell of it.

use crate::Provider;

/// Nobody in between.
pub(crate) const PROVIDER: Provider = Provider { name: "manual", webhooks: None, api: None };
