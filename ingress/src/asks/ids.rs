//! Command ids and fingerprints: what makes a repeated request the same request.

use chassis::keys::sha256;
use chassis::{Problem, idempotency};
use http::HeaderMap;
use schema::{AccountId, CommandId};
use serde_json::Value;

/// Which kind of request a key belongs to: the same key on two routes is two keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    Reserve,
    Release,
    Extend,
    Swap,
    Confirm,
    Partner,
    Kill,
}

impl Domain {
    const fn name(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Release => "release",
            Self::Extend => "extend",
            Self::Swap => "swap",
            Self::Confirm => "confirm",
            Self::Partner => "partner",
            Self::Kill => "kill",
        }
    }
}

/// The key of a request: the client's, or a fresh one that the client learns when it must ask
/// again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub text: String,
    pub from_client: bool,
}

impl Key {
    pub fn fresh() -> Self {
        let id = CommandId(uuid::Uuid::now_v7().as_u128());
        Self { text: id.to_string(), from_client: false }
    }

    pub fn of_client(text: &str) -> Self {
        Self { text: text.to_owned(), from_client: true }
    }

    /// Reads `Idempotency-Key`; makes a fresh one when the header is missing.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Problem> {
        let key = idempotency::key(headers)?;
        Ok(key.map_or_else(Self::fresh, Self::of_client))
    }

    /// The command's id: the same for the same key of the same account, and of nobody else.
    pub fn command(&self, domain: Domain, account: AccountId) -> CommandId {
        let account = account.0.to_be_bytes();
        let parts: [&[u8]; 5] =
            [b"usher command 1 ", domain.name().as_bytes(), b" ", &account, self.text.as_bytes()];
        let hash = sha256(&parts);
        CommandId(u128::from_be_bytes(first(&hash)))
    }
}

/// A hash of what is asked: method, path, body as canonical JSON, account.
pub fn fingerprint(method: &str, path: &str, body: &Value, account: AccountId) -> u64 {
    let account = account.0.to_be_bytes();
    let form = idempotency::canonical(method, path, &account, body);
    u64::from_be_bytes(first(&sha256(&[&form])))
}

fn first<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    *hash.first_chunk().expect("N is at most 32")
}

#[cfg(test)]
mod tests {
    use super::{Domain, Key, fingerprint};
    use schema::AccountId;
    use serde_json::json;

    #[test]
    fn a_command_id_differs_by_account_and_route_and_not_by_attempt() {
        let key = Key::of_client("k");
        let id = |domain, account| key.command(domain, AccountId(account));
        assert_eq!(id(Domain::Reserve, 1), id(Domain::Reserve, 1));
        assert_ne!(id(Domain::Reserve, 1), id(Domain::Reserve, 2));
        assert_ne!(id(Domain::Reserve, 1), id(Domain::Confirm, 1));
        assert_ne!(Key::fresh(), Key::fresh());
    }

    #[test]
    fn ids_and_fingerprints_stay_what_journals_remember() {
        let command = Key::of_client("k").command(Domain::Reserve, AccountId(1));
        assert_eq!(format!("{:032x}", command.0), COMMAND);
        let body = json!({"b": [1, "x", null], "a": {"c": true}});
        assert_eq!(fingerprint("POST", "/x", &body, AccountId(1)), FINGERPRINT);
    }

    const COMMAND: &str = "37be937662d563fe330f0dae128c786c";
    const FINGERPRINT: u64 = 0x05fa_89a4_f464_a174;
}
