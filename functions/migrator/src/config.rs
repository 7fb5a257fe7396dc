//! Settings of the migrator.

use quittance_lambda::settings::{Settings, SettingsError};
use quittance_store::DatabaseSettings;

/// A function's login role, and where its password is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePassword {
    /// The login role.
    pub role: String,
    /// `{"username": …, "password": …}` in Secrets Manager.
    pub secret_arn: String,
}

/// What the migrator needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where the database is; the login is the owner's.
    pub database: DatabaseSettings,
    /// The roles that get passwords.
    pub roles: Vec<RolePassword>,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] naming all that is missing or wrong.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = settings.group(|settings| DatabaseSettings::read(|name| settings.required(name)));
        let roles = settings.group(|settings| roles(&settings.required("ROLE_SECRET_ARNS")));
        settings.finish_with(database.zip(roles)).map(|(database, roles)| Self { database, roles })
    }
}

/// `role=arn,role=arn`.
fn roles(text: &str) -> Result<Vec<RolePassword>, String> {
    text.split(',')
        .map(|pair| {
            let (role, secret_arn) =
                pair.split_once('=').ok_or_else(|| "ROLE_SECRET_ARNS is not role=arn,role=arn".to_owned())?;
            Ok(RolePassword { role: role.trim().to_owned(), secret_arn: secret_arn.trim().to_owned() })
        })
        .collect()
}
