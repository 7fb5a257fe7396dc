//! Turns a request into a response, on every path.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use futures::FutureExt;
use lambda_runtime::{Error, LambdaEvent};
use quittance_domain::error::Chain;
use quittance_lambda::secret::{self, SecretError};
use quittance_store::{Database, StoreError};
use serde::Deserialize;

use crate::answer::{AnswerError, CustomResourceRequest, answer};
use crate::config::RolePassword;

/// Time reserved for the response when migrating takes too long.
const ANSWER_RESERVE: Duration = Duration::from_secs(30);

/// The migrator's dependencies.
#[derive(Debug, Clone)]
pub struct Migrator {
    /// The database, as its owner.
    pub database: Database,
    /// Secrets Manager's configuration.
    pub aws: SdkConfig,
    /// The roles that get passwords.
    pub roles: Vec<RolePassword>,
}

#[derive(Deserialize)]
struct Password {
    password: String,
}

/// Carries out the request and responds. `migrator` is an error if the settings were insufficient to start:
/// CloudFormation gets that error too.
///
/// # Errors
/// [`AnswerError`] if the response could not be sent.
pub async fn handle(
    migrator: &Result<Migrator, Error>,
    event: LambdaEvent<CustomResourceRequest>,
) -> Result<(), AnswerError> {
    let request = event.payload;
    let failure = match (request.request_type.as_str(), migrator) {
        ("Delete", _) => None,
        (_, Err(error)) => Some(Chain(&**error).to_string()),
        (_, Ok(migrator)) => {
            // Boxed to keep the types of nested futures shallow.
            let migrated = Box::pin(migrator.migrate_in_time(event.context.deadline())).await;
            migrated.err().map(|error| Chain(&error).to_string())
        }
    };
    match &failure {
        None => tracing::info!(request = request.request_type, "migrated"),
        Some(reason) => tracing::error!(request = request.request_type, reason, "not migrated"),
    }
    answer(&request, failure.as_deref()).await
}

/// Why the database was not migrated. Never contains a password.
#[derive(Debug, thiserror::Error)]
enum MigrationFailure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("secret {0} is not {{\"password\": …}}")]
    NoPassword(String),
    #[error("the migrator panicked; its log has the place")]
    Panicked,
    #[error("the migrations took too long; nothing of the unfinished one has changed")]
    TimedOut,
}

impl Migrator {
    async fn migrate_in_time(&self, deadline: SystemTime) -> Result<(), MigrationFailure> {
        let left = deadline.duration_since(SystemTime::now()).unwrap_or_default().saturating_sub(ANSWER_RESERVE);
        match tokio::time::timeout(left, AssertUnwindSafe(self.migrate()).catch_unwind()).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(MigrationFailure::Panicked),
            Err(_) => Err(MigrationFailure::TimedOut),
        }
    }

    async fn migrate(&self) -> Result<(), MigrationFailure> {
        self.database.migrate().await?;
        for RolePassword { role, secret_arn } in &self.roles {
            let text = secret::read(&self.aws, secret_arn).await?;
            let secret: Password =
                serde_json::from_str(&text).map_err(|_| MigrationFailure::NoPassword(secret_arn.clone()))?;
            self.database.set_role_password(role, &secret.password).await?;
        }
        Ok(())
    }
}
