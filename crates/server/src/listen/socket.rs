//! One TCP connection, plain or TLS, as bytes: counted, and broken when its far end takes none for too long.
//!
//! It must not know what is spoken over it; hyper and the WebSocket side both read and write through it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;

use super::listener::Listener;

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A socket that was accepted. Counted among the open ones until it is dropped.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    listener: Arc<Listener>,
    /// Runs while bytes wait and the far end takes none; allocated only then.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(super) fn plain(stream: TcpStream, listener: Arc<Listener>) -> Self {
        Self::new(Stream::Plain(stream), listener)
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>, listener: Arc<Listener>) -> Self {
        Self::new(Stream::Tls(Box::new(stream)), listener)
    }

    fn new(stream: Stream, listener: Arc<Listener>) -> Self {
        Self {
            stream,
            listener,
            stalled: None,
        }
    }

    pub(super) fn listener(&self) -> &Arc<Listener> {
        &self.listener
    }

    /// Makes of a write that got nowhere an error once that has lasted too long.
    fn judge(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(result) => {
                self.stalled = None;
                if let Ok(count) = &result {
                    self.listener.metrics.writes.add_one();
                    self.listener.metrics.bytes_out.add(*count as u64);
                }
                Poll::Ready(result)
            }
            Poll::Pending => {
                let patience = self.listener.config.slow_timeout;
                let stalled = self.stalled.get_or_insert_with(|| {
                    Box::pin(tokio::time::sleep_until(Instant::now() + patience))
                });
                ready!(stalled.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        };
        let count = buf.filled().len() - before;
        if count > 0 {
            self.listener.metrics.bytes_in.add(count as u64);
        }
        result
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        };
        self.judge(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, bufs),
        };
        self.judge(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.stream {
            Stream::Plain(stream) => return Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        };
        match flushed {
            Poll::Ready(result) => Poll::Ready(result),
            // TLS keeps a record that the far end does not take: that is a stall as well.
            Poll::Pending => self.judge(Poll::Pending, cx).map_ok(|_| ()),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.listener.leave_socket();
    }
}
