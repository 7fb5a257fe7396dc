//! Bank transfers: money that reaches our account without a gateway. Reported by claims, statements and staff.

use crate::ProviderModule;

/// Has neither webhooks nor an API.
pub(crate) const PROVIDER: ProviderModule = ProviderModule { name: "manual", webhooks: None, api: None };
