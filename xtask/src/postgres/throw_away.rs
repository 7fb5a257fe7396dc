//! A cluster for tests and measurements, removed with the process that started it.

use std::{
    fs,
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, anyhow};

use super::{
    binaries::Binaries,
    cluster::{Access, Cluster, Durability},
};
use crate::{paths, ports, process::Identity, python::Venv, wait};

/// Another process may take the chosen port before PostgreSQL does.
const TRIES: usize = 5;

/// The prefix of a cluster's directory, followed by the process id and a number.
const HOME_PREFIX: &str = "quittance-pg-";

/// A recent directory whose process is not visible may still belong to one in another container.
const LITTER_AGE: Duration = Duration::from_secs(3600);

/// Runs the server for as long as the other end of its standard input is open, then stops it and removes its files. The
/// kernel closes that end when the test process ends, however it ends, so nothing is left behind even where no
/// destructor runs: in a `static`, after an abort, after a kill.
const GUARD: &str = r#"
home=$1; shift
postgres "$@" </dev/null >>"$home/server.log" 2>&1 &
server=$!
trap '' HUP INT TERM
read -r _ || true
kill -QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$home"
"#;

/// A PostgreSQL server of this process alone: unless durability is measured, it runs without fsync; the port is chosen
/// by the kernel, and it ends with this value or with the process, whichever is first.
#[derive(Debug)]
pub struct ThrowAwayCluster {
    cluster: Cluster,
    guard: Child,
    home: PathBuf,
    databases: AtomicU32,
}

impl ThrowAwayCluster {
    /// Starts a cluster; creates the Python environment with the binaries if it is missing.
    ///
    /// # Errors
    /// When the binaries are missing or the server does not start.
    pub fn start() -> Result<Self> {
        Self::start_as(Durability::ThrowAway)
    }

    /// The same, with durable commits if `durability` requires them.
    ///
    /// # Errors
    /// When the binaries are missing or the server does not start.
    pub fn start_as(durability: Durability) -> Result<Self> {
        let venv = Venv::ensure(&paths::workspace_root())?;
        let binaries = Binaries::find(&venv)?;
        let mut failures = Vec::new();
        for _ in 0..TRIES {
            match Self::try_start(&binaries, durability) {
                Ok(cluster) => return Ok(cluster),
                Err(error) if format!("{error:#}").contains("could not bind") => failures.push(error),
                Err(error) => return Err(error),
            }
        }
        Err(failures.pop().unwrap_or_else(|| anyhow!("PostgreSQL was not started")))
    }

    /// The shared cluster of this process, started at the first call, for tests.
    ///
    /// # Errors
    /// When it did not start; later calls fail too.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<ThrowAwayCluster>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref().map_err(|error| anyhow!("{error:#}"))
    }

    /// Creates a database, empty or a copy of the database `template` (which must have no connections), and returns its
    /// URL as superuser.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_database(&self, template: Option<&str>) -> Result<String> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.cluster.access.recreate_database(&name, template.unwrap_or("template0"))?;
        Ok(self.cluster.access.url(&name))
    }

    /// Creates a database with a given name, to serve as template, and returns its URL as superuser.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_template(&self, name: &str) -> Result<String> {
        self.cluster.access.recreate_database(name, "template0")?;
        Ok(self.cluster.access.url(name))
    }

    /// The server's address and superuser.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.cluster.access
    }

    /// PostgreSQL's data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.cluster.data_dir
    }

    fn try_start(binaries: &Binaries, durability: Durability) -> Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let temp_dir = binaries.owner.temp_dir();
        sweep(&temp_dir);
        let home = temp_dir.join(format!("{HOME_PREFIX}{}-{number}", std::process::id()));
        if home.exists() {
            // Left over from an earlier process with this id.
            fs::remove_dir_all(&home).with_context(|| format!("could not remove {}", home.display()))?;
        }
        let cluster = Cluster::make(binaries, &home, ports::any_free()?, durability)?;
        let guard = binaries
            .shell()
            .args(["-c", GUARD, "guard"])
            .arg(&home)
            .args(cluster.server_arguments(durability))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("could not start a shell for PostgreSQL")?;
        let started = Self { cluster, guard, home, databases: AtomicU32::new(0) };
        started.wait_until_ready()?;
        Ok(started)
    }

    fn wait_until_ready(&self) -> Result<()> {
        let log = self.home.join("server.log");
        let probe = || {
            if self.cluster.access.connect("postgres").is_ok() {
                return Ok(Some(()));
            }
            let text = fs::read_to_string(&log).unwrap_or_default();
            if text.contains("FATAL:  could not create") || text.contains("database system is shut down") {
                return Err(anyhow!("PostgreSQL did not start{}", wait::log_tail(&log)));
            }
            Ok(None)
        };
        let limit = Duration::from_secs(60);
        wait::until("the throw-away PostgreSQL", limit, &[], probe)
    }
}

impl Drop for ThrowAwayCluster {
    fn drop(&mut self) {
        // Closing the pipe is the signal; a guard that has already ended has done its work.
        if let Some(mut input) = self.guard.stdin.take() {
            let _ = input.flush();
        }
        let _ = self.guard.wait();
    }
}

/// Removes the leftovers of processes that were killed while initdb ran, before the guard existed. What can't be
/// removed stays: it may belong to another user.
fn sweep(temp_dir: &Path) {
    for entry in fs::read_dir(temp_dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(HOME_PREFIX)?.split('-').next()?.parse().ok());
        let old = entry
            .metadata()
            .and_then(|facts| facts.modified())
            .is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > LITTER_AGE));
        if old && pid.is_some_and(|pid: u32| Identity::of(pid).is_err()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throw_away_cluster_copies_templates_and_leaves_nothing_behind() {
        let cluster = ThrowAwayCluster::start().unwrap();
        let (home, guard) = (cluster.home.clone(), Identity::of(cluster.guard.id()).unwrap());
        let template = cluster.create_template("migrated").unwrap();
        let connect = |url: &str| postgres::Client::connect(url, postgres::NoTls).unwrap();
        connect(&template).batch_execute("create table made_once (id int)").unwrap();
        let (first, second) =
            (cluster.create_database(Some("migrated")).unwrap(), cluster.create_database(Some("migrated")).unwrap());
        assert_ne!(first, second);
        connect(&first).batch_execute("insert into made_once values (1)").unwrap();
        let rows = connect(&second).query("select * from made_once", &[]).unwrap();
        assert!(rows.is_empty(), "each test has a database of its own");
        let version: String = connect(&second).query_one("show server_version", &[]).unwrap().get(0);
        assert!(version.starts_with("18."), "{version}");
        drop(cluster);
        assert!(!guard.is_alive());
        assert!(!home.exists());
    }
}
