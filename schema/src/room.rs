//! What an operator may set of a room beyond its pace: when it arms itself, how it queues.

use crate::UnixMillis;
use serde::{Deserialize, Serialize};

/// How a room deals with those who come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueingMethod {
    /// In the order of their joins, those of a pre-queue too.
    Fifo,
    /// Those of a pre-queue in drawn order, those who come later behind them in the order of their
    /// joins.
    #[default]
    Random,
    /// Called at the next tick, without the steady pace. The cap of a minute and of those inside
    /// stay exact.
    Passthrough,
    /// Nobody joins and nobody is called.
    Reject,
}

/// When a room in the mode `standby` becomes a line, and when it ceases to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Standby {
    /// More joins a second than this, on average over the window, arm the room.
    pub joins_per_second: u32,
    /// The window that joins are counted in, in seconds.
    pub window_seconds: u32,
    /// How long the room stays armed at least.
    pub min_activation_seconds: u32,
    /// How long nobody must have waited before the room is disarmed.
    pub empty_seconds: u32,
}

impl Default for Standby {
    /// Twenty a second is twice the pace of a room's default rate: lower arms at a newsletter,
    /// higher lets a crowd in before it is seen. A window of ten seconds is shorter than a fan's
    /// patience and longer than a burst of reloads. Five minutes are the field's minimum for
    /// staying armed, and a minute of an empty line is longer than the gaps between two waves.
    fn default() -> Self {
        Self {
            joins_per_second: 20,
            window_seconds: 10,
            min_activation_seconds: 300,
            empty_seconds: 60,
        }
    }
}

/// The settings of a room that most rooms leave as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoomOptions {
    pub queueing_method: QueueingMethod,
    /// Everybody who comes waits and nobody is called, whatever the mode.
    pub queue_all: bool,
    pub standby: Standby,
    /// Joining needs a login, and an account has one live place.
    pub login_required: bool,
    /// Joining needs a token that the promoter signed.
    pub enqueue_token_required: bool,
    /// What the promoter's tokens are checked with; without it none is looked at.
    pub enqueue_key: Option<EnqueueKey>,
    /// Until then nobody may join a pre-queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prequeue_from: Option<UnixMillis>,
}

/// Shortest and longest secret of [`EnqueueKey::Hs256`], in bytes: not shorter than the hash, and
/// no longer than it works with.
pub const ENQUEUE_SECRET_BYTES: std::ops::RangeInclusive<usize> = 32..=64;

/// The key of a promoter, who signs whom to let into the line.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnqueueKey {
    /// An Ed25519 public key.
    EdDsa { public: [u8; 32] },
    /// A secret that the promoter and this system share.
    Hs256 { secret: Vec<u8> },
}

impl std::fmt::Debug for EnqueueKey {
    /// A secret is in no log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::EdDsa { .. } => "EdDsa",
            Self::Hs256 { .. } => "Hs256",
        })
    }
}

impl RoomOptions {
    /// Whether nothing of it was set, so that it need not be written.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
