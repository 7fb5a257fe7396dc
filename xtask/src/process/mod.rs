//! The servers of a stack: starting, identifying and ending them.
//!
//! A process id alone is never trusted, because the kernel reuses it: a process is identified by its id, its start time
//! and its boot. Every process of a stack also has the stack's directory in the environment variable [`MARK`], which
//! children inherit, so that processes are found again even if the state file was never written (`up` was killed in
//! between) or a server lost its children.

mod identity;

use std::{
    env, fs,
    os::unix::{ffi::OsStrExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use self::identity::stat;
pub use self::identity::{CpuTicks, Ending, Identity, all, children, command_line, cpu_ticks};
use crate::wait;

/// The environment variable that marks every process of a stack with the stack's directory.
pub const MARK: &str = "QUITTANCE_LOCAL_STACK";

/// How long a server may take to end by itself before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(15);
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// A server of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daemon {
    /// Its name, for messages.
    pub name: String,
    /// The identity of its process.
    pub identity: Identity,
    /// The file with its output.
    pub log: PathBuf,
}

impl Daemon {
    /// Whether this exact process still runs (a zombie does not).
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.identity.is_alive()
    }
}

/// A command with a clean environment: none of the caller's settings, credentials or proxies are passed on, so that a
/// stack behaves the same in every shell.
#[must_use]
pub fn clean_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LANG", "C.UTF-8").env("NO_PROXY", "127.0.0.1,localhost");
    for kept in ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        if let Some(value) = env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

/// Starts a server in the background, in a process group of its own (so that it does not receive the terminal's
/// Ctrl-C), marked as part of the stack whose directory is `stack`.
///
/// # Errors
/// When it can't be started.
pub fn spawn(name: &str, command: &mut Command, log: &Path, stack: &Path) -> Result<Daemon> {
    let output = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("could not write {}", log.display()))?;
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command
        .env(MARK, stack)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()
        .with_context(|| format!("could not start {name} ({program})"))?;
    // The child is not waited for: while this program runs, an ended child is a zombie, which counts as dead.
    Ok(Daemon { name: name.to_owned(), identity: Identity::of(child.id())?, log: log.to_path_buf() })
}

/// A command and everything it starts as one unit, to which signals to this program are passed on.
#[derive(Debug)]
pub struct Group {
    leader: Child,
    identity: Identity,
}

impl Group {
    /// Starts a command as the leader of a group of its own, without standard input (which a group in the background
    /// may not read).
    ///
    /// # Errors
    /// When it can't be started.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let leader = command.stdin(Stdio::null()).process_group(0).spawn()?;
        let identity = Identity::of(leader.id())?;
        Ok(Self { leader, identity })
    }

    /// The leader's exit status; none while it runs.
    ///
    /// # Errors
    /// When the kernel does not return it.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.leader.try_wait()?)
    }

    /// Asks the whole group to end, and kills processes that do not.
    ///
    /// # Errors
    /// When it may not be signalled.
    pub fn end(&mut self) -> Result<()> {
        // Until the leader is waited for, its id can't be reused for another group.
        self.identity.signal_group(Signal::TERM)?;
        let what = format!("{} to end", command_line(self.identity.pid));
        let _ = wait::until(&what, STOP_LIMIT, &[], || Ok((!self.identity.is_alive()).then_some(())));
        self.identity.signal_group(Signal::KILL)?;
        self.leader.wait()?;
        Ok(())
    }
}

/// Ends one server and waits for it; kills it when it does not end by itself.
///
/// # Errors
/// When it is still there afterwards.
pub fn stop(daemon: &Daemon, ending: Ending) -> Result<()> {
    daemon.identity.ask_to_end(ending)?;
    let gone = || Ok((!daemon.is_alive()).then_some(()));
    let what = format!("{} (pid {}) to end", daemon.name, daemon.identity.pid);
    if wait::until(&what, STOP_LIMIT, &[], gone).is_err() {
        daemon.identity.signal(Signal::KILL)?;
        wait::until(&what, KILL_LIMIT, &[], gone)?;
    }
    Ok(())
}

/// Kills every process with the stack's mark, and PostgreSQL's children in `data_dir` (they overwrite their
/// environment), except the servers in `spared` and their children; returns their number.
///
/// # Errors
/// When one is still there afterwards; the error names it.
pub fn kill_marked(stack: &Path, data_dir: Option<&Path>, spared: &[&Daemon]) -> Result<usize> {
    let strays = || -> Vec<Identity> {
        // A function is in its emulator's process group; each child of PostgreSQL has a group of its own.
        let is_spared = |pid: u32| {
            stat(pid).is_some_and(|stat| {
                let servers = spared.iter().filter(|daemon| daemon.is_alive()).map(|daemon| daemon.identity.pid);
                servers.into_iter().any(|server| [pid, stat.parent, stat.group].contains(&server))
            })
        };
        marked(stack, data_dir).into_iter().filter(|identity| !is_spared(identity.pid)).collect()
    };
    let mut killed = Vec::new();
    let gone = wait::until("the stack's processes to be gone", KILL_LIMIT, &[], || {
        let left = strays();
        for identity in &left {
            identity.signal(Signal::KILL)?;
            if !killed.contains(identity) {
                killed.push(identity.clone());
            }
        }
        Ok(left.is_empty().then_some(()))
    });
    gone.map_err(|error| {
        let left: Vec<String> =
            strays().iter().map(|identity| format!("{} ({})", identity.pid, command_line(identity.pid))).collect();
        anyhow!("{error}: still there: {}", left.join(", "))
    })?;
    Ok(killed.len())
}

/// The living processes of the stack, except this one.
#[must_use]
pub fn marked(stack: &Path, data_dir: Option<&Path>) -> Vec<Identity> {
    let mark = [MARK.as_bytes(), b"=", stack.as_os_str().as_bytes()].concat();
    let belongs = |pid: u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark)
            || data_dir.is_some_and(|data_dir| is_postgres_in(pid, data_dir))
    };
    all()
        .filter(|pid| *pid != std::process::id() && belongs(*pid))
        .filter_map(|pid| Identity::of(pid).ok())
        .filter(Identity::is_alive)
        .collect()
}

fn is_postgres_in(pid: u32, data_dir: &Path) -> bool {
    stat(pid).is_some_and(|stat| stat.name == "postgres")
        && fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data_dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = env::temp_dir().join(format!("quittance-process-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn a_server_and_the_children_it_left_behind_are_ended() {
        let dir = scratch("mark");
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 300 & sleep 300 & wait"]);
        let server = spawn("the server", &mut command, &dir.join("log"), &dir).unwrap();
        wait::until("its children", Duration::from_secs(5), &[], || Ok((marked(&dir, None).len() == 3).then_some(())))
            .unwrap();
        server.identity.signal(Signal::KILL).unwrap();
        wait::until("its end", Duration::from_secs(5), &[], || Ok((!server.is_alive()).then_some(()))).unwrap();
        assert_eq!(kill_marked(&dir, None, &[]).unwrap(), 2);
        assert!(marked(&dir, None).is_empty());
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_group_ends_with_all_its_children() {
        let dir = scratch("group");
        let mut command = Command::new("sh");
        command.env(MARK, &dir).args(["-c", "sleep 300 & wait"]);
        let mut group = Group::spawn(&mut command).unwrap();
        wait::until("its child", Duration::from_secs(5), &[], || Ok((marked(&dir, None).len() == 2).then_some(())))
            .unwrap();
        assert!(group.try_wait().unwrap().is_none());
        group.end().unwrap();
        wait::until("their end", Duration::from_secs(5), &[], || Ok(marked(&dir, None).is_empty().then_some(())))
            .unwrap();
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_spared_server_keeps_its_children_while_strays_go() {
        let dir = scratch("spare");
        let start = || {
            let mut command = Command::new("sh");
            // As with PostgreSQL's children, one child leaves the process group.
            command.args(["-c", "sleep 300 & setsid sleep 300 & wait"]);
            spawn("a server", &mut command, &dir.join("log"), &dir).unwrap()
        };
        let (kept, stray) = (start(), start());
        wait::until(
            "their children",
            Duration::from_secs(5),
            &[],
            || Ok((marked(&dir, None).len() == 6).then_some(())),
        )
        .unwrap();
        assert_eq!(kill_marked(&dir, None, &[&kept]).unwrap(), 3);
        assert!(kept.is_alive() && !stray.is_alive());
        stop(&kept, Ending::Terminate).unwrap();
        assert!(!kept.is_alive());
        kill_marked(&dir, None, &[]).unwrap();
        fs::remove_dir_all(&dir).unwrap();
    }
}
