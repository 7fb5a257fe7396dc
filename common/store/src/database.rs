//! Connects to the database with a function's own login role.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgPool};
use tokio::sync::Mutex;

use crate::error::{LoginError, StoreError};

/// A transaction that rolls back unless it is committed.
pub type Transaction = sqlx::Transaction<'static, sqlx::Postgres>;

/// Connections of one function instance: one batch or request runs at a time, and one spare for the publisher.
/// `MaximumConcurrency` in the template is set so that all instances together stay below the database's limit.
const CONNECTIONS_MAX: u32 = 2;

/// How long a caller waits for a connection before the database counts as unreachable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that was idle for longer is tested before use: a frozen instance's connections break unnoticed. Testing
/// every time would cost a round trip for each transaction.
const IDLE_UNTESTED_MAX: Duration = Duration::from_secs(1);

/// IAM tokens can open new connections for 15 minutes; a new one is created well before that.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(10 * 60);

/// The database's address and login.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    host: String,
    port: u16,
    name: String,
    role: String,
    ssl_mode: PgSslMode,
    login: Login,
}

#[derive(Debug, Clone)]
enum Login {
    /// A token created from the function's own AWS identity, for RDS Proxy and RDS.
    Iam,
    /// `{"username": …, "password": …}` in Secrets Manager.
    Secret(String),
}

#[derive(Deserialize)]
struct RoleSecret {
    username: Option<String>,
    password: String,
}

/// A setting of the database that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseSettingsError {
    /// `DATABASE_PORT`.
    #[error("DATABASE_PORT is not a port number: `{0}`")]
    Port(String),
    /// `DATABASE_TLS`.
    #[error("DATABASE_TLS is verify-full or disable, not `{0}`")]
    Tls(String),
}

impl DatabaseSettings {
    /// The names of all settings that [`Self::read`] reads.
    pub const NAMES: [&str; 6] =
        ["DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME", "DATABASE_ROLE", "DATABASE_TLS", "DATABASE_LOGIN"];

    /// Reads the settings through `setting`, which records missing ones and returns an empty text for them.
    ///
    /// `DATABASE_TLS` is `verify-full` or `disable` (loopback only); `DATABASE_LOGIN` is `iam` or the ARN of a secret.
    ///
    /// # Errors
    /// [`DatabaseSettingsError`] for the first invalid value.
    pub fn read(mut setting: impl FnMut(&'static str) -> String) -> Result<Self, DatabaseSettingsError> {
        let [host, port, name, role, tls, login] = Self::NAMES.map(&mut setting);
        let port = port.parse().map_err(|_| DatabaseSettingsError::Port(port))?;
        let ssl_mode = match tls.as_str() {
            "verify-full" => PgSslMode::VerifyFull,
            "disable" => PgSslMode::Disable,
            _ => return Err(DatabaseSettingsError::Tls(tls)),
        };
        let login = if login == "iam" { Login::Iam } else { Login::Secret(login) };
        Ok(Self { host, port, name, role, ssl_mode, login })
    }

    fn options(&self, role: &str, password: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .database(&self.name)
            .username(role)
            .password(password)
            .ssl_mode(self.ssl_mode)
            .application_name(role)
            // A slow statement would be logged with its text, and one of the migrator's contains a password.
            .disable_statement_logging()
    }
}

/// A connection pool that logs in on first use, and again with a new token when the old one has aged.
#[derive(Debug, Clone)]
pub struct Database {
    settings: Arc<DatabaseSettings>,
    aws: SdkConfig,
    pool: PgPool,
    logged_in_at: Arc<Mutex<Option<Instant>>>,
}

impl Database {
    /// Creates a pool without connecting, so that a function can start and respond while the database is unavailable.
    #[must_use]
    pub fn new(settings: DatabaseSettings, aws: &SdkConfig) -> Self {
        let options = settings.options(&settings.role, "");
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, metadata| {
                Box::pin(async move {
                    if metadata.idle_for >= IDLE_UNTESTED_MAX {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Self { settings: Arc::new(settings), aws: aws.clone(), pool, logged_in_at: Arc::default() }
    }

    /// Uses an existing pool, for tests.
    #[must_use]
    pub fn from_pool(pool: PgPool) -> Self {
        let settings = DatabaseSettings {
            host: String::new(),
            port: 0,
            name: String::new(),
            role: String::new(),
            ssl_mode: PgSslMode::Disable,
            login: Login::Secret(String::new()),
        };
        let aws = SdkConfig::builder().build();
        Self { settings: Arc::new(settings), aws, pool, logged_in_at: Arc::new(Mutex::new(Some(Instant::now()))) }
    }

    /// The pool, with a login that can open new connections.
    ///
    /// # Errors
    /// [`StoreError::Login`] if no password or token can be obtained.
    pub async fn pool(&self) -> Result<&PgPool, StoreError> {
        let mut logged_in_at = self.logged_in_at.lock().await;
        let usable = match (&self.settings.login, *logged_in_at) {
            (_, None) => false,
            (Login::Secret(_), Some(_)) => true,
            (Login::Iam, Some(at)) => at.elapsed() < TOKEN_AGE_MAX,
        };
        if !usable {
            let options =
                self.log_in().await.map_err(|source| StoreError::Login { role: self.settings.role.clone(), source })?;
            self.pool.set_connect_options(options);
            *logged_in_at = Some(Instant::now());
        }
        Ok(&self.pool)
    }

    /// Starts a transaction at READ COMMITTED.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be reached.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        Ok(self.pool().await?.begin().await?)
    }

    /// Starts a transaction like [`Self::begin`], with a time limit for each statement.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be reached.
    pub async fn begin_limited(&self, statement: Duration) -> Result<Transaction, StoreError> {
        let mut transaction = self.begin().await?;
        let limit = format!("{}ms", statement.as_millis());
        sqlx::query!("select set_config('statement_timeout', $1, true)", limit).fetch_one(&mut *transaction).await?;
        Ok(transaction)
    }

    /// Starts a read-only transaction whose queries all see the same snapshot.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be reached.
    pub async fn snapshot(&self) -> Result<Transaction, StoreError> {
        Ok(self.pool().await?.begin_with("begin isolation level repeatable read, read only").await?)
    }

    /// Opens one connection, so that the first message does not wait for it.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be reached.
    pub async fn warm_up(&self) -> Result<(), StoreError> {
        drop(self.pool().await?.acquire().await?);
        Ok(())
    }

    /// Applies all migrations of this build that the database lacks.
    ///
    /// # Errors
    /// [`StoreError::Migration`] if one fails or an applied file was changed.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        sqlx::migrate!("./migrations").run(self.pool().await?).await?;
        Ok(())
    }

    /// Sets the password of a function's login role.
    ///
    /// # Errors
    /// [`StoreError`] if the role does not exist or may not be changed.
    pub async fn set_role_password(&self, role: &str, password: &str) -> Result<(), StoreError> {
        // ALTER ROLE takes no parameters, so the statement is built with PostgreSQL's own quoting.
        let statement: String = sqlx::query_scalar("select format('alter role %I password %L', $1::text, $2::text)")
            .bind(role)
            .bind(password)
            .fetch_one(self.pool().await?)
            .await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(self.pool().await?).await?;
        Ok(())
    }

    async fn log_in(&self) -> Result<PgConnectOptions, LoginError> {
        match &self.settings.login {
            Login::Iam => {
                let token = self.iam_token().await?;
                Ok(self.settings.options(&self.settings.role, &token))
            }
            Login::Secret(secret_id) => {
                let secret = read_secret(&self.aws, secret_id).await?;
                let role = secret.username.as_deref().unwrap_or(&self.settings.role);
                Ok(self.settings.options(role, &secret.password))
            }
        }
    }

    async fn iam_token(&self) -> Result<String, LoginError> {
        let config = Config::builder()
            .hostname(&self.settings.host)
            .port(u64::from(self.settings.port))
            .username(&self.settings.role)
            .build()
            .map_err(LoginError::Token)?;
        let token = AuthTokenGenerator::new(config).auth_token(&self.aws).await.map_err(LoginError::Token)?;
        Ok(token.as_str().to_owned())
    }
}

async fn read_secret(aws: &SdkConfig, secret_id: &str) -> Result<RoleSecret, LoginError> {
    let answer =
        aws_sdk_secretsmanager::Client::new(aws).get_secret_value().secret_id(secret_id).send().await.map_err(
            |error| LoginError::Secret {
                secret_id: secret_id.to_owned(),
                source: Box::new(error.into_service_error()),
            },
        )?;
    let no_password = || LoginError::NoPassword(secret_id.to_owned());
    let text = answer.secret_string().ok_or_else(no_password)?;
    // A JSON parser's error may quote the secret, so it is not passed on.
    serde_json::from_str(text).map_err(|_| no_password())
}
