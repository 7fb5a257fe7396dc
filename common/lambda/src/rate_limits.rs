//! How many requests a caller has per minute: each permission has one of these limits.

use crate::settings::Settings;

/// A kind of operation whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimit {
    /// Everything without a limit of its own, by default 3,000 requests per minute and caller.
    Api,
    /// Claims, charges and refunds, by default 1,000. Confirmations have the general limit: they report money that
    /// moved.
    Payments,
}

impl RateLimit {
    /// The name that counts are stored under.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Payments => "payments",
        }
    }

    /// The number of requests per minute and caller that the template sets by default.
    #[must_use]
    pub const fn default_per_minute(self) -> u32 {
        match self {
            Self::Api => 3_000,
            Self::Payments => 1_000,
        }
    }
}

/// The number of requests per minute and caller for each limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// [`RateLimit::Api`].
    pub api: u32,
    /// [`RateLimit::Payments`].
    pub payments: u32,
}

impl RateLimits {
    /// The limits in the settings.
    pub fn read(settings: &mut Settings) -> Self {
        Self {
            api: settings.number("CALLER_REQUESTS_PER_MINUTE_MAX"),
            payments: settings.number("CALLER_PAYMENTS_PER_MINUTE_MAX"),
        }
    }

    /// The number of requests per minute and caller.
    #[must_use]
    pub const fn per_minute(self, limit: RateLimit) -> u32 {
        match limit {
            RateLimit::Api => self.api,
            RateLimit::Payments => self.payments,
        }
    }
}
