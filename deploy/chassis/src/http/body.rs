//! The body of an answer, which keeps its request in flight until it is gone.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::watch::InFlight;

pub(super) struct TrackedBody {
    body: Kind,
    // Held for its drop.
    _in_flight: InFlight,
}

enum Kind {
    /// Nearly all answers: no pointer to a body of any kind, and nobody to ask for its frames.
    Whole(Bytes),
    Routed(Body),
}

impl TrackedBody {
    pub(super) fn whole(bytes: Bytes, in_flight: InFlight) -> TrackedBody {
        TrackedBody { body: Kind::Whole(bytes), _in_flight: in_flight }
    }

    pub(super) fn routed(body: Body, in_flight: InFlight) -> TrackedBody {
        TrackedBody { body: Kind::Routed(body), _in_flight: in_flight }
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut self.get_mut().body {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Routed(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Routed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Routed(body) => body.size_hint(),
        }
    }
}
