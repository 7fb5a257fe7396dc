//! pgbench with the processor's statements: what PostgreSQL could achieve on this machine without anything in front of
//! it.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::bench::database::{Database, ROLE};
use crate::bench::figures::{Sample, Scenario};
use crate::bench::load::Invoices;
use crate::process::clean_command;
use crate::wait;

const SCRIPT: &str = include_str!("payments.sql");
/// Debian's folder with the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The number of pgbench's threads: it only waits and sends.
const THREADS: usize = 2;

/// Finds pgbench: among Debian's versions (the newest), otherwise on the path.
pub(super) fn find() -> Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin/pgbench")))
        })
        .filter(|(_, program)| program.is_file())
        .collect();
    versions.sort();
    let on_path = || {
        let path = env::var_os("PATH")?;
        env::split_paths(&path).map(|folder| folder.join("pgbench")).find(|program| program.is_file())
    };
    versions.pop().map(|(_, program)| program).or_else(on_path).context(
        "pgbench is not installed, and the figures are worth nothing without it; on Debian and Ubuntu: apt-get install \
         postgresql-contrib (elsewhere it comes with PostgreSQL's server or contrib package)",
    )
}

/// A running pgbench; it ends with this value.
#[derive(Debug)]
pub(super) struct Pgbench {
    child: Child,
    began: SystemTime,
    folder: PathBuf,
}

impl Pgbench {
    /// Starts it for this duration with so many connections. Its logs go to `folder`, which is emptied first.
    pub(super) fn start(
        program: &Path,
        scenario: Scenario,
        clients: usize,
        duration: Duration,
        database: &Database,
        folder: &Path,
    ) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("could not remove {}", folder.display()))?;
        }
        fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
        fs::write(folder.join("payments.sql"), SCRIPT)?;
        let output = File::create(folder.join("output"))?;
        let spread = u8::from(scenario.invoices == Invoices::Spread);
        let mut command = clean_command(program);
        connect(&mut command, database);
        command
            .args(["--no-vacuum", "--protocol=prepared", "--log", "--log-prefix=transactions"])
            .args([format!("--client={clients}"), format!("--jobs={}", THREADS.min(clients))])
            .arg(format!("--time={}", duration.as_secs()))
            .args(["--define=batch=-1".to_owned(), format!("--define=clients={clients}")])
            .args([format!("--define=size={}", scenario.batch), format!("--define=spread={spread}")])
            .args(["--file=payments.sql", Database::name()])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let began = SystemTime::now();
        let child = command.spawn().with_context(|| format!("could not start {}", program.display()))?;
        Ok(Self { child, began, folder: folder.to_path_buf() })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended successfully.
    pub(super) fn has_ended(&mut self) -> Result<bool> {
        match self.child.try_wait()? {
            None => Ok(false),
            Some(status) if status.success() => Ok(true),
            Some(status) => bail!(
                "pgbench failed ({status}); if an invoice is missing, give more with --invoices{}",
                wait::log_tail(&self.folder.join("output"))
            ),
        }
    }

    /// The samples of all transactions, timed from the start.
    pub(super) fn samples(&self, batch: u64) -> Result<Vec<Sample>> {
        let began = self.began.duration_since(UNIX_EPOCH)?;
        let mut samples = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("transactions") {
                let log = fs::read_to_string(entry.path())?;
                for line in log.lines() {
                    samples.push(sample(line, began, batch).with_context(|| format!("pgbench logged `{line}`"))?);
                }
            }
        }
        Ok(samples)
    }
}

impl Drop for Pgbench {
    fn drop(&mut self) {
        // Both only fail if it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(command: &mut Command, database: &Database) {
    let access = database.access();
    command
        .env("PGHOST", &access.host)
        .env("PGPORT", access.port.to_string())
        .env("PGUSER", ROLE)
        .env("PGPASSWORD", &database.password)
        // The processor's arrays have an unknown length for the planner, so it plans each statement once. A script's
        // literals would make it plan each statement every time.
        .env("PGOPTIONS", "-c plan_cache_mode=force_generic_plan");
}

/// Parses `client transaction microseconds script seconds microseconds` into the duration and the end time.
fn sample(line: &str, began: Duration, payments: u64) -> Option<Sample> {
    let fields: Vec<u64> = line.split(' ').take(6).map_while(|field| field.parse().ok()).collect();
    let [_, _, took, _, seconds, micros] = fields.as_slice() else { return None };
    let ended = Duration::from_secs(*seconds).checked_add(Duration::from_micros(*micros))?;
    Some(Sample { at: ended.saturating_sub(began), took: Duration::from_micros(*took), payments })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths;

    #[test]
    fn a_log_line_has_the_end_and_the_duration_of_a_transaction() {
        let began = Duration::from_secs(1_500_000_000);
        assert_eq!(
            sample("3 199 2241 0 1500000002 175000", began, 10),
            Some(Sample { at: Duration::from_millis(2175), took: Duration::from_micros(2241), payments: 10 })
        );
        assert_eq!(sample("3 199 failed 0 1500000002 175000", began, 10), None);
    }

    /// Clauses that determine the cost of a statement, and the store's modules that contain them.
    const SHARED: [(&str, &str); 12] = [
        ("invoices", "select id, number, client_id from billing.invoices where id = any("),
        ("references", "select reference, payment_id from payments.payment_references where reference = any("),
        ("references", "insert into payments.payment_references (reference, payment_id) select"),
        ("references", "on conflict (reference) do nothing returning reference"),
        (
            "payments",
            "insert into payments.payments (id, transaction_id, provider, status, amount, currency, returned_amount, client_id, invoice_id, further_invoice_ids) select",
        ),
        ("facts", "on conflict on constraint facts_door_event_id_key do nothing returning id"),
        ("invoices", "from billing.invoices join billing.clients on clients.id = client_id where invoices.id = any("),
        ("invoices", "order by invoices.id for no key update of invoices"),
        (
            "allocations",
            "insert into payments.allocations (id, payment_id, invoice_id, amount, currency, by_staff, invoice_version, decided_at)",
        ),
        ("audit", "insert into audit.records (id, actor, action, subject, reason, before, after, correlation_id)"),
        ("outbox", "insert into payments.outbox (id, destination, group_id, type, body)"),
        ("outbox", "update payments.outbox set published_at = now() where id = any("),
    ];

    #[test]
    fn the_script_says_what_the_store_says() {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let store = paths::workspace_root().join("common/store/src");
        for (module, clause) in SHARED {
            let said = words(&fs::read_to_string(store.join(module).with_extension("rs")).unwrap());
            assert!(said.contains(clause), "the store's {module} no longer says `{clause}`: payments.sql must follow");
            assert!(words(SCRIPT).contains(clause), "payments.sql does not say `{clause}`");
        }
    }
}
