//! Callers of a local stack's API: users of the Cognito pool, created on demand, and machine clients.

use std::{str::FromStr, time::Duration};

use anyhow::{Context, Error, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    aws::{form_encoded, local_agent, text_at},
    stack::Stack,
};

const TIMEOUT: Duration = Duration::from_secs(30);

/// The role of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A user of the client with this id.
    Client(String),
    /// Finance staff.
    Finance,
    /// The on-call engineer.
    Oncall,
    /// An administrator.
    Admin,
    /// The platform's BFF, a machine client.
    Bff,
    /// A payment gateway's connector, a machine client that may confirm payments.
    Gateway,
}

/// The roles that need no client; `up` creates their users.
pub const STAFF: [Role; 3] = [Role::Finance, Role::Oncall, Role::Admin];

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("client", id)) if !id.is_empty() => Ok(Self::Client(id.to_owned())),
            Some((role, _)) if role != "client" => bail!("only a client's token names a client id, as client:<id>"),
            _ => match text {
                "finance" => Ok(Self::Finance),
                "oncall" => Ok(Self::Oncall),
                "admin" => Ok(Self::Admin),
                "bff" => Ok(Self::Bff),
                "gateway" => Ok(Self::Gateway),
                "client" | "client:" => bail!("a client's token needs the client's id: client:<id>"),
                other => bail!("no role {other}; there are client:<id>, finance, oncall, admin, bff and gateway"),
            },
        }
    }
}

impl Role {
    /// The Cognito group of a user; none for machine clients.
    #[must_use]
    pub fn group(&self) -> Option<&'static str> {
        match self {
            Self::Client(_) => Some("client"),
            Self::Finance => Some("finance"),
            Self::Oncall => Some("oncall"),
            Self::Admin => Some("admin"),
            Self::Bff | Self::Gateway => None,
        }
    }

    fn e_mail(&self, group: &str) -> String {
        match self {
            Self::Client(id) => format!("client.{}@quittance.example", id.to_lowercase()),
            _ => format!("{group}@quittance.example"),
        }
    }
}

impl Stack {
    /// An access token for a role, valid for the time that the template sets. Creates the user if it does not exist.
    ///
    /// # Errors
    /// When nothing is deployed, or Cognito refuses.
    pub fn token(&self, role: &Role) -> Result<String> {
        match (role, role.group()) {
            (_, Some(group)) => self.user_token(role, group),
            (Role::Bff, None) => self.machine_token("BffClientId"),
            (_, None) => self.machine_token("GatewayClientId"),
        }
        .with_context(|| format!("no token for {role:?}"))
    }

    fn user_token(&self, role: &Role, group: &str) -> Result<String> {
        let e_mail = role.e_mail(group);
        let sign_in = || {
            let request = json!({
                "ClientId": self.output("UserPoolClientId")?,
                "AuthFlow": "USER_PASSWORD_AUTH",
                "AuthParameters": { "USERNAME": e_mail, "PASSWORD": self.user_password },
            });
            let answer = self.aws()?.json_call("cognito-idp", "InitiateAuth", &request)?;
            text_at(&answer, "/AuthenticationResult/AccessToken").map(str::to_owned)
        };
        sign_in().or_else(|_| {
            self.make_user(role, group, &e_mail)?;
            sign_in()
        })
    }

    /// Creates a user who can sign in immediately, in the role's group; existing ones are kept.
    fn make_user(&self, role: &Role, group: &str, e_mail: &str) -> Result<()> {
        let aws = self.aws()?;
        let pool = self.output("UserPoolId")?;
        let cognito = |operation: &str, body: &Value| aws.json_call("cognito-idp", operation, body);
        let mut attributes =
            vec![json!({ "Name": "email", "Value": e_mail }), json!({ "Name": "email_verified", "Value": "true" })];
        if let Role::Client(id) = role {
            attributes.push(json!({ "Name": "custom:client_id", "Value": id }));
        }
        let user = json!({ "UserPoolId": pool, "Username": e_mail, "UserAttributes": attributes,
                           "MessageAction": "SUPPRESS", "TemporaryPassword": self.user_password });
        match cognito("AdminCreateUser", &user) {
            Err(error) if !error.to_string().contains("UsernameExistsException") => return Err(error),
            _ => {}
        }
        let password = json!({ "UserPoolId": pool, "Username": e_mail, "Password": self.user_password,
                               "Permanent": true });
        cognito("AdminSetUserPassword", &password)?;
        let membership = json!({ "UserPoolId": pool, "Username": e_mail, "GroupName": group });
        cognito("AdminAddUserToGroup", &membership).map(drop)
    }

    fn machine_token(&self, client_output: &str) -> Result<String> {
        let client = self.output(client_output)?;
        let request = json!({ "UserPoolId": self.output("UserPoolId")?, "ClientId": client });
        let answer = self.aws()?.json_call("cognito-idp", "DescribeUserPoolClient", &request)?;
        let secret = text_at(&answer, "/UserPoolClient/ClientSecret")
            .with_context(|| format!("{client_output} is not a client with a secret"))?;
        let credentials = STANDARD.encode(format!("{client}:{secret}"));
        let url = format!("{}/oauth2/token", self.emulator_url()?);
        let mut response = local_agent(TIMEOUT)
            .post(&url)
            .header("authorization", format!("Basic {credentials}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .send(form_encoded(&[("grant_type", "client_credentials")]))
            .with_context(|| format!("could not reach {url}"))?;
        let status = response.status().as_u16();
        let json: Value = response.body_mut().read_json().context("the token endpoint did not return JSON")?;
        if status != 200 {
            bail!("the token endpoint answered {status}: {json}");
        }
        text_at(&json, "/access_token").map(str::to_owned)
    }
}

/// Creates the users of the roles that need no client.
///
/// # Errors
/// When Cognito refuses.
pub fn seed(stack: &Stack) -> Result<()> {
    STAFF.iter().try_for_each(|role| stack.token(role).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_read_from_its_name() {
        assert_eq!("finance".parse::<Role>().unwrap(), Role::Finance);
        assert_eq!("client:cli_1".parse::<Role>().unwrap(), Role::Client("cli_1".to_owned()));
        assert_eq!("gateway".parse::<Role>().unwrap().group(), None);
    }

    #[test]
    fn an_invalid_role_is_refused_with_the_reason() {
        for (text, why) in [
            ("client", "client:<id>"),
            ("client:", "client:<id>"),
            ("finance:cli_1", "only a client"),
            ("root", "no role root"),
        ] {
            let error = text.parse::<Role>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn two_clients_have_two_users() {
        let of = |id: &str| Role::Client(id.to_owned()).e_mail("client");
        assert_ne!(of("cli_1"), of("cli_2"));
        assert_eq!(of("cli_A"), "client.cli_a@quittance.example");
    }
}
