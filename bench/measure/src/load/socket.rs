//! One client connection: as much WebSocket, Engine.IO and Socket.IO as a load client needs.
//!
//! It must cost little beside the server: one task reads, into a buffer that all connections of
//! the thread share, and writing is a call without waiting. What is said over it is in [`talk`].
//!
//! [`talk`]: super::talk

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::pin,
    rc::Rc,
    task::{Poll, ready},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task,
};

/// What went wrong, in words for the report.
pub(crate) type Outcome<T> = Result<T, String>;

/// Bytes that one call reads at most.
const READ_BYTES: usize = 64 << 10;

/// Connections from one address. Linux gives away the even ports first, some 14,000, and once they
/// are taken looks through all of them for each further connection.
const FROM_ONE_ADDRESS: usize = 10_000;

thread_local! {
    /// Connections so far.
    static CONNECTED: Cell<usize> = const { Cell::new(0) };
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(READ_BYTES));
}

/// The writing half, and what its socket did not take at once.
pub(crate) struct Writer {
    to: OwnedWriteHalf,
    waiting: RefCell<Vec<u8>>,
}

/// The reading half.
pub(crate) struct Reader {
    from: OwnedReadHalf,
    pub(crate) writer: Rc<Writer>,
    /// The beginning of a frame whose end has not come.
    partial: Vec<u8>,
    /// Whether that may hold whole frames: they came together with the upgrade.
    unseen: bool,
}

/// Connects to the namespace `/`.
pub(crate) async fn connect(at: &str) -> Outcome<Reader> {
    let mut stream = open(at).await.map_err(failed("connecting"))?;
    stream.set_nodelay(true).map_err(failed("connecting"))?;
    // Thousands of closed connections would stand in the system's tables while the next server runs.
    stream.set_zero_linger().map_err(failed("connecting"))?;
    let request = format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {at}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    let asked = stream.write_all(request.as_bytes()).await;
    asked.map_err(failed("asking"))?;
    let (mut from, to) = stream.into_split();
    let mut partial = Vec::new();
    let head = loop {
        if let Some(end) = partial.windows(4).position(|four| four == b"\r\n\r\n") {
            break partial.drain(..end + 4).collect::<Vec<_>>();
        }
        let count = from.read_buf(&mut partial).await;
        if count.map_err(failed("upgrading"))? == 0 {
            return Err("no upgrade: the server hung up".to_owned());
        }
    };
    if !head.starts_with(b"HTTP/1.1 101 ") {
        return Err(format!("no upgrade: {}", String::from_utf8_lossy(&head)));
    }
    let writer = Rc::new(Writer {
        to,
        waiting: RefCell::default(),
    });
    let mut reader = Reader {
        from,
        writer,
        partial,
        unseen: true,
    };
    reader.find(b"0").await?;
    reader.writer.write(&frame("40"));
    reader.find(b"40").await?;
    Ok(reader)
}

/// Opens a connection; one that stays on this machine comes from one loopback address after another.
async fn open(at: &str) -> io::Result<TcpStream> {
    let number = CONNECTED.replace(CONNECTED.get() + 1) / FROM_ONE_ADDRESS;
    match at.parse() {
        Ok(to @ SocketAddr::V4(_)) if number > 0 && to.ip().is_loopback() => {
            let from = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + number as u32);
            let socket = TcpSocket::new_v4()?;
            socket.bind((IpAddr::V4(from), 0).into())?;
            socket.connect(to).await
        }
        _ => TcpStream::connect(at).await,
    }
}

impl Reader {
    /// Its own port, by which the server's end can be told.
    pub(crate) fn port(&self) -> Outcome<u16> {
        let address = self.from.local_addr();
        Ok(address.map_err(failed("naming a socket"))?.port())
    }

    /// Waits for bytes, and hands each Engine.IO packet in them to `see`. Pings are answered here.
    pub(crate) async fn read(&mut self, mut see: impl FnMut(&[u8])) -> Outcome<()> {
        if std::mem::take(&mut self.unseen) {
            let came = std::mem::take(&mut self.partial);
            return self.take(&came, &mut see);
        }
        poll_fn(|context| {
            BUFFER.with_borrow_mut(|buffer| {
                buffer.clear();
                buffer.extend_from_slice(&self.partial);
                buffer.reserve(READ_BYTES / 2);
                let read = pin!(self.from.read_buf(buffer)).poll(context);
                match ready!(read).map_err(failed("reading"))? {
                    0 => Poll::Ready(Err("the server closed the connection".to_owned())),
                    _ => Poll::Ready(self.take(buffer, &mut see)),
                }
            })
        })
        .await
    }

    /// Skips packets until one begins like this.
    pub(crate) async fn find(&mut self, beginning: &[u8]) -> Outcome<String> {
        let (mut found, mut refused) = (None, None);
        loop {
            self.read(|packet| {
                if packet.starts_with(beginning) && found.is_none() {
                    found = Some(String::from_utf8_lossy(packet).into_owned());
                } else if packet.starts_with(b"44") {
                    refused = Some(String::from_utf8_lossy(packet).into_owned());
                }
            })
            .await?;
            if let Some(found) = found {
                return Ok(found);
            }
            if let Some(words) = refused {
                return Err(format!("refused: {words}"));
            }
        }
    }

    fn take(&mut self, buffer: &[u8], see: &mut impl FnMut(&[u8])) -> Outcome<()> {
        let mut rest = buffer;
        while let Some((opcode, head, length)) = read_head(rest)
            && let Some(payload) = rest.get(head..head + length)
        {
            rest = rest.get(head + length..).unwrap_or_default();
            match (opcode, payload) {
                (0x1, b"2") => self.writer.write(&frame("3")),
                (0x1, packet) => see(packet),
                (0x8, [high, low, ..]) => {
                    let code = u16::from_be_bytes([*high, *low]);
                    return Err(format!("the server closed with code {code}"));
                }
                (opcode, _) => return Err(format!("a frame with opcode {opcode}")),
            }
        }
        self.partial.clear();
        self.partial.extend_from_slice(rest);
        Ok(())
    }
}

impl Writer {
    /// Writes finished frames; what the socket does not take at once, it gets when it can.
    pub(crate) fn write(self: &Rc<Self>, frames: &[u8]) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.is_empty() {
            waiting.extend_from_slice(frames);
            return;
        }
        // An error is met again by whoever reads.
        let written = self.to.try_write(frames).unwrap_or(0);
        if let Some(rest @ [_, ..]) = frames.get(written..) {
            waiting.extend_from_slice(rest);
            task::spawn_local(Rc::clone(self).write_waiting());
        }
    }

    async fn write_waiting(self: Rc<Self>) {
        while self.to.writable().await.is_ok() {
            let mut waiting = self.waiting.borrow_mut();
            match self.to.try_write(&waiting) {
                Ok(written) => drop(waiting.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
            if waiting.is_empty() {
                return;
            }
        }
    }
}

/// A masked text frame. The mask is zero, which is a mask like any other.
pub(crate) fn frame(text: &str) -> Vec<u8> {
    /// Set in the second byte of every frame of a client (RFC 6455, section 5.2).
    const MASKED: u8 = 0x80;
    /// A length of 16 bits follows.
    const MEDIUM: u8 = 0x7e;
    let mut out = Vec::with_capacity(text.len() + 8);
    out.push(0x81);
    match u16::try_from(text.len()) {
        Ok(short @ 0..126) => out.push(MASKED | short as u8),
        Ok(medium) => {
            out.push(MASKED | MEDIUM);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        Err(_) => unreachable!("the load client sends nothing of 64 KiB or more"),
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(text.as_bytes());
    out
}

/// Opcode, length of the head, length of the payload.
fn read_head(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let number = |count: usize| {
        let digits = bytes.get(2..2 + count)?;
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

fn failed(doing: &str) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{doing}: {error}")
}
