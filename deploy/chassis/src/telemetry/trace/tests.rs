//! What text and headers are read as, and where a trace is kept.

use super::{TraceContext, traced};

const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn context() -> TraceContext {
    TraceContext::parse(TEXT).expect("valid")
}

#[test]
fn the_example_of_the_standard_is_read_and_written() {
    let context = context();
    assert_eq!(context.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
    assert_eq!(context.span_id, 0x00f0_67aa_0ba9_02b7);
    assert!(context.sampled);
    assert_eq!(context.to_traceparent(), TEXT);
    assert_eq!(context.trace_id(), TEXT[3..35]);
}

#[test]
fn a_context_survives_both_kinds_of_headers() {
    assert_eq!(TraceContext::from_nats(None), None);
    let nats = context().nats_headers();
    assert_eq!(TraceContext::from_nats(Some(&nats)), Some(context()));
    let mut headers = http::HeaderMap::new();
    assert_eq!(TraceContext::from_headers(&headers), None);
    context().set_header(&mut headers);
    assert_eq!(TraceContext::from_headers(&headers), Some(context()));
}

#[tokio::test]
async fn work_stays_in_the_trace_under_a_span_of_its_own() {
    let outer = traced("outer", Some(context()), async {
        let outer = TraceContext::current().expect("traced");
        let inner = traced("inner", Some(outer), async { TraceContext::current() }).await;
        assert_eq!(TraceContext::current(), Some(outer));
        (outer, inner.expect("traced"))
    });
    let (outer, inner) = outer.await;
    assert_eq!((outer.trace_id, inner.trace_id), (context().trace_id, context().trace_id));
    assert_ne!(outer.span_id, context().span_id);
    assert_ne!(outer.span_id, inner.span_id);
    assert_eq!(TraceContext::current(), None);
}

#[tokio::test]
async fn who_keeps_no_trace_gets_none() {
    let current = traced("work", None, async { TraceContext::current() }).await;
    assert_eq!(current, None);
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
