//! Lets a body through no faster than its parser takes it up.
//!
//! The parser of multipart bodies gathers all that is ready, and searches the head of a part however
//! long it is. So a body is let through one frame at a time, and only so many bytes until somebody
//! has taken something out of it.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use axum::{Error, body::Body};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// Bytes that may come before something is taken out.
const ROOM: usize = 64 << 10;

/// How much may still come.
#[derive(Clone, Debug)]
pub(super) struct Pace(Arc<AtomicUsize>);

impl Pace {
    /// Something was taken out.
    pub(super) fn taken(&self) {
        self.0.store(ROOM, Ordering::Relaxed);
    }
}

/// A body and its pace.
pub(super) struct Paced {
    body: Body,
    room: Arc<AtomicUsize>,
    /// A frame was let through in this turn of the parser.
    had_one: bool,
}

impl Paced {
    pub(super) fn new(body: Body) -> (Self, Pace) {
        let room = Arc::new(AtomicUsize::new(ROOM));
        let pace = Pace(Arc::clone(&room));
        let had_one = false;
        (
            Self {
                body,
                room,
                had_one,
            },
            pace,
        )
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if std::mem::take(&mut self.had_one) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let room = self.room.load(Ordering::Relaxed);
        if room == 0 {
            let error = io::Error::other("the head of a part is too long");
            return Poll::Ready(Some(Err(Error::new(error))));
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            self.room
                .store(room.saturating_sub(bytes), Ordering::Relaxed);
            self.had_one = true;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
