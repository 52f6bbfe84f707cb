//! Joins by their `Idempotency-Key`, remembered beside the numbers they were given, so that a
//! repeat is answered by any process.
//!
//! Nothing in them names a person: a hash of the key, a hash of the body, a number and a time.
//!
//! They outlive the epoch in which they were given. LINE-1: whoever finds one in a restarted Redis
//! finds beside it that numbers were given at least that far, for one step wrote both; so the new
//! epoch took the number for given, and began above it.

use super::{Blessed, Fault, Phase, Store};
use crate::config::{JOIN_KEYS_AGE_MAX, JOIN_KEYS_MAX, PERSON_AGE_MAX, PERSON_BUCKETS};
use crate::remembered::KeyHash;
use chassis::base64url;
use redis::ScriptInvocation;
use schema::UnixMillis;

/// A join that can be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keyed {
    pub by: KeyedBy,
    pub key: KeyHash,
    /// Of the body of a request: another one under the same key is refused. Of a person, what the
    /// token says of its secret, or zeros: whoever repeats the join gets that token.
    pub fingerprint: [u8; 32],
    pub issued_at: UnixMillis,
}

/// What a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyedBy {
    /// A request, for ten minutes.
    Request,
    /// A person with one place in this line, for as long as its token is good.
    Person,
}

/// What stands for zeros as fingerprint: most places of persons have no secret.
const NO_FINGERPRINT: &str = "-";

/// What was given to the first who asked under a key: all that its token needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub epoch: u32,
    pub number: u64,
    pub phase: Phase,
    pub issued_at: UnixMillis,
    pub fingerprint: [u8; 32],
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recalled {
    Nothing,
    Kept(Kept),
    /// There is something, and this instance may not answer with it yet.
    NotYet,
}

/// Whose a person is whom a promoter names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// The owner's since this call.
    Now,
    /// The owner's already.
    Before,
    ToAnother,
}

impl Kept {
    /// Reads what the script wrote; nothing at all is `None`.
    pub(super) fn read(text: &str) -> Result<Option<Self>, Fault> {
        if text.is_empty() {
            return Ok(None);
        }
        // A text that cannot be read was not written by us: the room is not ours.
        Self::parse(text).map(Some).ok_or(Fault::Unblessed)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let epoch = parts.next()?.parse().ok()?;
        let number = parts.next()?.parse().ok()?;
        let phase = Phase::of(parts.next()?).ok()?;
        let issued_at = UnixMillis(parts.next()?.parse().ok()?);
        let fingerprint = match parts.next()? {
            NO_FINGERPRINT => [0; 32],
            text => base64url::decode(text)?.try_into().ok()?,
        };
        Some(Self { epoch, number, phase, issued_at, fingerprint })
    }
}

impl Store {
    /// What is remembered of `key`, for an instance that gives out no number for it now.
    pub(crate) async fn recall(
        &self,
        blessed: &Blessed,
        keyed: &Keyed,
        giver: u64,
    ) -> Result<Recalled, Fault> {
        let (name, field) = self.name_of(keyed);
        let mut call = self.scripts.recall.prepare_invoke();
        call.key(&self.room).key(&self.givers).key(&self.asking);
        call.key(name);
        call.arg(&blessed.run_id).arg(blessed.epoch).arg(giver).arg(field);
        let (may_answer, text): (u8, String) = self.run(blessed, &call).await?;
        Ok(match Kept::read(&text)? {
            None => Recalled::Nothing,
            Some(kept) if may_answer == 1 => Recalled::Kept(kept),
            Some(_) => Recalled::NotYet,
        })
    }

    /// Forgets `key` if it is remembered with `number`.
    pub(crate) async fn forget(
        &self,
        blessed: &Blessed,
        keyed: &Keyed,
        number: u64,
    ) -> Result<(), Fault> {
        let (name, field) = self.name_of(keyed);
        let mut call = self.scripts.forget.prepare_invoke();
        call.key(&self.room).key(name);
        call.arg(&blessed.run_id).arg(blessed.epoch).arg(number).arg(field);
        self.run::<u8>(blessed, &call).await.map(drop)
    }

    /// Binds `person`, whom a promoter names, to `owner` for as long as their places are
    /// remembered, unless they are bound to somebody else.
    pub(crate) async fn bind(
        &self,
        blessed: &Blessed,
        person: &KeyHash,
        owner: &KeyHash,
    ) -> Result<Bound, Fault> {
        let (name, field) = self.person_name(person);
        let mut call = self.scripts.bind.prepare_invoke();
        call.key(&self.room).key(name);
        call.arg(&blessed.run_id).arg(blessed.epoch).arg(PERSON_AGE_MAX.as_millis().to_string());
        call.arg(field).arg(base64url::encode(&owner[..16]));
        Ok(match self.run::<u8>(blessed, &call).await? {
            0 => Bound::ToAnother,
            1 => Bound::Now,
            _ => Bound::Before,
        })
    }

    /// Adds to a join's call what it is about those with a key. They cost what they are; a join
    /// without one costs nothing more for them.
    pub(super) fn add_keyed(&self, call: &mut ScriptInvocation<'_>, asks: &[Option<Keyed>]) {
        call.key(&self.keys);
        call.arg(JOIN_KEYS_AGE_MAX.as_millis().to_string()).arg(JOIN_KEYS_MAX);
        call.arg(PERSON_AGE_MAX.as_millis().to_string());
        for (idx, ask) in asks.iter().enumerate() {
            let Some(keyed) = ask else { continue };
            let (name, field) = self.name_of(keyed);
            let is_none = keyed.fingerprint == [0; 32];
            let fingerprint = if is_none {
                NO_FINGERPRINT.to_owned()
            } else {
                base64url::encode(&keyed.fingerprint)
            };
            call.key(name).arg(idx + 1).arg(fingerprint).arg(keyed.issued_at.0).arg(field);
        }
    }

    /// Where a join is remembered: the key, and the field if it is a hash, else nothing.
    ///
    /// Persons share hashes, which Redis keeps dense; requests expire each by itself.
    fn name_of(&self, keyed: &Keyed) -> (String, String) {
        match keyed.by {
            KeyedBy::Request => (self.key_name(&keyed.key), String::new()),
            KeyedBy::Person => self.person_name(&keyed.key),
        }
    }

    fn person_name(&self, person: &KeyHash) -> (String, String) {
        let [high, low, rest @ ..] = person;
        let bucket = u16::from_be_bytes([*high, *low]) % PERSON_BUCKETS;
        (format!("{}:{bucket}", self.people), base64url::encode(&rest[..16]))
    }

    pub(super) fn key_name(&self, key: &KeyHash) -> String {
        format!("{}:{}", self.keys, base64url::encode(key))
    }
}
