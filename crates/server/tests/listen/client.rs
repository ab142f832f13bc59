//! A client by hand: HTTP requests, and a WebSocket whose frames are masked with zeros.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for a thing; fails with its name.
pub(crate) async fn within<F: Future>(wanted: &str, future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("did not come: {wanted}"))
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// One request on a socket of its own. `headers` are lines that end with CRLF.
pub(crate) async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    request_on(&mut stream, method, path, headers, body).await
}

pub(crate) async fn request_on(
    stream: &mut TcpStream,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Answer {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    within("an answer", async {
        let head = read_head(stream).await;
        let status = head[9..12].parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let body = String::from_utf8(body).unwrap();
        Answer { status, body }
    })
    .await
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Opens a session over polling; gives its sid.
pub(crate) async fn handshake(address: SocketAddr) -> String {
    let path = "/socket.io/?EIO=4&transport=polling";
    let answer = request(address, "GET", path, "", "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let told: serde_json::Value = serde_json::from_str(&answer.body[1..]).unwrap();
    told["sid"].as_str().unwrap().to_owned()
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Text(String),
    Binary(Vec<u8>),
    Close(u16),
    End,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

pub(crate) struct Client {
    stream: tokio::io::BufReader<Box<dyn Stream>>,
}

impl Client {
    /// A connection over WebSocket, its Engine.IO handshake read.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let mut client = Self::open(address, "").await;
        assert!(client.next_text().await.starts_with("0{"));
        client
    }

    /// A WebSocket; `query` may name a session.
    pub(crate) async fn open(address: SocketAddr, query: &str) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), query).await
    }

    pub(crate) async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        query: &str,
    ) -> Self {
        let mut stream: Box<dyn Stream> = Box::new(stream);
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket{query} HTTP/1.1\r\nHost: localhost\r\n\
             connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = within("a WebSocket", read_head(&mut stream)).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Self {
            stream: tokio::io::BufReader::new(stream),
        }
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        assert!(text.len() < 126);
        let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        self.stream.write_all(&frame).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Received {
        within("a frame", async {
            let Ok(first) = self.stream.read_u8().await else {
                return Received::End;
            };
            let length = match self.stream.read_u8().await.unwrap() {
                126 => u64::from(self.stream.read_u16().await.unwrap()),
                127 => self.stream.read_u64().await.unwrap(),
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut payload).await.unwrap();
            match first {
                0x81 => Received::Text(String::from_utf8(payload).unwrap()),
                0x82 => Received::Binary(payload),
                0x88 => Received::Close(u16::from_be_bytes([payload[0], payload[1]])),
                other => panic!("an unexpected frame {other:#x}"),
            }
        })
        .await
    }

    pub(crate) async fn next_text(&mut self) -> String {
        match self.next().await {
            Received::Text(text) => text,
            other => panic!("not a text: {other:?}"),
        }
    }
}
