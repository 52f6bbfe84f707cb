//! One kept-alive connection that carries questions which are bytes already.
//!
//! For crowds: a question costs two system calls and no allocation, so that the load program takes
//! as little as it can of the machine that it measures.

use super::Door;
use anyhow::{Context as _, bail, ensure};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// How long an answer may take. The longest of the contract is a confirm of 10 s.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// Largest answer: the JSON map of a stadium is about 8 MB.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Free space that every read has at least.
const READ_BYTES_MIN: usize = 4 * 1024;

/// Header lines of an answer at most.
const HEADERS_MAX: usize = 64;

/// A connection to one address; opened again when the other side closes it.
pub struct Socket {
    target: SocketAddr,
    source: Option<Ipv4Addr>,
    reuse_max: u32,
    /// Questions that the open connection has carried.
    carried: u32,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
    /// The body of an answer that came in pieces.
    pieces: Vec<u8>,
}

/// An answer, in the connection's own memory.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    pub status: u16,
    /// It has a `Retry-After`.
    pub says_when: bool,
    pub body: &'a [u8],
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
}

/// The head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    status: u16,
    bytes: usize,
    framing: Framing,
    closes: bool,
    says_when: bool,
}

impl Socket {
    /// The connection with this number; nothing is sent yet.
    pub fn new(door: &Door, target: SocketAddr, number: usize) -> Self {
        Self {
            target,
            source: door.source(number),
            reuse_max: door.reuse_max,
            carried: 0,
            stream: None,
            buffer: Vec::new(),
            pieces: Vec::new(),
        }
    }

    /// Sends `question` and waits for its answer.
    ///
    /// Not cancel-safe: an answer that nobody waits for would be the next question's. Whoever drops
    /// the future drops the connection too.
    pub async fn ask(&mut self, question: &[u8]) -> anyhow::Result<Reply<'_>> {
        let exchanged = tokio::time::timeout(ANSWER_WAIT, self.exchange(question)).await;
        match exchanged.context("no answer in time").flatten() {
            Ok((head, in_pieces)) => {
                if head.closes {
                    self.stream = None;
                }
                let body = if in_pieces { &self.pieces } else { &self.buffer[head.bytes..] };
                Ok(Reply { status: head.status, says_when: head.says_when, body })
            }
            Err(error) => {
                self.stream = None;
                Err(error)
            }
        }
    }

    /// Whether it is open, as far as one can see without asking.
    pub fn is_open(&self) -> bool {
        self.stream.as_ref().is_some_and(is_open)
    }

    async fn exchange(&mut self, question: &[u8]) -> anyhow::Result<(Head, bool)> {
        self.ensure_open().await?;
        self.buffer.clear();
        let stream = self.stream.as_mut().expect("it was opened just now");
        stream.write_all(question).await.context("send a question")?;
        let head = loop {
            read_more(stream, &mut self.buffer).await?;
            if let Some(head) = head(&self.buffer)? {
                break head;
            }
        };
        match head.framing {
            Framing::Length(length) => {
                while self.buffer.len() < head.bytes + length {
                    read_more(stream, &mut self.buffer).await?;
                }
                ensure!(self.buffer.len() == head.bytes + length, "more than one answer came");
                Ok((head, false))
            }
            Framing::Chunked => {
                self.pieces.clear();
                while !joined(&self.buffer[head.bytes..], &mut self.pieces)? {
                    read_more(stream, &mut self.buffer).await?;
                }
                Ok((head, true))
            }
        }
    }

    async fn ensure_open(&mut self) -> anyhow::Result<()> {
        let worn = self.reuse_max != 0 && self.reuse_max <= self.carried;
        if worn || !self.is_open() {
            self.stream = Some(self.connect().await.context("connect to the target")?);
            self.carried = 0;
        }
        self.carried = self.carried.wrapping_add(1);
        Ok(())
    }

    async fn connect(&self) -> anyhow::Result<TcpStream> {
        let stream = match self.source {
            None => TcpStream::connect(self.target).await?,
            Some(source) => {
                let socket = TcpSocket::new_v4()?;
                socket.bind(SocketAddr::from((source, 0)))?;
                socket.connect(self.target).await?
            }
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Nothing may come unasked: bytes, an end and an error all mean that it is no use any more.
fn is_open(stream: &TcpStream) -> bool {
    let unasked = stream.try_read(&mut [0]);
    unasked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

async fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    ensure!(buffer.len() <= ANSWER_BYTES_MAX, "the answer is too long");
    buffer.reserve(READ_BYTES_MIN);
    let read = stream.read_buf(buffer).await.context("read an answer")?;
    ensure!(read != 0, "the connection ended before the answer");
    Ok(())
}

/// Reads a head once it is there whole.
fn head(bytes: &[u8]) -> anyhow::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = answer.parse(bytes).context("read a head")? else {
        return Ok(None);
    };
    let status = answer.code.context("an answer without a status")?;
    let bodiless = status == 204 || status == 304;
    let (framing, closes, says_when) = (Framing::Length(0), false, false);
    let mut head = Head { status, bytes: length, framing, closes, says_when };
    let mut framed = bodiless;
    for header in answer.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") && !bodiless {
            let text = std::str::from_utf8(header.value).context("read content-length")?;
            head.framing = Framing::Length(text.trim().parse().context("read content-length")?);
            framed = true;
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") && !bodiless {
            head.framing = Framing::Chunked;
            framed = true;
        } else if header.name.eq_ignore_ascii_case("connection") {
            head.closes = header.value.eq_ignore_ascii_case(b"close");
        } else if header.name.eq_ignore_ascii_case("retry-after") {
            head.says_when = !header.value.trim_ascii().is_empty();
        }
    }
    ensure!(framed, "an answer without a length");
    Ok(Some(head))
}

/// Joins the chunks of a body; false while some are missing, and then starts anew with more.
fn joined(mut bytes: &[u8], pieces: &mut Vec<u8>) -> anyhow::Result<bool> {
    pieces.clear();
    loop {
        let size = match httparse::parse_chunk_size(bytes) {
            Ok(httparse::Status::Complete((at, size))) => {
                bytes = &bytes[at..];
                usize::try_from(size).context("a chunk is too long")?
            }
            Ok(httparse::Status::Partial) => return Ok(false),
            Err(_) => bail!("read a chunk"),
        };
        ensure!(size <= ANSWER_BYTES_MAX, "a chunk is too long");
        let Some((piece, rest)) = bytes.split_at_checked(size + 2) else { return Ok(false) };
        pieces.extend_from_slice(&piece[..size]);
        bytes = rest;
        if size == 0 {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Framing, Head, head, joined};

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let text = b"HTTP/1.1 409 Conflict\r\ncontent-length: 5\r\nConnection: close\r\n\r\nhello";
        let whole = text.len() - 5;
        assert_eq!(head(&text[..whole - 1]).unwrap(), None);
        let framing = Framing::Length(5);
        let wanted = Head { status: 409, bytes: whole, framing, closes: true, says_when: false };
        assert_eq!(head(text).unwrap(), Some(wanted));
        let busy = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nRetry-After: 2\r\n\r\n";
        assert!(head(busy).unwrap().unwrap().says_when);
        let empty = head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap();
        assert_eq!((empty.status, empty.framing), (204, Framing::Length(0)));
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err(), "its end would be unknown");
        assert!(head(b"SSH-2.0\r\n\r\n").is_err());
    }

    #[test]
    fn chunks_are_joined_however_they_come() {
        let text = b"5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n";
        let mut pieces = Vec::new();
        for cut in 0..text.len() {
            assert!(!joined(&text[..cut], &mut pieces).unwrap(), "{cut}");
        }
        assert!(joined(text, &mut pieces).unwrap());
        assert_eq!(pieces, b"hello, world");
        assert!(joined(b"zz\r\n", &mut pieces).is_err());
    }
}
