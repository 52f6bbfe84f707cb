//! Codes of channels: told by fans, hashed here, compared and forgotten.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use chassis::Problem;
use chassis::keys::sha256;
use schema::{
    AccountId, CHANNEL_CODE_BYTES_MAX, CHANNEL_CODE_BYTES_MIN, Channel, EventId, EventListing,
    UnixMillis,
};
use serde::Deserialize;

use crate::buckets::{Buckets, Rate, seconds};
use crate::problems;

/// A code as somebody wrote it, which no log shows.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Code(String);

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code")
    }
}

impl Code {
    /// Whether a channel may have it.
    pub fn is_well_formed(&self) -> bool {
        let bytes = CHANNEL_CODE_BYTES_MIN..=CHANNEL_CODE_BYTES_MAX;
        bytes.contains(&self.0.len()) && !self.0.chars().any(char::is_control)
    }

    /// What the catalogue keeps of it. An event's id has no blank, so the parts are told apart.
    pub fn hash(&self, event: &EventId) -> [u8; 32] {
        sha256(&[b"usher channel 1 ", event.as_str().as_bytes(), b" ", self.0.as_bytes()])
    }
}

/// Accounts whose guesses are remembered apart from each other.
const KEYS: usize = 65_536;

/// How often somebody may name a code that is none.
#[derive(Debug)]
pub struct Guesses {
    rate: Rate,
    accounts: Buckets,
}

impl Guesses {
    /// `rate` is each account's, in this process.
    pub fn new(rate: Rate) -> Self {
        Self { rate, accounts: Buckets::new(KEYS) }
    }

    /// Finds the channel of a code.
    ///
    /// # Errors
    /// 403 `CHANNEL_CODE_INVALID` for a code of no channel, which counts as a guess; after too many
    /// of those 429 `CHANNEL_CODE_THROTTLED`, also for a code of a channel.
    pub fn channel_of<'a>(
        &self,
        listing: &'a EventListing,
        code: &Code,
        account: AccountId,
        now: UnixMillis,
    ) -> Result<&'a Channel, Problem> {
        self.accounts.check(&account.0, self.rate, now).map_err(too_many)?;
        if let Some(channel) = find(listing, code) {
            return Ok(channel);
        }
        self.accounts.take(&account.0, self.rate, now).map_err(too_many)?;
        let title = "The event has no channel of this code";
        Err(Problem::new(403, "CHANNEL_CODE_INVALID", title, "check the code"))
    }
}

/// Takes as long for the first channel, for the last and for none.
fn find<'a>(listing: &'a EventListing, code: &Code) -> Option<&'a Channel> {
    if !code.is_well_formed() {
        return None;
    }
    let hash = code.hash(&listing.event);
    let same = |channel: &Channel| verify_slices_are_equal(&hash, &channel.code_hash).is_ok();
    let channels = listing.channels.iter();
    channels.fold(None, |found, channel| if same(channel) { Some(channel) } else { found })
}

fn too_many(wait: std::time::Duration) -> Problem {
    let detail = "too many codes that are none; wait a little";
    problems::too_many("CHANNEL_CODE_THROTTLED", detail, seconds(wait))
}

#[cfg(test)]
mod tests {
    use super::{Code, Guesses};
    use crate::admin::event_of;
    use crate::buckets::Rate;
    use schema::{AccountId, EventListing, UnixMillis};
    use serde_json::json;

    fn listing() -> EventListing {
        event_of(&json!([
            {"key": "F", "name": "Friends", "code": "friends-2030", "places": [{"section": "A"}]},
            {"key": "C", "name": "Card", "code": "card-2030", "places": [{"seats": ["B-1-1"]}]},
        ]))
        .unwrap()
    }

    #[test]
    fn a_code_opens_the_channel_that_has_it_in_the_event_that_has_it() {
        let guesses = Guesses::new(Rate { burst: 100, per_minute: 100 });
        let key = |listing: &EventListing, code: &str| {
            let (code, now) = (Code(code.to_owned()), UnixMillis(1_000_000));
            let found = guesses.channel_of(listing, &code, AccountId(7), now);
            found.map(|channel| channel.key.to_string()).map_err(|problem| problem.code)
        };
        let listing = listing();
        assert_eq!(key(&listing, "friends-2030"), Ok("F".to_owned()));
        assert_eq!(key(&listing, "card-2030"), Ok("C".to_owned()));
        for wrong in ["", "F", "friends-2031", "Friends-2030", "friends-2030 ", &"x".repeat(65)] {
            assert_eq!(key(&listing, wrong), Err("CHANNEL_CODE_INVALID"), "{wrong:?}");
        }
        let elsewhere = EventListing { event: "EVT9".parse().unwrap(), ..listing };
        assert_eq!(key(&elsewhere, "friends-2030"), Err("CHANNEL_CODE_INVALID"));
    }

    #[test]
    fn who_has_guessed_too_often_waits_and_others_do_not() {
        let guesses = Guesses::new(Rate { burst: 3, per_minute: 60 });
        let listing = listing();
        let code = |account: u128, code: &str, now: u64| {
            let code = Code(code.to_owned());
            let found =
                guesses.channel_of(&listing, &code, AccountId(account), UnixMillis(now)).err();
            found.map_or("found", |problem| problem.code)
        };
        for _ in 0..10 {
            assert_eq!(code(1, "friends-2030", 1_000_000), "found", "costs nothing");
        }
        for _ in 0..3 {
            assert_eq!(code(1, "guess", 1_000_000), "CHANNEL_CODE_INVALID");
        }
        assert_eq!(code(1, "guess", 1_000_000), "CHANNEL_CODE_THROTTLED");
        assert_eq!(code(1, "friends-2030", 1_000_999), "CHANNEL_CODE_THROTTLED");
        assert_eq!(code(2, "friends-2030", 1_000_999), "found");
        assert_eq!(code(1, "friends-2030", 1_001_000), "found");
    }

    #[test]
    fn a_code_is_not_shown() {
        assert_eq!(format!("{:?}", Some(Code("friends-2030".to_owned()))), "Some(Code)");
    }
}
