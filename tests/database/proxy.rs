//! A proxy to the database that breaks connections where a test requires it.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// Where a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Before the database receives the COMMIT.
    BeforeCommit,
    /// After the database has committed, before its response.
    AfterCommit,
    /// After this many messages of the client; later ones are lost.
    AfterMessages(usize),
}

/// A proxy on loopback. It breaks one connection for each [`Proxy::cut`] and leaves all others alone.
pub(crate) struct Proxy {
    port: u16,
    plan: Arc<Plan>,
}

const NEVER: usize = usize::MAX;

/// The next break.
struct Plan {
    before_commit: AtomicBool,
    after_commit: AtomicBool,
    messages_left: AtomicUsize,
}

impl Proxy {
    /// Starts a proxy between its callers and the database with those options.
    pub(crate) fn before(way: &PgConnectOptions) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan = Arc::new(Plan {
            before_commit: AtomicBool::new(false),
            after_commit: AtomicBool::new(false),
            messages_left: AtomicUsize::new(NEVER),
        });
        let (target, served) = ((way.get_host().to_owned(), way.get_port()), Arc::clone(&plan));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&target).unwrap());
                // Each message is forwarded immediately, as without a proxy.
                client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).unwrap();
                let is_swallowing = Arc::new(AtomicBool::new(false));
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap(), Arc::clone(&is_swallowing));
                thread::spawn(move || answer(back.0, back.1, &back.2));
                let plan = Arc::clone(&served);
                thread::spawn(move || forward(client, server, &plan, &is_swallowing));
            }
        });
        Self { port, plan }
    }

    /// The options for connecting through the proxy.
    pub(crate) fn way(&self, direct: PgConnectOptions) -> PgConnectOptions {
        direct.host("127.0.0.1").port(self.port).ssl_mode(PgSslMode::Disable)
    }

    /// Breaks one connection at that point.
    pub(crate) fn cut(&self, there: Cut) {
        self.plan.before_commit.store(there == Cut::BeforeCommit, Ordering::SeqCst);
        self.plan.after_commit.store(there == Cut::AfterCommit, Ordering::SeqCst);
        let messages = if let Cut::AfterMessages(messages) = there { messages } else { NEVER };
        self.plan.messages_left.store(messages, Ordering::SeqCst);
    }

    /// Whether the planned break has happened.
    pub(crate) fn has_cut(&self) -> bool {
        !self.plan.before_commit.load(Ordering::SeqCst) && !self.plan.after_commit.load(Ordering::SeqCst)
    }

    /// Cancels the planned break. Returns whether it had not happened.
    pub(crate) fn spare(&self) -> bool {
        self.plan.messages_left.swap(NEVER, Ordering::SeqCst) != NEVER
    }
}

impl Plan {
    /// Whether the connection breaks before this message.
    fn cuts(&self, is_commit: bool) -> bool {
        let one_less = |left: usize| (left != NEVER).then(|| left.checked_sub(1).unwrap_or(NEVER));
        let was_left = self.messages_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        was_left == Ok(0) || (is_commit && self.before_commit.swap(false, Ordering::SeqCst))
    }
}

/// Forwards the client's messages: the first one without a type, the others with a type, a length and the content.
fn forward(mut client: TcpStream, mut server: TcpStream, plan: &Plan, is_swallowing: &AtomicBool) {
    let mut has_begun = false;
    while let Ok(message) = next_message(&mut client, has_begun) {
        let is_commit = message.windows(6).any(|text| text.eq_ignore_ascii_case(b"commit"));
        if has_begun && plan.cuts(is_commit) {
            break;
        }
        if is_commit && plan.after_commit.swap(false, Ordering::SeqCst) {
            is_swallowing.store(true, Ordering::SeqCst);
        }
        has_begun = true;
        if server.write_all(&message).is_err() {
            break;
        }
    }
    end(&client, &server);
}

fn next_message(client: &mut TcpStream, has_begun: bool) -> Result<Vec<u8>> {
    let mut head = vec![0; if has_begun { 5 } else { 4 }];
    client.read_exact(&mut head)?;
    let length = head.last_chunk::<4>().map_or(4, |length| u32::from_be_bytes(*length));
    let rest = usize::try_from(length).unwrap().checked_sub(4).ok_or(ErrorKind::InvalidData)?;
    let start = head.len();
    head.resize(start + rest, 0);
    client.read_exact(&mut head[start..])?;
    Ok(head)
}

/// Forwards the database's responses, until one is to be lost.
fn answer(mut server: TcpStream, mut client: TcpStream, is_swallowing: &AtomicBool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = server.read(&mut buffer) {
        if is_swallowing.load(Ordering::SeqCst) || client.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    end(&client, &server);
}

/// Either end may already be closed.
fn end(client: &TcpStream, server: &TcpStream) {
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
