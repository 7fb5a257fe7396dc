//! A receiver of webhooks that responds as configured, however badly.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use standardwebhooks::Webhook;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Manner {
    /// With a status and raw headers.
    Says(u16, &'static str),
    /// Not at all.
    Hangs,
    /// One byte of the head per second.
    Drips,
    /// 200, followed by a body of 100 MB that does not end in time.
    Floods,
}

#[derive(Debug, Clone)]
pub(super) struct ReceivedWebhook {
    pub(super) at: Instant,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl ReceivedWebhook {
    pub(super) fn webhook_id(&self) -> String {
        self.headers["webhook-id"].to_str().unwrap().to_owned()
    }

    /// Whether its header has the same trace as its body.
    pub(super) fn is_traced(&self) -> bool {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        body["traceparent"].is_string() && self.headers["traceparent"] == *body["traceparent"].as_str().unwrap()
    }

    /// Whether the official library verifies it with this secret.
    pub(super) fn is_signed_with(&self, secret: &str) -> bool {
        let receiver = Webhook::new(secret).unwrap();
        assert!(receiver.verify(format!("{} ", self.body).as_bytes(), &self.headers).is_err(), "a changed body");
        receiver.verify(self.body.as_bytes(), &self.headers).is_ok()
    }
}

#[derive(Debug)]
struct State {
    manners: VecDeque<Manner>,
    reported: Vec<ReceivedWebhook>,
}

/// A receiver on a port of its own.
pub(super) struct Receiver {
    state: Arc<Mutex<State>>,
    port: u16,
}

impl Receiver {
    /// A receiver that answers in each of these manners once, and then with 204.
    pub(super) fn that(manners: &[Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { manners: manners.iter().cloned().collect(), reported: Vec::new() }));
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

    /// The requests received so far.
    pub(super) fn reported(&self) -> Vec<ReceivedWebhook> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).reported.clone()
    }
}

/// Handles one request per connection. The sender may disconnect at any point.
fn serve(mut connection: TcpStream, state: &Mutex<State>) {
    let Some(reported) = read(&mut connection) else { return };
    let manner = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.reported.push(reported);
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
            // Until the sender gives up.
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

fn read(connection: &mut TcpStream) -> Option<ReceivedWebhook> {
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
            return Some(ReceivedWebhook { at, headers, body: body.to_owned() });
        }
    }
}
