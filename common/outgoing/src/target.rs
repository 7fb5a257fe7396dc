//! URLs from outside: their permitted form, and the addresses that they may connect to.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::address::is_public;
use crate::client::{ClientError, Timeouts, build, builder};

/// Longer than any URL in practice.
const LENGTH_MAX: usize = 2_000;

/// The usual HTTPS ports; other ports of a public host are rarely meant to be public.
const PORTS: [u16; 2] = [443, 8443];

/// The permitted addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Targets {
    /// Public addresses, by HTTPS.
    Public,
    /// Also loopback addresses, and HTTP for those: for the local stack and tests, never in AWS.
    PublicAndLoopback,
}

impl FromStr for Targets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "public" => Ok(Self::Public),
            "public_and_loopback" => Ok(Self::PublicAndLoopback),
            _ => Err(format!("targets are public or public_and_loopback, not {text:?}")),
        }
    }
}

/// Why a URL is refused. Repeats nothing of it except addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not a URL, or too long.
    #[error("must be an absolute URL of at most {LENGTH_MAX} characters")]
    Malformed,
    /// Not HTTPS.
    #[error("must begin with https://")]
    Scheme,
    /// It contains a user name, a password or a fragment.
    #[error("must contain no user name, no password and no fragment")]
    Credentials,
    /// Another port.
    #[error("must have the port 443 or 8443")]
    Port,
    /// An address that is not public.
    #[error("must lead to public addresses only, and {0} is none")]
    Address(IpAddr),
    /// A name without an address.
    #[error("its name has no address")]
    Nowhere,
}

/// A URL that passed the guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingTarget(Url);

impl OutgoingTarget {
    /// Checks everything that does not require resolving the name. Addresses in decimal, octal or hexadecimal are
    /// parsed as browsers parse them.
    ///
    /// # Errors
    /// [`TargetError`]
    pub fn parse(text: &str, targets: Targets) -> Result<Self, TargetError> {
        let url = Url::parse(text).ok().filter(|_| text.len() <= LENGTH_MAX).ok_or(TargetError::Malformed)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(TargetError::Malformed)?;
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let is_local = targets == Targets::PublicAndLoopback
            && (host == "localhost" || literal.is_some_and(|address| address.is_loopback()));
        if !(url.scheme() == "https" || (url.scheme() == "http" && is_local)) {
            return Err(TargetError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(TargetError::Credentials);
        }
        if !is_local && !url.port_or_known_default().is_some_and(|port| PORTS.contains(&port)) {
            return Err(TargetError::Port);
        }
        if let Some(address) = literal {
            targets.admit([address])?;
        }
        Ok(Self(url))
    }

    /// Resolves the name, to report a forbidden address as soon as the URL is given. A name that cannot be resolved now
    /// is accepted: it is resolved and checked again for each connection.
    ///
    /// # Errors
    /// [`TargetError::Address`]
    pub async fn look_up(&self, targets: Targets) -> Result<(), TargetError> {
        let Some(host) = self.0.host_str() else { return Ok(()) };
        match tokio::net::lookup_host((host, 0)).await {
            Ok(found) => targets.admit(found.map(|address| address.ip())),
            Err(_) => Ok(()),
        }
    }
}

impl Targets {
    /// Checks that every address is permitted: a name with one private address is refused as a whole.
    ///
    /// # Errors
    /// [`TargetError::Address`] with the first address that is not permitted.
    pub fn admit(self, addresses: impl IntoIterator<Item = IpAddr>) -> Result<(), TargetError> {
        let may = |address: IpAddr| is_public(address) || (self == Self::PublicAndLoopback && address.is_loopback());
        match addresses.into_iter().find(|address| !may(*address)) {
            Some(address) => Err(TargetError::Address(address)),
            None => Ok(()),
        }
    }
}

/// Posts to targets.
#[derive(Debug, Clone)]
pub struct Sender(reqwest::Client);

impl Sender {
    /// A sender that only connects to addresses that were checked for the connection.
    ///
    /// # Errors
    /// An error text if the TLS set-up fails.
    pub fn new(user_agent: &'static str, timeouts: Timeouts, targets: Targets) -> Result<Self, ClientError> {
        let guarded = builder(user_agent, timeouts)
            .dns_resolver(Arc::new(Guard(targets)))
            // A proxy would resolve names itself.
            .no_proxy()
            // A function is frozen between calls, and idle connections break unnoticed.
            .pool_max_idle_per_host(0);
        build(guarded).map(Self)
    }

    /// A POST to the target.
    pub fn post(&self, target: &OutgoingTarget) -> reqwest::RequestBuilder {
        self.0.post(target.0.clone())
    }
}

/// Resolves names, and returns no forbidden address.
struct Guard(Targets);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let targets = self.0;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            targets.admit(found.iter().map(SocketAddr::ip))?;
            if found.is_empty() {
                return Err(TargetError::Nowhere.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
