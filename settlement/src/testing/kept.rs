//! What Stripe keeps of a call with an idempotency key: its first answer, for a day. `localstripe`
//! knows no keys.

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use std::collections::HashMap;

/// An answer without what matters to nobody here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub status: StatusCode,
    pub body: Bytes,
    /// It is that of an earlier call.
    pub is_kept: bool,
}

impl Reply {
    pub(super) fn refusal(status: u16, code: &str) -> Self {
        let body = format!(r#"{{"error": {{"code": "{code}"}}}}"#);
        let status = StatusCode::from_u16(status).unwrap();
        Self { status, body: body.into(), is_kept: false }
    }

    pub(super) fn into_response(self) -> http::Response<Full<Bytes>> {
        let mut response = http::Response::builder().status(self.status);
        if self.is_kept {
            response = response.header("idempotent-replayed", "true");
        }
        response.body(Full::new(self.body)).unwrap()
    }
}

#[derive(Debug)]
struct First {
    path: String,
    form: Bytes,
    /// `None` while it is under way.
    reply: Option<Reply>,
}

#[derive(Debug, Default)]
pub(super) struct Kept {
    calls: HashMap<String, First>,
    /// Keys that came with something else than the first time.
    pub mismatched: Vec<String>,
}

impl Kept {
    /// Begins a call with a key; an answer if it is not the first.
    pub(super) fn begin(&mut self, key: &str, path: &str, form: &Bytes) -> Option<Reply> {
        let Some(first) = self.calls.get(key) else {
            let first = First { path: path.to_owned(), form: form.clone(), reply: None };
            self.calls.insert(key.to_owned(), first);
            return None;
        };
        if (first.path.as_str(), &first.form) != (path, form) {
            self.mismatched.push(key.to_owned());
            return Some(Reply::refusal(400, "idempotency_error"));
        }
        let under_way = || Reply::refusal(409, "idempotency_key_in_use");
        let kept = |reply: &Reply| Reply { is_kept: true, ..reply.clone() };
        Some(first.reply.as_ref().map_or_else(under_way, kept))
    }

    /// Keeps what came of the first call, unless it was turned away before it began.
    pub(super) fn end(&mut self, key: &str, reply: Option<&Reply>) {
        let begun = |reply: &&Reply| !matches!(reply.status.as_u16(), 401 | 403 | 409 | 429);
        match reply.filter(begun) {
            Some(reply) => {
                let first = self.calls.get_mut(key).expect("it has begun");
                first.reply = Some(reply.clone());
            }
            None => {
                self.calls.remove(key);
            }
        }
    }
}
