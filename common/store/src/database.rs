//! Connecting as a function's own login role.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgPool};
use tokio::sync::Mutex;

use crate::error::StoreError;

/// A transaction that rolls back unless it is committed.
pub type Transaction = sqlx::Transaction<'static, sqlx::Postgres>;

/// Connections of one function instance: one batch or request runs at a time, and one spare for the publisher.
/// `MaximumConcurrency` in the template is set so that all instances together stay below the database's limit.
const CONNECTIONS_MAX: u32 = 2;

/// How long a caller waits for a connection before the database counts as out of reach.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that lay idle for longer is tested before it is used: a frozen instance's connections break unseen. To
/// test each time would cost a round trip for each transaction.
const IDLE_UNTESTED_MAX: Duration = Duration::from_secs(1);

/// IAM tokens open new connections for 15 minutes; a fresh one is made well before.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(10 * 60);

/// Where the database is and who logs in.
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
    /// A token made from the function's own AWS identity, for RDS Proxy and RDS.
    Iam,
    /// `{"username": …, "password": …}` in Secrets Manager.
    Secret(String),
}

#[derive(Deserialize)]
struct RoleSecret {
    username: Option<String>,
    password: String,
}

impl DatabaseSettings {
    /// The names of all settings that [`Self::read`] asks for.
    pub const NAMES: [&str; 6] =
        ["DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME", "DATABASE_ROLE", "DATABASE_TLS", "DATABASE_LOGIN"];

    /// Reads the settings through `setting`, which notes what is missing and gives an empty text for it.
    ///
    /// `DATABASE_TLS` is `verify-full` or `disable` (loopback only); `DATABASE_LOGIN` is `iam` or the ARN of a secret.
    ///
    /// # Errors
    /// A sentence for each value that cannot be used.
    pub fn read(mut setting: impl FnMut(&'static str) -> String) -> Result<Self, String> {
        let [host, port, name, role, tls, login] = Self::NAMES.map(&mut setting);
        let port = port.parse().map_err(|_| format!("DATABASE_PORT is no port number: `{port}`"))?;
        let ssl_mode = match tls.as_str() {
            "verify-full" => PgSslMode::VerifyFull,
            "disable" => PgSslMode::Disable,
            _ => return Err(format!("DATABASE_TLS is verify-full or disable, not `{tls}`")),
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
            // A slow statement would be logged with its text, and one of the migrator's holds a password.
            .disable_statement_logging()
    }
}

/// A pool of connections that logs in when it is first used, and again with a fresh token when the old one ages.
#[derive(Debug, Clone)]
pub struct Database {
    settings: Arc<DatabaseSettings>,
    aws: SdkConfig,
    pool: PgPool,
    logged_in_at: Arc<Mutex<Option<Instant>>>,
}

impl Database {
    /// Prepares a pool; nothing is connected yet, so that a function can start and answer while the database is away.
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

    /// Uses an existing pool, as tests do.
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

    /// The pool, with a login that opens new connections now.
    ///
    /// # Errors
    /// [`StoreError::Login`] if no password or token can be had.
    pub async fn pool(&self) -> Result<&PgPool, StoreError> {
        let mut logged_in_at = self.logged_in_at.lock().await;
        let usable = match (&self.settings.login, *logged_in_at) {
            (_, None) => false,
            (Login::Secret(_), Some(_)) => true,
            (Login::Iam, Some(at)) => at.elapsed() < TOKEN_AGE_MAX,
        };
        if !usable {
            let options =
                self.log_in().await.map_err(|reason| StoreError::Login { role: self.settings.role.clone(), reason })?;
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

    /// Starts a transaction like [`Self::begin`] whose statements may each take so long and no longer.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be reached.
    pub async fn begin_limited(&self, statement: Duration) -> Result<Transaction, StoreError> {
        let mut transaction = self.begin().await?;
        let limit = format!("{}ms", statement.as_millis());
        sqlx::query!("select set_config('statement_timeout', $1, true)", limit).fetch_one(&mut *transaction).await?;
        Ok(transaction)
    }

    /// Starts a transaction whose queries all see the same moment, and that changes nothing.
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

    /// Applies all migrations that this build carries and the database lacks.
    ///
    /// # Errors
    /// [`StoreError::Migration`] if one fails or an applied file was edited.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        sqlx::migrate!("./migrations").run(self.pool().await?).await?;
        Ok(())
    }

    /// Gives a function's login role its password.
    ///
    /// # Errors
    /// [`StoreError`] if the role does not exist or may not be changed.
    pub async fn set_role_password(&self, role: &str, password: &str) -> Result<(), StoreError> {
        // ALTER ROLE takes no parameters: the statement is built by PostgreSQL's own quoting.
        let statement: String = sqlx::query_scalar("select format('alter role %I password %L', $1::text, $2::text)")
            .bind(role)
            .bind(password)
            .fetch_one(self.pool().await?)
            .await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(self.pool().await?).await?;
        Ok(())
    }

    async fn log_in(&self) -> Result<PgConnectOptions, String> {
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

    async fn iam_token(&self) -> Result<String, String> {
        let config = Config::builder()
            .hostname(&self.settings.host)
            .port(u64::from(self.settings.port))
            .username(&self.settings.role)
            .build()
            .map_err(|error| error.to_string())?;
        let token = AuthTokenGenerator::new(config).auth_token(&self.aws).await.map_err(|error| error.to_string())?;
        Ok(token.as_str().to_owned())
    }
}

async fn read_secret(aws: &SdkConfig, secret_id: &str) -> Result<RoleSecret, String> {
    let answer = aws_sdk_secretsmanager::Client::new(aws)
        .get_secret_value()
        .secret_id(secret_id)
        .send()
        .await
        .map_err(|error| format!("secret {secret_id} cannot be read: {}", error.into_service_error()))?;
    let text = answer.secret_string().ok_or_else(|| format!("secret {secret_id} holds no text"))?;
    // The error of a JSON parser may quote the secret, so it is not passed on.
    serde_json::from_str(text).map_err(|_| format!("secret {secret_id} is not {{\"password\": …}}"))
}
