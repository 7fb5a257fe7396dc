//! `test` and `sqlx`: the commands that need a database or a whole stack temporarily.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::sleep,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};

use crate::{
    functions::cargo,
    lifecycle, paths,
    postgres::ThrowAwayCluster,
    process,
    python::Venv,
    quiet, say,
    servers::ForcedPorts,
    stack::{STACK_VARIABLE, Stack},
};

/// The stack of `cargo xtask test`; it is separate from the one that people work with.
pub const TEST_STACK: &str = "test";

/// With this variable the tests that compare generated files with the committed ones write them instead.
pub const RENEW_VARIABLE: &str = "QUITTANCE_RENEW";

const OPENAPI_TESTS: [&str; 2] = [
    "api::description::the_committed_description_is_what_the_code_generates",
    "contract::the_committed_schema_is_what_the_types_say",
];

const DOCS_TESTS: [&str; 3] = [
    "architecture::the_diagram_of_a_payments_states_is_what_its_facts_add_up_to",
    "architecture::the_diagram_of_an_invoices_states_is_what_may_happen_to_it",
    "template::metrics::the_page_of_metrics_lists_each_with_its_unit_and_dimensions",
];

const SQLX_CLI_VERSION: &str = "0.9.0";
const POLL: Duration = Duration::from_millis(100);

/// Runs all tests of the workspace with everything they need, on a stack of their own that is taken down afterwards,
/// whatever the result.
///
/// # Errors
/// When a test fails, the stack does not come up, or the run is interrupted.
pub fn test(arguments: &[String]) -> Result<()> {
    let interrupted = watch_for_signals()?;
    // Left over from an earlier run that was killed.
    lifecycle::down(TEST_STACK, false)?;
    let outcome = run_tests(arguments, &interrupted);
    say::step("taking the test stack down");
    let down = lifecycle::down(TEST_STACK, false).context("the test stack could not be taken down");
    outcome.and(down)?;
    say::step(&format!("all tests passed; the whole run took {}", say::seconds(say::elapsed())));
    Ok(())
}

fn run_tests(arguments: &[String], interrupted: &AtomicBool) -> Result<()> {
    let root = paths::workspace_root();
    let stack = lifecycle::up(TEST_STACK, ForcedPorts::default())?;
    say::step("running cargo test --workspace");
    let mut command = cargo(&root);
    command.args(["test", "--workspace"]).args(arguments).env(STACK_VARIABLE, stack.state_file());
    run_interruptibly(&mut command, interrupted).map_err(|error| {
        anyhow!("{error:#}; the logs of the stack's servers are in {}", stack.dir.join("logs").display())
    })?;
    say::step("checking the logs for secrets and bodies");
    let leaks = quiet::leaks(&stack)?;
    if !leaks.is_empty() {
        bail!("the logs contain secrets or bodies:\n{}", leaks.join("\n"));
    }
    Ok(())
}

/// Records Ctrl-C, SIGTERM and SIGHUP in place of dying from them, so that everything that was started can be stopped.
pub(crate) fn watch_for_signals() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || flag.store(true, Ordering::SeqCst)).context("could not watch for signals")?;
    Ok(interrupted)
}

/// Runs a command to its end; when a signal arrives, the command and everything it started are asked to end.
fn run_interruptibly(command: &mut Command, interrupted: &AtomicBool) -> Result<()> {
    let mut group = process::Group::spawn(command).context("could not run cargo")?;
    loop {
        if let Some(status) = group.try_wait()? {
            if status.success() {
                return Ok(());
            }
            bail!("cargo test ended with {status}");
        }
        if interrupted.load(Ordering::SeqCst) {
            group.end()?;
            bail!("interrupted");
        }
        sleep(POLL);
    }
}

/// Renews (or with `check`: compares) the description of the queries in `.sqlx` against a database freshly migrated by
/// `common/store`.
///
/// # Errors
/// When a migration or a query is invalid, or with `check` the description is not up to date.
pub fn sqlx(check: bool) -> Result<()> {
    let root = paths::workspace_root();
    let options = ["--no-default-features", "--features", "postgres,rustls"];
    let tools = install_tool(&root, "sqlx-cli", SQLX_CLI_VERSION, &options)?;
    say::step("starting a throw-away PostgreSQL");
    let cluster = ThrowAwayCluster::start()?;
    let url = cluster.create_database(None)?;
    say::step("applying the migrations");
    let run = |command: &mut Command, what: &str| -> Result<()> {
        let status = command
            .current_dir(&root)
            .env("DATABASE_URL", &url)
            .env("SQLX_OFFLINE", "false")
            .status()
            .with_context(|| format!("could not run {what}"))?;
        if !status.success() {
            bail!("{what} failed ({status})");
        }
        Ok(())
    };
    let mut migrate = Command::new(tools.join("sqlx"));
    run(migrate.args(["migrate", "run", "--source", "common/store/migrations"]), "sqlx migrate run")?;
    say::step(if check { "comparing .sqlx with the queries" } else { "renewing .sqlx" });
    let mut prepare = cargo(&root);
    let path = env::join_paths([tools].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())))?;
    prepare.env("PATH", path).args(["sqlx", "prepare", "--workspace"]);
    if check {
        prepare.arg("--check");
    }
    run(prepare.args(["--", "--all-targets"]), "cargo sqlx prepare")
        .with_context(|| if check { "`cargo xtask sqlx` renews .sqlx" } else { "see above" })?;
    say::step("done");
    Ok(())
}

/// Renews the API's description and the events' schema from the code, through the tests that otherwise compare them.
///
/// # Errors
/// When the tests do not build.
pub fn openapi() -> Result<()> {
    renew(&OPENAPI_TESTS)?;
    say::step("functions/billing/openapi.json and events/contract/schema.json are generated");
    Ok(())
}

/// Renews the generated parts of the pages in `docs`.
///
/// # Errors
/// When the tests do not build.
pub fn docs() -> Result<()> {
    // One after the other: two of the tests write the same page.
    for test in DOCS_TESTS {
        renew(&[test])?;
    }
    say::step("the generated parts of docs/ are written");
    Ok(())
}

fn renew(tests: &[&str]) -> Result<()> {
    let status = cargo(&paths::workspace_root())
        .args(["test", "--workspace", "--test", "system", "--", "--exact"])
        .args(tests)
        .env(RENEW_VARIABLE, "1")
        .status()
        .context("could not run cargo test")?;
    if !status.success() {
        bail!("nothing was generated ({status})");
    }
    Ok(())
}

/// Installs a program of another crate into `target/tools`, unless that version is already there; returns its folder.
///
/// # Errors
/// When it can't be installed.
pub(crate) fn install_tool(root: &Path, name: &str, version: &str, options: &[&str]) -> Result<PathBuf> {
    let tools = root.join("target/tools");
    let programs = tools.join("bin");
    // sqlx-cli's program is called sqlx.
    let program = programs.join(name.trim_end_matches("-cli"));
    let installed = Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim_end().ends_with(version));
    if !installed {
        say::step(&format!("installing {name} into target/tools (once; some minutes)"));
        let status = cargo(root)
            .args(["install", name, "--version", version, "--locked", "--force"])
            .args(options)
            .arg("--root")
            .arg(&tools)
            .status()
            .context("could not run cargo install")?;
        if !status.success() {
            bail!("cargo install {name} failed ({status})");
        }
    }
    Ok(programs)
}

/// Runs `sam` of the Python environment with the given arguments, in the root of the checkout.
///
/// # Errors
/// When it can't be run or fails.
pub fn sam(arguments: &[String]) -> Result<()> {
    let root = paths::workspace_root();
    let venv = Venv::ensure(&root)?;
    let path =
        env::join_paths([venv.bin()].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())))?;
    let status = Command::new(venv.python())
        .args(["-m", "samcli"])
        .args(arguments)
        .current_dir(&root)
        .env("PATH", path)
        .env("SAM_CLI_TELEMETRY", "0")
        .env("__SAM_CLI_APP_DIR", root.join("target/local/sam"))
        .status()
        .context("could not run sam")?;
    if !status.success() {
        bail!("sam failed ({status})");
    }
    Ok(())
}

/// Prints the log of a function of the stack, oldest line first.
///
/// # Errors
/// When the stack is not up or has no such function.
pub fn logs(stack: &Stack, function: &str) -> Result<()> {
    let aws = stack.aws()?;
    let groups = aws.log_groups()?;
    let wanted = function.to_lowercase();
    let fitting: Vec<&String> = groups.iter().filter(|group| group.to_lowercase().contains(&wanted)).collect();
    if fitting.is_empty() {
        bail!("no log group of {function}; there are {}", groups.join(", "));
    }
    for group in fitting {
        for event in aws.log_events(group)? {
            println!("{}", event.message);
        }
    }
    Ok(())
}
