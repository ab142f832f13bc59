//! A connection's WebSocket: reads without a buffer of its own, writes what is new in one call, closes in order.
//!
//! Frames are taken apart by `wire::websocket`; this file moves bytes. What the packets mean is `connection.rs`'s matter.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use wire::engineio::{Message, Packet};
use wire::websocket::{self, CloseCode, Decoder, Incoming, ProtocolError};

use super::Close;
use super::connection::{Core, Flow};
use super::outgoing::{Backlog, Outgoing};
use super::socket::Socket;

/// Read at once, on the stack.
const READ_SIZE: usize = 16 * 1024;
/// Reads before other tasks get their turn.
const READS: usize = 8;
/// Turns of a driver before others get theirs.
const WRITES: usize = 4;
/// Engine.IO's `2` as a finished frame.
const PING: Bytes = Bytes::from_static(b"\x81\x012");

/// The socket of a connection that speaks WebSocket, or probes it.
#[derive(Debug)]
pub(super) struct Link {
    socket: Socket,
    decoder: Decoder,
    /// Read, and not looked at so far.
    unread: Bytes,
    closing: Closing,
}

/// How far the closing handshake (RFC 6455, section 7.1) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    No,
    /// The client has sent a close frame, with this code.
    Asked(Option<CloseCode>),
    /// Ours is in the backlog; then the client's is waited for, or not.
    Writing {
        wait: bool,
    },
    /// Nothing more will be written.
    Waiting,
    /// There is nobody to talk to.
    Broken,
}

impl Link {
    pub(super) fn new(socket: Socket, read: Bytes, limits: &wire::Limits) -> Self {
        Self {
            socket,
            decoder: Decoder::new(limits),
            unread: read,
            closing: Closing::No,
        }
    }

    /// Reads as long as the client may be read.
    pub(super) fn poll_input(
        &mut self,
        core: &mut Core,
        context: &mut Context<'_>,
        now: Instant,
    ) -> Flow {
        let mut buffer = [const { MaybeUninit::uninit() }; READ_SIZE];
        for _ in 0..READS {
            if !core.is_open() {
                return Flow::Idle;
            }
            if !core.may_read() {
                return Flow::Paused;
            }
            let unread = std::mem::take(&mut self.unread);
            if !unread.is_empty() {
                if !self.receive(&unread, core, now) {
                    return Flow::Paused;
                }
                continue;
            }
            let mut buffer = ReadBuf::uninit(&mut buffer);
            match Pin::new(&mut self.socket).poll_read(context, &mut buffer) {
                Poll::Pending => return Flow::Idle,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    if !self.receive(buffer.filled(), core, now) {
                        return Flow::Paused;
                    }
                    if self.decoder.buffered() > 0 {
                        // A long message is under way, and a pong cannot overtake it.
                        core.excuse();
                    }
                }
                Poll::Ready(_) => {
                    self.closing = Closing::Broken;
                    core.finish(Close::TransportError);
                    return Flow::Idle;
                }
            }
        }
        Flow::More
    }

    /// Takes bytes apart. False if the client may not be read any further; the rest is kept.
    fn receive(&mut self, mut bytes: &[u8], core: &mut Core, now: Instant) -> bool {
        while core.is_open() {
            if !core.may_read() {
                self.unread = Bytes::copy_from_slice(bytes);
                return false;
            }
            match self.decoder.decode(&mut bytes) {
                Ok(Some(Incoming::Text(text))) => match Packet::decode_text(text) {
                    Ok(packet) => {
                        core.receive(packet, now);
                    }
                    Err(malformed) => core.finish(Close::Protocol(malformed.to_string().into())),
                },
                Ok(Some(Incoming::Binary(bytes))) => {
                    core.receive(Packet::Message(Message::Binary(bytes)), now);
                }
                Ok(Some(Incoming::Ping(data))) => core.backlog.push(pong(&data)),
                Ok(Some(Incoming::Pong(_))) => {}
                Ok(Some(Incoming::Close(said))) => {
                    self.closing = Closing::Asked(said.map(|(code, _)| code));
                    core.finish(Close::ClientClosed);
                }
                Ok(None) => break,
                Err(error) => core.finish(reason_of(error)),
            }
        }
        true
    }

    /// Writes as long as there is something and the client takes it.
    pub(super) fn poll_output(
        &mut self,
        core: &mut Core,
        context: &mut Context<'_>,
        now: Instant,
    ) -> Flow {
        let mut flow = Flow::More;
        for _ in 0..WRITES {
            if core.machine.take_ping() {
                core.backlog.push(PING);
            }
            let mut result = core.backlog.write(&mut self.socket, context);
            if let Poll::Ready(Ok(())) = result {
                let mut outgoing = Outgoing::new(core.listener.config.write_budget);
                let polled = core.poll_driver(now, &mut outgoing);
                // What left room had no more, and whatever comes after it wakes this task. Only a flush
                // has to hear that nothing is there.
                let has_more = outgoing.is_full() || core.is_flushing();
                if polled.is_pending() || outgoing.bytes() == 0 || !has_more {
                    flow = Flow::Idle;
                }
                result = outgoing.write(&mut self.socket, context, &mut core.backlog);
            }
            match result {
                Poll::Ready(Ok(())) if flow == Flow::More => {}
                Poll::Ready(Ok(())) => break,
                Poll::Ready(Err(error)) => {
                    self.break_off(&error, core);
                    return Flow::Idle;
                }
                Poll::Pending => {
                    flow = Flow::Idle;
                    break;
                }
            }
        }
        // TLS may hold back what it could not hand on; without TLS this does nothing.
        if let Poll::Ready(Err(error)) = Pin::new(&mut self.socket).poll_flush(context) {
            self.break_off(&error, core);
        }
        flow
    }

    fn break_off(&mut self, error: &io::Error, core: &mut Core) {
        self.closing = Closing::Broken;
        core.finish(if error.kind() == io::ErrorKind::TimedOut {
            Close::Slow
        } else {
            Close::TransportError
        });
    }

    /// Puts the close frame behind what still waits.
    pub(super) fn begin_close(&mut self, reason: &Close, backlog: &mut Backlog) {
        let mut frame = Vec::new();
        let wait = match self.closing {
            Closing::No => {
                let code = CloseCode::new(reason.code()).unwrap_or(CloseCode::NORMAL);
                websocket::write_close(&mut frame, code, reason.name());
                true
            }
            Closing::Asked(Some(code)) => {
                websocket::write_close(&mut frame, code, "");
                false
            }
            Closing::Asked(None) => {
                websocket::write_empty_close(&mut frame);
                false
            }
            Closing::Writing { .. } | Closing::Waiting | Closing::Broken => return,
        };
        backlog.push(frame.into());
        self.closing = Closing::Writing { wait };
    }

    /// Writes the rest, then waits for the client to end: a socket that is closed with something unread in it would be
    /// reset, and the client would never see why.
    pub(super) fn poll_close(
        &mut self,
        backlog: &mut Backlog,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        if let Closing::Writing { wait } = self.closing {
            let socket = &mut self.socket;
            let result = ready!(backlog.write(socket, context));
            let result = match result {
                Ok(()) => ready!(Pin::new(&mut *socket).poll_flush(context)),
                error => error,
            };
            let result = match result {
                Ok(()) => ready!(Pin::new(&mut *socket).poll_shutdown(context)),
                error => error,
            };
            self.closing = if result.is_ok() && wait {
                Closing::Waiting
            } else {
                Closing::Broken
            };
        }
        while self.closing == Closing::Waiting {
            let mut buffer = [const { MaybeUninit::uninit() }; READ_SIZE];
            let mut buffer = ReadBuf::uninit(&mut buffer);
            let read = ready!(Pin::new(&mut self.socket).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(())
    }

    /// The next packet of a probe. `Err` if there will be none.
    pub(super) fn poll_packet(&mut self, context: &mut Context<'_>) -> Poll<Result<Packet, ()>> {
        loop {
            let unread = std::mem::take(&mut self.unread);
            let mut bytes = unread.as_ref();
            while !bytes.is_empty() {
                let incoming = self.decoder.decode(&mut bytes);
                let packet = match incoming {
                    Ok(Some(Incoming::Text(text))) => Packet::decode_text(text).map_err(|_| ()),
                    Ok(Some(Incoming::Ping(_) | Incoming::Pong(_)) | None) => continue,
                    Ok(Some(Incoming::Binary(_) | Incoming::Close(_))) | Err(_) => Err(()),
                };
                self.unread = unread.slice_ref(bytes);
                return Poll::Ready(packet);
            }
            let mut buffer = [const { MaybeUninit::uninit() }; 1024];
            let mut buffer = ReadBuf::uninit(&mut buffer);
            let read = ready!(Pin::new(&mut self.socket).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Err(()));
            }
            self.unread = Bytes::copy_from_slice(buffer.filled());
        }
    }

    /// Writes what a probe has to say.
    pub(super) fn poll_write(
        &mut self,
        backlog: &mut Backlog,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(backlog.write(&mut self.socket, context))?;
        Pin::new(&mut self.socket).poll_flush(context)
    }

    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }
}

/// Closes a WebSocket that has no connection to belong to, without waiting for anything.
pub(super) fn turn_away(mut socket: Socket) {
    let mut frame = Vec::new();
    websocket::write_close(&mut frame, CloseCode::POLICY, "not wanted");
    tokio::spawn(async move {
        let closing = async {
            socket.write_all(&frame).await?;
            socket.shutdown().await
        };
        // Whether the client hears it changes nothing.
        let _ = tokio::time::timeout(Duration::from_secs(5), closing).await;
    });
}

fn pong(data: &[u8]) -> Bytes {
    let mut frame = Vec::new();
    websocket::write_pong(&mut frame, data);
    frame.into()
}

fn reason_of(error: ProtocolError) -> Close {
    match error {
        ProtocolError::NotUtf8 => Close::NotUtf8,
        ProtocolError::TextTooBig | ProtocolError::BinaryTooBig => Close::TooLarge,
        _ => Close::Protocol(error.to_string().into()),
    }
}
