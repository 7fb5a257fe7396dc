//! Chooses a server's TCP port, and finds the process that holds a port.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
};

use anyhow::{Result, bail};

use crate::{process, say};

/// The number of ports above the default that are tried.
const TRIES: u16 = 200;

/// The parameters for choosing a server's port.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The server, for messages.
    pub server: &'a str,
    /// The flag that forces a port, for messages.
    pub flag: &'a str,
    /// The first port to try.
    pub default: u16,
    /// The port that the user requires.
    pub forced: Option<u16>,
}

/// The process that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its command line.
    pub command: String,
}

/// The port for a server: the forced one, or an error that names its holder; otherwise the first free one from the
/// default up, except those in `promised` (assigned to servers that do not listen yet).
///
/// # Errors
/// When a forced port is in use, or none is free.
pub fn choose(request: Request<'_>, promised: &[u16]) -> Result<u16> {
    let free = |port: u16| !promised.contains(&port) && is_free(port);
    if let Some(port) = request.forced {
        if free(port) {
            return Ok(port);
        }
        bail!(
            "port {port} for {} is taken by {}; stop that or give another port with {}",
            request.server,
            holder_name(port),
            request.flag
        );
    }
    let Some(port) = first_free(request.default, free) else {
        bail!("no free port for {} from {} on; give one with {}", request.server, request.default, request.flag);
    };
    if port != request.default {
        say::note(&format!(
            "port {} is taken by {}; {} gets {port} ({} chooses another)",
            request.default,
            if promised.contains(&request.default) {
                "another server of this stack".to_owned()
            } else {
                holder_name(request.default)
            },
            request.server,
            request.flag
        ));
    }
    Ok(port)
}

/// A port that is currently free, chosen by the kernel.
///
/// # Errors
/// When the kernel has none.
pub fn any_free() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn first_free(from: u16, free: impl Fn(u16) -> bool) -> Option<u16> {
    (from..=from.saturating_add(TRIES)).find(|port| free(*port))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn holder_name(port: u16) -> String {
    holder(port).map_or_else(
        || "a process that is not visible to this user".to_owned(),
        |holder| format!("pid {} ({})", holder.pid, holder.command),
    )
}

/// The process that listens on `port`, if it is visible to this user.
#[must_use]
pub fn holder(port: u16) -> Option<Holder> {
    let inodes: Vec<u64> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    let links: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    process::all().find(|pid| has_open(*pid, &links)).map(|pid| Holder { pid, command: process::command_line(pid) })
}

/// The socket inodes that listen on `port`, in a table in the format of `/proc/net/tcp`.
fn listening_inodes(table: &str, port: u16) -> Vec<u64> {
    const LISTEN: &str = "0A";
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut columns = line.split_ascii_whitespace();
            let (_, local_port) = columns.nth(1)?.rsplit_once(':')?;
            let state = columns.nth(1)?;
            let inode = columns.nth(5)?.parse().ok()?;
            let here = u16::from_str_radix(local_port, 16).ok()? == port && state == LISTEN;
            here.then_some(inode)
        })
        .collect()
}

fn has_open(pid: u32, links: &[String]) -> bool {
    fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|files| {
        files
            .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
            .any(|target| links.iter().any(|link| target.as_os_str() == link.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: Request<'static> = Request { server: "the test", flag: "--test-port", default: 0, forced: None };

    #[test]
    fn a_port_in_use_is_reported_with_its_owner_and_another_is_used() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = listener.local_addr().unwrap().port();
        assert_eq!(holder(taken).unwrap().pid, std::process::id());

        let other = choose(Request { default: taken, ..SERVER }, &[]).unwrap();
        assert!(other > taken);

        let refused = choose(Request { forced: Some(taken), ..SERVER }, &[]).unwrap_err().to_string();
        assert!(refused.contains(&format!("pid {}", std::process::id())), "{refused}");
        assert!(refused.contains("--test-port"), "{refused}");
    }

    #[test]
    fn a_port_promised_to_another_server_is_not_given_twice() {
        let port = any_free().unwrap();
        assert_ne!(choose(Request { default: port, ..SERVER }, &[port]).unwrap(), port);
        assert!(choose(Request { forced: Some(port), ..SERVER }, &[port]).is_err());
    }

    #[test]
    fn only_listening_sockets_of_that_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:11D6 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 x\n\
             1: 0100007F:11D6 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 x\n\
             2: 0100007F:11D7 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4244 1 x\n";
        assert_eq!(listening_inodes(table, 4566), [4242]);
        assert_eq!(listening_inodes(table, 80), [0_u64; 0]);
    }

    #[test]
    fn the_search_ends() {
        assert_eq!(first_free(10, |_| false), None);
        assert_eq!(first_free(u16::MAX, |_| true), Some(u16::MAX));
        assert_eq!(first_free(10, |port| port > 12), Some(13));
    }
}
