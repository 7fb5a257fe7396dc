//! A local stack: its parts and their addresses, stored in `target/local/<name>/state.json`.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{aws::Aws, paths, postgres::Access, process::Daemon};

/// The region of everything in the local stack.
pub const REGION: &str = "eu-central-1";
/// The environment variable with the state file of the stack that tests use.
pub const STACK_VARIABLE: &str = "QUITTANCE_STACK";

/// The servers of a stack, in the order in which they are ended.
pub const SERVERS: [&str; 4] = ["bff", "localstripe", "emulator", "postgres"];

/// The stack's database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// The address and superuser of the server.
    pub access: Access,
    pub name: String,
    /// The directory of the stack's own cluster; none if `QUITTANCE_DATABASE_URL` named a server.
    pub home: Option<PathBuf>,
}

/// A local stack, running or incomplete.
#[derive(Clone, Serialize, Deserialize)]
pub struct Stack {
    pub name: String,
    /// Its directory.
    pub dir: PathBuf,
    /// The port of each server, by its name in [`SERVERS`].
    pub ports: BTreeMap<String, u16>,
    /// The process of each server, by its name in [`SERVERS`].
    pub daemons: BTreeMap<String, Daemon>,
    pub database: Option<Database>,
    /// A fingerprint of the last deployment (template, functions, parameters); none until a deployment succeeded.
    pub deployed: Option<String>,
    /// The deployed template's outputs.
    pub outputs: BTreeMap<String, String>,
    /// The password of every user created for tokens.
    pub user_password: String,
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "stack {} in {}", self.name, self.dir.display())
    }
}

impl Stack {
    /// A stack of which nothing exists yet.
    #[must_use]
    pub fn new(name: &str, dir: &Path, user_password: String) -> Self {
        Self {
            name: name.to_owned(),
            dir: dir.to_path_buf(),
            ports: BTreeMap::new(),
            daemons: BTreeMap::new(),
            database: None,
            deployed: None,
            outputs: BTreeMap::new(),
            user_password,
        }
    }

    /// The stack with that name in this checkout.
    ///
    /// # Errors
    /// When it was never brought up.
    pub fn load(name: &str) -> Result<Self> {
        let dir = paths::stack_dir(&paths::workspace_root(), name)?;
        Self::read(&state_file(&dir))?
            .with_context(|| format!("there is no stack {name} here; `cargo xtask up --name {name}` brings one up"))
    }

    /// The stack whose state file `QUITTANCE_STACK` names, as set by `cargo xtask test`; otherwise `default`.
    ///
    /// # Errors
    /// When it was never brought up.
    pub fn from_environment() -> Result<Self> {
        match env::var_os(STACK_VARIABLE) {
            None => Self::load("default"),
            Some(file) => Self::read(Path::new(&file))?
                .with_context(|| format!("{STACK_VARIABLE} names {}, which does not exist", file.display())),
        }
    }

    /// Reads a state file; none if it does not exist.
    ///
    /// # Errors
    /// When it can't be read or parsed.
    pub fn read(file: &Path) -> Result<Option<Self>> {
        let text = match fs::read(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.with_context(|| format!("could not read {}", file.display()))?,
        };
        serde_json::from_slice(&text).with_context(|| format!("{} cannot be parsed", file.display())).map(Some)
    }

    /// Writes the state file.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn save(&self) -> Result<()> {
        paths::write_atomically(&self.state_file(), &serde_json::to_vec_pretty(self)?)
    }

    /// The path of this stack's state file.
    #[must_use]
    pub fn state_file(&self) -> PathBuf {
        state_file(&self.dir)
    }

    /// The log file of a server or a step.
    #[must_use]
    pub fn log(&self, of: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{of}.log"))
    }

    #[must_use]
    pub fn cloudformation_name(&self) -> String {
        format!("quittance-{}", self.name)
    }

    /// The emulator's URL, for AWS clients.
    ///
    /// # Errors
    /// When the emulator was not started.
    pub fn emulator_url(&self) -> Result<String> {
        self.server_url("emulator")
    }

    /// The fake Stripe's URL.
    ///
    /// # Errors
    /// When it was not started.
    pub fn localstripe_url(&self) -> Result<String> {
        self.server_url("localstripe")
    }

    /// The URL of the BFF that receives the outgoing webhooks.
    ///
    /// # Errors
    /// When it was not started.
    pub fn bff_url(&self) -> Result<String> {
        self.server_url("bff")
    }

    /// The URL for outgoing webhooks.
    ///
    /// # Errors
    /// When the BFF was not started.
    pub fn webhook_url(&self) -> Result<String> {
        Ok(format!("{}/webhooks", self.bff_url()?))
    }

    /// The base URL of the deployed API, without a trailing slash.
    ///
    /// # Errors
    /// When nothing is deployed.
    pub fn api_url(&self) -> Result<String> {
        Ok(format!("{}/_aws/execute-api/{}/$default", self.emulator_url()?, self.output("ApiId")?))
    }

    /// An output of the deployed template.
    ///
    /// # Errors
    /// When there is no output with that name.
    pub fn output(&self, name: &str) -> Result<&str> {
        let Some(value) = self.outputs.get(name) else {
            if self.outputs.is_empty() {
                bail!("nothing is deployed to {self:?}; `cargo xtask up --name {}` does that", self.name);
            }
            let known: Vec<&str> = self.outputs.keys().map(String::as_str).collect();
            bail!("the template has no output {name}, only {}", known.join(", "));
        };
        Ok(value)
    }

    /// The URL of the stack's database as superuser.
    ///
    /// # Errors
    /// When there is no database yet.
    pub fn database_url(&self) -> Result<String> {
        let database = self.database.as_ref().context("the stack has no database yet")?;
        Ok(database.access.url(&database.name))
    }

    /// A client of the emulator, as the account's root.
    ///
    /// # Errors
    /// When the emulator was not started.
    pub fn aws(&self) -> Result<Aws> {
        Ok(Aws::new(&self.emulator_url()?, REGION))
    }

    /// The server with that name, if it is alive.
    #[must_use]
    pub fn living(&self, server: &str) -> Option<&Daemon> {
        self.daemons.get(server).filter(|daemon| daemon.is_alive())
    }

    /// PostgreSQL's data directory, if the stack has a cluster of its own.
    #[must_use]
    pub fn data_dir(&self) -> Option<PathBuf> {
        Some(self.database.as_ref()?.home.as_ref()?.join("data"))
    }

    /// The stack's addresses and credentials for people and scripts, as JSON. The database URL contains the password.
    ///
    /// # Errors
    /// When the stack is not complete.
    pub fn summary(&self) -> Result<Value> {
        Ok(json!({
            "name": self.name,
            "api_url": self.api_url()?,
            "emulator_url": self.emulator_url()?,
            "region": REGION,
            "database_url": self.database_url()?,
            "localstripe_url": self.localstripe_url()?,
            "bff_url": self.bff_url()?,
            "state": self.state_file(),
            "logs": self.dir.join("logs"),
            "outputs": self.outputs,
        }))
    }

    fn server_url(&self, server: &str) -> Result<String> {
        let port = self
            .ports
            .get(server)
            .with_context(|| format!("{self:?} has no {server}; `cargo xtask up --name {}`", self.name))?;
        Ok(format!("http://127.0.0.1:{port}"))
    }
}

fn state_file(dir: &Path) -> PathBuf {
    dir.join("state.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack() -> Stack {
        let mut stack = Stack::new("x", Path::new("/r/target/local/x"), "pw".to_owned());
        stack.ports.insert("emulator".to_owned(), 4999);
        stack
    }

    #[test]
    fn urls_follow_from_ports_and_outputs() {
        let mut stack = stack();
        assert!(stack.api_url().unwrap_err().to_string().contains("nothing is deployed"));
        stack.outputs.insert("ApiId".to_owned(), "a1b2".to_owned());
        assert_eq!(stack.api_url().unwrap(), "http://127.0.0.1:4999/_aws/execute-api/a1b2/$default");
        assert!(stack.bff_url().unwrap_err().to_string().contains("no bff"));
        assert!(stack.output("Api").unwrap_err().to_string().contains("only ApiId"));
    }

    #[test]
    fn a_missing_state_file_is_no_stack_and_a_broken_one_is_an_error() {
        let dir = env::temp_dir().join(format!("quittance-state-test-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join("state.json");
        assert!(Stack::read(&file).unwrap().is_none());
        fs::write(&file, "{\"name\":").unwrap();
        assert!(Stack::read(&file).unwrap_err().to_string().contains("cannot be parsed"));
        let mut stack = stack();
        stack.dir.clone_from(&dir);
        stack.save().unwrap();
        assert_eq!(Stack::read(&file).unwrap().unwrap().ports, stack.ports);
        fs::remove_dir_all(&dir).unwrap();
    }
}
