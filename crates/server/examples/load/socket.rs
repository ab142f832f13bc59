//! One client connection: WebSocket, Engine.IO and Socket.IO as far as a `direct` client needs them.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Mutex,
};

/// What went wrong, in words for the report.
pub(crate) type Outcome<T> = Result<T, String>;

/// The writing half; shared, because whoever reads has to answer the server's pings.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Mutex<OwnedWriteHalf>>);

/// The reading half.
pub(crate) struct Reader {
    from: OwnedReadHalf,
    writer: Writer,
    buffer: Vec<u8>,
    /// Where the next frame begins.
    start: usize,
}

/// Connects to the namespace `/`, as somebody new.
pub(crate) async fn connect(at: &str) -> Outcome<(Reader, Writer)> {
    let (reader, writer, _) = connect_with(at, "").await?;
    Ok((reader, writer))
}

/// Connects to the namespace `/` with `auth`, JSON or nothing; also gives the server's answer.
pub(crate) async fn connect_with(at: &str, auth: &str) -> Outcome<(Reader, Writer, String)> {
    let mut stream = TcpStream::connect(at)
        .await
        .map_err(|error| format!("connecting: {error}"))?;
    stream
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    let request = format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {at}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(|error| format!("asking: {error}"))?;
    let (from, to) = stream.into_split();
    let writer = Writer(Arc::new(Mutex::new(to)));
    let mut reader = Reader {
        from,
        writer: writer.clone(),
        buffer: Vec::new(),
        start: 0,
    };
    let head = reader.head().await?;
    if !head.starts_with("HTTP/1.1 101 ") {
        return Err(format!("no upgrade: {head}"));
    }
    reader.until("0").await?;
    let mut hello = Vec::new();
    push_frame(&mut hello, &format!("40{auth}"));
    writer.write(&hello).await?;
    let answer = reader.until("40").await?;
    Ok((reader, writer, answer))
}

impl Writer {
    /// Writes finished frames.
    pub(crate) async fn write(&self, frames: &[u8]) -> Outcome<()> {
        let mut to = self.0.lock().await;
        to.write_all(frames)
            .await
            .map_err(|error| format!("writing: {error}"))
    }
}

impl Reader {
    /// The next Socket.IO packet, without its Engine.IO type; pings are answered on the way.
    pub(crate) async fn packet(&mut self) -> Outcome<&[u8]> {
        loop {
            let (start, end) = self.frame().await?;
            match self.buffer.get(start..end) {
                Some(b"2") => {
                    let mut pong = Vec::new();
                    push_frame(&mut pong, "3");
                    self.writer.write(&pong).await?;
                }
                Some([b'4', ..]) => return Ok(self.buffer.get(start + 1..end).unwrap_or_default()),
                _ => {}
            }
        }
    }

    /// Skips packets until one contains `what`; answers it as text.
    pub(crate) async fn find(&mut self, what: &str) -> Outcome<String> {
        loop {
            let packet = String::from_utf8_lossy(self.packet().await?);
            if packet.contains(what) {
                return Ok(packet.into_owned());
            }
        }
    }

    /// Skips frames until one begins so; before CONNECT there is nothing else to see.
    async fn until(&mut self, prefix: &str) -> Outcome<String> {
        loop {
            let (start, end) = self.frame().await?;
            let text = self.buffer.get(start..end).unwrap_or_default();
            if text.starts_with(b"44") {
                return Err(format!("refused: {}", String::from_utf8_lossy(text)));
            }
            if text.starts_with(prefix.as_bytes()) {
                return Ok(String::from_utf8_lossy(text).into_owned());
            }
        }
    }

    /// Where the payload of the next text frame stands in the buffer.
    async fn frame(&mut self) -> Outcome<(usize, usize)> {
        loop {
            let waiting = self.buffer.get(self.start..).unwrap_or_default();
            if let Some((opcode, head, length)) = read_head(waiting)
                && waiting.len() >= head + length
            {
                let start = self.start + head;
                self.start = start + length;
                match opcode {
                    0x1 => return Ok((start, self.start)),
                    0x8 => {
                        let code = self.buffer.get(start..start + 2).unwrap_or_default();
                        let code = code
                            .iter()
                            .fold(0, |code, byte| code * 256 + u32::from(*byte));
                        return Err(format!("closed by the server with code {code}"));
                    }
                    opcode => return Err(format!("a frame with opcode {opcode}")),
                }
            }
            self.fill().await?;
        }
    }

    async fn head(&mut self) -> Outcome<String> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                self.start = end + 4;
                return Ok(
                    String::from_utf8_lossy(self.buffer.get(..end).unwrap_or_default())
                        .into_owned(),
                );
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Outcome<()> {
        const CHUNK: usize = 64 << 10;
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.reserve(CHUNK);
        match self.from.read_buf(&mut self.buffer).await {
            Ok(0) => Err("the server closed the line".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("reading: {error}")),
        }
    }
}

/// Opcode, length of the head, length of the payload.
fn read_head(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let [first, second, rest @ ..] = bytes else {
        return None;
    };
    let number = |count: usize| {
        let digits = rest.get(..count)?;
        Some(
            digits
                .iter()
                .fold(0, |sum, byte| (sum << 8) | usize::from(*byte)),
        )
    };
    let (head, length) = match second & 0x7f {
        126 => (4, number(2)?),
        127 => (10, number(8)?),
        short => (2, usize::from(short)),
    };
    Some((first & 0x0f, head, length))
}

/// Set in the second byte of every frame of a client (RFC 6455, section 5.2).
const MASKED: u8 = 0x80;
/// A length of 16 bits follows.
const MEDIUM: u8 = 0x7e;
/// A length of 64 bits follows.
const LONG: u8 = 0x7f;

/// Appends a masked text frame. The mask is zero, which is a mask like any other.
pub(crate) fn push_frame(out: &mut Vec<u8>, text: &str) {
    out.push(0x81);
    let length = text.len();
    match length {
        0..126 => out.push(MASKED | length as u8),
        126..65_536 => {
            out.push(MASKED | MEDIUM);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(MASKED | LONG);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(text.as_bytes());
}
