//! What a connection's task shares with those who wake it or bring it something.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering, fence};
use std::task::{Context, Waker};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Close;
use super::socket::Socket;

/// What the listener tells all its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Flush, then close the transport.
    Stop = 2,
    /// End now.
    Kill = 4,
}

/// There is mail; a bit beside the orders.
const MAIL: u8 = 1;

/// What HTTP requests bring to a connection, in order of arrival.
#[derive(Debug)]
pub(super) enum Mail {
    /// A GET that waits for packets.
    Poll(oneshot::Sender<Answer>),
    /// The whole body of a POST.
    Post(Bytes, oneshot::Sender<Answer>),
    /// A POST that failed: what the client wanted to say is lost, so the connection has ended.
    Broken(Close),
    /// A WebSocket for this session, with what was already read from it.
    Probe(Box<(Socket, Bytes)>),
}

/// What an HTTP request gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// 200 with this polling payload.
    Payload(Bytes),
    /// 200 `ok`.
    Received,
    /// 400: the connection has ended, or is not polling.
    Refused,
    /// 413.
    TooLarge,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// The Engine.IO session id.
    pub(super) sid: Box<str>,
    /// A POST is under way, from its head to its answer.
    posting: AtomicBool,
    /// Stored once, at the task's first poll: a tokio task keeps its waker for life.
    waker: OnceLock<Waker>,
    /// The bits of `Order` and `MAIL`.
    news: AtomicU8,
    /// `None` once the task has ended.
    mail: Mutex<Option<Vec<Mail>>>,
}

impl Shared {
    pub(super) fn new(sid: Box<str>) -> Self {
        Self {
            sid,
            posting: AtomicBool::new(false),
            waker: OnceLock::new(),
            news: AtomicU8::new(0),
            mail: Mutex::new(Some(Vec::new())),
        }
    }

    /// Without a connection: whoever wakes it wakes `waker`.
    pub(super) fn detached(waker: Waker) -> Self {
        Self {
            waker: OnceLock::from(waker),
            ..Self::new("detached".into())
        }
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
            return;
        }
        // The task is not polled yet, or just now for the first time. The fences (the other is in `store_waker`) see to it
        // that either we see its waker or it sees what the caller changed before this call.
        fence(Ordering::SeqCst);
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// To be called at the beginning of every poll of the task.
    pub(super) fn store_waker(&self, context: &Context<'_>) {
        if self.waker.get().is_none() && self.waker.set(context.waker().clone()).is_ok() {
            fence(Ordering::SeqCst);
        }
        debug_assert!(
            self.waker
                .get()
                .is_some_and(|waker| waker.will_wake(context.waker())),
            "a connection is polled by its own task only"
        );
    }

    pub(super) fn order(&self, order: Order) {
        self.news.fetch_or(order as u8, Ordering::AcqRel);
        self.wake();
    }

    /// Brings mail, or drops it if the task has ended.
    pub(super) fn bring(&self, mail: Mail) {
        match &mut *self.mail.lock() {
            Some(waiting) => waiting.push(mail),
            None => return,
        }
        self.news.fetch_or(MAIL, Ordering::AcqRel);
        self.wake();
    }

    /// The strictest order that was given, and the mail, since the last call.
    pub(super) fn take_news(&self) -> (Option<Order>, Vec<Mail>) {
        if self.news.load(Ordering::Acquire) == 0 {
            return (None, Vec::new());
        }
        let news = self.news.swap(0, Ordering::AcqRel);
        let order = if news & Order::Kill as u8 != 0 {
            Some(Order::Kill)
        } else {
            (news & Order::Stop as u8 != 0).then_some(Order::Stop)
        };
        let mail = if news & MAIL == 0 {
            Vec::new()
        } else {
            self.mail
                .lock()
                .as_mut()
                .map(std::mem::take)
                .unwrap_or_default()
        };
        (order, mail)
    }

    /// The task ends: mail that nobody read, and all that comes, is dropped, which answers those who sent it.
    pub(super) fn end(&self) {
        let unread = self.mail.lock().take();
        drop(unread);
    }

    /// A POST begins; false if there is one.
    pub(super) fn begin_post(&self) -> bool {
        !self.posting.swap(true, Ordering::AcqRel)
    }

    pub(super) fn end_post(&self) {
        self.posting.store(false, Ordering::Release);
    }

    pub(super) fn is_posting(&self) -> bool {
        self.posting.load(Ordering::Acquire)
    }
}
