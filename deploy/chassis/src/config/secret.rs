//! Text that must not be seen: whole secrets, and passwords within URLs.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

const MASK: &str = "***";

/// Text that shows as `***` wherever it is printed or serialized; an empty one shows as empty.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// The address of a server; its password shows as `***`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Url(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// Returns the text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn masked(&self) -> &'static str {
        // An unset secret is worth seeing, and there is nothing to hide.
        if self.0.is_empty() { "" } else { MASK }
    }
}

impl Url {
    pub fn new(text: impl Into<String>) -> Url {
        Url(text.into())
    }

    /// Returns the address with its password, for the one place that connects.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.masked())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.masked())
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_urls(&self.0))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

impl Serialize for Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Masks the password of every URL in `text`: after the user name, and in the query.
pub(super) fn mask_urls(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme_end) = rest.find("://") {
        let (before, after) = rest.split_at(scheme_end + "://".len());
        masked.push_str(before);
        let (authority, behind) = after.split_at(authority_end(after));
        match authority.rsplit_once('@') {
            Some((user_info, host)) => {
                masked.push_str(&mask_user_info(before, user_info));
                masked.push('@');
                masked.push_str(host);
            }
            None => masked.push_str(authority),
        }
        rest = behind;
    }
    masked.push_str(rest);
    mask_query(&masked)
}

/// Returns where the authority ends that `after` begins with; it may be one of a list with commas
/// between.
fn authority_end(after: &str) -> usize {
    let end = after.find(['/', '?', '#', ' ']).unwrap_or(after.len());
    let (authority, behind) = after.split_at(end);
    let runs_into_next = authority.ends_with(':') && behind.starts_with("//");
    match authority.rfind(',') {
        // A comma elsewhere may belong to the password.
        Some(comma) if runs_into_next => comma,
        _ => end,
    }
}

fn mask_user_info(before: &str, user_info: &str) -> String {
    match user_info.split_once(':') {
        Some((user, _)) => format!("{user}:{MASK}"),
        // What stands alone before the host is a name, but a token for NATS.
        None if before.ends_with("nats://") || before.ends_with("tls://") => MASK.to_owned(),
        None => user_info.to_owned(),
    }
}

fn mask_query(text: &str) -> String {
    let Some((path, query)) = text.split_once('?') else { return text.to_owned() };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if name.contains("password") => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::{Secret, Url, mask_urls};

    #[test]
    fn passwords_in_addresses_are_masked_and_the_rest_stays() {
        for (text, masked) in [
            ("postgres://usher:p@ss:w@db:5432/usher", "postgres://usher:***@db:5432/usher"),
            (
                "postgres://db/usher?user=u&password=p&x=1",
                "postgres://db/usher?user=u&password=***&x=1",
            ),
            ("redis://:secret@127.0.0.1:6379/0", "redis://:***@127.0.0.1:6379/0"),
            ("nats://token@a:4222", "nats://***@a:4222"),
            ("nats://u:p,1@a:4222,nats://u:q@b:4222", "nats://u:***@a:4222,nats://u:***@b:4222"),
            ("postgres://usher@db/usher", "postgres://usher@db/usher"),
            ("http://127.0.0.1:8080/a@b:c", "http://127.0.0.1:8080/a@b:c"),
            ("no address: just@text", "no address: just@text"),
        ] {
            assert_eq!(mask_urls(text), masked);
            assert_eq!(Url::new(text).to_string(), masked);
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "Secret(***)");
        assert_eq!(serde_json::to_string(&secret).expect("json"), "\"***\"");
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{:?}", Secret::default()), "Secret()");
        let url = Url::new("redis://:hunter2@host");
        assert_eq!(format!("{url:?}"), "Url(redis://:***@host)");
        assert_eq!(serde_json::to_string(&url).expect("json"), "\"redis://:***@host\"");
    }
}
