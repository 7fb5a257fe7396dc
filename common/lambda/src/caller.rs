//! The caller, from the claims that API Gateway's JWT authorizer verified, and the caller's permissions.

use std::collections::HashMap;

use axum::extract::FromRequestParts;
use http::request::Parts;
use lambda_http::request::RequestContext;
use quittance_domain::id::ClientId;

use crate::problem::Problem;
use crate::rate_limits::RateLimit;

/// The claim that binds a client's user to its client, set by the pre-token trigger.
pub const CLIENT_ID_CLAIM: &str = "custom:client_id";

/// Prefix of machine clients' scopes: the resource server's identifier in Cognito.
const SCOPE_PREFIX: &str = "quittance/";

/// The user or machine that calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// `user:<sub>` or `machine:<client id>`: identifies the caller in audit records and idempotency keys.
    pub name: String,
    groups: Vec<String>,
    scopes: Vec<String>,
    client_id: Option<ClientId>,
}

/// What a caller may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Create, change and delete clients; create, issue and void invoices.
    WriteInvoices,
    /// Read clients, invoices, payments and uploads.
    Read,
    /// Claim payments, or have them charged.
    ClaimPayments,
    /// Confirm payments as a trusted machine.
    ConfirmPayments,
    /// Upload a client's payment confirmations.
    UploadConfirmations,
    /// Upload bank statements.
    UploadStatements,
    RefundPayments,
    ReadCases,
    /// Decide cases, merge payments, and enter evidence by hand.
    DecideCases,
    ReadBooks,
    CorrectBooks,
    /// Manage webhook endpoints and their signing secrets.
    ManageWebhooks,
    /// View and replay webhook deliveries.
    OperateWebhooks,
    /// Set notification preferences.
    WritePreferences,
}

/// The scope of data that a permission covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The data of every client.
    All,
    /// The data of one client only; another client's ids answer 404.
    Own(ClientId),
}

impl Reach {
    /// The client to filter by; none for all clients.
    #[must_use]
    pub const fn client_id(self) -> Option<ClientId> {
        match self {
            Self::All => None,
            Self::Own(client_id) => Some(client_id),
        }
    }

    /// Whether it includes the data of a client.
    #[must_use]
    pub fn covers(self, client_id: ClientId) -> bool {
        self.client_id().is_none_or(|own| own == client_id)
    }
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 14] = [
        Self::WriteInvoices,
        Self::Read,
        Self::ClaimPayments,
        Self::ConfirmPayments,
        Self::UploadConfirmations,
        Self::UploadStatements,
        Self::RefundPayments,
        Self::ReadCases,
        Self::DecideCases,
        Self::ReadBooks,
        Self::CorrectBooks,
        Self::ManageWebhooks,
        Self::OperateWebhooks,
        Self::WritePreferences,
    ];

    /// The scope of a machine client with the permission, as tokens name it.
    #[must_use]
    pub fn scope(self) -> String {
        format!("{SCOPE_PREFIX}{}", self.short_scope())
    }

    /// What it allows, for people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::WriteInvoices => "Create, change and delete clients; create, issue and void invoices",
            Self::Read => "Read clients, invoices, payments and uploads",
            Self::ClaimPayments => "Claim payments, or have them charged",
            Self::ConfirmPayments => "Confirm payments as a trusted machine",
            Self::UploadConfirmations => "Upload a client's payment confirmations",
            Self::UploadStatements => "Upload bank statements",
            Self::RefundPayments => "Refund payments",
            Self::ReadCases => "Read cases",
            Self::DecideCases => "Decide cases, merge payments, and enter evidence by hand",
            Self::ReadBooks => "Read the books",
            Self::CorrectBooks => "Correct the books",
            Self::ManageWebhooks => "Manage webhook endpoints and their signing secrets",
            Self::OperateWebhooks => "View and replay webhook deliveries",
            Self::WritePreferences => "Set notification preferences",
        }
    }

    /// Whether people can have it at all.
    #[must_use]
    pub const fn is_peoples(self) -> bool {
        self.is_clients_own() || !self.groups().is_empty()
    }

    /// The limit that its requests are counted against.
    #[must_use]
    pub const fn rate_limit(self) -> RateLimit {
        match self {
            Self::ClaimPayments | Self::RefundPayments => RateLimit::Payments,
            _ => RateLimit::Api,
        }
    }

    /// Its holders, as text for the API's description.
    #[must_use]
    pub fn holders(self) -> String {
        let machines = format!("machines with the scope `{}`", self.scope());
        let staff = (!self.groups().is_empty()).then(|| self.groups().join(", "));
        let clients = self.is_clients_own().then(|| "a client's own users, for their own data".to_owned());
        [staff, clients, Some(machines)].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// The scope that grants it to a machine client. No machine client is given both `payments:create` and one of
    /// `payments:confirm` and `statements:write`: who creates payments must not also prove them.
    const fn short_scope(self) -> &'static str {
        match self {
            Self::WriteInvoices => "invoices:write",
            Self::Read => "invoices:read",
            Self::ClaimPayments => "payments:create",
            Self::ConfirmPayments => "payments:confirm",
            Self::UploadConfirmations => "confirmations:write",
            Self::UploadStatements => "statements:write",
            Self::RefundPayments => "payments:refund",
            Self::ReadCases => "cases:read",
            Self::DecideCases => "cases:decide",
            Self::ReadBooks => "ledger:read",
            Self::CorrectBooks => "ledger:correct",
            Self::ManageWebhooks => "webhooks:manage",
            Self::OperateWebhooks => "webhooks:operate",
            Self::WritePreferences => "preferences:write",
        }
    }

    /// The groups that grant it to people, for the data of all clients.
    const fn groups(self) -> &'static [&'static str] {
        match self {
            Self::WriteInvoices
            | Self::UploadStatements
            | Self::RefundPayments
            | Self::DecideCases
            | Self::CorrectBooks => &["finance", "admin"],
            Self::Read | Self::ReadCases | Self::ReadBooks => &["finance", "admin", "oncall"],
            Self::ClaimPayments | Self::UploadConfirmations | Self::WritePreferences => &["finance", "admin"],
            Self::ManageWebhooks => &["admin"],
            Self::OperateWebhooks => &["admin", "oncall"],
            // Staff approval is a command of its own with a second person; people cannot confirm payments here.
            Self::ConfirmPayments => &[],
        }
    }

    /// Whether a client's own users have it, for the client's data.
    const fn is_clients_own(self) -> bool {
        matches!(self, Self::Read | Self::ClaimPayments | Self::UploadConfirmations | Self::WritePreferences)
    }
}

impl Caller {
    /// Parses the verified claims.
    ///
    /// # Errors
    /// 403 if the token does not identify the caller.
    pub fn from_claims(claims: &HashMap<String, String>, scopes: &[String]) -> Result<Self, Problem> {
        let claim = |name: &str| claims.get(name).map(String::as_str).unwrap_or_default();
        let groups = list(claim("cognito:groups"));
        let scopes = if scopes.is_empty() { list(claim("scope")) } else { scopes.to_vec() };
        let is_machine = scopes.iter().any(|scope| scope.starts_with(SCOPE_PREFIX));
        let (kind, subject) = if is_machine { ("machine", claim("client_id")) } else { ("user", claim("sub")) };
        if subject.is_empty() {
            return Err(Problem::forbidden("the token names no user or machine; log in again"));
        }
        let client_id = claims.get(CLIENT_ID_CLAIM).and_then(|text| text.parse().ok());
        Ok(Self { name: format!("{kind}:{subject}"), groups, scopes, client_id })
    }

    /// The reach of the caller's permission: the only place where authorisation is decided.
    ///
    /// # Errors
    /// 403 if the caller does not have it.
    pub fn may(&self, permission: Permission) -> Result<Reach, Problem> {
        let by_scope =
            self.scopes.iter().any(|scope| scope.strip_prefix(SCOPE_PREFIX) == Some(permission.short_scope()));
        let by_group = self.groups.iter().any(|group| permission.groups().contains(&group.as_str()));
        if by_scope || by_group {
            return Ok(Reach::All);
        }
        let is_client = self.groups.iter().any(|group| group == "client");
        match self.client_id {
            Some(client_id) if is_client && permission.is_clients_own() => Ok(Reach::Own(client_id)),
            None if is_client => Err(Problem::forbidden("your account is not bound to a client yet; ask finance")),
            _ => Err(Problem::forbidden(format!("{} lacks the permission for this", self.name))),
        }
    }
}

/// API Gateway flattens a claim that is a list into `[a b]`; scopes come as `a b`.
fn list(text: &str) -> Vec<String> {
    text.trim_matches(['[', ']']).split([' ', ',']).filter(|item| !item.is_empty()).map(ToOwned::to_owned).collect()
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let Some(RequestContext::ApiGatewayV2(context)) = parts.extensions.get::<RequestContext>() else {
            return Err(Problem::forbidden("the request did not come through the API"));
        };
        let jwt = context.authorizer.as_ref().and_then(|authorizer| authorizer.jwt.as_ref());
        let jwt = jwt.ok_or_else(|| Problem::forbidden("the route has no authorizer in front of it"))?;
        Self::from_claims(&jwt.claims, jwt.scopes.as_deref().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "cli_00000000000000000000000000000001";

    fn caller(claims: &[(&str, &str)]) -> Caller {
        let claims = claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Caller::from_claims(&claims, &[]).unwrap()
    }

    #[test]
    fn a_clients_user_reaches_that_clients_things_only() {
        let user = caller(&[("sub", "1"), ("cognito:groups", "[client]"), (CLIENT_ID_CLAIM, CLIENT)]);
        assert_eq!(user.may(Permission::Read), Ok(Reach::Own(CLIENT.parse().unwrap())));
        assert!(user.may(Permission::WriteInvoices).is_err());
        assert!(user.may(Permission::ConfirmPayments).is_err());
    }

    #[test]
    fn a_user_without_a_client_reaches_nothing() {
        let user = caller(&[("sub", "1"), ("cognito:groups", "[client]")]);
        assert!(user.may(Permission::Read).is_err());
        assert!(caller(&[("sub", "1")]).may(Permission::Read).is_err());
    }

    #[test]
    fn a_users_own_scope_gives_no_machines_right() {
        let user = caller(&[("sub", "1"), ("scope", "aws.cognito.signin.user.admin payments:confirm")]);
        assert!(user.may(Permission::ConfirmPayments).is_err());
    }

    #[test]
    fn only_the_machine_that_is_trusted_to_confirm_may_confirm() {
        let gateway = caller(&[("client_id", "g"), ("scope", "quittance/payments:confirm")]);
        assert_eq!(gateway.may(Permission::ConfirmPayments), Ok(Reach::All));
        assert!(gateway.may(Permission::ClaimPayments).is_err());
        for group in ["finance", "admin", "oncall", "client"] {
            assert!(caller(&[("sub", "1"), ("cognito:groups", group)]).may(Permission::ConfirmPayments).is_err());
        }
    }
}
