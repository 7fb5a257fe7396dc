//! The servers of a stack: PostgreSQL, the AWS emulator, the fake Stripe and the BFF that receives webhooks.

use std::{env, fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::{
    aws::{ROOT_KEY, local_agent},
    paths,
    ports::{self, Request},
    postgres::{Access, Binaries, Cluster, Durability},
    process::{self, Daemon, Ending, clean_command},
    python::Venv,
    say,
    stack::{Database, REGION, SERVERS, Stack},
    wait,
};

/// The URL of another PostgreSQL server, as superuser, to be used in place of a cluster of our own.
pub const DATABASE_VARIABLE: &str = "QUITTANCE_DATABASE_URL";
const READY_LIMIT: Duration = Duration::from_secs(60);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the fake Stripe on the loopback interface. Its own start-up code listens on every interface and shares one file
/// with every other instance on the machine.
const LOCALSTRIPE: &str = "
import sys
from aiohttp import web
from localstripe import resources, server
resources.Store.dump_to_disk = lambda self: None
web.run_app(server.app, host='127.0.0.1', port=int(sys.argv[1]))
";

/// Ports that the user requires.
#[derive(Debug, Clone, Copy, Default)]
pub struct ForcedPorts {
    pub emulator: Option<u16>,
    /// PostgreSQL's.
    pub postgres: Option<u16>,
    /// The fake Stripe's.
    pub localstripe: Option<u16>,
    pub bff: Option<u16>,
}

/// Starts servers that do not run yet and waits until all of them respond. The state is saved as each server starts, so
/// that `down` finds it. A new emulator has no data: then the database is recreated too, and the stack counts as not
/// deployed.
///
/// # Errors
/// When a server does not start, or a forced port is in use.
pub fn start(stack: &mut Stack, venv: &Venv, forced: ForcedPorts) -> Result<()> {
    for folder in ["logs", "tmp"] {
        fs::create_dir_all(stack.dir.join(folder))?;
    }
    if stack.living("emulator").is_none() {
        stack.deployed = None;
        stack.outputs.clear();
    }
    let _ports = paths::lock_ports()?;
    end_strays(stack)?;
    start_postgres(stack, venv, forced.postgres)?;
    if stack.deployed.is_none() {
        // An emulator with an incomplete deployment, or with one for another database, is useless.
        stop(stack, "emulator")?;
        end_strays(stack)?;
    }
    start_emulator(stack, venv, forced.emulator)?;
    start_localstripe(stack, venv, forced.localstripe)?;
    start_bff(stack, forced.bff)?;
    for (server, path) in [("emulator", "/_ministack/ready"), ("localstripe", "/js.stripe.com/v3/"), ("bff", "/health")]
    {
        wait_for(stack, server, path)?;
    }
    if stack.deployed.is_none() {
        let database = stack.database.as_ref().context("there is no database")?;
        database.access.recreate_database(&database.name, "template0")?;
        if database.home.is_some() {
            database.access.drop_login_roles()?;
        }
    }
    Ok(())
}

fn start_postgres(stack: &mut Stack, venv: &Venv, forced: Option<u16>) -> Result<()> {
    if let Some(url) = env::var(DATABASE_VARIABLE).ok().filter(|url| !url.is_empty()) {
        return use_foreign_postgres(stack, &url).with_context(|| format!("{DATABASE_VARIABLE} can't be used"));
    }
    let Some(port) =
        port_for(stack, "postgres", Request { server: "PostgreSQL", flag: "--postgres-port", default: 5433, forced })?
    else {
        return wait_for_postgres(stack);
    };
    let binaries = Binaries::find(venv)?.marked(&stack.dir);
    let home = binaries.owner.home_for(&stack.dir)?.join("postgres");
    let kept = stack.database.clone().filter(|database| {
        stack.deployed.is_some() && database.home.as_ref() == Some(&home) && home.join("data/PG_VERSION").exists()
    });
    let cluster = match kept {
        Some(database) => {
            // Its server has ended, as have its children (see `end_strays`), but may have had no time to remove the
            // file.
            let _ = fs::remove_file(home.join("data/postmaster.pid"));
            Cluster { data_dir: home.join("data"), access: Access { port, ..database.access } }
        }
        None => {
            stack.deployed = None;
            say::step("creating a PostgreSQL cluster");
            Cluster::make(&binaries, &home, port, Durability::Durable)?
        }
    };
    stack.database = Some(Database { access: cluster.access.clone(), name: "quittance".to_owned(), home: Some(home) });
    launch(stack, "postgres", port, &mut cluster.server(&binaries, Durability::Durable))?;
    wait_for_postgres(stack)
}

fn use_foreign_postgres(stack: &mut Stack, url: &str) -> Result<()> {
    let access = Access::parse(url)?;
    access.connect("postgres")?;
    let name = foreign_database_name(&stack.dir);
    say::step(&format!("PostgreSQL: database {name} at {}:{}", access.host, access.port));
    let database = Database { access, name, home: None };
    if stack.database.as_ref() != Some(&database) {
        stack.deployed = None;
        stack.database = Some(database);
    }
    stack.save()
}

fn wait_for_postgres(stack: &Stack) -> Result<()> {
    let Database { access, .. } = stack.database.as_ref().context("there is no database")?;
    let server: Vec<&Daemon> = stack.daemons.get("postgres").into_iter().collect();
    let what = format!("PostgreSQL to answer on port {}", access.port);
    wait::until(&what, READY_LIMIT, &server, || Ok(access.connect("postgres").ok().map(drop)))
}

fn start_emulator(stack: &mut Stack, venv: &Venv, forced: Option<u16>) -> Result<()> {
    let Some(port) =
        port_for(stack, "emulator", Request { server: "the emulator", flag: "--port", default: 4566, forced })?
    else {
        return Ok(());
    };
    let mut command = clean_command(&venv.python());
    let directory = |name: &str| stack.dir.join(name);
    command
        .args(["-m", "ministack"])
        .current_dir(&stack.dir)
        .env("AUTH", "true")
        .env("BIND_HOST", "127.0.0.1")
        .env("MINISTACK_HOST", "127.0.0.1")
        .env("GATEWAY_PORT", port.to_string())
        .env("MINISTACK_REGION", REGION)
        .env("AWS_DEFAULT_REGION", REGION)
        // Functions inherit this; their credentials come from their roles.
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
        .env("AWS_ACCESS_KEY_ID", ROOT_KEY)
        .env("AWS_SECRET_ACCESS_KEY", ROOT_KEY)
        // All its files stay in the stack's directory, separate from other instances.
        .env("TMPDIR", directory("tmp"))
        .env("STATE_DIR", directory("tmp/state"))
        .env("S3_DATA_DIR", directory("tmp/s3"))
        // Servers that it would open on every interface.
        .env("IOT_MTLS_ENABLED", "0")
        .env("SFTP_ENABLED", "0")
        // No containers, even if a Docker daemon runs.
        .env("LAMBDA_EXECUTOR", "local")
        .env("DOCKER_HOST", "unix:///nonexistent")
        .env("LAMBDA_ASYNC_RETRY_BASE_SECONDS", "0.2")
        .env("PYTHONUNBUFFERED", "1");
    launch(stack, "emulator", port, &mut command)
}

fn start_localstripe(stack: &mut Stack, venv: &Venv, forced: Option<u16>) -> Result<()> {
    let Some(port) = port_for(
        stack,
        "localstripe",
        Request { server: "the fake Stripe", flag: "--localstripe-port", default: 8420, forced },
    )?
    else {
        return Ok(());
    };
    let mut command = localstripe(venv, port);
    command.current_dir(&stack.dir);
    launch(stack, "localstripe", port, &mut command)
}

/// The command of a fake Stripe on a loopback port; it stores nothing on the disk.
#[must_use]
pub fn localstripe(venv: &Venv, port: u16) -> Command {
    let mut command = clean_command(&venv.python());
    command.args(["-c", LOCALSTRIPE]).arg(port.to_string()).env("PYTHONUNBUFFERED", "1");
    command
}

fn start_bff(stack: &mut Stack, forced: Option<u16>) -> Result<()> {
    let Some(port) = port_for(stack, "bff", Request { server: "the BFF", flag: "--bff-port", default: 8430, forced })?
    else {
        return Ok(());
    };
    // A copy, so that rebuilding this program does not affect the running server.
    let (staging, program) = (stack.dir.join("bff.new"), stack.dir.join("bff"));
    let this = env::current_exe().context("could not find this program's file")?;
    fs::copy(&this, &staging)
        .and_then(|_| fs::rename(&staging, &program))
        .with_context(|| format!("could not copy {} to {}", this.display(), program.display()))?;
    let mut command = clean_command(&program);
    command
        .args(["bff", "--port", &port.to_string(), "--store"])
        .arg(stack.dir.join("deliveries.jsonl"))
        .current_dir(&stack.dir);
    launch(stack, "bff", port, &mut command)
}

/// Ends one server of a stack, if it runs.
///
/// # Errors
/// When it is still there afterwards.
pub fn stop(stack: &Stack, server: &str) -> Result<()> {
    if let Some(daemon) = stack.living(server) {
        say::step(&format!("ending {server} (pid {})", daemon.identity.pid));
        let ending = if server == "postgres" { Ending::Interrupt } else { Ending::Terminate };
        process::stop(daemon, ending)?;
    }
    Ok(())
}

/// Ends processes that are not in the state: servers of an `up` that was killed before it could record them, and
/// functions whose emulator has ended.
fn end_strays(stack: &Stack) -> Result<()> {
    let servers: Vec<&Daemon> = SERVERS.iter().filter_map(|server| stack.living(server)).collect();
    let strays = process::kill_marked(&stack.dir, stack.data_dir().as_deref(), &servers)?;
    if strays > 0 {
        say::note(&format!("ended {strays} processes left over from before"));
    }
    Ok(())
}

/// The port to start a server on; none if it already runs.
fn port_for(stack: &Stack, server: &str, request: Request<'_>) -> Result<Option<u16>> {
    let recorded = stack.ports.get(server).copied();
    if stack.living(server).is_some() {
        if let (Some(port), Some(forced)) = (recorded, request.forced)
            && port != forced
        {
            bail!(
                "{} of {stack:?} runs on port {port} already; end it with `cargo xtask down --name {}` to move it to {forced}",
                request.server,
                stack.name
            );
        }
        return Ok(None);
    }
    let promised: Vec<u16> = stack.ports.iter().filter(|(other, _)| *other != server).map(|(_, port)| *port).collect();
    ports::choose(Request { default: recorded.unwrap_or(request.default), ..request }, &promised).map(Some)
}

fn launch(stack: &mut Stack, server: &str, port: u16, command: &mut Command) -> Result<()> {
    say::step(&format!("starting {server} on 127.0.0.1:{port}"));
    let log = stack.log(server);
    // The log of an earlier process would be misleading.
    let _ = fs::remove_file(&log);
    let daemon = process::spawn(server, command, &log, &stack.dir)?;
    stack.ports.insert(server.to_owned(), port);
    stack.daemons.insert(server.to_owned(), daemon);
    stack.save()
}

fn wait_for(stack: &Stack, server: &str, path: &str) -> Result<()> {
    let Some(daemon) = stack.daemons.get(server) else { bail!("{server} was not started") };
    let port = stack.ports.get(server).with_context(|| format!("{server} has no port"))?;
    let url = format!("http://127.0.0.1:{port}{path}");
    let agent = local_agent(PROBE_TIMEOUT);
    wait::until(&format!("{server} to answer on port {port}"), READY_LIMIT, &[daemon], || {
        Ok(agent.get(&url).call().is_ok_and(|answer| answer.status() == 200).then_some(()))
    })
}

/// A database name that no other checkout and no other stack uses on a shared server.
fn foreign_database_name(stack_dir: &Path) -> String {
    let digest = hex::encode(Sha256::digest(stack_dir.as_os_str().as_encoded_bytes()));
    let name = stack_dir.file_name().unwrap_or_default().to_string_lossy().replace('-', "_");
    format!("quittance_{name}_{}", digest.chars().take(8).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_checkouts_do_not_share_a_database_on_a_shared_server() {
        let one = foreign_database_name(Path::new("/a/target/local/my-stack"));
        let other = foreign_database_name(Path::new("/b/target/local/my-stack"));
        assert!(one.starts_with("quittance_my_stack_"), "{one}");
        assert_ne!(one, other);
        assert!(one.len() < 63, "PostgreSQL cuts names at 63 bytes");
    }
}
