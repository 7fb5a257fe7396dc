//! Bank transfers: money that reaches our account without a gateway. Claims, statements and staff tell of it.

use crate::ProviderModule;

/// Nobody in between.
pub(crate) const PROVIDER: ProviderModule = ProviderModule { name: "manual", webhooks: None, api: None };
