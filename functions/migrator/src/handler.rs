//! From a request to an answer, on every path.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use futures::FutureExt;
use lambda_runtime::LambdaEvent;
use quittance_lambda::secret;
use quittance_store::Database;
use serde::Deserialize;

use crate::answer::{CustomResourceRequest, answer};
use crate::config::RolePassword;

/// Left for the answer when migrating takes too long.
const ANSWER_RESERVE: Duration = Duration::from_secs(30);

/// What the migrator works with.
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

/// Does what the request asks for and answers it. `migrator` is an error where the settings did not suffice to start:
/// CloudFormation is told so too.
///
/// # Errors
/// A sentence, if the answer could not be given.
pub async fn handle(
    migrator: &Result<Migrator, String>,
    event: LambdaEvent<CustomResourceRequest>,
) -> Result<(), String> {
    let request = event.payload;
    let outcome = match (request.request_type.as_str(), migrator) {
        ("Delete", _) => Ok(()),
        (_, Err(reason)) => Err(reason.clone()),
        // Boxed, so that the types of nested futures stay shallow.
        (_, Ok(migrator)) => Box::pin(migrator.migrate_in_time(event.context.deadline())).await,
    };
    match &outcome {
        Ok(()) => tracing::info!(request = request.request_type, "migrated"),
        Err(reason) => tracing::error!(request = request.request_type, reason, "not migrated"),
    }
    answer(&request, &outcome).await
}

impl Migrator {
    async fn migrate_in_time(&self, deadline: SystemTime) -> Result<(), String> {
        let left = deadline.duration_since(SystemTime::now()).unwrap_or_default().saturating_sub(ANSWER_RESERVE);
        match tokio::time::timeout(left, AssertUnwindSafe(self.migrate()).catch_unwind()).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err("the migrator panicked; its log has the place".to_owned()),
            Err(_) => Err("the migrations took too long; nothing of the unfinished one has changed".to_owned()),
        }
    }

    async fn migrate(&self) -> Result<(), String> {
        self.database.migrate().await.map_err(|error| error.to_string())?;
        for RolePassword { role, secret_arn } in &self.roles {
            let text = secret::read(&self.aws, secret_arn).await?;
            let secret: Password =
                serde_json::from_str(&text).map_err(|_| format!("secret {secret_arn} is not {{\"password\": …}}"))?;
            self.database.set_role_password(role, &secret.password).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}
