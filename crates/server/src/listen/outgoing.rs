//! Bytes on their way out: what a driver hands over in one turn, and what a socket did not take.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::AsyncWrite;

/// Slices in one vectored write.
const SLICES: usize = 64;
/// What is left of a chunk is copied if it is shorter than this, rather than keep the whole chunk in memory for it.
const COPIED: usize = 16 * 1024;

thread_local! {
    // A turn is synchronous, so one list for each thread will do; an idle connection owns none.
    static SPARE: Cell<Vec<Bytes>> = const { Cell::new(Vec::new()) };
}

/// Where a driver puts what is to be written.
#[derive(Debug, Default)]
pub struct Outgoing {
    chunks: Vec<Bytes>,
    bytes: usize,
    budget: usize,
}

impl Outgoing {
    /// An empty one that is full at `budget` bytes.
    pub fn new(budget: usize) -> Self {
        Self {
            chunks: SPARE.take(),
            bytes: 0,
            budget,
        }
    }

    /// Adds one or more finished server-to-client WebSocket frames (`wire::frame`); never a part of a frame. Over polling
    /// the listener takes them apart again.
    pub fn push(&mut self, frames: Bytes) {
        if !frames.is_empty() {
            self.bytes += frames.len();
            self.chunks.push(frames);
        }
    }

    /// How many bytes may still be added; going over it with the last frame is allowed.
    pub fn room(&self) -> usize {
        self.budget.saturating_sub(self.bytes)
    }

    /// Whether the driver shall stop for this turn.
    pub fn is_full(&self) -> bool {
        self.bytes >= self.budget
    }

    /// Bytes in here.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is in here, in writing order.
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// Writes all to `socket`, and puts what it does not take into `backlog`, which must be empty.
    pub(super) fn write<S: AsyncWrite + Unpin>(
        mut self,
        socket: &mut S,
        context: &mut Context<'_>,
        backlog: &mut Backlog,
    ) -> Poll<io::Result<()>> {
        debug_assert!(backlog.is_empty(), "what is older goes first");
        let mut taken = 0;
        while let left = self.chunks.get_mut(taken..).unwrap_or_default()
            && !left.is_empty()
        {
            match poll_write(socket, context, left.iter().map(Bytes::as_ref)) {
                Poll::Ready(Ok(mut count)) => {
                    for chunk in left {
                        let part = count.min(chunk.len());
                        chunk.advance(part);
                        count -= part;
                        if !chunk.is_empty() {
                            break;
                        }
                        taken += 1;
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    let mut left = self.chunks.drain(taken..);
                    if let Some(cut) = left.next() {
                        backlog.push(shrink(cut));
                    }
                    left.for_each(|chunk| backlog.push(chunk));
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn into_chunks(mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.chunks)
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let mut chunks = std::mem::take(&mut self.chunks);
        if chunks.capacity() <= 1024 {
            chunks.clear();
            SPARE.set(chunks);
        }
    }
}

/// What waits to be written to one client. Owns no memory while it is empty.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    chunks: VecDeque<Bytes>,
    bytes: usize,
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.bytes += chunk.len();
            self.chunks.push_back(chunk);
        }
    }

    pub(super) fn push_front(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.bytes += chunk.len();
            self.chunks.push_front(chunk);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let chunk = self.chunks.pop_front()?;
        self.bytes -= chunk.len();
        if self.chunks.is_empty() {
            self.chunks = VecDeque::new();
        }
        Some(chunk)
    }

    /// Writes until it is empty.
    pub(super) fn write<S: AsyncWrite + Unpin>(
        &mut self,
        socket: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let chunks = self.chunks.iter().map(Bytes::as_ref);
            let mut count = ready!(poll_write(socket, context, chunks))?;
            while count > 0
                && let Some(mut chunk) = self.pop()
            {
                let part = count.min(chunk.len());
                chunk.advance(part);
                count -= part;
                if !chunk.is_empty() {
                    self.push_front(shrink(chunk));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// One write, of a single chunk or of several; never `Ok(0)`.
fn poll_write<'a, S: AsyncWrite + Unpin>(
    socket: &mut S,
    context: &mut Context<'_>,
    mut chunks: impl Iterator<Item = &'a [u8]>,
) -> Poll<io::Result<usize>> {
    let socket = Pin::new(socket);
    let first = chunks.next().unwrap_or_default();
    let written = match chunks.next() {
        None => socket.poll_write(context, first),
        Some(second) => {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut used = 0;
            for (slot, chunk) in slices
                .iter_mut()
                .zip([first, second].into_iter().chain(chunks))
            {
                *slot = IoSlice::new(chunk);
                used += 1;
            }
            let slices = slices.get(..used).unwrap_or_default();
            socket.poll_write_vectored(context, slices)
        }
    };
    match ready!(written)? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        count => Poll::Ready(Ok(count)),
    }
}

/// What is left of a chunk, without a big buffer behind a small rest.
fn shrink(rest: Bytes) -> Bytes {
    if rest.len() < COPIED {
        Bytes::copy_from_slice(&rest)
    } else {
        rest
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::task::Waker;

    use super::*;

    /// Takes `room` bytes, at most `step` at once.
    struct Narrow {
        taken: Vec<u8>,
        room: usize,
        step: usize,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let count = bytes.len().min(self.room).min(self.step);
            if count == 0 {
                return Poll::Pending;
            }
            self.room -= count;
            self.taken
                .extend_from_slice(bytes.get(..count).unwrap_or_default());
            Poll::Ready(Ok(count))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let joined: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            self.as_mut().poll_write(context, &joined)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    proptest::proptest! {
        #[test]
        fn every_byte_is_written_once_however_the_socket_takes_them(
            chunks in proptest::collection::vec(proptest::collection::vec(0_u8.., 0..300), 0..150),
            (room, step) in (0_usize..20_000, 1_usize..5_000),
        ) {
            let mut context = Context::from_waker(Waker::noop());
            let mut socket = Narrow { taken: Vec::new(), room, step };
            let mut backlog = Backlog::default();
            let mut outgoing = Outgoing::new(usize::MAX);
            for chunk in &chunks {
                outgoing.push(chunk.clone().into());
            }
            let all = chunks.concat();
            let result = outgoing.write(&mut socket, &mut context, &mut backlog);
            proptest::prop_assert_eq!(result.is_ready(), backlog.is_empty());
            proptest::prop_assert_eq!(socket.taken.len() + backlog.bytes(), all.len());
            while !backlog.is_empty() {
                socket.room = 777;
                let _ = backlog.write(&mut socket, &mut context);
            }
            proptest::prop_assert_eq!(backlog.bytes(), 0);
            proptest::prop_assert_eq!(socket.taken, all);
        }
    }
}
