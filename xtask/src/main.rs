//! `cargo xtask <command>`: reads the command line; the work is done in the library.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};
use serde_json::json;
use xtask::{
    bench, bff, checks, conformance, demo, drill, fuzz, lifecycle, ops, preview, quiet, say,
    servers::ForcedPorts,
    stack::{SERVERS, Stack},
    users::Role,
};

/// Tools of the workspace: the local stack and the tests.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring the local stack up, or up to date: Python environment, PostgreSQL, AWS emulator, fake Stripe, functions,
    /// template, users.
    Up(Up),
    /// Pay invoices through every channel of the local stack, repeatedly, and check the books.
    Demo {
        #[command(flatten)]
        which: Which,
        /// Print the figures as JSON, and nothing else.
        #[arg(long)]
        json: bool,
    },
    /// Practise what to do when something breaks, on a local stack of its own: the database is unavailable, a bad
    /// release turns 200 messages into poison, a gateway dies, an endpoint of the BFF hangs. Takes about 15 minutes;
    /// not part of CI.
    ///
    /// Each part explains what is broken, what can be observed, which of the deployed alarms that raises with the
    /// section of RUNBOOK.md that each links to, and which commands of `quittance` fix it. At the end nothing may be
    /// lost, done twice or parked, and no alarm's condition may be met. The transcript is printed as it goes, and kept
    /// in target/drill/transcript.md. Exit code 1 if a condition does not hold. The stack stays for inspection until
    /// `cargo xtask down --name drill`.
    Drill(drill::Options),
    /// End every process of the local stack and remove its data.
    Down(Down),
    /// Print a bearer token for a role: client:<client id>, finance, oncall, admin, bff or gateway.
    Token {
        /// `client:<client id>`, `finance`, `oncall`, `admin`, `bff` or `gateway`.
        role: Role,
        #[command(flatten)]
        which: Which,
    },
    /// Show what runs, and where. Exit code 1 if the stack is not complete.
    Status {
        #[command(flatten)]
        which: Which,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a function's log, oldest line first.
    Logs {
        /// The function: a folder in functions/.
        function: String,
        #[command(flatten)]
        which: Which,
    },
    /// Run `quittance`, the on-call tool, on the local stack: `cargo xtask ops dlq list`, `… ops --help`.
    Ops {
        #[command(flatten)]
        which: Which,
        /// Passed to `quittance`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check that the functions' logs contain no secrets, tokens, full account and card numbers, or bodies. `test` does
    /// so at its end. Exit code 1 if they do.
    Quiet {
        #[command(flatten)]
        which: Which,
    },
    /// Run all tests, with everything they need, on a stack of their own.
    Test {
        /// Passed to `cargo test --workspace`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Renew the description of the SQL queries in .sqlx.
    Sqlx {
        /// Only compare, and fail if it is not up to date.
        #[arg(long)]
        check: bool,
    },
    /// Renew functions/billing/openapi.json, the API's description, and events/contract/schema.json from the code.
    Openapi,
    /// Renew the generated parts of docs/: state diagrams and the table of metrics.
    Docs,
    /// Write every document in every language, with made-up data, to target/preview, and print the paths of the files.
    Preview {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Measure the system's performance. Not part of the tests: figures depend on the machine, and ratios are only
    /// comparable within one run.
    #[command(subcommand)]
    Bench(Bench),
    /// Test our parsers on every matching sample below a folder: gateways' messages, objects and signatures, and bank
    /// statements, with entries and sums. Prints file, format and result of each, and the counts in the last line.
    /// Exit code 1 if one is wrong.
    Conformance {
        /// The folder with the samples.
        folder: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Pass generated input to the code that first parses external input: gateways' messages and signatures, the API's
    /// bodies, uploaded files. Starts from tests/fuzz/corpus. Needs a nightly compiler; the tests run that corpus with
    /// the stable one.
    Fuzz {
        /// The targets; all by default.
        targets: Vec<String>,
        /// How long each target runs.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
        seconds: u32,
    },
    /// Run the SAM CLI of the stack's Python environment: `cargo xtask sam -- validate --lint`.
    Sam {
        /// Passed to `sam`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// The BFF of a local stack; started by `up`.
    #[command(hide = true)]
    Bff {
        /// Port on the loopback interface.
        #[arg(long)]
        port: u16,
        /// File for the received webhooks.
        #[arg(long)]
        store: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Measure the processor: its release build behind a Lambda Runtime API on the loopback interface, fed with SQS
    /// events, on a PostgreSQL of its own with fsync, with SNS answered immediately; in batches of 1 and 10, for an
    /// invoice each and for one hot invoice. Compared with pgbench executing the same statements.
    ///
    /// Prints payments per second, p50 and p99 of a batch, and processor time per payment. After each run the books are
    /// checked: every message was settled exactly once. Exit code 1 if they are wrong, or if the processor in batches
    /// of 10 settles less than 0.6 of what pgbench settles in batches of 10, or less than 4 times of what pgbench
    /// settles one by one.
    ///
    /// The decisive runs are repeated three times, and their median counts. Takes about 4 minutes, and some minutes
    /// more for the first build. Needs pgbench (Debian: postgresql-contrib) and an otherwise idle machine.
    Processor {
        /// Measured seconds of each run, after 2 seconds of warm-up.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
        /// Processes of the processor, and connections of pgbench.
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
        processes: u16,
        /// Open invoices to create [default: 20000 for each second of a run].
        #[arg(long)]
        invoices: Option<u64>,
        /// Print the figures as JSON, and nothing else.
        #[arg(long)]
        json: bool,
    },
    /// Measure the validator: its release build behind a Lambda Runtime API on the loopback interface, with DynamoDB,
    /// SQS and Secrets Manager answered immediately. Prints p50 and p99 of a signed webhook and of a confirmation, and
    /// the time from a process's start, including warming its clients, to its first request.
    Validator {
        /// Measured requests of each kind, after a hundred that are not measured.
        #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
        requests: u32,
        /// Measured starts.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        starts: u32,
        /// Print the figures as JSON, and nothing else.
        #[arg(long)]
        json: bool,
    },
    /// Measure the importer: its release build behind a Lambda Runtime API on the loopback interface, with S3 and SQS
    /// answered immediately, on a PostgreSQL of its own with fsync. Imports a camt.053 and a CSV file, most lines of
    /// which name one of 2000 open invoices: checks, matches, records and queues each line.
    ///
    /// Prints time and peak memory for each file. Afterwards each line is compared with its expected outcome, and must
    /// have been queued once. Exit code 1 if that is not so, or if a file takes more than 120 s or the process more
    /// than 256 MiB. The files are written to target/local/bench and removed again.
    ///
    /// Takes about 5 minutes, and some minutes more for the first build. Needs an otherwise idle machine.
    Import {
        /// Lines of each file.
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..=1_200_000))]
        lines: u64,
        /// Print the figures as JSON, and nothing else.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// The stack's name: several stacks can run side by side.
    #[arg(long, env = "QUITTANCE_STACK_NAME", default_value = "default")]
    name: String,
}

#[derive(Debug, Args)]
struct Up {
    #[command(flatten)]
    which: Which,
    /// Port of the AWS emulator [default: 4566, or the next free one].
    #[arg(long)]
    port: Option<u16>,
    /// Port of PostgreSQL [default: 5433, or the next free one].
    #[arg(long)]
    postgres_port: Option<u16>,
    /// Port of the fake Stripe [default: 8420, or the next free one].
    #[arg(long)]
    localstripe_port: Option<u16>,
    /// Port of the BFF [default: 8430, or the next free one].
    #[arg(long)]
    bff_port: Option<u16>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Down {
    #[command(flatten)]
    which: Which,
    /// Keep the stack's files for inspection, including the database.
    #[arg(long)]
    keep_data: bool,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(options) => up(&options)?,
        Command::Demo { which, json } => return demo(&which.name, json),
        Command::Drill(options) => return practise(&options),
        Command::Down(Down { which, keep_data }) => {
            let ended = lifecycle::down(&which.name, keep_data)?;
            say::step(&format!("the stack {} is down ({ended} processes ended)", which.name));
        }
        Command::Token { role, which } => println!("{}", Stack::load(&which.name)?.token(&role)?),
        Command::Status { which, json } => return status(&which.name, json),
        Command::Logs { function, which } => checks::logs(&Stack::load(&which.name)?, &function)?,
        Command::Ops { which, arguments } => {
            let code = ops::operate(&Stack::load(&which.name)?, &arguments)?.code();
            return Ok(ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)));
        }
        Command::Quiet { which } => return quiet(&which.name),
        Command::Test { arguments } => checks::test(&arguments)?,
        Command::Sqlx { check } => checks::sqlx(check)?,
        Command::Openapi => checks::openapi()?,
        Command::Docs => checks::docs()?,
        Command::Preview { json } => preview::preview(json)?,
        Command::Bench(which) => return measure(which),
        Command::Fuzz { targets, seconds } => fuzz::fuzz(&targets, seconds)?,
        Command::Sam { arguments } => checks::sam(&arguments)?,
        Command::Conformance { folder, json } => return conform(&folder, json),
        Command::Bff { port, store } => bff::serve(port, &store)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn quiet(name: &str) -> Result<ExitCode> {
    let leaks = quiet::leaks(&Stack::load(name)?)?;
    println!("{}", if leaks.is_empty() { "no secrets or bodies in the logs".to_owned() } else { leaks.join("\n") });
    Ok(if leaks.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn demo(name: &str, json: bool) -> Result<ExitCode> {
    let stack = lifecycle::up(name, ForcedPorts::default())?;
    let report = demo::play(&stack)?;
    if json {
        println!("{}", report.figures);
        eprint!("{}", report.text());
    } else {
        print!("{}", report.text());
    }
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn practise(options: &drill::Options) -> Result<ExitCode> {
    let stack = lifecycle::up(&options.name, ForcedPorts::default())?;
    let outcome = drill::run(stack, options)?;
    if options.json {
        println!("{:#}", outcome.json());
    }
    say::step(&format!("the transcript is in {}", outcome.transcript.display()));
    Ok(if outcome.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn conform(folder: &Path, as_json: bool) -> Result<ExitCode> {
    let report = conformance::run(folder)?;
    if as_json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        eprintln!("{}", report.table());
    } else {
        println!("{}", report.table());
    }
    Ok(if report.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(which: Bench) -> Result<ExitCode> {
    let (seconds, processes, invoices, json) = match which {
        Bench::Processor { seconds, processes, invoices, json } => (seconds, processes, invoices, json),
        Bench::Validator { requests, starts, json } => {
            let report = bench::validator(requests, starts)?;
            if json {
                println!("{}", report.json());
                eprint!("{}", report.text());
            } else {
                print!("{}", report.text());
            }
            return Ok(ExitCode::SUCCESS);
        }
        Bench::Import { lines, json } => {
            let report = bench::import(lines)?;
            if json {
                println!("{}", report.json());
                eprint!("{}", report.text());
            } else {
                print!("{}", report.text());
            }
            if !report.holds() {
                bail!("the importer exceeds its limits of time or memory; see the lines marked MISSED");
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    let report = bench::processor(bench::Options { seconds, processes: processes.into(), invoices })?;
    if json {
        println!("{}", report.json());
        eprint!("{}", report.text());
    } else {
        print!("{}", report.text());
    }
    if !report.holds() {
        bail!("the processor is slower than required; see the lines marked MISSED");
    }
    Ok(ExitCode::SUCCESS)
}

fn up(options: &Up) -> Result<()> {
    let forced = ForcedPorts {
        emulator: options.port,
        postgres: options.postgres_port,
        localstripe: options.localstripe_port,
        bff: options.bff_port,
    };
    let stack = lifecycle::up(&options.which.name, forced)?;
    if options.json {
        println!("{:#}", stack.summary()?);
        return Ok(());
    }
    println!("API          {}", stack.api_url()?);
    println!("AWS          {} (credentials: test, test)", stack.emulator_url()?);
    println!("PostgreSQL   {}", stack.database_url()?);
    println!("Stripe       {}", stack.localstripe_url()?);
    println!("BFF          {}/deliveries", stack.bff_url()?);
    println!("logs         {}", stack.dir.join("logs").display());
    let name = match stack.name.as_str() {
        "default" => String::new(),
        name => format!(" --name {name}"),
    };
    println!("a token      cargo xtask token finance{name}   (or client:<id>, oncall, admin, bff, gateway)");
    println!("finance      {}", stack.token(&Role::Finance)?);
    Ok(())
}

fn status(name: &str, as_json: bool) -> Result<ExitCode> {
    let stack = Stack::load(name)?;
    let alive: Vec<(&str, bool)> = SERVERS
        .iter()
        .filter(|server| **server != "postgres" || stack.data_dir().is_some())
        .map(|server| (*server, stack.living(server).is_some()))
        .collect();
    let complete = stack.deployed.is_some() && alive.iter().all(|(_, alive)| *alive);
    if as_json {
        let servers: serde_json::Map<_, _> =
            alive.iter().map(|(server, alive)| ((*server).to_owned(), json!(alive))).collect();
        let summary = if complete { stack.summary()? } else { json!(null) };
        println!("{:#}", json!({ "complete": complete, "servers": servers, "stack": summary }));
    } else {
        for (server, alive) in alive {
            let port = stack.ports.get(server).map_or_else(String::new, u16::to_string);
            println!("{server:<12} {:<5} {}", port, if alive { "runs" } else { "does not run" });
        }
        println!("{:<12} {:<5} {}", "template", "", if stack.deployed.is_some() { "deployed" } else { "not deployed" });
    }
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
