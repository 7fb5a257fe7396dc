//! The small part of HTTP/1.1 that the processor's two neighbours need: requests with a length, and persistent
//! connections.
//!
//! Written by hand because it shares two cores with the measured processes: a thread per connection, one read and one
//! write per call, nothing else.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail};

/// The largest body; ten messages of 20 kB, encoded twice, are far below.
const BODY_MAX_BYTES: usize = 4 * 1024 * 1024;
/// The longest line of a request's head.
const LINE_MAX_BYTES: u64 = 64 * 1024;

/// A complete request.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// The value of a header; `name` in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Response {
    /// A response without headers of its own.
    pub(super) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }
}

/// Answers requests; none closes the connection.
pub(super) trait Answer: Send + Sync + 'static {
    /// Answers one request.
    fn answer(&self, request: &Request) -> Option<Response>;

    /// The file that is the body of a response without a text.
    fn file(&self, _request: &Request) -> Option<File> {
        None
    }
}

/// A server on a port chosen by the kernel; it stops listening when it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    is_over: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on the loopback interface.
    pub(super) fn start(answerer: Arc<impl Answer>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("could not listen on 127.0.0.1")?;
        let address = listener.local_addr()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let reported = Arc::clone(&is_over);
        let listening = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if reported.load(Ordering::SeqCst) {
                    break;
                }
                let answerer = Arc::clone(&answerer);
                // A connection that breaks was closed by the caller, whose last request has been handled.
                thread::spawn(move || drop(converse(stream, answerer.as_ref())));
            }
        });
        Ok(Self { address, is_over, listening: Some(listening) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the listener, which then checks the flag.
        if TcpStream::connect(self.address).is_ok()
            && let Some(listening) = self.listening.take()
        {
            let _ = listening.join();
        }
    }
}

fn converse(stream: TcpStream, answerer: &impl Answer) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        let Some(response) = answerer.answer(&request) else { break };
        match answerer.file(&request) {
            Some(mut file) => {
                writer.write_all(&written(&response, file.metadata()?.len()))?;
                io::copy(&mut file, &mut writer)?;
            }
            None => writer.write_all(&written(&response, u64::try_from(response.body.len())?))?,
        }
    }
    Ok(())
}

/// Reads one request; none when the caller has closed the connection.
fn read(reader: &mut impl BufRead) -> Result<Option<Request>> {
    let first = line(reader)?;
    let mut words = first.split_ascii_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let mut request = Request { method: method.to_owned(), path: path.to_owned(), ..Request::default() };
    loop {
        let header = line(reader)?;
        let Some((name, value)) = header.split_once(':') else { break };
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if request.header("transfer-encoding").is_some() {
        bail!("{} {}: a body without a length is not supported", request.method, request.path);
    }
    let length: usize = request.header("content-length").unwrap_or("0").parse().context("no content-length")?;
    if length > BODY_MAX_BYTES {
        bail!("{} {}: a body of {length} bytes is too large", request.method, request.path);
    }
    request.body = vec![0; length];
    reader.read_exact(&mut request.body)?;
    Ok(Some(request))
}

fn line(reader: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    reader.take(LINE_MAX_BYTES).read_line(&mut line)?;
    Ok(line)
}

/// The whole response, except for a file, as one piece, so that it is sent with one write.
fn written(response: &Response, length: u64) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} -\r\ncontent-length: {length}\r\n", response.status);
    for (name, value) in &response.headers {
        text.extend([name, ": ", value.as_str(), "\r\n"]);
    }
    text.push_str("\r\n");
    text.push_str(&response.body);
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl Answer for Echo {
        fn answer(&self, request: &Request) -> Option<Response> {
            let said = String::from_utf8_lossy(&request.body);
            Some(Response::new(200, format!("{} {} {said}", request.method, request.path)))
        }
    }

    #[test]
    fn a_connection_carries_many_requests_and_the_port_is_free_afterwards() {
        let server = Server::start(Arc::new(Echo)).unwrap();
        let (agent, address) = (ureq::Agent::new_with_defaults(), server.address);
        for number in 0..3 {
            let mut answer = agent.post(format!("http://{address}/{number}")).send("hello").unwrap();
            assert_eq!(answer.body_mut().read_to_string().unwrap(), format!("POST /{number} hello"));
        }
        drop(server);
        assert!(TcpListener::bind(address).is_ok(), "nobody listens any more");
    }

    #[test]
    fn two_requests_in_one_packet_are_two_requests() {
        let mut bytes = "POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiGET /b HTTP/1.1\r\n\r\n".as_bytes();
        let first = read(&mut bytes).unwrap().unwrap();
        assert_eq!((first.path.as_str(), first.body.as_slice()), ("/a", b"hi".as_slice()));
        assert_eq!(read(&mut bytes).unwrap().unwrap().path, "/b");
        assert!(read(&mut bytes).unwrap().is_none(), "the caller went away");
    }
}
