//! Measures the time and memory that the importer needs for a bank statement with a million entries.
//!
//! The importer's release build runs behind a Lambda Runtime API on the loopback interface; S3 returns a generated
//! file, SQS accepts the queued commands, PostgreSQL runs with fsync. Each file begins with a fresh copy of the same
//! database and a process of its own, which first gets a file with the first lines of the measured one: those are
//! repeated in it and count once. A result is valid only if every line has its expected outcome, and each line that
//! pays something was queued exactly once.

mod files;
mod services;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use postgres::Client;
use quittance_domain::matching::name_key;
use serde_json::{Value, json};

use self::files::{CLIENTS, Kind, PAST_LINES, Statement};
use self::services::Services;
use crate::bench::database::{Database, Upkeep};
use crate::bench::http::Server;
use crate::bench::invocations::Invocations;
use crate::bench::processor::{build, connection, environment};
use crate::bench::usage::{Meter, Usage};
use crate::process::clean_command;
use crate::{paths, say, wait};

const ROLE: &str = "quittance_importer";
const BUCKET: &str = "bench-uploads";
const SEED: &str = include_str!("import/seed.sql");

/// The time limit for a file, over all its invocations.
const BAR_TIME: Duration = Duration::from_secs(120);
/// The memory limit of the importer's process.
const BAR_MEMORY_KIB: u64 = 256 * 1024;

/// The importer's timeout in the template.
const INVOCATION_LIMIT: Duration = Duration::from_secs(300);
/// A file that needs more invocations would never finish.
const INVOCATIONS_MAX: u32 = 10;

/// The percentage of a file's lines that were part of an earlier file.
const OVERLAP_PERCENT: u64 = 2;

/// The figures of a file.
#[derive(Debug, Clone)]
struct Figures {
    kind: Kind,
    bytes: u64,
    took: Duration,
    memory_kib: u64,
    invocations: u32,
    usage: Usage,
}

/// The figures of all files.
#[derive(Debug, Clone)]
pub struct ImportReport {
    lines: u64,
    files: Vec<Figures>,
}

/// Measures the importer with files of that many lines.
///
/// # Errors
/// When something required is missing or fails, or a line does not have its expected outcome.
pub fn import(lines: u64) -> Result<ImportReport> {
    let root = paths::workspace_root();
    let binary = build(&root, "importer")?;
    let folder = root.join("target/local/bench/importer");
    fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    let what =
        format!("creating {} open invoices of {CLIENTS} clients, and {PAST_LINES} earlier lines", files::INVOICES);
    let database = Database::start_with(ROLE, Upkeep::On, &what, seed)?;
    let mut measured = Vec::new();
    for kind in Kind::ALL {
        database.begin_run()?;
        measured.push(measure(&binary, &folder, &database, kind, lines)?);
    }
    Ok(ImportReport { lines, files: measured })
}

fn seed(client: &mut Client) -> Result<()> {
    for number in 0..CLIENTS {
        let name = files::client(number);
        client.execute(
            "insert into billing.clients (id, name, name_key, email, address)
             values (('019a3f5e-0000-7000-8000-' || lpad(to_hex($1::bigint), 12, '0'))::uuid, $2, $3, 'a@b.example', '{}')",
            &[&i64::try_from(number)?, &name, &name_key(&name)],
        )?;
    }
    let settings = [("clients", CLIENTS), ("invoices", files::INVOICES), ("past", PAST_LINES)];
    for (name, value) in settings {
        client.batch_execute(&format!("set bench.{name} = '{value}'"))?;
    }
    client.batch_execute(SEED)?;
    Ok(())
}

/// A file in the bucket that is announced in the database.
struct Announced {
    key: String,
    path: PathBuf,
    statement: Statement,
}

/// Writes a file and announces it.
fn announce(folder: &Path, database: &Database, kind: Kind, lines: u64) -> Result<Announced> {
    say::step(&format!("writing {} with {lines} lines", kind.name()));
    let path = folder.join(format!("{}-{lines}", kind.name()));
    let statement = files::write(kind, lines, &path).with_context(|| format!("could not write {}", path.display()))?;
    let key = format!("uploads/{}-{lines}", kind.name());
    database.inspect()?.execute(
        "insert into billing.uploads (id, kind, uploaded_by, object_key, content_type)
         values (gen_random_uuid(), 'bank_statement', 'user:bench', $1, $2)",
        &[&key, &kind.content_type()],
    )?;
    Ok(Announced { key, path, statement })
}

fn measure(binary: &Path, folder: &Path, database: &Database, kind: Kind, lines: u64) -> Result<Figures> {
    let overlap = lines.saturating_mul(OVERLAP_PERCENT).checked_div(100).unwrap_or_default();
    let (earlier, file) = (announce(folder, database, kind, overlap)?, announce(folder, database, kind, lines)?);
    let services = Arc::new(Services::new(&database.password));
    let process = Process::start(binary, folder, database, &services)?;
    process.import(&services, &earlier)?;
    check(database, &services, &earlier, None)?;
    say::step(&format!("importing {}", kind.name()));
    let meter = Meter { driver: vec![process.child.id()], postmaster: database.postmaster };
    let (before, begin) = (meter.read(), Instant::now());
    let invocations = process.import(&services, &file)?;
    let took = begin.elapsed();
    let usage = meter.read().since(&before);
    let memory_kib = peak_memory_kib(process.child.id())?;
    check(database, &services, &file, Some(&earlier))?;
    let bytes = fs::metadata(&file.path)?.len();
    for announced in [&earlier, &file] {
        fs::remove_file(&announced.path)?;
    }
    let figures = Figures { kind, bytes, took, memory_kib, invocations, usage };
    say::note(&figures.line(lines));
    Ok(figures)
}

/// A process of the importer; it ends with this value.
struct Process {
    child: Child,
    invocations: Arc<Invocations>,
    log: PathBuf,
    _servers: (Server, Server),
}

impl Process {
    fn start(binary: &Path, folder: &Path, database: &Database, services: &Arc<Services>) -> Result<Self> {
        let invocations = Arc::new(Invocations::of("quittance-importer", INVOCATION_LIMIT));
        let servers = (Server::start(Arc::clone(&invocations))?, Server::start(Arc::clone(services))?);
        let log = folder.join("importer.log");
        let output = File::create(&log).with_context(|| format!("could not write {}", log.display()))?;
        let queue = |name: &str| format!("http://127.0.0.1/123456789012/{name}");
        let child = clean_command(binary)
            .envs(environment("importer", 0, servers.0.address, servers.1.address))
            .envs(connection(database))
            .env("PAYMENTS_QUEUE_URL", queue("payments.fifo"))
            .env("UPLOADS_QUEUE_URL", queue("uploads"))
            .env("DEAD_LETTER_QUEUE_URL", queue("uploads-dead-letter"))
            // Temporary files are on the same disk as the measured files.
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("could not start {}", binary.display()))?;
        let process = Self { child, invocations, log, _servers: servers };
        if !process.invocations.is_asked() {
            bail!("the importer asked for no event{}", wait::log_tail(&process.log));
        }
        Ok(process)
    }

    /// Has a file imported in as many invocations as needed, and returns their number.
    fn import(&self, services: &Services, file: &Announced) -> Result<u32> {
        services.hand_out(&file.path);
        for number in 1..=INVOCATIONS_MAX {
            let answer = self.invocations.ask(notification(&file.key));
            let answer = answer.with_context(|| format!("the importer did not answer{}", wait::log_tail(&self.log)))?;
            let answer: Value = serde_json::from_slice(&answer).context("the importer's response is not JSON")?;
            let failures = answer.get("batchItemFailures").and_then(Value::as_array);
            let failures = failures.with_context(|| format!("the importer failed: {answer}"))?;
            if failures.is_empty() {
                return Ok(number);
            }
        }
        bail!("{} took more than {INVOCATIONS_MAX} invocations{}", file.key, wait::log_tail(&self.log))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.invocations.end();
        // Both only fail if it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// S3's notification of a new object, as the uploads queue delivers it.
fn notification(key: &str) -> String {
    let body = json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1",
        "eventTime": "2026-11-02T12:00:00.000Z", "eventName": "ObjectCreated:Put",
        "userIdentity": {}, "requestParameters": {}, "responseElements": {},
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": BUCKET}, "object": {"key": key}},
    }]});
    json!({"Records": [{
        "messageId": "1", "receiptHandle": "1", "body": body.to_string(), "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {}, "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:uploads", "awsRegion": "eu-central-1",
    }]})
    .to_string()
}

fn peak_memory_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the importer has ended")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix("kB")?.trim().parse().ok());
    peak.context("the kernel does not report the process's peak memory")
}

/// Checks that each line has its expected outcome and was queued once; lines of an earlier file are duplicates.
fn check(database: &Database, services: &Services, file: &Announced, earlier: Option<&Announced>) -> Result<()> {
    let mut expected = file.statement.outcomes.clone();
    for (outcome, count) in earlier.iter().flat_map(|earlier| &earlier.statement.outcomes) {
        if files::HANDED_ON.contains(outcome) {
            *expected.entry("duplicate").or_default() += count;
            *expected.entry(outcome).or_default() -= count;
        }
    }
    let mut client = database.inspect()?;
    let upload = client.query_one("select status, refusal from billing.uploads where object_key = $1", &[&file.key])?;
    let (status, refusal): (String, Option<String>) = (upload.try_get(0)?, upload.try_get(1)?);
    if status != "accepted" {
        bail!("{} is {status}: {}", file.key, refusal.unwrap_or_default());
    }
    let rows = client.query(
        "select outcome, count(*) from billing.upload_lines join billing.uploads on uploads.id = upload_id
         where object_key = $1 group by outcome",
        &[&file.key],
    )?;
    let mut found = BTreeMap::new();
    for row in rows {
        found.insert(row.try_get::<_, String>(0)?, u64::try_from(row.try_get::<_, i64>(1)?)?);
    }
    let expected: BTreeMap<String, u64> = expected.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
    if found != expected {
        bail!("{} should have {expected:?} and has {found:?}", file.key);
    }
    let handed_on: u64 = files::HANDED_ON.iter().filter_map(|outcome| expected.get(*outcome)).sum();
    let sent = services.take_sent()?;
    if sent != handed_on {
        bail!("{} queued {sent} lines instead of {handed_on}", file.key);
    }
    Ok(())
}

impl Figures {
    fn holds(&self) -> bool {
        self.took <= BAR_TIME && self.memory_kib <= BAR_MEMORY_KIB
    }

    fn line(&self, lines: u64) -> String {
        let milliseconds = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        let rate = lines.saturating_mul(1000).checked_div(milliseconds).unwrap_or_default();
        let per_line = |used: u64| used.checked_div(lines).unwrap_or_default();
        format!(
            "{:<9} {:>5} MiB {:>8} {:>7}/s {:>5} MiB {:>3} {:>9} us {:>9} us {:>7} %",
            self.kind.name(),
            self.bytes / (1024 * 1024),
            say::seconds(self.took),
            rate,
            self.memory_kib / 1024,
            self.invocations,
            per_line(self.usage.driver),
            per_line(self.usage.postgres),
            self.usage.others_percent,
        )
    }
}

impl ImportReport {
    /// Whether every file was within the limits.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.files.is_empty() && self.files.iter().all(Figures::holds)
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "{:<9} {:>9} {:>8} {:>9} {:>9} {:>3} {:>12} {:>12} {:>9}\n",
            "", "file", "time", "lines", "memory", "inv", "importer", "postgres", "others"
        );
        for figures in &self.files {
            let verdict = if figures.holds() { "holds" } else { "MISSED" };
            text += &format!("{} {verdict}\n", figures.line(self.lines));
        }
        text += &format!(
            "\n{} lines each; at most {} and {} MiB. inv: invocations; importer, postgres: CPU per line; others: what other \
             programs took of the machine.\n",
            self.lines,
            say::seconds(BAR_TIME),
            BAR_MEMORY_KIB / 1024
        );
        text
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let file = |figures: &Figures| {
            json!({
                "file": figures.kind.name(), "bytes": figures.bytes, "invocations": figures.invocations,
                "milliseconds": u64::try_from(figures.took.as_millis()).ok(), "peak_memory_kib": figures.memory_kib,
                "holds": figures.holds(),
            })
        };
        json!({"lines": self.lines, "files": self.files.iter().map(file).collect::<Vec<_>>(), "holds": self.holds()})
    }
}
