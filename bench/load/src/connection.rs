//! One kept-alive connection, and questions over it.

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long an answer may take. The longest of the contract is a confirm of 10 s.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// A connection to one address; opened again when the other side closes it.
pub struct Connection {
    authority: String,
    sender: Option<SendRequest<Full<Bytes>>>,
    /// What moves the bytes; ends with this.
    driver: JoinSet<()>,
}

/// A question with its headers.
#[derive(Debug, Clone)]
pub struct Question {
    pub method: Method,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

impl Question {
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), headers: Vec::new(), body: Bytes::new() }
    }

    pub fn post(path: impl Into<String>, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        let body = Bytes::from(body.to_string());
        Self { method: Method::POST, path: path.into(), headers, body }
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl Answer {
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body).context("read an answer as JSON")
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Connection {
    /// `target` is an address such as `http://127.0.0.1:8080`; nothing is sent yet.
    pub fn new(target: &str) -> anyhow::Result<Self> {
        let uri: Uri = target.parse().context("read the target's address")?;
        ensure!(uri.scheme_str() == Some("http"), "the target is an http:// address");
        let authority = uri.authority().context("the target has no host")?.to_string();
        Ok(Self { authority, sender: None, driver: JoinSet::new() })
    }

    pub async fn ask(&mut self, question: Question) -> anyhow::Result<Answer> {
        let asked = self.ask_without_limit(question);
        let answer = tokio::time::timeout(ANSWER_WAIT, asked).await;
        let answer = answer.context("no answer in time")?;
        if answer.is_err() {
            self.sender = None;
        }
        answer
    }

    /// Asks, and wants this status.
    pub async fn expect(&mut self, question: Question, status: u16) -> anyhow::Result<Value> {
        let path = question.path.clone();
        let answer = self.ask(question).await?;
        ensure!(answer.status == status, "{path}: {} {}", answer.status, answer.text());
        answer.json()
    }

    async fn ask_without_limit(&mut self, question: Question) -> anyhow::Result<Answer> {
        let mut request = Request::builder().method(question.method).uri(question.path);
        request = request.header("host", &self.authority);
        for (name, value) in question.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(question.body)).context("build a request")?;
        let answer = self.sender().await?.send_request(request).await.context("send a request")?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.context("read an answer")?.to_bytes();
        Ok(Answer { status, body })
    }

    async fn sender(&mut self) -> anyhow::Result<&mut SendRequest<Full<Bytes>>> {
        if let Some(mut open) = self.sender.take()
            && open.ready().await.is_ok()
        {
            return Ok(self.sender.insert(open));
        }
        let open = self.connect().await?;
        Ok(self.sender.insert(open))
    }

    async fn connect(&mut self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.authority).await.context("connect to the target")?;
        stream.set_nodelay(true).context("send small packets at once")?;
        let (sender, driver) = handshake(TokioIo::new(stream)).await.context("open HTTP/1.1")?;
        self.driver.spawn(async move {
            // The question that was under way fails with the reason.
            drop(driver.await);
        });
        Ok(sender)
    }
}
