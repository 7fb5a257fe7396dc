//! The processor's processes: the release build, each started as Lambda starts it, with a Runtime API of its own.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::bench::database::Database;
use crate::bench::figures::Sample;
use crate::bench::http::Server;
use crate::bench::runtime_api::{Run, RuntimeApi};
use crate::process::clean_command;
use crate::{functions, say, wait};

/// The time limit for the last batches; far more than an invocation's timeout.
const END_LIMIT: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(20);

/// Builds a function as it is deployed, and returns the binary's path.
pub(super) fn build(root: &Path, function: &str) -> Result<PathBuf> {
    say::step(&format!("building the {function} for release (the first time takes minutes)"));
    let package = format!("--package=quittance-{function}");
    let output = functions::cargo(root)
        .args(["build", "--release", &package, "--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("could not run cargo")?;
    if !output.status.success() {
        bail!("cargo build failed ({}); its messages are above", output.status);
    }
    let mut binaries = functions::binaries(&String::from_utf8_lossy(&output.stdout), root);
    binaries.remove(function).with_context(|| format!("cargo built no {function}"))
}

/// The processes of one run; they end with this value.
#[derive(Debug)]
pub(super) struct Fleet {
    run: Arc<Run>,
    processes: Vec<Process>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    api: Arc<RuntimeApi>,
    log: PathBuf,
    _server: Server,
}

impl Fleet {
    /// Starts so many processes, which begin to work immediately. Their logs go to `logs`.
    pub(super) fn start(
        binary: &Path,
        count: usize,
        run: &Arc<Run>,
        database: &Database,
        aws: SocketAddr,
        logs: &Path,
    ) -> Result<Self> {
        let mut fleet = Self { run: Arc::clone(run), processes: Vec::new() };
        fs::create_dir_all(logs).with_context(|| format!("could not create {}", logs.display()))?;
        for number in 0..count {
            let api = Arc::new(RuntimeApi::new(run, number));
            let server = Server::start(Arc::clone(&api))?;
            let log = logs.join(format!("processor-{number}.log"));
            let output = File::create(&log).with_context(|| format!("could not write {}", log.display()))?;
            let child = clean_command(binary)
                .envs(environment("processor", number, server.address, aws))
                .envs(settings(database))
                .stdin(Stdio::null())
                .stdout(output.try_clone()?)
                .stderr(output)
                .spawn()
                .with_context(|| format!("could not start {}", binary.display()))?;
            fleet.processes.push(Process { child, api, log, _server: server });
        }
        Ok(fleet)
    }

    pub(super) fn pids(&self) -> Vec<u32> {
        self.processes.iter().map(|process| process.child.id()).collect()
    }

    /// Fails if something has gone wrong with the run or a process has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        if let Some(why) = self.run.failure() {
            let logs: String = self.processes.iter().take(1).map(|process| wait::log_tail(&process.log)).collect();
            bail!("{why}{logs}");
        }
        for process in &mut self.processes {
            if let Some(status) = process.child.try_wait()? {
                bail!("a processor ended by itself ({status}){}", wait::log_tail(&process.log));
            }
        }
        Ok(())
    }

    /// Passes on no more work, and waits until the work in progress is done.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.run.is_ending.store(true, Ordering::SeqCst);
        let begin = Instant::now();
        while !self.processes.iter().all(|process| process.api.is_idle()) {
            self.check()?;
            if begin.elapsed() > END_LIMIT {
                bail!("the last batches were not finished after {}", say::seconds(END_LIMIT));
            }
            sleep(POLL);
        }
        self.check()
    }

    /// The samples of all invocations.
    pub(super) fn samples(&self) -> Vec<Sample> {
        self.processes.iter().flat_map(|process| process.api.samples()).collect()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.run.is_ending.store(true, Ordering::SeqCst);
        for process in &mut self.processes {
            // Both only fail if it has already ended.
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
        self.run.is_over.store(true, Ordering::SeqCst);
    }
}

/// The environment that Lambda sets for a function's process.
pub(super) fn environment(
    function: &str,
    number: usize,
    runtime_api: SocketAddr,
    aws: SocketAddr,
) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", format!("quittance-{function}")),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/quittance-{function}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", format!("2026/11/02/[$LATEST]{number:032x}")),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_REGION", "eu-central-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "bench".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "bench".to_owned()),
        ("AWS_ENDPOINT_URL", format!("http://{aws}")),
    ]
}

/// The processor's settings in the template.
fn settings(database: &Database) -> Vec<(&'static str, String)> {
    let mut settings = connection(database);
    settings.extend([
        ("INVOICE_EVENTS_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:quittance-invoice-events.fifo".to_owned()),
        ("DEAD_LETTER_QUEUE_URL", "http://127.0.0.1/123456789012/quittance-payments-dead-letter.fifo".to_owned()),
    ]);
    settings
}

/// The settings for connecting to a run's database.
pub(super) fn connection(database: &Database) -> Vec<(&'static str, String)> {
    let access = database.access();
    vec![
        ("DATABASE_HOST", access.host.clone()),
        ("DATABASE_PORT", access.port.to_string()),
        ("DATABASE_NAME", Database::name().to_owned()),
        ("DATABASE_ROLE", database.role.to_owned()),
        ("DATABASE_TLS", "disable".to_owned()),
        ("DATABASE_LOGIN", "bench".to_owned()),
    ]
}
