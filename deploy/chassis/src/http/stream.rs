//! The socket under hyper: bounds the time of a head and of a stalled write, and watches the
//! framing.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::HttpLimits;
use super::framing::Framing;
use super::watch::Watch;

/// The first bytes of an HTTP/2 connection, of which 14 tell it from any HTTP/1 request.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0";

pub(super) struct WatchedStream {
    stream: TcpStream,
    watch: Arc<Watch>,
    head: Duration,
    write_stall: Duration,
    /// When the head that is being read must be whole; `None` between requests and in HTTP/2.
    head_deadline: Option<Instant>,
    head_timer: Timer,
    write_timer: Timer,
    /// `Progress::requests` when the head was last looked at.
    requests_seen: u64,
    /// `None` in HTTP/2, which frames by itself.
    framing: Option<Framing>,
    /// How much of the preface has come; `None` once it is known which protocol this is.
    preface_seen: Option<usize>,
}

impl WatchedStream {
    pub(super) fn new(stream: TcpStream, watch: Arc<Watch>, limits: &HttpLimits) -> WatchedStream {
        let head = Duration::from(limits.head_ms);
        WatchedStream {
            stream,
            watch,
            head,
            write_stall: limits.write_stall_ms.into(),
            // Counts from the connection's begin: one that says nothing is as slow as one that
            // dribbles.
            head_deadline: Some(Instant::now() + head),
            head_timer: Timer::default(),
            write_timer: Timer::default(),
            requests_seen: 0,
            framing: Some(Framing::default()),
            preface_seen: Some(0),
        }
    }

    fn after_read(&mut self, bytes: &[u8]) {
        self.follow_preface(bytes);
        let Some(framing) = &mut self.framing else { return };
        let doubtful = framing.feed(bytes);
        let mut progress = self.watch.progress();
        progress.doubtful_framing = doubtful;
        if self.requests_seen != progress.requests {
            self.requests_seen = progress.requests;
            self.head_deadline = None;
        }
        if progress.in_flight == 0 && self.head_deadline.is_none() {
            self.head_deadline = Some(Instant::now() + self.head);
        }
    }

    fn follow_preface(&mut self, bytes: &[u8]) {
        let Some(seen) = self.preface_seen else { return };
        let count = bytes.len().min(HTTP2_PREFACE.len() - seen);
        if bytes[..count] != HTTP2_PREFACE[seen..seen + count] {
            self.preface_seen = None;
        } else if seen + count < HTTP2_PREFACE.len() {
            self.preface_seen = Some(seen + count);
        } else {
            self.preface_seen = None;
            self.framing = None;
            self.head_deadline = None;
        }
    }

    /// Called when there is nothing to read: fails once the head is overdue.
    fn poll_head_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(deadline) = self.head_deadline else { return Poll::Pending };
        let progress = *self.watch.progress();
        if self.requests_seen != progress.requests {
            self.requests_seen = progress.requests;
            self.head_deadline = None;
            return Poll::Pending;
        }
        self.head_timer.poll_until(deadline, cx).map(|()| Err(overdue("request head")))
    }

    /// Passes on what a write said; fails if it has been stalled for too long.
    fn poll_written<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_timer.stop();
            return written;
        }
        let write_stall = self.write_stall;
        self.write_timer.poll_after(write_stall, cx).map(|()| Err(overdue("write")))
    }
}

fn overdue(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{what} overdue"))
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let filled = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                this.after_read(&buf.filled()[filled..]);
                Poll::Ready(Ok(()))
            }
            Poll::Pending => this.poll_head_deadline(cx),
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.poll_written(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.poll_written(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    // Flushing and closing a TCP socket never wait.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// A timer that costs nothing until something waits.
#[derive(Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    running: bool,
}

impl Timer {
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }

    /// Counts `span` from the first call after [`stop`](Self::stop).
    fn poll_after(&mut self, span: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = match &self.sleep {
            Some(sleep) if self.running => sleep.deadline(),
            _ => Instant::now() + span,
        };
        self.running = true;
        self.poll_until(deadline, cx)
    }

    fn stop(&mut self) {
        self.running = false;
    }
}
