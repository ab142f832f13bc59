//! The floor under every server: it upgrades connections to WebSocket, knows who is in which room, and
//! writes a finished frame to each reader with one call. It parses nothing that it does not need,
//! checks nothing, keeps nothing, and hangs up on nobody. It speaks the rooms of `measure/src/load/talk.rs`.

use std::{
    cell::RefCell,
    collections::HashMap,
    io::{self, ErrorKind, Write},
    rc::Rc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use sha1::{Digest, Sha1};
use tokio::{
    io::AsyncReadExt,
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime, task,
};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Appended to the client's key before hashing (RFC 6455, section 1.3).
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The longest a request or an event may be here.
const LONGEST: usize = 64 << 10;

type Rooms = Rc<RefCell<HashMap<String, Vec<Rc<Line>>>>>;

/// The writing half of a connection, and what its socket did not take at once.
struct Line {
    to: OwnedWriteHalf,
    waiting: RefCell<Vec<u8>>,
}

fn main() -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    task::LocalSet::new().block_on(&runtime, serve())
}

async fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut out = io::stdout();
    writeln!(out, "listening on http://{}", listener.local_addr()?)?;
    out.flush()?;
    let rooms = Rooms::default();
    loop {
        let (stream, _) = listener.accept().await?;
        let rooms = Rc::clone(&rooms);
        task::spawn_local(async move {
            // A connection that fails is the load client's to notice.
            let _ = talk(stream, rooms).await;
        });
    }
}

async fn talk(stream: TcpStream, rooms: Rooms) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut from, to) = stream.into_split();
    let line = Rc::new(Line {
        to,
        waiting: RefCell::default(),
    });
    let key = read_key(&mut from).await?;
    let mut digest = Sha1::new();
    digest.update(key + KEY_SUFFIX);
    let accept = BASE64_STANDARD.encode(digest.finalize());
    line.write(
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .as_bytes(),
    );
    let open = r#"0{"sid":"floor","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
    line.write(&frame(open));
    let mut buffer = Vec::new();
    loop {
        // No buffer stays with a connection that says nothing.
        if buffer.is_empty() {
            from.readable().await?;
        }
        buffer.reserve(1024);
        match from.try_read_buf(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                from.readable().await?;
                continue;
            }
            Err(error) => return Err(error),
        }
        while let Some((text, length)) = take_frame(&buffer) {
            answer(&text, &line, &rooms);
            buffer.drain(..length);
        }
        if buffer.is_empty() {
            buffer = Vec::new();
        }
    }
}

/// The client's key out of its request.
async fn read_key(from: &mut OwnedReadHalf) -> io::Result<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if request.len() > LONGEST || from.read_buf(&mut request).await? == 0 {
            return Err(ErrorKind::InvalidData.into());
        }
    }
    let request = String::from_utf8_lossy(&request);
    let key = request.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key")
            .then(|| value.trim().to_owned())
    });
    key.ok_or_else(|| ErrorKind::InvalidData.into())
}

/// `40`, `42<id>["join","<room>"]`, `42<id>["send",{..,"room_id":"<room>",..}]`.
fn answer(text: &str, line: &Rc<Line>, rooms: &Rooms) {
    if text == "40" {
        line.write(&frame(r#"40{"sid":"floor"}"#));
        return;
    }
    let Some((id, event)) = text
        .strip_prefix("42")
        .and_then(|rest| rest.split_once('['))
    else {
        return;
    };
    if let Some(room) = event
        .strip_prefix(r#""join",""#)
        .and_then(|rest| rest.strip_suffix(r#""]"#))
    {
        let mut rooms = rooms.borrow_mut();
        rooms
            .entry(room.to_owned())
            .or_default()
            .push(Rc::clone(line));
    } else if let Some(message) = event.strip_prefix(r#""send","#)
        && let Some((_, rest)) = message.split_once(r#""room_id":""#)
        && let Some((room, _)) = rest.split_once('"')
    {
        let shared = frame(&format!(r#"42["new_message",{message}"#));
        if let Some(readers) = rooms.borrow().get(room) {
            for reader in readers {
                reader.write(&shared);
            }
        }
    }
    line.write(&frame(&format!(r#"43{id}[{{"success":true}}]"#)));
}

impl Line {
    /// One call, unless the socket is full; what it does not take is written when it can be.
    fn write(self: &Rc<Self>, bytes: &[u8]) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.is_empty() {
            waiting.extend_from_slice(bytes);
            return;
        }
        let written = self.to.try_write(bytes).unwrap_or(0);
        if let Some(rest @ [_, ..]) = bytes.get(written..) {
            waiting.extend_from_slice(rest);
            let line = Rc::clone(self);
            task::spawn_local(async move {
                while line.to.writable().await.is_ok() {
                    let mut waiting = line.waiting.borrow_mut();
                    match line.to.try_write(&waiting) {
                        Ok(written) => drop(waiting.drain(..written)),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                        Err(_) => return,
                    }
                    if waiting.is_empty() {
                        return;
                    }
                }
            });
        }
    }
}

/// The text as one frame from server to client (RFC 6455, section 5.2).
fn frame(text: &str) -> Vec<u8> {
    let mut out = vec![0x81];
    match text.len() {
        short @ 0..126 => out.push(short as u8),
        medium @ 126..65_536 => {
            out.push(126);
            out.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(text.as_bytes());
    out
}

/// The first frame of a client, unmasked, and how many bytes it took. The client sends text only,
/// and nothing of 64 KiB or more.
fn take_frame(bytes: &[u8]) -> Option<(String, usize)> {
    let (head, length) = match bytes.get(1)? & 0x7f {
        126 => (
            4,
            usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])),
        ),
        short => (2, usize::from(short)),
    };
    let mask = bytes.get(head..head + 4)?;
    let payload = bytes.get(head + 4..head + 4 + length)?;
    let text = payload
        .iter()
        .zip(mask.iter().cycle())
        .map(|(byte, mask)| byte ^ mask)
        .collect();
    Some((String::from_utf8(text).ok()?, head + 4 + length))
}
