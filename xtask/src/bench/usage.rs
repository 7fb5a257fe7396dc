//! The processor time used by the driver's processes, PostgreSQL, this program, and everything else on the machine.

use std::fs;

use crate::process;

const MICROSECONDS: u64 = 1_000_000;

/// The measured processes.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    /// The processor's processes, or pgbench.
    pub(super) driver: Vec<u32>,
    pub(super) postmaster: u32,
}

/// Processor time used so far, in clock ticks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    driver: u64,
    postgres: u64,
    bench: u64,
    machine: Machine,
}

/// The time of all processors together so far, in clock ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Machine {
    busy: u64,
    idle: u64,
}

/// Processor time used by a run, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) driver: u64,
    pub(super) postgres: u64,
    pub(super) bench: u64,
    /// The share of all processor time that was used by other processes, in per cent.
    pub(super) others_percent: u64,
}

impl Meter {
    /// Reads the time used so far.
    pub(super) fn read(&self) -> Reading {
        // A connection that has ended in the meantime counts among its parent's ended children.
        let parent = process::cpu_ticks(self.postmaster);
        let parent = parent.map_or(0, |ticks| ticks.own.saturating_add(ticks.ended_children));
        Reading {
            driver: own(&self.driver),
            postgres: parent.saturating_add(own(&process::children(self.postmaster))),
            bench: own(&[std::process::id()]),
            machine: fs::read_to_string("/proc/stat").ok().and_then(|text| machine(&text)).unwrap_or_default(),
        }
    }
}

impl Reading {
    /// The time used since `before`.
    pub(super) fn since(&self, before: &Self) -> Usage {
        let hertz = rustix::param::clock_ticks_per_second();
        let microseconds = |now: u64, then: u64| {
            now.saturating_sub(then).saturating_mul(MICROSECONDS).checked_div(hertz).unwrap_or_default()
        };
        let ours = |reading: &Self| reading.driver.saturating_add(reading.postgres).saturating_add(reading.bench);
        let busy = self.machine.busy.saturating_sub(before.machine.busy);
        let all = busy.saturating_add(self.machine.idle.saturating_sub(before.machine.idle));
        let others = busy.saturating_sub(ours(self).saturating_sub(ours(before)));
        Usage {
            others_percent: others.saturating_mul(100).checked_div(all).unwrap_or_default(),
            driver: microseconds(self.driver, before.driver),
            postgres: microseconds(self.postgres, before.postgres),
            bench: microseconds(self.bench, before.bench),
        }
    }
}

fn own(pids: &[u32]) -> u64 {
    pids.iter().filter_map(|pid| process::cpu_ticks(*pid)).map(|ticks| ticks.own).sum()
}

/// The first line of `/proc/stat`: user, nice, system, idle, I/O wait, interrupts, soft interrupts, steal.
fn machine(stat: &str) -> Option<Machine> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace().take(8);
    let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, idle, waiting, interrupts, soft, stolen] = ticks.as_slice() else { return None };
    Some(Machine {
        busy: [user, nice, system, interrupts, soft, stolen].into_iter().sum(),
        idle: idle.saturating_add(*waiting),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_not_busy() {
        let stat = "cpu  100 1 20 5000 300 4 5 6 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!(machine(stat), Some(Machine { busy: 136, idle: 5300 }));
        assert_eq!(machine("cpu  100 1\n"), None);
    }

    #[test]
    fn only_what_was_used_in_between_counts() {
        let hertz = rustix::param::clock_ticks_per_second();
        let before = Reading { driver: 10, postgres: 20, bench: 30, machine: Machine { busy: 500, idle: 500 } };
        let machine = Machine { busy: 500 + 4 * hertz, idle: 500 + 6 * hertz };
        let after = Reading { driver: 10 + hertz, postgres: 20 + 2 * hertz, bench: 30, machine };
        let usage = after.since(&before);
        assert_eq!((usage.driver, usage.postgres, usage.bench), (1_000_000, 2_000_000, 0));
        assert_eq!(usage.others_percent, 10);
    }
}
