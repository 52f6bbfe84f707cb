//! Cuts a request's body into operations, as it comes: lines of JSON, or MessagePack values one
//! after the other.

use axum::body::{Body, BodyDataStream};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use serde_json::Value;

use crate::extract::strict::{self, Written};

/// Largest operation. The largest sensible one names 4,096 seats of some 20 bytes each.
pub const ITEM_BYTES_MAX: usize = 128 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Lines,
    MessagePack,
}

impl Format {
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::MessagePack => "application/msgpack",
        }
    }
}

/// Why an operation cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This one is broken; the next may be whole.
    Unreadable,
    /// It names a field twice; the next may be whole.
    Twice,
    /// Where this one ends is unknown: nothing after it can be read.
    Lost { code: &'static str },
}

struct Cutter {
    body: BodyDataStream,
    format: Format,
    buffer: BytesMut,
    ended: bool,
}

/// The operations of a body in order; ends at the body's end and after [`Fault::Lost`].
pub fn items(body: Body, format: Format) -> impl Stream<Item = Result<Value, Fault>> {
    let body = body.into_data_stream();
    let cutter = Cutter { body, format, buffer: BytesMut::new(), ended: false };
    stream::unfold(Some(cutter), |cutter| async move {
        let mut cutter = cutter?;
        let item = cutter.next().await?;
        let lost = matches!(item, Err(Fault::Lost { .. }));
        Some((item, (!lost).then_some(cutter)))
    })
}

impl Cutter {
    async fn next(&mut self) -> Option<Result<Value, Fault>> {
        loop {
            let cut = match self.format {
                Format::Lines => cut_line(&mut self.buffer, self.ended),
                Format::MessagePack => cut_value(&mut self.buffer, self.ended),
            };
            if cut.is_some() {
                return cut;
            }
            if self.ended {
                return None;
            }
            if ITEM_BYTES_MAX < self.buffer.len() {
                return Some(Err(Fault::Lost { code: "OPERATION_TOO_LARGE" }));
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(_)) => return Some(Err(Fault::Lost { code: "BODY_INTERRUPTED" })),
                None => self.ended = true,
            }
        }
    }
}

/// Takes the next line that is not blank.
fn cut_line(buffer: &mut BytesMut, ended: bool) -> Option<Result<Value, Fault>> {
    loop {
        let line = match buffer.iter().position(|&byte| byte == b'\n') {
            Some(end) => buffer.split_to(end + 1).freeze(),
            None if ended && !buffer.is_empty() => buffer.split().freeze(),
            None => return None,
        };
        let line: Bytes = line.slice_ref(line.trim_ascii());
        if line.is_empty() {
            continue;
        }
        return Some(strict::parse(&line).map_err(|_| Fault::Unreadable).and_then(unambiguous));
    }
}

fn unambiguous(written: Written) -> Result<Value, Fault> {
    match written.twice {
        None => Ok(written.value),
        Some(_) => Err(Fault::Twice),
    }
}

fn cut_value(buffer: &mut BytesMut, ended: bool) -> Option<Result<Value, Fault>> {
    if buffer.is_empty() {
        return None;
    }
    let mut deserializer = rmp_serde::Deserializer::new(std::io::Cursor::new(&buffer[..]));
    let written = strict::parse_from(&mut deserializer);
    let read = deserializer.get_ref().position();
    match written {
        Ok(written) => {
            buffer.advance(usize::try_from(read).expect("within the buffer"));
            Some(unambiguous(written))
        }
        // The rest of the value may still come.
        Err(error) if !ended && is_cut_short(&error) => None,
        Err(_) => Some(Err(Fault::Lost { code: "MSGPACK_INVALID" })),
    }
}

fn is_cut_short(error: &rmp_serde::decode::Error) -> bool {
    use rmp_serde::decode::Error::{InvalidDataRead, InvalidMarkerRead};
    let (InvalidDataRead(error) | InvalidMarkerRead(error)) = error else { return false };
    error.kind() == std::io::ErrorKind::UnexpectedEof
}

#[cfg(test)]
mod tests {
    use super::{Fault, Format, items};
    use axum::body::Body;
    use bytes::Bytes;
    use futures_util::{StreamExt, stream};
    use serde_json::{Value, json};

    /// Reads `bytes` as they come in pieces of `size`.
    async fn read(bytes: Vec<u8>, size: usize, format: Format) -> Vec<Result<Value, Fault>> {
        let pieces: Vec<Result<Bytes, std::io::Error>> =
            bytes.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        items(Body::from_stream(stream::iter(pieces)), format).collect().await
    }

    #[tokio::test]
    async fn lines_are_read_however_the_body_is_cut() {
        let text = b"{\"ref\":1}\n\n  \r\n{broken\n{\"ref\":2}".to_vec();
        let wanted = [Ok(json!({"ref": 1})), Err(Fault::Unreadable), Ok(json!({"ref": 2}))];
        for size in 1..=text.len() {
            assert_eq!(read(text.clone(), size, Format::Lines).await, wanted, "{size}");
        }
    }

    #[tokio::test]
    async fn values_are_read_however_the_body_is_cut() {
        let values = [json!({"ref": "a", "seats": ["A-1-1"]}), json!({"ref": "b"})];
        let bytes: Vec<u8> =
            values.iter().flat_map(|value| rmp_serde::to_vec_named(value).unwrap()).collect();
        for size in 1..=bytes.len() {
            let read = read(bytes.clone(), size, Format::MessagePack).await;
            assert_eq!(read, values.clone().map(Ok), "{size}");
        }
        let cut = read(bytes[..bytes.len() - 1].to_vec(), 7, Format::MessagePack).await;
        assert_eq!(cut[1], Err(Fault::Lost { code: "MSGPACK_INVALID" }));
    }

    #[tokio::test]
    async fn an_operation_with_a_field_named_twice_is_faulty_and_the_next_is_read() {
        let lines = b"{\"ref\":1,\"ref\":2}\n{\"ref\":3}".to_vec();
        let wanted = [Err(Fault::Twice), Ok(json!({"ref": 3}))];
        assert_eq!(read(lines, 9, Format::Lines).await, wanted);
        // A map of two fields `ref`, then a map of one.
        let values = b"\x82\xA3ref\x01\xA3ref\x02\x81\xA3ref\x03".to_vec();
        for size in 1..=values.len() {
            assert_eq!(read(values.clone(), size, Format::MessagePack).await, wanted, "{size}");
        }
    }

    #[tokio::test]
    async fn an_endless_line_ends_the_stream() {
        let read = read(vec![b'x'; 300_000], 10_000, Format::Lines).await;
        assert_eq!(read, [Err(Fault::Lost { code: "OPERATION_TOO_LARGE" })]);
    }
}
