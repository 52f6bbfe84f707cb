//! Typed ids and their text forms.
//!
//! JSON, logs and URLs carry the text form; rmp-serde messages carry the bytes. Both are frozen:
//! ids are stored in journals and printed on tickets.

use crate::text128;
use crate::time::UnixMillis;
use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {kind}: {text:?}")]
pub struct ParseError {
    kind: &'static str,
    text: CompactString,
}

impl ParseError {
    fn new(kind: &'static str, text: &str) -> Self {
        // Hostile text is cut: an error is logged and echoed, and 40 characters identify it.
        Self { kind, text: text.chars().take(40).collect() }
    }
}

macro_rules! id128 {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                let digits = text128::encode(self.0);
                f.write_str(std::str::from_utf8(&digits).expect("base 32 digits are ASCII"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                text.strip_prefix($prefix)
                    .and_then(text128::decode)
                    .map(Self)
                    .ok_or_else(|| ParseError::new($kind, text))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0.to_be_bytes())
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = CompactString::deserialize(deserializer)?;
                    return text.parse().map_err(de::Error::custom);
                }
                let bytes = deserializer.deserialize_bytes(Bytes16)?;
                Ok(Self(u128::from_be_bytes(bytes)))
            }
        }
    };
}

struct Bytes16;

impl de::Visitor<'_> for Bytes16 {
    type Value = [u8; 16];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("16 bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<[u8; 16], E> {
        bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

id128!(
    /// Who asks: a fan, partner or operator account.
    AccountId, "a-", "an account id"
);
id128!(
    /// One command, the same over all its repetitions: a hash of account and `Idempotency-Key`, or
    /// fresh.
    CommandId, "c-", "a command id"
);
id128!(
    /// A hold (`reservationId` in the API). Its bits name its shard; see [`HoldId::compose`].
    HoldId, "r-", "a reservation id"
);
id128!(
    /// An order (`bookingId` in the API). It has the bits of its hold: one order a hold, by
    /// construction.
    OrderId, "b-", "a booking id"
);

impl HoldId {
    /// Composes the id of the hold that `command` makes at journal time `now` in `shard`.
    ///
    /// 48 bits of milliseconds (so that ids sort by age), 8 bits of shard (so that a hold's owner
    /// is found without a look-up), 72 bits of the command id (so that two commands of one
    /// millisecond differ, and a key used again after its memory has ended makes a new hold).
    pub fn compose(shard: ShardId, now: UnixMillis, command: CommandId) -> Self {
        let time = u128::from(now.0 & 0xFFFF_FFFF_FFFF) << 80;
        let owner = u128::from(shard.0) << 72;
        let id = Self(time | owner | (command.0 & ((1 << 72) - 1)));
        assert!(id.shard() == shard);
        id
    }

    /// The journal time at which it was made.
    pub fn made_at(self) -> UnixMillis {
        UnixMillis(u64::try_from(self.0 >> 80).expect("48 bits"))
    }

    pub fn shard(self) -> ShardId {
        ShardId((self.0 >> 72).to_le_bytes()[0])
    }
}

impl From<HoldId> for OrderId {
    fn from(hold: HoldId) -> Self {
        Self(hold.0)
    }
}

impl From<OrderId> for HoldId {
    fn from(order: OrderId) -> Self {
        Self(order.0)
    }
}

/// A ticket: the line of an order, counted from 0. Text form `t-<order digits>-<line>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TicketId {
    pub order: OrderId,
    pub line: u16,
}

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = text128::encode(self.order.0);
        let digits = std::str::from_utf8(&digits).expect("base 32 digits are ASCII");
        write!(f, "t-{digits}-{}", self.line)
    }
}

impl FromStr for TicketId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parse = || {
            let (digits, line) = text.strip_prefix("t-")?.split_once('-')?;
            Some(Self { order: OrderId(text128::decode(digits)?), line: line.parse().ok()? })
        };
        parse().ok_or_else(|| ParseError::new("a ticket id", text))
    }
}

/// A fixed slice of events with one owner at a time, counted from 0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct ShardId(pub u8);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The position of a seat in its plan's order, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeatIdx(pub u32);

/// The position of a standing area in its plan, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AreaIdx(pub u16);

/// Longest event and plan id. 24 bytes stay inline in a `CompactString`: copying an id allocates
/// nothing.
pub const NAME_BYTES_MAX: usize = 24;

fn name_is_valid(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(CompactString);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                if name_is_valid(text) {
                    Ok(Self(CompactString::from(text)))
                } else {
                    Err(ParseError::new($kind, text))
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                CompactString::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

name_id!(
    /// A performance people buy seats for. Text of 1 to 24 of `A-Z a-z 0-9 - _`, so that it is a
    /// NATS token.
    EventId,
    "an event id (1 to 24 of A-Z a-z 0-9 - _)"
);
name_id!(
    /// A seating plan, named by a hash of its content: a plan never changes under its id.
    PlanId,
    "a plan id (1 to 24 of A-Z a-z 0-9 - _)"
);

#[cfg(test)]
mod tests;
