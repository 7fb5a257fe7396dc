//! A receiver of webhooks that answers as it is told, however badly.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use standardwebhooks::Webhook;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

/// How a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Manner {
    /// With a status, and headers as they are.
    Says(u16, &'static str),
    /// Not at all.
    Hangs,
    /// A byte of the head each second.
    Drips,
    /// 200, and then a body of 100 MB that never ends in time.
    Floods,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) at: Instant,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Told {
    pub(super) fn webhook_id(&self) -> String {
        self.headers["webhook-id"].to_str().unwrap().to_owned()
    }

    /// Whether the header names the trace that the body does.
    pub(super) fn is_traced(&self) -> bool {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        body["traceparent"].is_string() && self.headers["traceparent"] == *body["traceparent"].as_str().unwrap()
    }

    /// Whether the official library believes it, with this secret.
    pub(super) fn is_signed_with(&self, secret: &str) -> bool {
        let receiver = Webhook::new(secret).unwrap();
        assert!(receiver.verify(format!("{} ", self.body).as_bytes(), &self.headers).is_err(), "a changed body");
        receiver.verify(self.body.as_bytes(), &self.headers).is_ok()
    }
}

#[derive(Debug)]
struct State {
    manners: VecDeque<Manner>,
    told: Vec<Told>,
}

/// A receiver on a port of its own.
pub(super) struct Receiver {
    state: Arc<Mutex<State>>,
    port: u16,
}

impl Receiver {
    /// Answers with each of the manners once, and then 204.
    pub(super) fn that(manners: &[Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { manners: manners.iter().cloned().collect(), told: Vec::new() }));
        let served = Arc::clone(&state);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let state = Arc::clone(&served);
                thread::spawn(move || serve(connection, &state));
            }
        });
        Self { state, port }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/webhooks?token=hush", self.port)
    }

    /// What came so far.
    pub(super) fn told(&self) -> Vec<Told> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).told.clone()
    }
}

/// One request for each connection. The sender may have gone away at any point.
fn serve(mut connection: TcpStream, state: &Mutex<State>) {
    let Some(told) = read(&mut connection) else { return };
    let manner = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.told.push(told);
        state.manners.pop_front().unwrap_or(Manner::Says(204, ""))
    };
    let _gone = answer(&mut connection, &manner);
}

fn answer(connection: &mut TcpStream, manner: &Manner) -> std::io::Result<()> {
    match manner {
        Manner::Says(status, headers) => {
            let head = format!("HTTP/1.1 {status} Told\r\ncontent-length: 0\r\nconnection: close\r\n{headers}\r\n");
            connection.write_all(head.as_bytes())
        }
        Manner::Hangs => {
            // Until the sender has had enough.
            connection.read(&mut [0; 1]).map(drop)
        }
        Manner::Drips => {
            connection.set_read_timeout(Some(Duration::from_secs(1)))?;
            for byte in b"HTTP/1.1 200 Slowly\r\nx-slow: yes, very slow\r\n\r\n" {
                connection.write_all(&[*byte])?;
                // Waits a second, or ends with the sender.
                if connection.read(&mut [0; 1]).is_ok() {
                    break;
                }
            }
            Ok(())
        }
        Manner::Floods => {
            connection.write_all(b"HTTP/1.1 200 Much\r\ncontent-length: 104857600\r\n\r\n")?;
            let chunk = [b'x'; 64 * 1024];
            (0..1_600).try_for_each(|_| connection.write_all(&chunk))
        }
    }
}

fn read(connection: &mut TcpStream) -> Option<Told> {
    let at = Instant::now();
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = connection.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(buffer.get(..count)?);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let headers: HeaderMap = lines
            .map(|(name, value)| {
                (name.to_lowercase().parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
            })
            .collect();
        let length: usize = headers.get("content-length").map_or(0, |value| value.to_str().unwrap().parse().unwrap());
        if body.len() >= length {
            return Some(Told { at, headers, body: body.to_owned() });
        }
    }
}
