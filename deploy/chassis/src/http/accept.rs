//! Accepts connections and decides which are served.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::rt::Executor;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::connection;
use super::slots::Slots;
use super::{HttpLimits, Routes};
use crate::{Backoff, Pause, Problem, Shutdown, metrics, tasks};

/// How many connections may be refused at the same time; further ones are closed without an answer.
///
/// A refusal lives for 1 s at most, so this refuses hundreds a second politely and costs 256 file
/// handles.
const REFUSALS_MAX: usize = 256;
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to wait for a file handle to become free before the next accept. Connections end all
/// the time, so short waits find one; at 1 s the backlog overflows.
const ACCEPT_PAUSE_FIRST: Duration = Duration::from_millis(5);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_millis(500);

/// What all connections of one listener share.
pub(super) struct Server {
    pub(super) routes: Routes,
    pub(super) limits: HttpLimits,
    pub(super) builder: auto::Builder<StreamTasks>,
    pub(super) shutdown: Shutdown,
    slots: Arc<Slots>,
    connections: TaskTracker,
    refusal: Vec<u8>,
    refusals: Arc<Semaphore>,
}

/// Runs the streams of HTTP/2 connections as tracked tasks.
#[derive(Clone, Copy)]
pub(super) struct StreamTasks;

impl<F> Executor<F> for StreamTasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        tasks::spawn("http2-stream", stream);
    }
}

impl Server {
    pub(super) fn new(routes: Routes, limits: HttpLimits, shutdown: Shutdown) -> Arc<Server> {
        Arc::new(Server {
            // Makes the routes now what they would otherwise become again for every request.
            routes: Routes { router: routes.router.with_state(()), ..routes },
            builder: builder(&limits),
            slots: Slots::new(&limits),
            limits,
            shutdown,
            connections: TaskTracker::new(),
            refusal: refusal(),
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
        })
    }

    pub(super) async fn accept_until_shutdown(
        self: &Arc<Server>,
        listener: &TcpListener,
        shutdown: &Shutdown,
    ) {
        let mut backoff = Backoff::new(ACCEPT_PAUSE_FIRST, ACCEPT_PAUSE_MAX, None);
        let mut closing = pin!(shutdown.closing());
        loop {
            // `accept` is cancel-safe, and `closing` is pinned outside.
            let accepted = tokio::select! {
                () = &mut closing => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    backoff.reset();
                    self.admit(stream, address);
                }
                Err(err) if is_of_the_connection(&err) => {}
                Err(err) => {
                    metrics::accept_failed();
                    tracing::warn!(error = %err, "accept");
                    if backoff.pause(shutdown).await != Pause::Elapsed {
                        return;
                    }
                }
            }
        }
    }

    /// Waits for the connections, which end themselves within `drain` of the shutdown.
    pub(super) async fn drain(&self, drain: Duration) {
        // The second covers the scheduling of ten thousand tasks that end at the same instant.
        let bound = drain + Duration::from_secs(1);
        self.connections.close();
        if tokio::time::timeout(bound, self.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "connections outlive the drain");
        }
    }

    fn admit(self: &Arc<Server>, stream: TcpStream, address: SocketAddr) {
        match self.slots.take(address.ip()) {
            Ok(slot) => {
                let connection = connection::run(self.clone(), stream, address, slot);
                tasks::spawn("http-connection", self.connections.track_future(connection));
            }
            Err(full) => {
                metrics::connection_refused(full.cause());
                self.refuse(stream);
            }
        }
    }

    fn refuse(self: &Arc<Server>, mut stream: TcpStream) {
        let Ok(permit) = self.refusals.clone().try_acquire_owned() else { return };
        let server = self.clone();
        tasks::spawn("http-refusal", async move {
            let _permit = permit;
            let answer = async {
                stream.write_all(&server.refusal).await?;
                stream.shutdown().await?;
                // Closing with unread bytes would reset the connection, and the answer would be
                // lost with it.
                let mut rest = [0; 4_096];
                while 0 < stream.read(&mut rest).await? {}
                Ok::<(), std::io::Error>(())
            };
            // A client that does not read its refusal has chosen not to know.
            if !matches!(tokio::time::timeout(REFUSAL_TIMEOUT, answer).await, Ok(Ok(()))) {
                tracing::debug!("refusal not read");
            }
        });
    }
}

fn builder(limits: &HttpLimits) -> auto::Builder<StreamTasks> {
    let mut builder = auto::Builder::new(StreamTasks);
    let buffer_bytes_max = usize::try_from(limits.buffer_bytes_max).expect("64-bit");
    builder
        .http1()
        // `stream` bounds the head, and `connection` the time between requests: hyper knows only
        // one bound for both.
        .header_read_timeout(None)
        // Answers are small: to copy one behind its head is cheaper than to hand over two pieces.
        .writev(false)
        .max_headers(usize::try_from(limits.header_count_max).expect("64-bit"))
        .max_buf_size(buffer_bytes_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.stream_count_max)
        .max_header_list_size(limits.buffer_bytes_max)
        // Finds peers that are gone without a word; a connection over a proxy is dead after three
        // lost pings.
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

/// Says whether the failure was that of one connection, which is gone already, and not of
/// accepting.
fn is_of_the_connection(err: &std::io::Error) -> bool {
    matches!(
        err.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}

fn refusal() -> Vec<u8> {
    let detail = "too many connections are open";
    let problem =
        Problem::retryable(503, "TOO_MANY_CONNECTIONS", "Too many connections", detail, 2);
    let body = problem.to_json().to_string();
    let head = [
        "HTTP/1.1 503 Service Unavailable",
        "content-type: application/problem+json",
        "retry-after: 2",
        "connection: close",
        &format!("content-length: {}", body.len()),
    ];
    format!("{}\r\n\r\n{body}", head.join("\r\n")).into_bytes()
}
