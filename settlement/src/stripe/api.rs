//! Calls to Stripe: form in, JSON out, tried again while it makes sense.

use super::intent::PaymentError;
use crate::config::{PROVIDER_TRIES_WAIT, PROVIDER_TRY_FIRST, PROVIDER_TRY_MAX, RETRY_AFTER_MAX};
use crate::provider::Failure;
use bytes::Bytes;
use chassis::config::Secret;
use chassis::http_client::{HttpClient, Reach};
use chassis::{Backoff, outside};
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt::Write;
use std::time::Duration;

/// The version of the interface that is spoken, whatever the account's own is: the last one that
/// shows the charges of an intent with it, and asks for no address to send the buyer to.
const VERSION: HeaderValue = HeaderValue::from_static("2022-08-01");

/// Tries of one call, the first among them.
const TRIES_MAX: u32 = 3;

#[derive(Debug)]
pub(super) struct Api {
    client: HttpClient,
    base: String,
    key: HeaderValue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    /// A try whose outcome is unknown is not repeated here: the caller looks first.
    PostOnce,
}

#[derive(Debug)]
pub(super) struct Call<'a> {
    /// What it is a part of.
    pub what: &'static str,
    /// What it is called where it leaves the process.
    pub name: &'static str,
    pub method: Method,
    /// Below `/v1/`.
    pub path: &'a str,
    pub form: &'a [(&'a str, String)],
    /// The idempotency key, the same for all tries; empty for none.
    pub key: String,
}

impl<'a> Call<'a> {
    /// One that changes nothing.
    pub(super) fn read(
        what: &'static str,
        name: &'static str,
        path: &'a str,
        form: &'a [(&'a str, String)],
    ) -> Self {
        Self { what, name, method: Method::Get, path, form, key: String::new() }
    }
}

/// Why a call did not do what it says.
#[derive(Debug)]
pub(super) enum Fault {
    Unknown(Failure),
    /// An earlier call with this key has failed, and Stripe repeats that for a day: nobody knows
    /// what it did, but it does no more.
    Over(Failure),
    /// Stripe says no, and means it.
    Refused(Refused),
}

#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    error: PaymentError,
}

impl Refused {
    /// Whether there is no such payment, nor ever was.
    pub(super) fn is_of_nothing(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// Whether the buyer's bank has the money.
    pub(super) fn is_disputed(&self) -> bool {
        self.error.code.as_deref() == Some("charge_disputed")
    }

    /// Whether it is the buyer's card that is refused, and not what we have asked for.
    pub(super) fn is_of_card(&self) -> bool {
        self.status == StatusCode::PAYMENT_REQUIRED
    }

    pub(super) fn reason(&self) -> String {
        self.error.reason().unwrap_or_else(|| format!("refused with {}", self.status.as_u16()))
    }
}

/// What became of one try.
enum Try {
    Answer(Response<Bytes>),
    /// Worth another try, perhaps after so long.
    Again {
        why: String,
        after: Option<Duration>,
        is_unsent: bool,
    },
    /// There is no answer, and another try makes no difference.
    Hopeless {
        why: String,
    },
}

impl Api {
    pub(super) fn new(base: &str, key: &Secret) -> Self {
        let mut header = HeaderValue::try_from(format!("Bearer {}", key.expose()))
            .expect("the configuration was checked");
        header.set_sensitive(true);
        let base = base.trim_end_matches('/').to_owned();
        Self { client: HttpClient::new(Reach::Anywhere), base, key: header }
    }

    /// Makes a call, with more tries while there is no answer, [`PROVIDER_TRIES_WAIT`] at most.
    pub(super) async fn call<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, Fault> {
        let unknown = |why| Fault::Unknown(Failure::Unknown { what: call.what, why });
        let tries = tokio::time::timeout(PROVIDER_TRIES_WAIT, self.tries(call)).await;
        let answer = match tries {
            Ok(answer) => answer.map_err(unknown)?,
            Err(_) => return Err(unknown("no answer in time".to_owned())),
        };
        let status = answer.status();
        if status.is_success() {
            return serde_json::from_slice(answer.body())
                .map_err(|_| unknown("an answer that nobody can read".to_owned()));
        }
        if is_over(&answer) {
            let why = format!("status {} of an earlier call", status.as_u16());
            return Err(Fault::Over(Failure::Unknown { what: call.what, why }));
        }
        // A refusal of somebody between us and Stripe says nothing about the payment.
        let error = serde_json::from_slice(answer.body()).map(|body: Refusal| body.error);
        let error =
            error.map_err(|_| unknown(format!("status {} of nobody's", status.as_u16())))?;
        Err(Fault::Refused(Refused { status, error }))
    }

    async fn tries(&self, call: &Call<'_>) -> Result<Response<Bytes>, String> {
        let mut backoff = Backoff::new(PROVIDER_TRY_FIRST, PROVIDER_TRY_MAX, Some(TRIES_MAX - 1));
        loop {
            let (why, after) = match self.attempt(call).await {
                Try::Answer(answer) => return Ok(answer),
                Try::Hopeless { why } => return Err(why),
                Try::Again { why, is_unsent: false, .. } if call.method == Method::PostOnce => {
                    return Err(why);
                }
                Try::Again { why, after, .. } => (why, after.unwrap_or_default()),
            };
            let Some(delay) = backoff.next_delay() else { return Err(why) };
            if RETRY_AFTER_MAX < after {
                return Err(why);
            }
            tracing::debug!(what = call.what, why, "the provider is asked again");
            tokio::time::sleep(after + delay).await;
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Try {
        let answer = match outside(call.name, self.client.send(self.request(call))).await {
            Ok(answer) => answer,
            Err(error) => {
                let why = chassis::telemetry::chain(&error).to_string();
                return Try::Again { why, after: None, is_unsent: error.is_unsent() };
            }
        };
        if is_over(&answer) {
            return Try::Answer(answer);
        }
        let status = answer.status();
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let why = format!("status {}", status.as_u16());
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            // A wrong key says nothing about the payment.
            tracing::error!(what = call.what, %status, "the provider does not accept our key");
            return Try::Hopeless { why };
        }
        let is_known = status.is_success() || status.is_client_error();
        let is_again = match header("stripe-should-retry") {
            Some("true") => true,
            Some("false") => false,
            // A conflict is about two calls at once, too many are for later.
            _ => {
                !is_known || matches!(status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS)
            }
        };
        if is_again {
            let after = header(RETRY_AFTER.as_str()).and_then(|seconds| seconds.parse().ok());
            // What was refused for being too much was not begun.
            let is_unsent = status == StatusCode::TOO_MANY_REQUESTS;
            return Try::Again { why, after: after.map(Duration::from_secs), is_unsent };
        }
        if is_known && !is_for_later(status) { Try::Answer(answer) } else { Try::Hopeless { why } }
    }

    fn request(&self, call: &Call<'_>) -> Request<Bytes> {
        let mut uri = format!("{}/v1/{}", self.base, call.path);
        let form = encode(call.form);
        let is_get = call.method == Method::Get;
        if is_get && !form.is_empty() {
            uri.push('?');
            uri.push_str(&form);
        }
        let request = if is_get { Request::get(uri) } else { Request::post(uri) };
        let mut request =
            request.header(AUTHORIZATION, self.key.clone()).header("stripe-version", VERSION);
        if !call.key.is_empty() {
            request = request.header("idempotency-key", &call.key);
        }
        let body = if is_get { String::new() } else { form };
        if !is_get {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        request.body(body.into()).expect("keys and paths are made of ids and words")
    }
}

/// A status of "not now", which is no word about the payment even where Stripe wants no more tries.
fn is_for_later(status: StatusCode) -> bool {
    matches!(status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS)
}

/// Whether Stripe repeats that an earlier call with the same key has failed.
fn is_over(answer: &Response<Bytes>) -> bool {
    let is_repeated = answer.headers().get("idempotent-replayed").is_some_and(|it| it == "true");
    is_repeated && answer.status().is_server_error()
}

/// A form's fields as `application/x-www-form-urlencoded`.
fn encode(form: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (name, value) in form {
        if !text.is_empty() {
            text.push('&');
        }
        escape(name, &mut text);
        text.push('=');
        escape(value, &mut text);
    }
    text
}

fn escape(from: &str, to: &mut String) {
    for byte in from.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                to.push(char::from(byte));
            }
            _ => write!(to, "%{byte:02X}").expect("a string takes everything"),
        }
    }
}

/// The body of a refusal.
#[derive(Deserialize)]
struct Refusal {
    error: PaymentError,
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn what_a_form_holds_stays_what_it_is() {
        let form =
            [("metadata[order]", "a b".to_owned()), ("x", "pm_1&amount=1\u{e9}\n".to_owned())];
        let text = "metadata%5Border%5D=a%20b&x=pm_1%26amount%3D1%C3%A9%0A";
        assert_eq!(encode(&form), text);
        assert_eq!(encode(&[]), "");
    }
}
