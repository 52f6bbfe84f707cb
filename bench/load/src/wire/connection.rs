//! One kept-alive connection, and questions over it.

use super::{Answer, Door, Question};
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::task::JoinSet;

/// How long an answer may take. The longest of the contract is a confirm of 10 s.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// A connection to one address; opened again when the other side closes it.
pub struct Connection {
    authority: String,
    source: Option<Ipv4Addr>,
    reuse_max: u32,
    /// Questions that the open connection has carried.
    carried: u32,
    sender: Option<SendRequest<Full<Bytes>>>,
    /// What moves the bytes; ends with this.
    driver: JoinSet<()>,
}

impl Connection {
    /// The connection with this number; nothing is sent yet.
    pub fn new(door: &Door, number: usize) -> Self {
        Self {
            authority: door.authority.clone(),
            source: door.source(number),
            reuse_max: door.reuse_max,
            carried: 0,
            sender: None,
            driver: JoinSet::new(),
        }
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
        let worn = self.reuse_max != 0 && self.reuse_max <= self.carried;
        if let Some(mut open) = self.sender.take()
            && !worn
            && open.ready().await.is_ok()
        {
            self.carried = self.carried.wrapping_add(1);
            return Ok(self.sender.insert(open));
        }
        let open = self.connect().await?;
        self.carried = 1;
        Ok(self.sender.insert(open))
    }

    async fn connect(&mut self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = self.stream().await.context("connect to the target")?;
        stream.set_nodelay(true).context("send small packets at once")?;
        let (sender, driver) = handshake(TokioIo::new(stream)).await.context("open HTTP/1.1")?;
        self.driver.spawn(async move {
            // The question that was under way fails with the reason.
            drop(driver.await);
        });
        Ok(sender)
    }

    async fn stream(&self) -> anyhow::Result<TcpStream> {
        let Some(source) = self.source else {
            return Ok(TcpStream::connect(&self.authority).await?);
        };
        let target = lookup_host(&self.authority).await?.find(SocketAddr::is_ipv4);
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((source, 0)))?;
        Ok(socket.connect(target.context("the target has no IPv4 address")?).await?)
    }
}
