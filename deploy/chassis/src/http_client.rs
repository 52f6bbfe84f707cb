//! Calls to servers of others: pooled HTTP/1.1 with or without TLS, bounded in time and size.
//!
//! A redirect is an answer like any other, and no proxy is used: where a call goes is decided by
//! its address alone.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio_rustls::rustls::RootCertStore;

use self::connect::{Connector, Refused};
use crate::Cause;

mod address;
mod connect;

/// How long it may take to find the address, to connect and to agree on TLS, all together.
pub const CONNECT_WAIT: Duration = Duration::from_secs(2);

/// How long a call may take from its begin to the last byte of its answer.
pub const TOTAL_WAIT: Duration = Duration::from_secs(10);

/// Most bytes of an answer's body. What we ask others for fits a few times over.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Idle connections kept to each server, and how long. Servers of others close theirs after a
/// minute or so; a call on one that is being closed fails.
const IDLE_MAX: usize = 32;
const IDLE_WAIT: Duration = Duration::from_secs(30);

/// Where a client may connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Anywhere,
    /// Only addresses that the whole internet routes: for addresses that others have given us.
    ///
    /// Decided by the address that is connected to, so a name that leads elsewhere at a second look
    /// is of no use.
    PublicOnly,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// All addresses of the server are out of reach for this client; nothing was sent.
    #[error("connect to {host}: its address is not a public one")]
    NotPublic { host: String },
    /// There was no connection, so nothing was sent.
    #[error("connect to {host}")]
    Connect { host: String, source: Cause },
    /// It may or may not have been carried out.
    #[error("call {host}")]
    Cut { host: String, source: Cause },
    /// No whole answer within [`TOTAL_WAIT`]; it may or may not have been carried out.
    #[error("call {host}: no answer in time")]
    Slow { host: String },
    /// It was carried out or not, and the answer is longer than [`ANSWER_BYTES_MAX`].
    #[error("call {host}: the answer is too long")]
    TooLong { host: String },
}

/// The client. Clones share its connections.
#[derive(Clone)]
pub struct HttpClient {
    client: Client<Connector, Full<Bytes>>,
    total_wait: Duration,
}

impl HttpClient {
    pub fn new(reach: Reach) -> HttpClient {
        HttpClient::trusting(reach, webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
    }

    fn trusting(reach: Reach, roots: RootCertStore) -> HttpClient {
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_max_idle_per_host(IDLE_MAX);
        client.pool_idle_timeout(IDLE_WAIT);
        client.pool_timer(TokioTimer::new());
        HttpClient { client: client.build(Connector::new(reach, roots)), total_wait: TOTAL_WAIT }
    }

    /// Sends `request` to the server of its URI (`http` or `https`, with a host) and returns the
    /// whole answer, whatever its status.
    ///
    /// It is sent once, but for one case: a pooled connection that turns out to be closed before
    /// anything of the request was written. Dropping the future closes the connection.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let host = request.uri().authority().map_or("", |at| at.as_str());
        // Without a password, if it has one.
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host).to_owned();
        match tokio::time::timeout(self.total_wait, self.exchange(request, &host)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Slow { host }),
        }
    }

    async fn exchange(
        &self,
        request: Request<Bytes>,
        host: &str,
    ) -> Result<Response<Bytes>, Error> {
        let host = || host.to_owned();
        let answer = self.client.request(request.map(Full::new)).await;
        let answer = answer.map_err(|error| match Refused::within(&error) {
            Some(Refused::NotPublic) => Error::NotPublic { host: host() },
            _ if error.is_connect() => Error::Connect { host: host(), source: Cause::of(&error) },
            _ => Error::Cut { host: host(), source: Cause::of(&error) },
        })?;
        let (head, body) = answer.into_parts();
        match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
            Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(Error::TooLong { host: host() }),
            Err(error) => Err(Error::Cut { host: host(), source: Cause::of(&*error) }),
        }
    }
}

impl Error {
    /// Whether the server has certainly not heard the call.
    pub fn is_unsent(&self) -> bool {
        matches!(self, Error::NotPublic { .. } | Error::Connect { .. })
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
