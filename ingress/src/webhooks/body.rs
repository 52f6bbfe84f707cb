//! Endpoints as the API shows them, and what may be said of them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use chassis::Problem;
use chassis::http_client::is_public;
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::problems;

/// What can be told of a booking.
pub const KINDS: [&str; 5] = [
    "booking.confirmed",
    "booking.declined",
    "booking.cancelled",
    "booking.refunded",
    "booking.ticket_refunded",
];

/// Longest address: more is no address but a payload.
const URL_BYTES_MAX: usize = 2_048;

/// An endpoint's id: `w-` and 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookId(pub Uuid);

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w-{}", self.0.simple())
    }
}

impl FromStr for WebhookId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        named(text, "w-").map(Self).ok_or(())
    }
}

/// An id with this prefix, spelled as it is written.
pub fn named(text: &str, prefix: &str) -> Option<Uuid> {
    let digits = text.strip_prefix(prefix)?;
    let id = Uuid::try_parse(digits).ok()?;
    (id.simple().to_string() == digits).then_some(id)
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct WebhookInput {
    /// `https`, a host that the internet routes, no user and no fragment; 2,048 bytes at most.
    pub url: String,
    /// What it hears of: `booking.confirmed`, `booking.declined`, `booking.cancelled`,
    /// `booking.refunded` and `booking.ticket_refunded` (of one ticket alone); all without.
    pub kinds: Option<Vec<String>>,
}

/// What to change; the rest stays.
#[derive(Debug, Deserialize, ToSchema)]
pub struct WebhookChange {
    pub url: Option<String>,
    pub kinds: Option<Vec<String>>,
    /// What waits for one that is off is sent once it is on again; of what happens meanwhile it
    /// hears nothing.
    pub active: Option<bool>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookBody {
    pub webhook_id: String,
    pub url: String,
    pub kinds: Vec<String>,
    pub active: bool,
    /// `GONE`: it has answered 410, and so was turned off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off_reason: Option<String>,
    /// How often it has had a secret.
    pub secret_number: u32,
    pub created_at: String,
    /// `whsec_...`, what its messages are signed with; shown where it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct WebhooksBody {
    pub webhooks: Vec<WebhookBody>,
}

/// The kinds that are named, or all; each once, in the order of [`KINDS`].
pub fn checked_kinds(named: Option<Vec<String>>) -> Result<Vec<String>, Problem> {
    let named = named.unwrap_or_else(|| KINDS.map(str::to_owned).to_vec());
    let known = |kind: &String| KINDS.contains(&kind.as_str());
    if named.is_empty() || !named.iter().all(known) {
        let all = KINDS.join(", ");
        return Err(problems::invalid(format!("kinds are some of {all}")));
    }
    let chosen = KINDS.into_iter().filter(|kind| named.iter().any(|name| name == kind));
    Ok(chosen.map(str::to_owned).collect())
}

/// An address that messages may be sent to; on demo data also one of this machine and without TLS.
///
/// A name may lead to a private address later: whoever sends looks at the address itself.
pub fn checked_url(url: &str, is_demo: bool) -> Result<(), Problem> {
    let plain = url.len() <= URL_BYTES_MAX && url.bytes().all(|byte| byte.is_ascii_graphic());
    let uri = url.parse::<Uri>().ok().filter(|_| plain && !url.contains('#'));
    let uri = uri.ok_or_else(|| problems::invalid("url is no address of the web"))?;
    let host = uri.host().unwrap_or_default();
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    let scheme = uri.scheme_str().unwrap_or_default();
    if host.is_empty() || has_user || !["https", "http"].contains(&scheme) {
        return Err(problems::invalid("url has a scheme and a host, and no user"));
    }
    if is_demo {
        return Ok(());
    }
    if scheme != "https" {
        return Err(refused("url begins with https://"));
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_local = host.eq_ignore_ascii_case("localhost") || host.ends_with(".localhost");
    if is_local || bare.parse::<IpAddr>().is_ok_and(|address| !is_public(address)) {
        return Err(refused("url leads to no address of the public internet"));
    }
    Ok(())
}

fn refused(detail: &str) -> Problem {
    let title = "No messages are sent there";
    Problem::new(422, "WEBHOOK_TARGET_REFUSED", title, detail)
}

#[cfg(test)]
mod tests {
    use super::{KINDS, WebhookId, checked_kinds, checked_url};

    fn check(url: &str, is_demo: bool) -> Result<(), &'static str> {
        checked_url(url, is_demo).map_err(|problem| problem.code)
    }

    #[test]
    fn an_address_is_a_public_one_of_https_and_on_demo_data_any() {
        for url in ["https://example.org/hooks?a=b", "https://8.8.8.8:8443/", "https://a.example"] {
            assert_eq!(check(url, false), Ok(()), "{url}");
        }
        for url in [
            "http://example.org/",
            "https://localhost/",
            "https://a.localhost/",
            "https://127.0.0.1/",
            "https://10.1.2.3/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest",
        ] {
            assert_eq!(check(url, false), Err("WEBHOOK_TARGET_REFUSED"), "{url}");
            assert_eq!(check(url, true), Ok(()), "{url}");
        }
        let long = format!("https://example.org/{}", "x".repeat(2_048));
        for url in [
            "",
            "/hooks",
            "ftp://example.org/",
            "https://a@example.org/",
            "https://a b/",
            "https://example.org/#x",
            "https:///x",
            &long,
        ] {
            assert_eq!(check(url, true), Err("REQUEST_INVALID"), "{url}");
        }
    }

    #[test]
    fn kinds_are_known_ones_and_all_without() {
        let kinds = |named: &[&str]| {
            let named = named.iter().map(|kind| (*kind).to_owned()).collect();
            checked_kinds(Some(named)).map_err(|problem| problem.code)
        };
        assert_eq!(checked_kinds(None).unwrap().len(), KINDS.len());
        let two = ["booking.refunded", "booking.confirmed", "booking.refunded"];
        assert_eq!(kinds(&two).unwrap(), ["booking.confirmed", "booking.refunded"]);
        assert_eq!(kinds(&["booking.lost"]), Err("REQUEST_INVALID"));
        assert_eq!(kinds(&[]), Err("REQUEST_INVALID"));
    }

    #[test]
    fn an_id_is_spelled_in_one_way() {
        let id = WebhookId(uuid::Uuid::from_u128(0xab));
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "w-", "ab", &id.to_string().to_uppercase(), &id.0.to_string()] {
            assert!(text.parse::<WebhookId>().is_err(), "{text}");
        }
    }
}
