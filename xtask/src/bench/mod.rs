//! Measures how fast the real processor settles payments, compared with pgbench executing the same statements.
//!
//! The processor's release build runs in several processes, each with a Lambda Runtime API on the loopback interface
//! that passes SQS events to it; PostgreSQL runs with fsync; SNS is answered immediately. Each run begins with a fresh
//! copy of the same database, and ends with a check of the books: a result is valid only if every message was settled
//! exactly once.

mod aws;
mod books;
mod database;
mod figures;
mod http;
mod import;
mod invocations;
mod load;
mod pgbench;
mod processor;
mod report;
mod runtime_api;
mod usage;
mod validator;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use self::aws::Aws;
use self::database::Database;
use self::figures::{Driver, Figures, Measured, Scenario};
use self::http::Server;
pub use self::import::{ImportReport, import};
use self::load::{Invoices, Load};
use self::pgbench::Pgbench;
use self::processor::Fleet;
pub use self::report::Report;
use self::runtime_api::Run;
use self::usage::Meter;
pub use self::validator::{ValidatorReport, validator};
use crate::{checks, paths, say};

/// The warm-up, which is not measured: processes connect, statements are prepared, caches fill.
const WARM_UP: Duration = Duration::from_secs(2);
/// The number of invoices created for each second: more than two cores can pay.
const INVOICES_PER_SECOND: u64 = 20_000;
const POLL: Duration = Duration::from_millis(20);

/// The number of repetitions of the decisive runs: a machine has better and worse minutes, and the median counts.
const ROUNDS: usize = 3;

/// The decisive runs. They are adjacent in time, so that all run under the same conditions.
const DECIDING: [Scenario; 3] = [
    Scenario { driver: Driver::Pgbench, batch: 1, invoices: Invoices::Spread },
    Scenario { driver: Driver::Pgbench, batch: 10, invoices: Invoices::Spread },
    Scenario { driver: Driver::Processor, batch: 10, invoices: Invoices::Spread },
];

/// The additional runs.
const FURTHER: [Scenario; 5] = [
    Scenario { driver: Driver::Processor, batch: 1, invoices: Invoices::Spread },
    Scenario { driver: Driver::Pgbench, batch: 10, invoices: Invoices::Hot },
    Scenario { driver: Driver::Processor, batch: 10, invoices: Invoices::Hot },
    Scenario { driver: Driver::Pgbench, batch: 1, invoices: Invoices::Hot },
    Scenario { driver: Driver::Processor, batch: 1, invoices: Invoices::Hot },
];

#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The measured seconds of each run.
    pub seconds: u64,
    /// Processes of the processor, and connections of pgbench.
    pub processes: usize,
    /// The number of open invoices to create, if it is to differ from what the machine that this was written on could
    /// pay.
    pub invoices: Option<u64>,
}

/// Measures the processor.
///
/// # Errors
/// When something required is missing or fails, a message is not settled exactly once, or the run is interrupted.
pub fn processor(options: Options) -> Result<Report> {
    let Options { seconds, processes, invoices } = options;
    let interrupted = checks::watch_for_signals()?;
    let root = paths::workspace_root();
    let pgbench = pgbench::find()?;
    let binary = processor::build(&root, "processor")?;
    let measured = Duration::from_secs(seconds);
    let supply = invoices.unwrap_or_else(|| (WARM_UP + measured).as_secs().saturating_mul(INVOICES_PER_SECOND));
    let database = Database::start(supply)?;
    let aws = Arc::new(Aws::new(&database.password));
    let server = Server::start(Arc::clone(&aws))?;
    let bench = Bench {
        processes,
        measured,
        supply,
        interrupted,
        pgbench,
        binary,
        folder: root.join("target/local/bench"),
        database,
        aws,
        server,
    };
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(bench.run_all(&DECIDING)?);
    }
    let further = bench.run_all(&FURTHER)?;
    Ok(Report { processes, seconds, rounds, further })
}

/// The data that all runs share.
#[derive(Debug)]
struct Bench {
    processes: usize,
    measured: Duration,
    supply: u64,
    interrupted: Arc<AtomicBool>,
    pgbench: PathBuf,
    binary: PathBuf,
    folder: PathBuf,
    database: Database,
    aws: Arc<Aws>,
    server: Server,
}

impl Bench {
    fn run_all(&self, scenarios: &[Scenario]) -> Result<Vec<Figures>> {
        scenarios.iter().map(|scenario| self.run(*scenario)).collect()
    }

    fn run(&self, scenario: Scenario) -> Result<Figures> {
        let Scenario { driver, batch, invoices } = scenario;
        let many = if invoices == Invoices::Spread { "an invoice each" } else { "one hot invoice" };
        say::step(&format!("{}, batches of {batch}, {many}", driver.name()));
        self.database.begin_run()?;
        let measured = match driver {
            Driver::Processor => self.run_processor(scenario)?,
            Driver::Pgbench => self.run_pgbench(scenario)?,
        };
        let figures = Figures::of(scenario, &measured);
        say::note(&figures.note());
        Ok(figures)
    }

    fn run_processor(&self, scenario: Scenario) -> Result<Measured> {
        let run = Arc::new(Run::new(Load::new(scenario.invoices, self.supply), scenario.batch));
        let mut fleet = Fleet::start(
            &self.binary,
            self.processes,
            &run,
            &self.database,
            self.server.address,
            &self.folder.join("processor"),
        )?;
        let meter = Meter { driver: fleet.pids(), postmaster: self.database.postmaster };
        let mut measured = self.measure(run.begin, &meter, || fleet.check())?;
        fleet.finish()?;
        measured.samples = fleet.samples();
        drop(fleet);
        self.check_books(run.acknowledged.load(Ordering::SeqCst), Some(&self.aws.take_published()))?;
        Ok(measured)
    }

    fn run_pgbench(&self, scenario: Scenario) -> Result<Measured> {
        // It continues for a moment after the measurement, as the processor does with its last batches.
        let duration = WARM_UP + self.measured + Duration::from_secs(1);
        let begin = Instant::now();
        let folder = self.folder.join("pgbench");
        let mut pgbench = Pgbench::start(&self.pgbench, scenario, self.processes, duration, &self.database, &folder)?;
        let meter = Meter { driver: vec![pgbench.pid()], postmaster: self.database.postmaster };
        let mut measured = self.measure(begin, &meter, || match pgbench.has_ended()? {
            true => bail!("pgbench ended too early"),
            false => Ok(()),
        })?;
        while !pgbench.has_ended()? {
            self.pause()?;
        }
        measured.samples = pgbench.samples(scenario.batch)?;
        let transactions = u64::try_from(measured.samples.len())?;
        self.check_books(transactions.saturating_mul(scenario.batch), None)?;
        Ok(measured)
    }

    /// Waits for the warm-up and the measurement; the caller collects the samples.
    fn measure(&self, begin: Instant, meter: &Meter, mut check: impl FnMut() -> Result<()>) -> Result<Measured> {
        let mut wait_until = |end: Duration| -> Result<Duration> {
            while begin.elapsed() < end {
                check()?;
                self.pause()?;
            }
            Ok(begin.elapsed())
        };
        let from = wait_until(WARM_UP)?;
        let before = meter.read();
        let to = wait_until(from + self.measured)?;
        let usage = meter.read().since(&before);
        Ok(Measured { samples: Vec::new(), from, to, usage })
    }

    fn pause(&self) -> Result<()> {
        if self.interrupted.load(Ordering::SeqCst) {
            bail!("interrupted");
        }
        sleep(POLL);
        Ok(())
    }

    fn check_books(&self, payments: u64, published: Option<&[u128]>) -> Result<()> {
        let differences = books::differences(&mut self.database.inspect()?, payments, published)?;
        if differences.is_empty() {
            return Ok(());
        }
        bail!("the books are wrong after {payments} payments: {}", differences.join("; "))
    }
}
