//! The measured PostgreSQL: durable, migrated like any other, and the same at the beginning of every run.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use postgres::Client;

use crate::postgres::{Access, Durability, ThrowAwayCluster, random_password};
use crate::{paths, say};

/// The role that the processor logs in as, with the privileges from its migrations.
pub(super) const ROLE: &str = "quittance_processor";
/// The number of payments that were settled before a run.
pub(super) const PAST: u64 = 50_000;

const TEMPLATE: &str = "bench_template";
const RUN: &str = "bench";
const SEED: &str = include_str!("seed.sql");
/// No checkpoint may fall into only some of the runs; commits wait for the disk.
const SETTINGS: [(&str, &str); 4] =
    [("max_wal_size", "16GB"), ("min_wal_size", "4GB"), ("checkpoint_timeout", "1h"), ("log_min_messages", "warning")];

/// Whether autovacuum runs during a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upkeep {
    /// For short runs that are compared: it would fall into only some of them.
    Off,
    /// For long runs that fill tables, as in production.
    On,
}

/// A cluster with a template that each run gets a copy of.
#[derive(Debug)]
pub(super) struct Database {
    cluster: ThrowAwayCluster,
    /// The login role.
    pub(super) role: &'static str,
    /// The role's password.
    pub(super) password: String,
    /// PostgreSQL's first process, the parent of the others.
    pub(super) postmaster: u32,
}

impl Database {
    /// Starts a cluster whose runs can pay `supply` invoices.
    pub(super) fn start(supply: u64) -> Result<Self> {
        let seed = format!("set bench.supply = '{supply}'; set bench.past = '{PAST}'; {SEED}");
        let what = format!("creating {supply} open invoices, and {PAST} earlier payments");
        Self::start_with(ROLE, Upkeep::Off, &what, |client| Ok(client.batch_execute(&seed)?))
    }

    /// Starts a cluster for `role`, whose runs begin with the rows that `seed` inserts.
    pub(super) fn start_with(
        role: &'static str,
        upkeep: Upkeep,
        what: &str,
        seed: impl FnOnce(&mut Client) -> Result<()>,
    ) -> Result<Self> {
        say::step("starting a PostgreSQL with fsync");
        let cluster = ThrowAwayCluster::start_as(Durability::Durable)?;
        if let Some(kind) = memory_filesystem(cluster.data_dir()) {
            bail!(
                "{} is on {kind}, where writing through to the disk costs nothing; name a folder on a disk with TMPDIR",
                cluster.data_dir().display()
            );
        }
        let password = random_password()?;
        let postmaster = postmaster(cluster.data_dir())?;
        let database = Self { cluster, role, password, postmaster };
        database.configure(upkeep)?;
        say::step(what);
        database.make_template(seed)?;
        Ok(database)
    }

    /// The server's address and superuser.
    pub(super) fn access(&self) -> &Access {
        self.cluster.access()
    }

    /// The name of the database that [`Self::begin_run`] creates.
    pub(super) const fn name() -> &'static str {
        RUN
    }

    /// Creates the run's database anew.
    pub(super) fn begin_run(&self) -> Result<()> {
        self.access().recreate_database(RUN, TEMPLATE)?;
        self.inspect()?.batch_execute("checkpoint").context("could not write a checkpoint")
    }

    /// Connects to the run's database as superuser.
    pub(super) fn inspect(&self) -> Result<Client> {
        self.access().connect(RUN)
    }

    fn configure(&self, upkeep: Upkeep) -> Result<()> {
        let mut client = self.access().connect("postgres")?;
        let autovacuum = if upkeep == Upkeep::On { "on" } else { "off" };
        for (name, value) in SETTINGS.into_iter().chain([("autovacuum", autovacuum)]) {
            client.batch_execute(&format!("alter system set {name} = '{value}'"))?;
        }
        client.batch_execute("select pg_reload_conf()").context("could not configure PostgreSQL")
    }

    fn make_template(&self, seed: impl FnOnce(&mut Client) -> Result<()>) -> Result<()> {
        self.access().recreate_database(TEMPLATE, "template0")?;
        let mut client = self.access().connect(TEMPLATE)?;
        for (name, text) in migrations(&paths::workspace_root())? {
            client.batch_execute(&text).with_context(|| format!("the migration {name} failed"))?;
        }
        seed(&mut client).context("the initial data could not be created")?;
        // A random password of hexadecimal digits needs no quoting.
        client.batch_execute(&format!("alter role {} password '{}'", self.role, self.password))?;
        client.batch_execute("vacuum (analyze)").context("could not vacuum the initial data")
    }
}

fn migrations(root: &Path) -> Result<Vec<(String, String)>> {
    let folder = root.join("common/store/migrations");
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("could not read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_some_and(|extension| extension == "sql") {
            found.push((name, fs::read_to_string(&path)?));
        }
    }
    found.sort();
    if found.is_empty() {
        bail!("no migrations in {}", folder.display());
    }
    Ok(found)
}

/// PostgreSQL writes the id of its first process to the first line of a file.
fn postmaster(data_dir: &Path) -> Result<u32> {
    let file = data_dir.join("postmaster.pid");
    let text = fs::read_to_string(&file).with_context(|| format!("could not read {}", file.display()))?;
    let pid = text.lines().next().and_then(|line| line.trim().parse().ok());
    pid.with_context(|| format!("no process id in {}", file.display()))
}

/// The kind of the in-memory file system that contains `path`; none if it is on a disk.
fn memory_filesystem(path: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let path = path.canonicalize().ok()?;
    kind_of_mount(&mounts, &path).filter(|kind| ["tmpfs", "ramfs"].contains(&kind.as_str()))
}

/// The kind of the innermost mount that contains `path`.
fn kind_of_mount(mounts: &str, path: &Path) -> Option<String> {
    let mount = |line: &str| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    let around = mounts.lines().filter_map(mount).filter(|(point, _)| path.starts_with(point));
    around.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_counts() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/vdb /tmp/disk ext4 rw 0 0\n";
        let kind = |path: &str| kind_of_mount(mounts, Path::new(path)).unwrap();
        assert_eq!(kind("/var/lib"), "ext4");
        assert_eq!(kind("/tmp/x"), "tmpfs");
        assert_eq!(kind("/tmp/disk/x"), "ext4");
        assert_eq!(kind("/tmpfoo"), "ext4");
    }

    #[test]
    fn migrations_come_in_their_order() {
        let names: Vec<String> =
            migrations(&paths::workspace_root()).unwrap().into_iter().map(|(name, _)| name).collect();
        assert!(names.first().unwrap().starts_with("0001_"), "{names:?}");
        assert!(names.is_sorted());
    }
}
