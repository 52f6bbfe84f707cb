//! W3C trace context: which request a piece of work belongs to, across processes.

use crate::random;

const HEADER: &str = "traceparent";

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
    /// Begins a trace of its own.
    pub fn root() -> TraceContext {
        let trace_id = u128::from_le_bytes(random::random_bytes());
        let span_id = u64::from_le_bytes(random::random_bytes());
        TraceContext { trace_id: trace_id.max(1), span_id: span_id.max(1), sampled: true }
    }

    /// Returns the context of a part of this work: same trace, own span.
    #[must_use]
    pub fn child(&self) -> TraceContext {
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

    /// Shows the context as header text, the form that envelopes carry too.
    pub fn to_traceparent(&self) -> String {
        let flags = u8::from(self.sampled);
        format!("00-{:032x}-{:016x}-{flags:02x}", self.trace_id, self.span_id)
    }

    /// Reads the header `traceparent` of an HTTP message.
    pub fn from_headers(headers: &http::HeaderMap) -> Option<TraceContext> {
        TraceContext::parse(headers.get(HEADER)?.to_str().ok()?)
    }

    /// Reads the header `traceparent` of a NATS message.
    pub fn from_nats(headers: &async_nats::HeaderMap) -> Option<TraceContext> {
        TraceContext::parse(headers.get(HEADER)?.as_str())
    }

    /// Sets the header `traceparent` of a NATS message.
    pub fn insert_nats(&self, headers: &mut async_nats::HeaderMap) {
        headers.insert(HEADER, self.to_traceparent());
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
mod tests {
    use super::TraceContext;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_example_of_the_standard_is_read_and_written() {
        let context = TraceContext::parse(TEXT).expect("valid");
        assert_eq!(context.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(context.span_id, 0x00f0_67aa_0ba9_02b7);
        assert!(context.sampled);
        assert_eq!(context.to_traceparent(), TEXT);
    }

    #[test]
    fn a_context_survives_both_kinds_of_headers() {
        let context = TraceContext::root();
        let mut nats = async_nats::HeaderMap::new();
        context.insert_nats(&mut nats);
        assert_eq!(TraceContext::from_nats(&nats), Some(context));
        let mut headers = http::HeaderMap::new();
        assert_eq!(TraceContext::from_headers(&headers), None);
        let value = context.to_traceparent().parse().expect("ascii");
        headers.insert("traceparent", value);
        assert_eq!(TraceContext::from_headers(&headers), Some(context));
    }

    #[test]
    fn a_child_stays_in_the_trace_under_a_span_of_its_own() {
        let root = TraceContext::root();
        let child = root.child();
        assert_eq!(child.trace_id, root.trace_id);
        assert_ne!(child.span_id, root.span_id);
        assert_ne!(TraceContext::root().trace_id, root.trace_id);
    }

    #[test]
    fn other_text_is_no_context() {
        let upper = TEXT.to_uppercase();
        let zero_trace = format!("00-{:032}-00f067aa0ba902b7-01", 0);
        let zero_span = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{:016}-01", 0);
        let version_ff = TEXT.replacen("00", "ff", 1);
        let longer = format!("{TEXT}-00");
        for text in ["", "00", &TEXT[..54], &upper, &zero_trace, &zero_span, &version_ff, &longer] {
            assert_eq!(TraceContext::parse(text), None, "{text:?}");
        }
        let later = longer.replacen("00", "01", 1);
        assert_eq!(TraceContext::parse(&later), TraceContext::parse(TEXT));
    }
}
