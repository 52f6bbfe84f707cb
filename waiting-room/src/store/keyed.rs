//! Joins by their `Idempotency-Key`, remembered beside the numbers they were given, so that a
//! repeat is answered by any process.
//!
//! Nothing in them names a person: a hash of the key, a hash of the body, a number and a time.
//! Many share a hash of Redis, which keeps it dense. Those of requests are forgotten by
//! generations: new keys go to one, and with the next the one before it ends.
//!
//! They outlive the epoch in which they were given. LINE-1: whoever finds one in a restarted Redis
//! finds beside it that numbers were given at least that far, for one step wrote both; so the new
//! epoch took the number for given, and began above it.

use super::{Blessed, Fault, Phase, Store};
use crate::config::{
    JOIN_KEYS_AGE, JOIN_KEYS_BUCKETS, JOIN_KEYS_GENERATION, PERSON_AGE_MAX, PERSON_BUCKETS,
    PERSON_GATHERS_MAX,
};
use crate::remembered::KeyHash;
use redis::ScriptInvocation;
use schema::UnixMillis;

/// A join that can be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keyed {
    pub by: KeyedBy,
    pub key: KeyHash,
    /// Of the body of a request: another one under the same key is refused. Of a person, what the
    /// token says of its secret, or zeros: whoever repeats the join gets that token. Zeros at its
    /// end take no memory.
    pub fingerprint: [u8; 32],
    pub issued_at: UnixMillis,
}

/// What a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyedBy {
    /// A request, for ten minutes or longer.
    Request,
    /// A person with one place in this line, for as long as its token is good.
    Person,
}

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
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, Fault> {
        if bytes.is_empty() {
            return Ok(None);
        }
        // Bytes that cannot be read were not written by us: the room is not ours.
        Self::parse(bytes).map(Some).ok_or(Fault::Unblessed)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (&number, bytes) = bytes.split_first_chunk()?;
        let (&letter, bytes) = bytes.split_first()?;
        let (&epoch, bytes) = bytes.split_first_chunk()?;
        let (&issued_at, bytes) = bytes.split_first_chunk()?;
        let mut fingerprint = [0; 32];
        fingerprint.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self {
            epoch: u32::from_be_bytes(epoch),
            number: u64::from_be_bytes(number),
            phase: Phase::by_letter(letter)?,
            issued_at: UnixMillis(u64::from_be_bytes(issued_at)),
            fingerprint,
        })
    }
}

impl Keyed {
    /// What a script adds to the number and the phase.
    fn rest(&self, epoch: u32) -> Vec<u8> {
        let said = self.fingerprint.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        let fingerprint = &self.fingerprint[..said];
        [&epoch.to_be_bytes()[..], &self.issued_at.0.to_be_bytes(), fingerprint].concat()
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
        let mut call = self.scripts.recall.prepare_invoke();
        call.key(&self.room).key(&self.givers).key(&self.asking).key(&self.keys);
        call.arg(&blessed.run_id).arg(blessed.epoch).arg(giver);
        self.add_name(&mut call, keyed);
        let (may_answer, bytes): (u8, Vec<u8>) = self.run(blessed, &call).await?;
        Ok(match Kept::read(&bytes)? {
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
        let mut call = self.scripts.forget.prepare_invoke();
        call.key(&self.room).key(&self.keys);
        call.arg(&blessed.run_id).arg(blessed.epoch);
        self.add_name(&mut call, keyed).arg(number);
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
        let mut call = self.scripts.bind.prepare_invoke();
        call.key(&self.room).key(self.person_name(person));
        call.arg(&blessed.run_id).arg(blessed.epoch);
        call.arg(PERSON_AGE_MAX.0).arg(PERSON_GATHERS_MAX.0);
        call.arg(field_of(person)).arg(&owner[..16]);
        Ok(match self.run::<u8>(blessed, &call).await? {
            0 => Bound::ToAnother,
            1 => Bound::Now,
            _ => Bound::Before,
        })
    }

    /// Adds to a join's call what it is about those with a key. They cost what they are; a join
    /// without one costs nothing more for them.
    pub(super) fn add_keyed(
        &self,
        call: &mut ScriptInvocation<'_>,
        asks: &[Option<Keyed>],
        epoch: u32,
    ) {
        call.key(&self.keys);
        call.arg(JOIN_KEYS_AGE.as_millis().to_string()).arg(JOIN_KEYS_GENERATION);
        call.arg(PERSON_AGE_MAX.0).arg(PERSON_GATHERS_MAX.0);
        for (idx, ask) in asks.iter().enumerate() {
            let Some(keyed) = ask else { continue };
            call.arg(idx + 1);
            self.add_name(call, keyed).arg(keyed.rest(epoch));
        }
    }

    /// Adds to a call where a join is remembered: its hashes as keys, and whether it is a person's
    /// and its field as arguments.
    fn add_name<'a, 'b>(
        &self,
        call: &'a mut ScriptInvocation<'b>,
        keyed: &Keyed,
    ) -> &'a mut ScriptInvocation<'b> {
        let is_person = keyed.by == KeyedBy::Person;
        let [even, odd] = if is_person {
            // A person's hash has no generations.
            [self.person_name(&keyed.key), self.person_name(&keyed.key)]
        } else {
            self.request_names(&keyed.key)
        };
        call.key(even).key(odd).arg(u8::from(is_person)).arg(field_of(&keyed.key))
    }

    /// The hashes of the request's key, of even and of odd generations.
    pub(super) fn request_names(&self, key: &KeyHash) -> [String; 2] {
        let bucket = bucket_of(key, JOIN_KEYS_BUCKETS);
        ["even", "odd"].map(|half| format!("{}:{half}:{bucket}", self.keys))
    }

    pub(super) fn person_name(&self, person: &KeyHash) -> String {
        format!("{}:{}", self.people, bucket_of(person, PERSON_BUCKETS))
    }
}

/// In which of `buckets` a key is.
fn bucket_of(key: &KeyHash, buckets: u16) -> u16 {
    u16::from_be_bytes([key[0], key[1]]) % buckets
}

/// What a key is called in its bucket.
fn field_of(key: &KeyHash) -> &[u8] {
    &key[2..18]
}
