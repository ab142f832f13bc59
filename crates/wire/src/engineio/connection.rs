//! The transport life of one Engine.IO connection as a state machine: polling, probing a WebSocket, upgraded, closed.
//!
//! Each method says what happened; its answer is what the listener has to do about it. There is no buffer and no clock
//! here: the listener asks [`Connection::outlet`] where packets may go now, and owns the deadlines.
//! Written after "Transports" and "Upgrade" of the Engine.IO protocol.

use super::{Message, Packet, Transport};

/// One connection, from its handshake to its end.
#[derive(Debug)]
pub struct Connection {
    state: State,
    /// A ping is to be written as soon as there is an outlet.
    ping_waits: bool,
    /// A ping was due and no pong has come since.
    awaits_pong: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Polling {
        poll: bool,
        post: bool,
        probe: Probe,
    },
    WebSocket,
    /// Ended by the server while no poll was waiting: the next poll is told.
    Closing,
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    None,
    /// A WebSocket is there and has said nothing.
    Opened,
    /// It was answered `3probe`: nothing more goes out over polling, so that nothing can be overtaken.
    Answered,
}

/// Where packets may go at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlet {
    /// Nowhere: no poll is waiting, an upgrade is under way, or the connection has ended.
    None,
    /// Into the answer of the waiting poll, followed by [`Connection::end_poll`].
    Poll,
    /// Onto the WebSocket.
    WebSocket,
}

/// What to do with a GET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// Keep it until there is output; the outlet is [`Outlet::Poll`] now.
    Wait,
    /// Answer it at once with `6`: an upgrade is under way.
    Noop,
    /// Answer it with `1`; the connection has ended with that.
    Close,
    /// A poll is waiting already. Answer that one with `1` and this one with status 400: the connection has ended.
    Overlap,
    /// Status 400: the connection has ended or left polling.
    Refuse,
}

/// What to do with a POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Post {
    /// Read its body, [`Connection::receive`] each packet, [`Connection::end_post`], answer `ok`.
    Read,
    /// One is being read already: status 400, and [`Connection::close`].
    Overlap,
    /// Status 400: the connection has ended or left polling.
    Refuse,
}

/// What to do with a packet that came over a probing WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeStep {
    /// Write `3probe` to it. With `release_poll`, answer the waiting poll with `6`.
    Answer {
        /// Whether a poll is waiting.
        release_poll: bool,
    },
    /// It is this connection's transport now. No poll is waiting any more.
    Upgraded,
    /// Close that WebSocket; polling goes on.
    Drop,
}

/// What a packet of the client means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// For the layer above.
    Message(Message),
    /// The client is alive: its next heartbeat is due one ping interval from now.
    Pong,
    /// Nothing to do.
    Nothing,
    /// The client ended the connection. With `release_poll`, answer the waiting poll with `6`.
    Closed {
        /// Whether a poll is waiting.
        release_poll: bool,
    },
    /// A packet that only servers send: [`Connection::close`] it as a protocol error.
    Unexpected,
}

/// How the client is to be told that the server ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// Answer the waiting poll with `1` and nothing else: clients handle a close before the events beside it.
    Poll,
    /// The next poll will get its `1` ([`Poll::Close`]); keep the session findable for a moment.
    NextPoll,
    /// Close the WebSocket with a close frame.
    WebSocket,
    /// It has ended already.
    None,
}

impl Connection {
    /// A connection that was opened over `transport`.
    pub fn new(transport: Transport) -> Self {
        let state = match transport {
            Transport::Polling => State::Polling {
                poll: false,
                post: false,
                probe: Probe::None,
            },
            Transport::WebSocket => State::WebSocket,
        };
        Self {
            state,
            ping_waits: false,
            awaits_pong: false,
        }
    }

    /// The transport in use; `None` once the connection has ended.
    pub fn transport(&self) -> Option<Transport> {
        match self.state {
            State::Polling { .. } => Some(Transport::Polling),
            State::WebSocket => Some(Transport::WebSocket),
            State::Closing | State::Closed => None,
        }
    }

    /// Where packets may go now.
    pub fn outlet(&self) -> Outlet {
        match self.state {
            State::WebSocket => Outlet::WebSocket,
            State::Polling {
                poll: true,
                probe: Probe::None | Probe::Opened,
                ..
            } => Outlet::Poll,
            _ => Outlet::None,
        }
    }

    /// Whether a probe was answered: until it is the transport, or gone, there is no outlet, and the client keeps its
    /// upgrade back while a POST of its own is not answered.
    pub fn is_upgrading(&self) -> bool {
        matches!(
            self.state,
            State::Polling {
                probe: Probe::Answered,
                ..
            }
        )
    }

    /// Whether nothing more will happen: the session can be forgotten.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// A GET arrived.
    pub fn begin_poll(&mut self) -> Poll {
        match &mut self.state {
            State::Polling { poll: true, .. } => {
                self.state = State::Closed;
                Poll::Overlap
            }
            State::Polling {
                probe: Probe::Answered,
                ..
            } => Poll::Noop,
            State::Polling { poll, .. } => {
                *poll = true;
                Poll::Wait
            }
            State::Closing => {
                self.state = State::Closed;
                Poll::Close
            }
            State::WebSocket | State::Closed => Poll::Refuse,
        }
    }

    /// The waiting poll was answered.
    pub fn end_poll(&mut self) {
        if let State::Polling { poll, .. } = &mut self.state {
            *poll = false;
        }
    }

    /// The client went away from its waiting poll. What might have been written to it is lost, so the connection has
    /// ended; true if it had not before.
    pub fn cancel_poll(&mut self) -> bool {
        match self.state {
            State::Polling { poll: true, .. } => {
                self.state = State::Closed;
                true
            }
            _ => false,
        }
    }

    /// A POST arrived.
    pub fn begin_post(&mut self) -> Post {
        match &mut self.state {
            State::Polling { post: true, .. } => Post::Overlap,
            State::Polling { post, .. } => {
                *post = true;
                Post::Read
            }
            State::WebSocket | State::Closing | State::Closed => Post::Refuse,
        }
    }

    /// The POST's packets were all received.
    pub fn end_post(&mut self) {
        if let State::Polling { post, .. } = &mut self.state {
            *post = false;
        }
    }

    /// A WebSocket names this session. False: close it, for one is probing already, or polling is over.
    #[must_use]
    pub fn open_probe(&mut self) -> bool {
        match &mut self.state {
            State::Polling {
                probe: probe @ Probe::None,
                ..
            } => {
                *probe = Probe::Opened;
                true
            }
            _ => false,
        }
    }

    /// A packet came over the probing WebSocket.
    pub fn receive_probe(&mut self, packet: &Packet) -> ProbeStep {
        let State::Polling { poll, probe, .. } = &mut self.state else {
            return ProbeStep::Drop;
        };
        let release_poll = *poll;
        match (*probe, packet) {
            (Probe::Opened, Packet::Ping(data)) if data == "probe" => {
                *probe = Probe::Answered;
                *poll = false;
                ProbeStep::Answer { release_poll }
            }
            (Probe::Answered, Packet::Upgrade) => {
                self.state = State::WebSocket;
                ProbeStep::Upgraded
            }
            _ => {
                *probe = Probe::None;
                ProbeStep::Drop
            }
        }
    }

    /// The probing WebSocket went away, or took too long: polling goes on, nothing is lost.
    pub fn close_probe(&mut self) {
        if let State::Polling { probe, .. } = &mut self.state {
            *probe = Probe::None;
        }
    }

    /// A packet came over the transport in use.
    pub fn receive(&mut self, packet: Packet) -> Received {
        let release_poll = match self.state {
            State::Polling { poll, .. } => poll,
            State::WebSocket => false,
            State::Closing | State::Closed => return Received::Nothing,
        };
        match packet {
            Packet::Message(message) => Received::Message(message),
            Packet::Pong(_) => {
                self.awaits_pong = false;
                Received::Pong
            }
            Packet::Noop => Received::Nothing,
            Packet::Close => {
                self.state = State::Closed;
                Received::Closed { release_poll }
            }
            Packet::Open(_) | Packet::Ping(_) | Packet::Upgrade => Received::Unexpected,
        }
    }

    /// A heartbeat is due. Then [`Connection::take_ping`] says when to write it.
    pub fn ping(&mut self) {
        self.ping_waits = true;
        self.awaits_pong = true;
    }

    /// True once per ping, when there is an outlet: write `2` to it before anything else.
    #[must_use]
    pub fn take_ping(&mut self) -> bool {
        self.outlet() != Outlet::None && std::mem::take(&mut self.ping_waits)
    }

    /// Whether a ping was due and the client has not answered since.
    pub fn awaits_pong(&self) -> bool {
        self.awaits_pong
    }

    /// The server ends the connection.
    pub fn close(&mut self) -> Farewell {
        let (next, farewell) = match self.state {
            State::Polling { poll: true, .. } => (State::Closed, Farewell::Poll),
            State::Polling { .. } => (State::Closing, Farewell::NextPoll),
            State::WebSocket => (State::Closed, Farewell::WebSocket),
            State::Closing | State::Closed => (self.state, Farewell::None),
        };
        self.state = next;
        farewell
    }

    /// The connection is over and nobody is to be told: a lost socket, a malformed body, a farewell that nobody came
    /// for.
    pub fn abandon(&mut self) {
        self.state = State::Closed;
    }
}
