//! Identifies processes: the kernel's process table, and an identity that is safe against reused process ids.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

use anyhow::{Context, Result, anyhow};
use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process, kill_process_group},
};
use serde::{Deserialize, Serialize};

/// The identity of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since the boot (`/proc/<pid>/stat`).
    pub started: u64,
    /// The boot that these ticks count from.
    pub boot: String,
}

/// How a server is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// SIGTERM.
    Terminate,
    /// SIGINT: PostgreSQL's fast shutdown, which does not wait for its clients.
    Interrupt,
}

/// The relevant fields of one line of `/proc/<pid>/stat`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) name: String,
    pub(super) state: char,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) started: u64,
    pub(super) cpu: CpuTicks,
}

/// Processor time in clock ticks, of which there are [`rustix::param::clock_ticks_per_second`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuTicks {
    /// Used by the process itself.
    pub own: u64,
    /// Used by its children that have ended and were waited for.
    pub ended_children: u64,
}

impl Identity {
    /// The identity of a running process.
    ///
    /// # Errors
    /// When the process does not exist.
    pub fn of(pid: u32) -> Result<Self> {
        let stat = stat(pid).with_context(|| format!("there is no process {pid}"))?;
        Ok(Self { pid, started: stat.started, boot: boot_id() })
    }

    /// Whether this exact process still runs (a zombie does not).
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.boot == boot_id()
            && stat(self.pid).is_some_and(|now| now.started == self.started && !matches!(now.state, 'Z' | 'X'))
    }

    /// Asks the process to end; does nothing if it has ended.
    ///
    /// # Errors
    /// When it may not be signalled.
    pub fn ask_to_end(&self, ending: Ending) -> Result<()> {
        self.signal(match ending {
            Ending::Terminate => Signal::TERM,
            Ending::Interrupt => Signal::INT,
        })
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        if !self.is_alive() {
            return Ok(());
        }
        self.reported(kill_process(self.kernel_pid()?, signal))
    }

    /// Signals the whole group that this process leads; only for a child that was not waited for yet.
    pub(super) fn signal_group(&self, signal: Signal) -> Result<()> {
        self.reported(kill_process_group(self.kernel_pid()?, signal))
    }

    fn kernel_pid(&self) -> Result<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw).with_context(|| format!("{} is no process id", self.pid))
    }

    /// A process that has already ended needs no signal.
    fn reported(&self, outcome: std::result::Result<(), Errno>) -> Result<()> {
        match outcome {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(anyhow!("could not signal pid {}: {error}", self.pid)),
        }
    }
}

/// The ids of all processes.
pub fn all() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The processor time that a process has used; none if it has ended.
#[must_use]
pub fn cpu_ticks(pid: u32) -> Option<CpuTicks> {
    stat(pid).map(|stat| stat.cpu)
}

/// The children of a process.
#[must_use]
pub fn children(parent: u32) -> Vec<u32> {
    all().filter(|pid| stat(*pid).is_some_and(|stat| stat.parent == parent)).collect()
}

/// The command line of a process, for messages; shortened.
#[must_use]
pub fn command_line(pid: u32) -> String {
    const SHOWN: usize = 100;
    let raw = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<String> = raw
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| OsStr::from_bytes(word).to_string_lossy().into_owned())
        .collect();
    if words.is_empty() {
        return stat(pid).map_or_else(|| "gone".to_owned(), |stat| stat.name);
    }
    let shown: String = words.join(" ").chars().take(SHOWN).collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// The kernel's data of a process; none if it has ended.
pub(super) fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Parses `pid (name) state ppid …`; the name may itself contain spaces and parentheses.
fn parse_stat(line: &str) -> Option<Stat> {
    const STATE: usize = 0;
    const PARENT: usize = 1;
    const GROUP: usize = 2;
    /// Time in user mode and in the kernel, and the same for children that were waited for.
    const USER: usize = 11;
    const STARTED: usize = 19;
    let (head, tail) = line.rsplit_once(") ")?;
    let (_, name) = head.split_once(" (")?;
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    let ticks = |place: usize| fields.get(place)?.parse::<u64>().ok();
    Some(Stat {
        name: name.to_owned(),
        state: fields.get(STATE)?.chars().next()?,
        parent: fields.get(PARENT)?.parse().ok()?,
        group: fields.get(GROUP)?.parse().ok()?,
        started: fields.get(STARTED)?.parse().ok()?,
        cpu: CpuTicks {
            own: ticks(USER)?.saturating_add(ticks(USER + 1)?),
            ended_children: ticks(USER + 2)?.saturating_add(ticks(USER + 3)?),
        },
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) b (c) S 1 41 40 0 -1 4194560 1 2 3 4 50 6 700 8 20 0 1 0 987654 123 9";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.name.as_str(), stat.state, stat.parent, stat.group), ("a) b (c", 'S', 1, 41));
        assert_eq!(stat.started, 987_654);
        assert_eq!(stat.cpu, CpuTicks { own: 56, ended_children: 708 });
        assert_eq!(parse_stat("42 (cut"), None);
    }

    #[test]
    fn another_process_with_the_same_id_is_not_ours_and_is_not_killed() {
        let mut bystander = Command::new("sleep").arg("30").spawn().unwrap();
        let mut stale = Identity::of(bystander.id()).unwrap();
        stale.started -= 1;
        assert!(!stale.is_alive());
        stale.signal(Signal::KILL).unwrap();
        assert!(bystander.try_wait().unwrap().is_none(), "the bystander lives");
        bystander.kill().unwrap();
        bystander.wait().unwrap();
    }
}
