//! Settings of the migrator.

use quittance_lambda::settings::{Settings, SettingsError};
use quittance_store::DatabaseSettings;

/// A function's login role, and the secret with its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePassword {
    /// The login role.
    pub role: String,
    /// `{"username": …, "password": …}` in Secrets Manager.
    pub secret_arn: String,
}

/// The migrator's settings.
#[derive(Debug)]
pub struct Config {
    /// The database, with the owner's login.
    pub database: DatabaseSettings,
    /// The roles that get passwords.
    pub roles: Vec<RolePassword>,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming everything that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = settings.group(|settings| DatabaseSettings::read(|name| settings.required(name)));
        let roles = settings.group(|settings| roles(&settings.required("ROLE_SECRET_ARNS")));
        settings.finish_with(database.zip(roles)).map(|(database, roles)| Self { database, roles })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("ROLE_SECRET_ARNS is not role=arn,role=arn")]
struct NoRoles;

/// `role=arn,role=arn`.
fn roles(text: &str) -> Result<Vec<RolePassword>, NoRoles> {
    text.split(',')
        .map(|pair| {
            let (role, secret_arn) = pair.split_once('=').ok_or(NoRoles)?;
            Ok(RolePassword { role: role.trim().to_owned(), secret_arn: secret_arn.trim().to_owned() })
        })
        .collect()
}
