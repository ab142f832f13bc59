//! A connection's long-polling: the waiting GET, the POST that is being received, the WebSocket that probes.
//!
//! The rules are wire's state machine; this file carries out what it says. The requests themselves are in `http.rs`.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Sleep;
use wire::engineio::Packet;
use wire::engineio::connection::{self, Outlet, ProbeStep};
use wire::engineio::payload::{self, Packets, Writer};
use wire::frame;

use super::Close;
use super::connection::{Core, Flow};
use super::outgoing::{Backlog, Outgoing};
use super::shared::Answer;
use super::socket::Socket;
use super::websocket::{self, Link};

/// POSTs that are answered before they are received. A client may send one or two more before it hears of its probe.
const POSTS_AHEAD: usize = 3;

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Polling {
    poll: Option<oneshot::Sender<Answer>>,
    /// What was posted and is not received yet, in order. Only the last one can be unanswered.
    posts: VecDeque<Post>,
    probe: Option<Probe>,
}

/// A POST's packets.
#[derive(Debug)]
struct Post {
    packets: Packets,
    /// Gone when it is answered.
    reply: Option<oneshot::Sender<Answer>>,
}

/// A WebSocket that may become the transport.
#[derive(Debug)]
struct Probe {
    link: Link,
    backlog: Backlog,
    timer: Pin<Box<Sleep>>,
}

impl Polling {
    pub(super) fn begin_poll(
        &mut self,
        reply: oneshot::Sender<Answer>,
        core: &mut Core,
        now: Instant,
    ) {
        if core.is_open() && core.is_overdue(now) {
            // The deadline's own wake is only just behind.
            core.machine.abandon();
            core.finish(Close::PingTimeout);
        }
        let answer = match core.machine.begin_poll() {
            connection::Poll::Wait => {
                self.poll = Some(reply);
                return;
            }
            connection::Poll::Noop => payload_of(&Packet::Noop),
            connection::Poll::Close => payload_of(&Packet::Close),
            connection::Poll::Overlap => {
                self.answer_poll(&Packet::Close);
                core.finish(Close::Protocol("two polls at once".into()));
                Answer::Refused
            }
            connection::Poll::Refuse => Answer::Refused,
        };
        // A client that is gone needs no answer.
        let _ = reply.send(answer);
    }

    pub(super) fn begin_post(
        &mut self,
        body: Bytes,
        reply: oneshot::Sender<Answer>,
        core: &mut Core,
        now: Instant,
    ) {
        if let Some(reason) = core.reason() {
            if reason.flushes() {
                // Thrown away. A refusal would make the client close, and not fetch what is left for it.
                let _ = reply.send(Answer::Received);
                core.shared.end_post();
            }
            return;
        }
        match core.machine.begin_post() {
            connection::Post::Read => {
                self.posts.push_back(Post {
                    packets: payload::decode(body, &core.listener.config.limits),
                    reply: Some(reply),
                });
                self.receive_posts(core, now);
            }
            connection::Post::Overlap => {
                core.finish(Close::Protocol("two posts at once".into()));
            }
            connection::Post::Refuse => {}
        }
    }

    /// Whether a poll waits for an answer.
    pub(super) fn is_waiting(&self) -> bool {
        self.poll.is_some()
    }

    /// Receives what was posted, as long as the client may be read.
    pub(super) fn receive_posts(&mut self, core: &mut Core, now: Instant) -> Flow {
        while let Some(post) = self.posts.front_mut() {
            if core.is_open() && !core.may_read() {
                self.answer_early(core);
                return Flow::Paused;
            }
            let answer = match post.packets.next() {
                None => Answer::Received,
                Some(Ok(packet)) => {
                    if core.receive(packet, now) {
                        self.answer_poll(&Packet::Noop);
                    }
                    match core.reason() {
                        None => continue,
                        Some(Close::ClientClosed) => Answer::Received,
                        Some(reason) if reason.flushes() => Answer::Received,
                        Some(_) => Answer::Refused,
                    }
                }
                Some(Err(malformed)) if malformed.is_too_large() => {
                    core.finish(Close::TooLarge);
                    Answer::TooLarge
                }
                Some(Err(malformed)) => {
                    core.finish(Close::Protocol(malformed.to_string().into()));
                    Answer::Refused
                }
            };
            let post = self.posts.pop_front();
            if let Some(reply) = post.and_then(|post| post.reply) {
                core.machine.end_post();
                let _ = reply.send(answer);
            }
        }
        Flow::Idle
    }

    /// Answers a POST that cannot be received now, if the client keeps its upgrade back for it: the driver may be
    /// waiting for its output to be taken, and there is no outlet before the upgrade.
    fn answer_early(&mut self, core: &mut Core) {
        if !core.machine.is_upgrading() || self.posts.len() > POSTS_AHEAD {
            return;
        }
        if let Some(reply) = self.posts.back_mut().and_then(|post| post.reply.take()) {
            core.machine.end_post();
            let _ = reply.send(Answer::Received);
        }
    }

    /// Sees whether the client went away from its poll.
    pub(super) fn poll_cancelled(&mut self, core: &mut Core, context: &mut Context<'_>) {
        if let Some(reply) = &mut self.poll
            && reply.poll_closed(context).is_ready()
        {
            self.poll = None;
            if core.machine.cancel_poll() {
                core.finish(Close::TransportError);
            }
        }
    }

    /// Answers the waiting poll with what there is.
    pub(super) fn output(&mut self, core: &mut Core, now: Instant) -> Flow {
        let open = core.machine.outlet() == Outlet::Poll;
        if !open && !core.is_flushing() {
            return Flow::Idle;
        }
        let mut payload = Writer::new(core.listener.config.limits.max_text_bytes);
        if core.machine.take_ping() {
            // The first packet has room always.
            let _ = payload.push(&Packet::Ping(String::new()));
        }
        loop {
            if open && !fill(&mut payload, &mut core.backlog) {
                break;
            }
            if !core.backlog.is_empty() {
                // Flushing, and no poll is waiting.
                break;
            }
            let mut outgoing = Outgoing::new(core.listener.config.write_budget);
            let polled = core.poll_driver(now, &mut outgoing);
            let empty = outgoing.bytes() == 0;
            for chunk in outgoing.into_chunks() {
                core.backlog.push(chunk);
            }
            if empty {
                break;
            }
            if polled.is_pending() && open {
                // It said all there is; what does not fit waits for the next poll.
                fill(&mut payload, &mut core.backlog);
                break;
            }
        }
        if open && !payload.is_empty() {
            self.answer(Answer::Payload(payload.finish()));
            core.machine.end_poll();
        }
        Flow::Idle
    }

    /// Answers the waiting poll, if there is one, with a single packet.
    pub(super) fn answer_poll(&mut self, packet: &Packet) {
        self.answer(payload_of(packet));
    }

    fn answer(&mut self, answer: Answer) {
        if let Some(reply) = self.poll.take() {
            // If the client is gone by now, it is as if the answer was lost on its way.
            let _ = reply.send(answer);
        }
    }

    pub(super) fn begin_probe(&mut self, socket: Socket, read: Bytes, core: &mut Core) {
        if !core.is_open() || !core.machine.open_probe() {
            websocket::turn_away(socket);
            return;
        }
        let config = &core.listener.config;
        self.probe = Some(Probe {
            link: Link::new(socket, read, &config.limits),
            backlog: Backlog::default(),
            timer: Box::pin(tokio::time::sleep(config.upgrade_timeout)),
        });
    }

    /// Follows the probe; gives its link once it is the transport.
    pub(super) fn poll_probe(
        &mut self,
        core: &mut Core,
        context: &mut Context<'_>,
    ) -> Option<Link> {
        loop {
            let probe = self.probe.as_mut().filter(|_| core.is_open())?;
            let broken = probe.timer.as_mut().poll(context).is_ready()
                || matches!(
                    probe.link.poll_write(&mut probe.backlog, context),
                    Poll::Ready(Err(_))
                );
            let step = if broken {
                ProbeStep::Drop
            } else {
                match probe.link.poll_packet(context) {
                    Poll::Pending => return None,
                    Poll::Ready(Ok(packet)) => core.machine.receive_probe(&packet),
                    Poll::Ready(Err(())) => ProbeStep::Drop,
                }
            };
            match step {
                ProbeStep::Answer { release_poll } => {
                    let mut frame = Vec::new();
                    frame::write_packet(&mut frame, &Packet::Pong("probe".to_owned()));
                    probe.backlog.push(frame.into());
                    if release_poll {
                        self.answer_poll(&Packet::Noop);
                    }
                }
                ProbeStep::Upgraded => {
                    let mut probe = self.probe.take()?;
                    while let Some(chunk) = core.backlog.pop() {
                        probe.backlog.push(chunk);
                    }
                    core.backlog = probe.backlog;
                    return Some(probe.link);
                }
                ProbeStep::Drop => {
                    core.machine.close_probe();
                    core.listener.metrics.upgrades_failed.add_one();
                    websocket::turn_away(self.probe.take()?.link.into_socket());
                }
            }
        }
    }
}

/// Moves frames from the backlog into a payload. False if it is full.
fn fill(payload: &mut Writer, backlog: &mut Backlog) -> bool {
    while let Some(chunk) = backlog.pop() {
        let mut frames = frame::frames(&chunk);
        loop {
            let here = frames.clone();
            let Some(frame) = frames.next() else { break };
            if !payload.push_frame(frame) {
                backlog.push_front(chunk.slice_ref(here.rest()));
                return false;
            }
        }
    }
    true
}

fn payload_of(packet: &Packet) -> Answer {
    let mut text = String::new();
    packet.encode_text(&mut text);
    Answer::Payload(text.into())
}
