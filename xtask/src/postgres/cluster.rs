//! A PostgreSQL cluster: creating and starting it, and creating databases.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use postgres::{Client, NoTls};
use serde::{Deserialize, Serialize};

use super::binaries::Binaries;
use crate::wait;

const INITDB_LIMIT: Duration = Duration::from_secs(120);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Every function of the local stack may hold a small pool, and tests run at the same time.
const CONNECTIONS_MAX: u32 = 200;

/// Whether a cluster must survive a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Yes: commits are on the disk.
    Durable,
    /// No: it is discarded afterwards, so speed counts.
    ThrowAway,
}

/// The address and superuser of a PostgreSQL server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Host name or address.
    pub host: String,
    pub port: u16,
    /// The superuser's name.
    pub user: String,
    /// The superuser's password.
    pub password: String,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}@{}:{}", self.user, self.host, self.port)
    }
}

impl Access {
    /// The URL of a database, with the superuser's password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://{}:{}@{}:{}/{database}",
            percent_encoded(&self.user),
            percent_encoded(&self.password),
            self.host,
            self.port
        )
    }

    /// Parses a `postgres://` URL.
    ///
    /// # Errors
    /// When it does not name one TCP host and a user with a password.
    pub fn parse(url: &str) -> Result<Self> {
        let config: postgres::Config = url.parse().context("not a PostgreSQL URL")?;
        let host = match config.get_hosts() {
            [postgres::config::Host::Tcp(host)] => host.clone(),
            _ => anyhow::bail!("the database URL must name one host, reached over TCP"),
        };
        let password = config.get_password().context("the database URL has no password")?;
        Ok(Self {
            host,
            port: config.get_ports().first().copied().unwrap_or(5432),
            user: config.get_user().context("the database URL has no user")?.to_owned(),
            password: String::from_utf8(password.to_vec()).context("the password is not UTF-8")?,
        })
    }

    /// Opens a connection to a database.
    ///
    /// # Errors
    /// When the server refuses the connection.
    pub fn connect(&self, database: &str) -> Result<Client> {
        postgres::Config::new()
            .host(&self.host)
            .port(self.port)
            .user(&self.user)
            .password(&self.password)
            .dbname(database)
            .application_name("xtask")
            .connect_timeout(CONNECT_LIMIT)
            .connect(NoTls)
            .with_context(|| {
                format!("could not connect to database {database} at {self:?}; `cargo xtask status` shows what runs")
            })
    }

    /// Creates an empty database, or a copy of `template`, after dropping one with that name.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn recreate_database(&self, database: &str, template: &str) -> Result<()> {
        let (name, template) = (quoted(database), quoted(template));
        // Copying files is faster than copying through the WAL when several tests do it at once.
        let mut client = self.connect("postgres")?;
        client
            .batch_execute(&format!("drop database if exists {name} with (force)"))
            .and_then(|()| {
                client.batch_execute(&format!("create database {name} template {template} strategy = file_copy"))
            })
            .with_context(|| format!("could not create the database {database}"))
    }

    /// Drops every role except superusers and PostgreSQL's own: migrations create roles per cluster, and a new database
    /// must not find those of an earlier one.
    ///
    /// # Errors
    /// When a role still owns something, or the server refuses.
    pub fn drop_login_roles(&self) -> Result<()> {
        let mut client = self.connect("postgres")?;
        let roles = client
            .query("select rolname::text from pg_roles where not rolsuper and rolname !~ '^pg_'", &[])
            .context("could not list the roles")?;
        for role in roles {
            let role: String = role.get(0);
            client
                .batch_execute(&format!("drop role {}", quoted(&role)))
                .with_context(|| format!("could not drop the role {role}"))?;
        }
        Ok(())
    }

    /// Drops a database and its connections.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn drop_database(&self, database: &str) -> Result<()> {
        self.connect("postgres")?
            .batch_execute(&format!("drop database if exists {} with (force)", quoted(database)))
            .with_context(|| format!("could not drop the database {database}"))
    }
}

/// A cluster's files and access; whether it runs is determined by its process.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// PostgreSQL's data directory.
    pub data_dir: PathBuf,
    /// Its address and superuser.
    pub access: Access,
}

impl Cluster {
    /// Creates a new cluster in `home/data` (replacing an existing one) for a server on `port` of the loopback
    /// interface.
    ///
    /// # Errors
    /// When initdb fails.
    pub fn make(binaries: &Binaries, home: &Path, port: u16, durability: Durability) -> Result<Self> {
        let data_dir = home.join("data");
        if data_dir.exists() {
            fs::remove_dir_all(&data_dir).with_context(|| format!("could not remove {}", data_dir.display()))?;
        }
        binaries.owner.make_dir(home)?;
        let password = random_password()?;
        let password_file = home.join("password");
        write_secret(&password_file, &password)?;
        binaries.owner.own(&password_file)?;
        let mut initdb = binaries.command("initdb");
        initdb
            .arg("--pgdata")
            .arg(&data_dir)
            .arg("--pwfile")
            .arg(&password_file)
            .args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8"])
            .args(["--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"]);
        if durability == Durability::ThrowAway {
            initdb.arg("--no-sync");
        }
        let log = home.join("initdb.log");
        let made = wait::run_logged("initdb", &mut initdb, &log, INITDB_LIMIT, &[]);
        fs::remove_file(&password_file).context("could not remove the password file")?;
        made?;
        let access = Access { host: "127.0.0.1".to_owned(), port, user: "postgres".to_owned(), password };
        Ok(Self { data_dir, access })
    }

    /// The arguments of `postgres` for this cluster.
    #[must_use]
    pub fn server_arguments(&self, durability: Durability) -> Vec<String> {
        let mut settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.access.port),
            // Socket paths are limited to 107 bytes, and no socket is needed.
            "unix_socket_directories=".to_owned(),
            format!("max_connections={CONNECTIONS_MAX}"),
            "timezone=UTC".to_owned(),
            "log_timezone=UTC".to_owned(),
            "log_line_prefix=%m [%p] %u@%d ".to_owned(),
            "log_checkpoints=off".to_owned(),
        ];
        if durability == Durability::ThrowAway {
            settings.extend(
                ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB"]
                    .map(str::to_owned),
            );
        }
        let data_dir = self.data_dir.display().to_string();
        ["-D".to_owned(), data_dir]
            .into_iter()
            .chain(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]))
            .collect()
    }

    /// The command that runs the server in the foreground.
    #[must_use]
    pub fn server(&self, binaries: &Binaries, durability: Durability) -> Command {
        let mut command = binaries.command("postgres");
        command.args(self.server_arguments(durability));
        command
    }
}

/// A random password, safe in every URL and file.
///
/// # Errors
/// When the kernel provides no random bytes.
pub(crate) fn random_password() -> Result<String> {
    let mut bytes = [0_u8; 18];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("could not read /dev/urandom")?;
    Ok(hex::encode(bytes))
}

fn write_secret(path: &Path, secret: &str) -> Result<()> {
    let _ = fs::remove_file(path);
    fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(secret.as_bytes()))
        .with_context(|| format!("could not write {}", path.display()))
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_put_together_again() {
        let access = Access::parse("postgres://ad%40min:p%2Fw@db.example:6432/x").unwrap();
        assert_eq!((access.host.as_str(), access.port), ("db.example", 6432));
        assert_eq!((access.user.as_str(), access.password.as_str()), ("ad@min", "p/w"));
        assert_eq!(access.url("y"), "postgres://ad%40min:p%2Fw@db.example:6432/y");
        assert_eq!(Access::parse("postgres://u:p@h/x").unwrap().port, 5432);
    }

    #[test]
    fn a_url_that_could_not_be_passed_on_is_refused() {
        for url in ["postgres://u@h/x", "postgres:///x", "postgres://u:p@h1,h2/x", "mysql://u:p@h/x"] {
            assert!(Access::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_password_does_not_show_in_debug_output() {
        let access = Access::parse("postgres://u:secret@h/x").unwrap();
        assert!(!format!("{access:?}").contains("secret"));
    }

    #[test]
    fn an_identifier_can_not_break_out_of_its_quotes() {
        assert_eq!(quoted("a\"; drop"), "\"a\"\"; drop\"");
    }
}
