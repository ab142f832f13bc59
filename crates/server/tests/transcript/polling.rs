//! A client over HTTP long-polling, with just as much HTTP/1.1 as that takes.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    player::{Connection, Heard},
    websocket::is_timeout,
};

/// How long an answer to a POST may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between the packets of a payload.
const SEPARATOR: char = '\u{1e}';

struct Client {
    http: Http,
    /// Path and query of all further requests.
    target: String,
    heard: VecDeque<String>,
    closed: bool,
}

/// A connection that is kept open from request to request.
struct Http {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

pub(super) fn open(address: SocketAddr, query: &str) -> Result<Box<dyn Connection>, String> {
    let mut http = Http::connect(address)?;
    let target = format!("/socket.io/?EIO=4&transport=polling{query}");
    let (status, body) = http.request("GET", &target, "", PATIENCE)?;
    let opening = body
        .strip_prefix('0')
        .filter(|_| status == 200)
        .and_then(|json| serde_json::from_str::<serde_json::Value>(json).ok())
        .ok_or_else(|| format!("expected the open packet, got {status} {body}"))?;
    let sid = opening["sid"]
        .as_str()
        .ok_or("the open packet has no sid")?;
    Ok(Box::new(Client {
        http,
        target: format!("{target}&sid={sid}"),
        heard: VecDeque::new(),
        closed: false,
    }))
}

impl Client {
    fn post(&mut self, packet: &str) -> Result<(), String> {
        let answer = self.http.request("POST", &self.target, packet, PATIENCE)?;
        match answer {
            (200, body) if body == "ok" => Ok(()),
            (status, body) => Err(format!("a POST was answered {status} {body}")),
        }
    }
}

impl Connection for Client {
    fn send(&mut self, text: &str) -> Result<(), String> {
        self.post(&format!("4{text}"))
    }

    fn attach(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.post(&format!("b{}", STANDARD.encode(bytes)))
    }

    fn receive(&mut self, deadline: Instant) -> Result<Heard, String> {
        loop {
            if let Some(text) = self.heard.pop_front() {
                return Ok(Heard::Text(text));
            }
            if self.closed {
                return Ok(Heard::Closed);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("nothing came".to_owned());
            }
            let (status, payload) = self.http.request("GET", &self.target, "", left)?;
            // A session that has ended is unknown.
            if status == 400 {
                self.closed = true;
                continue;
            }
            if status != 200 {
                return Err(format!("a GET was answered {status} {payload}"));
            }
            for packet in payload.split(SEPARATOR) {
                match packet.split_at_checked(1) {
                    Some(("4", text)) => self.heard.push_back(text.to_owned()),
                    Some(("2", "")) => self.post("3")?,
                    Some(("1", "")) => self.closed = true,
                    Some(("6", "")) => {}
                    _ => return Err(format!("got the packet {packet:?}")),
                }
            }
        }
    }

    fn close(&mut self) {
        if !self.closed {
            // The server may be gone already.
            let _ = self.post("1");
            self.closed = true;
        }
    }
}

impl Http {
    fn connect(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
        stream
            .set_nodelay(true)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            stream: BufReader::new(stream),
            address,
        })
    }

    /// Asks and waits for the answer: its status and body.
    fn request(
        &mut self,
        method: &str,
        target: &str,
        body: &str,
        patience: Duration,
    ) -> Result<(u16, String), String> {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nContent-Type: text/plain;charset=UTF-8\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len(),
        );
        self.exchange(&request, patience).map_err(|error| {
            if is_timeout(&error) {
                format!("no answer to {method} {target}")
            } else {
                format!("{method} {target}: {error}")
            }
        })
    }

    fn exchange(&mut self, request: &str, patience: Duration) -> std::io::Result<(u16, String)> {
        let malformed = |what: &str| std::io::Error::other(format!("no HTTP: {what}"));
        self.stream.get_ref().set_read_timeout(Some(patience))?;
        self.stream.get_mut().write_all(request.as_bytes())?;
        let status = self.read_line()?;
        let status = status
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| malformed(&status))?;
        let mut length = None;
        loop {
            let header = self.read_line()?;
            if header.is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok();
            }
        }
        let mut body = vec![0; length.ok_or_else(|| malformed("the body has no length"))?];
        self.stream.read_exact(&mut body)?;
        let body = String::from_utf8(body).map_err(|_| malformed("the body is no text"))?;
        Ok((status, body))
    }

    fn read_line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}
