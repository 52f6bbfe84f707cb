//! What payment providers say has happened: passed on to settlement, which checks who has said it.

use std::sync::Arc;

use axum::extract::State;
use bytes::Bytes;
use chassis::Problem;
use http::{HeaderMap, StatusCode};
use schema::{ProviderEvent, ProviderEventAnswer, subject};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::extract::{Id, json};
use crate::problems::{self, Answered};
use crate::settle;

/// Longest event. Stripe's are a few kilobytes; a message between stages has room for it.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;

/// Longest header with signatures.
const SIGNATURE_BYTES_MAX: usize = 2_048;

/// The header that each provider signs with.
const SIGNED_BY: [(&str, &str); 1] = [("stripe", "stripe-signature")];

#[derive(Debug, Serialize, ToSchema)]
pub struct ReceivedBody {
    received: bool,
}

/// Takes an event of a payment provider. Repeating it is harmless, and so is any order: what an
/// event says is not believed, it only makes the provider be asked how the payment is.
///
/// No login: the provider signs the body, byte for byte, in `Stripe-Signature`.
#[utoipa::path(post, path = "/api/webhooks/{provider}", tag = "webhooks",
    params(("provider" = String, Path, description = "`stripe`"),
        ("Stripe-Signature" = String, Header, description = "`t=<seconds>,v1=<HMAC-SHA256>`")),
    request_body(content = Object, description = "The event, as it was signed"),
    responses((status = 200, body = ReceivedBody),
        (status = 400, description = "SIGNATURE_INVALID: not signed, or too long ago"),
        (status = 404, description = "PROVIDER_UNKNOWN"),
        (status = 503, description = "SETTLEMENT_UNAVAILABLE")))]
pub async fn provider_event(
    State(app): State<Arc<App>>,
    Id(provider): Id<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answered {
    let signed_by = SIGNED_BY.iter().find(|(name, _)| *name == provider);
    let (provider, header) = signed_by.ok_or_else(provider_unknown)?;
    let signature = headers.get(*header).and_then(|value| value.to_str().ok());
    let signature = signature.filter(|signature| signature.len() <= SIGNATURE_BYTES_MAX);
    let body = String::from_utf8(body.into()).ok();
    let (Some(signature), Some(body)) = (signature, body) else { return Err(forged()) };
    let event = ProviderEvent { provider: (*provider).into(), signature: signature.into(), body };
    match settle::ask(&app, subject::SETTLE_EVENT, &event).await? {
        ProviderEventAnswer::Taken | ProviderEventAnswer::Known => {
            Ok(json(StatusCode::OK, &ReceivedBody { received: true }))
        }
        ProviderEventAnswer::Forged => Err(forged()),
        ProviderEventAnswer::ProviderUnknown => Err(provider_unknown()),
        ProviderEventAnswer::Busy => Err(settle::unavailable()),
    }
}

fn forged() -> Problem {
    problems::bad_request("SIGNATURE_INVALID", "the provider has not signed this, or too long ago")
}

fn provider_unknown() -> Problem {
    let title = "No such payment provider";
    Problem::new(404, "PROVIDER_UNKNOWN", title, "nobody here takes its events")
}
