//! The client against servers that answer badly, and against a wrong certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::{ANSWER_BYTES_MAX, Error, HttpClient, Reach, TOTAL_WAIT};
use crate::{base64url, tasks};

/// A certificate of `localhost` that signs itself, and its key; both for these tests only.
const CERTIFICATE: &str = "\
    MIIBZTCCAQqgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwIBcNMjAwMTAxMDAwMDAw\
    WhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA\
    BEkxinapcYNAeyNJ9x4ggDSx7xMvLoVAn8dWNHNQ3HSi1el3BliXVotir13mfzfpUq-tv8Vs0-VdRSshEfkQVRCj\
    SzBJMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAMBgNVHRMBAf8EAjAAMB0GA1UdDgQWBBQXaQxxVDSU6_Cl\
    -pMXXdtAx0CarTAKBggqhkjOPQQDAgNJADBGAiEAv1z5BiG80LR8VkgdfLds32KQZ79P-gD5YRRPbmq3WGsCIQCu\
    3G0QbixshILONS5q1iJU90t0IRUeGhsD0LaiTwEfzg";
const KEY: &str = "\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgviBoF5uPF0v1D-ksGoj3gWoJNhLvLuHQiNLKrOqV\
    2yChRANCAARJMYp2qXGDQHsjSfceIIA0se8TLy6FQJ_HVjRzUNx0otXpdwZYl1aLYq9d5n836VKvrb_FbNPlXUUr\
    IRH5EFUQ";

/// What a server does to each request that it has read.
#[derive(Clone)]
enum Manner {
    Answer(String),
    /// The connection ends after these bytes.
    Cut(&'static str),
    Silent,
}

struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

async fn plain(manner: Manner) -> Server {
    server(manner, None).await
}

async fn server(manner: Manner, tls: Option<TlsAcceptor>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tasks::spawn("test-server", async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            // Relaxed: read once the calls have been answered.
            counted.fetch_add(1, Ordering::Relaxed);
            let (manner, tls) = (manner.clone(), tls.clone());
            tasks::spawn("test-connection", async move {
                match tls {
                    None => converse(tcp, manner).await,
                    Some(tls) => {
                        if let Ok(secure) = tls.accept(tcp).await {
                            converse(secure, manner).await;
                        }
                    }
                }
            });
        }
    });
    Server { address, connections }
}

/// Answers requests until the other side has enough.
async fn converse(mut wire: impl AsyncRead + AsyncWrite + Unpin, manner: Manner) {
    let mut read = Vec::new();
    loop {
        let mut bytes = [0; 1_024];
        match wire.read(&mut bytes).await {
            Ok(count @ 1..) => read.extend_from_slice(&bytes[..count]),
            _ => return,
        }
        if !read.ends_with(b"\r\n\r\nbody") {
            continue;
        }
        read.clear();
        match &manner {
            Manner::Answer(answer) => wire.write_all(answer.as_bytes()).await.unwrap(),
            Manner::Cut(begin) => {
                wire.write_all(begin.as_bytes()).await.unwrap();
                return;
            }
            Manner::Silent => {}
        }
    }
}

fn answer(status: &str, body: &str) -> Manner {
    let length = body.len();
    Manner::Answer(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}"))
}

fn to(scheme: &str, host: &str, server: &Server) -> Request<Bytes> {
    let uri = format!("{scheme}://user:secret@{host}:{}/path", server.address.port());
    Request::post(uri).body(Bytes::from_static(b"body")).unwrap()
}

#[tokio::test]
async fn an_answer_comes_whole_over_a_connection_that_is_kept() {
    let server = plain(answer("201 Created", "hello")).await;
    let client = HttpClient::new(Reach::Anywhere);
    for _ in 0..5 {
        let answer = client.send(to("http", "127.0.0.1", &server)).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (201, &b"hello"[..]));
    }
    // Relaxed: the answers were read.
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let redirect =
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    let server = plain(Manner::Answer(redirect.to_owned())).await;
    let client = HttpClient::new(Reach::Anywhere);
    let answer = client.send(to("http", "localhost", &server)).await.unwrap();
    assert_eq!(answer.status().as_u16(), 302);
}

#[tokio::test]
async fn an_answer_may_be_as_long_as_the_bound_and_no_longer() {
    let client = HttpClient::new(Reach::Anywhere);
    let server = plain(answer("200 OK", &"x".repeat(ANSWER_BYTES_MAX))).await;
    let longest = client.send(to("http", "127.0.0.1", &server)).await.unwrap();
    assert_eq!(longest.body().len(), ANSWER_BYTES_MAX);
    let server = plain(answer("200 OK", &"x".repeat(ANSWER_BYTES_MAX + 1))).await;
    let error = client.send(to("http", "127.0.0.1", &server)).await.unwrap_err();
    assert!(matches!(error, Error::TooLong { .. }), "{error:?}");
}

#[tokio::test]
async fn who_hears_nothing_is_told_whether_the_call_was_sent() {
    let client = HttpClient::new(Reach::Anywhere);
    for begin in ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"] {
        let server = plain(Manner::Cut(begin)).await;
        let error = client.send(to("http", "127.0.0.1", &server)).await.unwrap_err();
        assert!(matches!(error, Error::Cut { .. }) && !error.is_unsent(), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
    // Bound and closed again: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = Server { address, connections: Arc::default() };
    let error = client.send(to("http", "127.0.0.1", &nobody)).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }) && error.is_unsent(), "{error:?}");
}

#[tokio::test]
async fn a_silent_server_is_left_after_the_bound() {
    let server = plain(Manner::Silent).await;
    let mut client = HttpClient::new(Reach::Anywhere);
    assert_eq!(client.total_wait, TOTAL_WAIT);
    client.total_wait = Duration::from_millis(50);
    let error = client.send(to("http", "127.0.0.1", &server)).await.unwrap_err();
    assert!(matches!(error, Error::Slow { .. }) && !error.is_unsent(), "{error:?}");
}

#[tokio::test]
async fn a_client_for_addresses_of_others_connects_to_no_private_one() {
    let server = plain(answer("200 OK", "")).await;
    let client = HttpClient::new(Reach::PublicOnly);
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"] {
        let error = client.send(to("http", host, &server)).await.unwrap_err();
        assert!(matches!(error, Error::NotPublic { .. }), "{host}: {error:?}");
    }
    // Relaxed: no call is under way.
    assert_eq!(server.connections.load(Ordering::Relaxed), 0);
}

fn certificate() -> CertificateDer<'static> {
    CertificateDer::from(base64url::decode(CERTIFICATE).unwrap())
}

async fn secure() -> Server {
    let key = PrivatePkcs8KeyDer::from(base64url::decode(KEY).unwrap());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate()], PrivateKeyDer::from(key))
        .unwrap();
    server(answer("200 OK", "hidden"), Some(TlsAcceptor::from(Arc::new(config)))).await
}

#[tokio::test]
async fn a_certificate_must_be_of_the_host_and_signed_by_someone_trusted() {
    let server = secure().await;
    let mut roots = RootCertStore::empty();
    roots.add(certificate()).unwrap();
    let trusting = HttpClient::trusting(Reach::Anywhere, roots);
    let answer = trusting.send(to("https", "localhost", &server)).await.unwrap();
    assert_eq!(&answer.body()[..], b"hidden");
    // Not a name of the certificate.
    let elsewhere = trusting.send(to("https", "127.0.0.2", &server)).await.unwrap_err();
    assert!(matches!(elsewhere, Error::Connect { .. }), "{elsewhere:?}");
    let client = HttpClient::new(Reach::Anywhere);
    let unknown = client.send(to("https", "localhost", &server)).await.unwrap_err();
    assert!(matches!(unknown, Error::Connect { .. }), "{unknown:?}");
}
