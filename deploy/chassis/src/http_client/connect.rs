//! Makes the client's connections.

use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::address::is_public;
use super::{CONNECT_WAIT, Reach};

/// Why there is no connection, where the caller decides by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("the address is not a public one")]
    NotPublic,
    #[error("the URI has no host, or is neither http nor https")]
    Uri,
    #[error("no connection in time")]
    Slow,
}

impl Refused {
    /// Finds the refusal among the sources of an error.
    pub(super) fn within(error: &(dyn StdError + 'static)) -> Option<Refused> {
        let mut source = Some(error);
        while let Some(error) = source {
            if let Some(refused) = error.downcast_ref::<Refused>() {
                return Some(*refused);
            }
            source = error.source();
        }
        None
    }
}

#[derive(Clone)]
pub(super) struct Connector {
    reach: Reach,
    tls: TlsConnector,
}

impl Connector {
    pub(super) fn new(reach: Reach, roots: RootCertStore) -> Connector {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has ciphers of each version")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Connector { reach, tls: TlsConnector::from(Arc::new(config)) }
    }

    async fn connect(self, uri: Uri) -> Result<TokioIo<Wire>, Failed> {
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(Refused::Uri.into()),
        };
        let host = uri.host().ok_or(Refused::Uri)?;
        // The brackets of IPv6 belong to the URI, not to the address.
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let tcp = self.reach_one_of(&addresses(host, port).await?).await?;
        tcp.set_nodelay(true)?;
        if !secure {
            return Ok(TokioIo::new(Wire::Plain(tcp)));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Refused::Uri)?;
        let tls = self.tls.connect(name, tcp).await?;
        Ok(TokioIo::new(Wire::Secure(Box::new(tls))))
    }

    /// Connects to the first address that answers. The wait is divided, so that one that swallows
    /// everything leaves time for the next.
    async fn reach_one_of(&self, addresses: &[SocketAddr]) -> Result<TcpStream, Failed> {
        let may = |address: &&SocketAddr| self.reach == Reach::Anywhere || is_public(address.ip());
        let addresses: Vec<&SocketAddr> = addresses.iter().filter(may).collect();
        let Ok(count @ 1..) = u32::try_from(addresses.len()) else {
            return Err(Refused::NotPublic.into());
        };
        let mut failed: Failed = Refused::Slow.into();
        for address in addresses {
            let connecting = TcpStream::connect(address);
            match tokio::time::timeout(CONNECT_WAIT / count, connecting).await {
                Ok(Ok(tcp)) => return Ok(tcp),
                Ok(Err(error)) => failed = error.into(),
                Err(_) => {}
            }
        }
        Err(failed)
    }
}

type Failed = Box<dyn StdError + Send + Sync>;

/// The addresses of a host, at least one.
async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, Failed> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address").into());
    }
    Ok(found)
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = Failed;
    type Future = BoxFuture<'static, Result<TokioIo<Wire>, Failed>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.clone().connect(uri);
        Box::pin(async move {
            let connected = tokio::time::timeout(CONNECT_WAIT, connecting).await;
            connected.unwrap_or_else(|_| Err(Refused::Slow.into()))
        })
    }
}

/// A connection.
pub(super) enum Wire {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(wire) => Pin::new(wire).poll_read(cx, buffer),
            Wire::Secure(wire) => Pin::new(wire).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Plain(wire) => Pin::new(wire).poll_write(cx, bytes),
            Wire::Secure(wire) => Pin::new(wire).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(wire) => Pin::new(wire).poll_flush(cx),
            Wire::Secure(wire) => Pin::new(wire).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(wire) => Pin::new(wire).poll_shutdown(cx),
            Wire::Secure(wire) => Pin::new(wire).poll_shutdown(cx),
        }
    }
}
