//! The socket under hyper: bounds the time of a head and of a stalled write, watches the framing,
//! and answers what needs no hyper.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::bypass::{self, Turn};
use super::connection;
use super::framing::Framing;
use super::taking::Taking;
use super::timer::Timer;
use super::watch::Progress;

/// The first bytes of an HTTP/2 connection, of which 14 tell it from any HTTP/1 request.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// How much is read at once while hyper waits for a request. A request that is longer is hyper's,
/// and all that follow it; more costs each poll a stack that is cold.
const READ_BYTES: usize = 4_096;

/// How many bytes of answers may be written before they are sent; requests behind them are hyper's.
/// More would be kept for a connection that does not read.
const ANSWERS_BYTES_MAX: usize = 65_536;

/// How often a connection is read and answered before others have their turn: as often as in hyper.
const ROUNDS_MAX: u32 = 16;

thread_local! {
    /// Where answers are written, before they go to the socket.
    static ANSWERS: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

pub(super) struct WatchedStream {
    stream: TcpStream,
    connection: Arc<connection::Context>,
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
    turn: Turn,
    /// The request that the shortcut takes now. Nothing is read meanwhile.
    taking: Option<Taking>,
    take_timer: Timer,
    /// Bytes for hyper, which it has not asked for yet.
    ahead: Bytes,
    /// What the socket has not taken yet of our answers. Nothing is read meanwhile.
    unsent: Bytes,
    /// Whether hyper has written something that the socket has not taken.
    is_writing: bool,
}

impl WatchedStream {
    pub(super) fn new(stream: TcpStream, connection: Arc<connection::Context>) -> WatchedStream {
        let limits = &connection.server.limits;
        let (head, write_stall) = (Duration::from(limits.head_ms), limits.write_stall_ms.into());
        let turn = Turn::new(connection.server.routes.shortcut.is_some());
        WatchedStream {
            stream,
            connection,
            head,
            write_stall,
            // Counts from the connection's begin: one that says nothing is as slow as one that
            // dribbles.
            head_deadline: Some(Instant::now() + head),
            head_timer: Timer::default(),
            write_timer: Timer::default(),
            requests_seen: 0,
            framing: Some(Framing::default()),
            preface_seen: Some(0),
            turn,
            taking: None,
            take_timer: Timer::default(),
            ahead: Bytes::new(),
            unsent: Bytes::new(),
            is_writing: false,
        }
    }

    /// Whether what comes next may be answered without hyper.
    fn is_ours(&self, progress: &Progress) -> bool {
        self.ahead.is_empty() && !self.is_writing && self.turn.is_ours(progress)
    }

    /// Reads and answers while that needs no hyper; the first bytes that do are ready for it then,
    /// or none at the end of what comes.
    fn poll_ours(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..ROUNDS_MAX {
            let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
            let mut read = ReadBuf::uninit(&mut space);
            match Pin::new(&mut self.stream).poll_read(cx, &mut read) {
                Poll::Ready(read) => read?,
                Poll::Pending => return self.poll_head_deadline(cx),
            }
            let rest = self.answer(cx, read.filled())?;
            if self.unsent.is_empty() && self.take(rest) {
                ready!(self.poll_taking(cx))?;
            } else if !rest.is_empty() || read.filled().is_empty() {
                self.turn.begin(rest);
                self.ahead = Bytes::copy_from_slice(rest);
                return Poll::Ready(self.after_read(rest));
            }
            ready!(self.poll_unsent(cx))?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Answers the requests that the bytes begin with, as far as that needs no hyper. Returns the
    /// rest.
    fn answer<'a>(&mut self, cx: &mut Context<'_>, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
        let (mut rest, mut answers, mut count) = (bytes, ANSWERS.take(), 0);
        while answers.len() < ANSWERS_BYTES_MAX
            && let Some(head_bytes) = bypass::answer(&self.connection, rest, &mut answers)
        {
            rest = &rest[head_bytes..];
            count += 1;
        }
        if 0 < count {
            self.pass_by(count);
            self.send(cx, &answers)?;
        }
        give_back(answers);
        Ok(rest)
    }

    /// Lets the shortcut take the request that the bytes are, if it does that.
    fn take(&mut self, bytes: &[u8]) -> bool {
        self.taking = bypass::take(&self.connection, bytes);
        if self.taking.is_some() {
            self.pass_by(1);
            self.connection.watch.progress().is_owing = true;
        }
        self.taking.is_some()
    }

    /// Notes that hyper hears nothing of so many requests.
    fn pass_by(&mut self, count: u64) {
        self.head_deadline = None;
        self.connection.watch.progress().bypassed += count;
        if let Some(framing) = &mut self.framing {
            framing.skip_request();
        }
    }

    /// Goes on with the request that the shortcut takes, until it is answered; fails if the client
    /// goes away first.
    fn poll_taking(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(taking) = &mut self.taking else { return Poll::Ready(Ok(())) };
        let Poll::Ready(response) = taking.poll(cx, &mut self.take_timer) else {
            return self.poll_gone(cx);
        };
        self.taking = None;
        let mut answers = ANSWERS.take();
        let is_last = self.connection.watch.progress().is_closing;
        bypass::write(&mut answers, &response, is_last);
        self.send(cx, &answers)?;
        give_back(answers);
        Poll::Ready(Ok(()))
    }

    /// Fails once the client has gone away, which is what hyper calls it when it sends no more.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [MaybeUninit::uninit(); 1];
        match ready!(self.stream.poll_peek(cx, &mut ReadBuf::uninit(&mut space)))? {
            0 => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
            // Another request, which has to wait.
            _ => Poll::Pending,
        }
    }

    /// Reads what has come behind the last request: the kernel of a socket that is closed with
    /// something unread takes back what is not delivered yet.
    fn discard(&self) {
        let mut space = [0; READ_BYTES];
        let is_more = |_: &u32| self.stream.try_read(&mut space).is_ok_and(|count| 0 < count);
        (0..ROUNDS_MAX).take_while(is_more).for_each(drop);
    }

    /// Sends answers, and keeps what the socket does not take.
    fn send(&mut self, cx: &mut Context<'_>, answers: &[u8]) -> io::Result<()> {
        assert!(self.unsent.is_empty());
        let written = Pin::new(&mut self.stream).poll_write(cx, answers);
        let count = match self.poll_written(written, cx) {
            Poll::Ready(count) => count?,
            Poll::Pending => 0,
        };
        self.unsent = Bytes::copy_from_slice(&answers[count..]);
        self.connection.watch.progress().is_owing = !self.unsent.is_empty();
        Ok(())
    }

    /// Hands our answers over to the socket. Nothing is read and nothing else written meanwhile.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unsent.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.unsent.is_empty() {
            let written = Pin::new(&mut self.stream).poll_write(cx, &self.unsent);
            let count = ready!(self.poll_written(written, cx))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.advance(count);
        }
        self.connection.watch.progress().is_owing = false;
        Poll::Ready(Ok(()))
    }

    fn after_read(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.follow_preface(bytes)?;
        let Some(framing) = &mut self.framing else { return Ok(()) };
        let doubtful = framing.feed(bytes);
        let mut progress = self.connection.watch.progress();
        progress.doubtful_framing = doubtful;
        if self.requests_seen != progress.requests {
            self.requests_seen = progress.requests;
            self.head_deadline = None;
        }
        if progress.in_flight == 0 && self.head_deadline.is_none() {
            self.head_deadline = Some(Instant::now() + self.head);
        }
        Ok(())
    }

    fn follow_preface(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(seen) = self.preface_seen else { return Ok(()) };
        let count = bytes.len().min(HTTP2_PREFACE.len() - seen);
        if bytes[..count] != HTTP2_PREFACE[seen..seen + count] {
            self.preface_seen = None;
        } else if seen + count < HTTP2_PREFACE.len() {
            self.preface_seen = Some(seen + count);
        } else {
            self.preface_seen = None;
            self.framing = None;
            self.head_deadline = None;
            // One that has spoken HTTP/1 goes on so. hyper has seen nothing of that.
            if self.connection.watch.progress().bypassed != 0 {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(())
    }

    /// Called when there is nothing to read: fails once the head is overdue.
    fn poll_head_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(deadline) = self.head_deadline else { return Poll::Pending };
        let progress = *self.connection.watch.progress();
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

/// Keeps the space of answers for the next ones, unless it has become large.
fn give_back(mut answers: Vec<u8>) {
    answers.clear();
    if answers.capacity() <= 2 * ANSWERS_BYTES_MAX {
        ANSWERS.set(answers);
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
        ready!(this.poll_taking(cx))?;
        if !this.unsent.is_empty() {
            // hyper writes nothing behind answers that are not sent, so it is given nothing.
            ready!(this.poll_unsent(cx))?;
        }
        let progress = *this.connection.watch.progress();
        if this.is_ours(&progress) {
            // As if the client had ended it.
            if progress.is_closing {
                this.discard();
                return Poll::Ready(Ok(()));
            }
            ready!(this.poll_ours(cx))?;
            // Nothing for hyper: the end of what comes.
            if this.ahead.is_empty() {
                return Poll::Ready(Ok(()));
            }
            ready!(this.poll_unsent(cx))?;
        }
        if !this.ahead.is_empty() {
            let count = this.ahead.len().min(buf.remaining());
            buf.put_slice(&this.ahead.split_to(count));
            return Poll::Ready(Ok(()));
        }
        let filled = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                let bytes = &buf.filled()[filled..];
                this.turn.go_on(bytes);
                Poll::Ready(this.after_read(bytes))
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
        this.is_writing = true;
        ready!(this.poll_unsent(cx))?;
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.is_writing = !is_whole(&written, bytes.len());
        this.poll_written(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.is_writing = true;
        ready!(this.poll_unsent(cx))?;
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.is_writing = !is_whole(&written, slices.iter().map(|slice| slice.len()).sum());
        this.poll_written(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    // Flushing and closing a TCP socket never wait.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

/// Whether a write has taken all of so many bytes.
fn is_whole(written: &Poll<io::Result<usize>>, bytes: usize) -> bool {
    matches!(written, Poll::Ready(Ok(count)) if *count == bytes)
}
