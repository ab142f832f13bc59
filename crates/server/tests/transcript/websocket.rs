//! A client over WebSocket.

use std::{
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use tungstenite::{Error, Message, WebSocket};

use super::player::{Connection, Heard};

/// How long the handshake may take.
const PATIENCE: Duration = Duration::from_secs(15);

struct Client {
    /// `None` once it is closed.
    socket: Option<WebSocket<TcpStream>>,
}

pub(super) fn open(address: SocketAddr, query: &str) -> Result<Box<dyn Connection>, String> {
    let stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .map_err(|error| error.to_string())?;
    stream
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket{query}");
    let (mut socket, _) = tungstenite::client(url, stream).map_err(|error| error.to_string())?;
    let opening = socket.read().map_err(|error| error.to_string())?;
    if !matches!(&opening, Message::Text(text) if text.starts_with("0{")) {
        return Err(format!("expected the open packet, got {opening:?}"));
    }
    Ok(Box::new(Client {
        socket: Some(socket),
    }))
}

impl Client {
    fn socket(&mut self) -> Result<&mut WebSocket<TcpStream>, String> {
        self.socket
            .as_mut()
            .ok_or_else(|| "the connection was closed".to_owned())
    }
}

impl Connection for Client {
    fn send(&mut self, text: &str) -> Result<(), String> {
        let message = Message::text(format!("4{text}"));
        self.socket()?
            .send(message)
            .map_err(|error| error.to_string())
    }

    fn attach(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.socket()?
            .send(Message::binary(bytes.to_vec()))
            .map_err(|error| error.to_string())
    }

    fn receive(&mut self, deadline: Instant) -> Result<Heard, String> {
        while let Some(socket) = &mut self.socket {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("nothing came".to_owned());
            }
            socket
                .get_ref()
                .set_read_timeout(Some(left))
                .map_err(|error| error.to_string())?;
            match socket.read() {
                Ok(Message::Text(text)) if text.starts_with('4') => {
                    return Ok(Heard::Text(text[1..].to_owned()));
                }
                Ok(Message::Text(text)) if text.starts_with('2') => {
                    let pong = socket.send(Message::text("3"));
                    pong.map_err(|error| error.to_string())?;
                }
                Ok(Message::Close(_)) => self.socket = None,
                Ok(other) => return Err(format!("got {other:?}")),
                Err(Error::Io(error)) if is_timeout(&error) => {
                    return Err("nothing came".to_owned());
                }
                Err(_) => self.socket = None,
            }
        }
        Ok(Heard::Closed)
    }

    fn close(&mut self) {
        self.socket = None;
    }
}

pub(super) fn is_timeout(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock)
}
