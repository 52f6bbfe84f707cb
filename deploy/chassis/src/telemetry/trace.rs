//! W3C trace context: which request a piece of work belongs to, across processes.
//!
//! Who keeps a trace begins it: a request without the header has none, and costs nothing.

use bytes::Bytes;
use futures_util::future::Either;
use tracing::Instrument;

use crate::random;

const HEADER: &str = "traceparent";

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// Does `work` as a part of its caller's trace: in a span `name`, so that every log line within can
/// be found by the trace's id, and with [`TraceContext::current`] for what it asks of others.
///
/// A span costs about a microsecond: without a caller's context there is none.
pub fn traced<W: Future>(
    name: &'static str,
    caller: Option<TraceContext>,
    work: W,
) -> impl Future<Output = W::Output> {
    let Some(caller) = caller else { return Either::Left(work) };
    let own = caller.child();
    Either::Right(CURRENT.scope(own, work.instrument(own.span(name))))
}

/// The ids of one unit of work. Both are nonzero, as the standard wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The same from the fan's request to the last stage.
    pub trace_id: u128,
    /// This piece of work; its parts carry it as their parent.
    pub span_id: u64,
    pub sampled: bool,
}

impl TraceContext {
    /// The work that this task does now; `None` outside of [`traced`].
    pub fn current() -> Option<TraceContext> {
        CURRENT.try_with(|current| *current).ok()
    }

    /// Returns the context of a part of this work: same trace, own span.
    fn child(&self) -> TraceContext {
        let span_id = u64::from_le_bytes(random::random_bytes());
        TraceContext { span_id: span_id.max(1), ..*self }
    }

    /// Reads `00-<32 hex>-<16 hex>-<2 hex>`; `None` for other text, upper case and zero ids.
    ///
    /// Of later versions the part that version 00 knows is read, as the standard asks.
    pub fn parse(text: &str) -> Option<TraceContext> {
        let mut parts = text.split('-');
        let version = hex(parts.next()?, 2)?;
        let trace_id = hex(parts.next()?, 32)?;
        let span_id = u64::try_from(hex(parts.next()?, 16)?).ok()?;
        let flags = hex(parts.next()?, 2)?;
        let more = parts.next().is_some();
        if version == 0xff || (version == 0 && more) || trace_id == 0 || span_id == 0 {
            return None;
        }
        Some(TraceContext { trace_id, span_id, sampled: flags & 1 == 1 })
    }

    fn span(&self, name: &'static str) -> tracing::Span {
        let (trace_id, span_id) = (self.trace_id(), format_args!("{:016x}", self.span_id));
        // The name is a field because the span macros need theirs at compile time.
        tracing::info_span!("work", name, trace_id, span_id = %span_id)
    }

    /// Shows the trace's id as log lines have it.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// Shows the context as header text, the form that envelopes carry too.
    pub fn to_traceparent(&self) -> String {
        let flags = u8::from(self.sampled);
        format!("00-{:032x}-{:016x}-{flags:02x}", self.trace_id, self.span_id)
    }

    /// Reads the header `traceparent` of an HTTP message.
    pub fn from_headers(headers: &http::HeaderMap) -> Option<TraceContext> {
        TraceContext::parse(headers.get(HEADER)?.to_str().ok()?)
    }

    /// Sets the header `traceparent` of an HTTP message.
    pub fn set_header(&self, headers: &mut http::HeaderMap) {
        let value = self.to_traceparent().parse().expect("hex digits and dashes are ASCII");
        headers.insert(HEADER, value);
    }

    /// Reads the header `traceparent` of a NATS message.
    pub fn from_nats(headers: Option<&async_nats::HeaderMap>) -> Option<TraceContext> {
        TraceContext::parse(headers?.get(HEADER)?.as_str())
    }

    fn nats_headers(&self) -> async_nats::HeaderMap {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert(HEADER, self.to_traceparent());
        headers
    }
}

/// A question over NATS that carries the context of who asks.
pub fn question(payload: Bytes) -> async_nats::Request {
    let question = async_nats::Request::new().payload(payload);
    match TraceContext::current() {
        Some(asker) => question.headers(asker.nats_headers()),
        None => question,
    }
}

fn hex(text: &str, digits: usize) -> Option<u128> {
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != digits || !text.bytes().all(lower) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests;
