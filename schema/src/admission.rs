//! What the rooms tell the other stages, and what their stream remembers.

use crate::catalog::RoomMode;
use crate::command::{Pass, PassPlace};
use crate::id::{AccountId, EventId};
use crate::time::{DurationMs, UnixMillis};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// A record of a room's stream: cursor, window, called and active are rebuilt from these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdmissionRecord {
    /// A new epoch of numbers starts: Redis was lost or is new. Numbers go on above `number_floor`.
    ///
    /// Those in `(given_to, number_floor]` are in doubt: they may have been given before the loss.
    EpochStarted {
        epoch: u32,
        given_to: u64,
        number_floor: u64,
        redis_run_id: CompactString,
        at: UnixMillis,
    },
    /// Numbers up to this may be given out: the durable high-water mark.
    MarkRaised { epoch: u32, number_max: u64 },
    /// A batch was called: every live number in `(cursor_before, cursor]`.
    Released(Release),
    /// Numbers above `base` are places of a pre-queue: their order is drawn when it closes.
    ///
    /// Those in `(given_to, base]` may have been given as places of the line; only Redis knows.
    GatherStarted { given_to: u64, base: u64 },
    /// The pre-queue closed and its order is known.
    Drawn(Draw),
    /// Places called in `epoch` that were given up before a claim: they make room, and can never be
    /// claimed.
    Left { epoch: u32, numbers: Vec<u64> },
    /// Redis was seen to have given out every number of the epoch up to this.
    NumbersSeen { epoch: u32, given_to: u64 },
    /// All who gave out numbers before the loss that began `epoch` have said how far they came: the
    /// numbers above `given_to` up to the epoch's floor were given to nobody.
    DoubtEnded { epoch: u32, given_to: u64 },
    /// Nobody joined for a while, and nobody gives out a number until the mark is raised again: the
    /// mark goes down to `given_to`, the last number that the epoch has given. What is lost from
    /// here on leaves nobody in doubt.
    GivingClosed { epoch: u32, given_to: u64 },
    /// Of the pre-queue above `base`: the hash of the secret that its draw will be made with, and
    /// what the secret is derived from, which is worth nothing without the room's key.
    ///
    /// `needs_beacon` promises besides that the draw waits for a word from outside, `witnesses`
    /// that it waits for the secrets with these commitments.
    Committed {
        base: u64,
        nonce: [u8; 32],
        commitment: [u8; 32],
        needs_beacon: bool,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        witnesses: Vec<[u8; 32]>,
    },
    /// The pre-queue above `base` ends with the place `last`. Its cohort is what was entered in the
    /// stream before this record.
    CohortClosed { base: u64, last: u64 },
    /// The root over that cohort, which its draw follows from.
    Rooted { base: u64, root: [u8; 32] },
    /// A room in standby became a line because of how many came, or is none any more.
    StandbyChanged { is_armed: bool, at: UnixMillis },
    /// No place was free for the first time: from here on those in line wait for returns.
    SeatsGone { at: UnixMillis },
    /// The room drains: nobody gets a number above `cutoff` until it does not any more, which
    /// `None` says.
    Drained { epoch: u32, cutoff: Option<u64>, at: UnixMillis },
    /// Nobody can claim any more of those whom the release called that called `number`, in the same
    /// epoch: these numbers were claimed, as ascending ranges `[first, last]`, and the others make
    /// room for good, whatever becomes of Redis.
    ClaimsClosed { epoch: u32, number: u64, claimed: Vec<(u64, u64)> },
}

/// The pass of a place of a room without seats was given back before it ended: its visit is over.
///
/// A message of its own beside the records, which the leader alone appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassGivenBack {
    /// The place's number in line.
    pub number: u64,
    pub at: UnixMillis,
}

/// What the draws of a room take from outside; an operator says it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Beacons {
    /// Whether the draws of pre-queues that begin from now on wait for one each.
    pub required: bool,
    /// What was given, at most one for each root. None is ever replaced or dropped: who could do
    /// that could choose.
    pub given: Vec<Beacon>,
}

/// A word for the draw of the cohort with this root. Whoever names the root has seen it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beacon {
    pub root: [u8; 32],
    pub value: CompactString,
}

impl Beacons {
    /// The word for the draw of the cohort with `root`.
    pub fn of(&self, root: &[u8; 32]) -> Option<&str> {
        self.given.iter().find(|given| given.root == *root).map(|given| given.value.as_str())
    }
}

/// How many beacons the draws of a room can be given.
///
/// A room has some draws in its life; a setting of so many beacons has 75 KB. Beyond that its draws
/// wait for ever, for what was given is not dropped.
pub const BEACONS_MAX: usize = 256;

/// Longest beacon, in bytes of its text.
pub const BEACON_BYTES_MAX: usize = 256;

/// Who else commits to a secret for the draws of a room, besides the house; an operator says it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Witnesses {
    /// One for each witness, in the order in which their secrets go into the seed.
    pub commitments: Vec<[u8; 32]>,
    /// What has been revealed for the draw of the cohort with `root`, in no order.
    pub root: [u8; 32],
    pub secrets: Vec<[u8; 32]>,
}

/// How many witnesses a draw can have.
///
/// Each has to be there at the close, and one who is not stops the draw: more of them make it no
/// safer against an operator who has all but one on his side, and less likely to happen.
pub const WITNESSES_MAX: usize = 8;

/// What the hash of a secret begins with, when it is published as a commitment. Frozen.
pub const COMMITMENT_DOMAIN: &[u8] = b"usher draw commitment v1\0";

/// An instance's word on which numbers it has given out, to the room's leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenReport {
    /// Names the instance for the time of its life.
    pub giver: u64,
    /// It has heard of this epoch and gives out no number of an earlier one.
    pub epoch: u32,
    /// The highest number that it has given to anybody.
    pub given_to: u64,
}

/// The order of a pre-queue: the place that got number `base + 1 + i` has number `base + 1 + p(i)`
/// in line, where `p` is the permutation of `0..last - base` that the seed is the key of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draw {
    pub base: u64,
    pub last: u64,
    pub seed: [u8; 32],
    pub at: UnixMillis,
    /// What the seed is made of; `None` for a draw whose seed was just made up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_of: Option<DrawMadeOf>,
}

/// What the seed of a draw is made of, besides the event and the number of places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrawMadeOf {
    pub root: [u8; 32],
    pub secret: [u8; 32],
    /// Empty without one.
    pub beacon: CompactString,
    /// The witnesses' secrets, in the order of their commitments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<[u8; 32]>,
}

/// One batch of admissions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    pub epoch: u32,
    pub cursor_before: u64,
    pub cursor: u64,
    /// How many of the numbers were alive, and so called.
    pub called: u32,
    pub at: UnixMillis,
    /// Until when a called person may claim, and until when the pass then made is good.
    pub claim_until: UnixMillis,
    pub pass_until: UnixMillis,
    /// The numbers in `(cursor_before, cursor]` that were gone, as ascending ranges `[first,
    /// last]`.
    pub skipped: Vec<(u64, u64)>,
    /// Numbers at or below `cursor_before` that had been skipped, came back, and are called now.
    /// They are counted in `called`.
    pub late: Vec<u64>,
    /// When it was decided, by a clock that never steps. `None` if the machine has none.
    pub clock: Option<MachineClock>,
    /// What the stages behind a room that adapts bore then, in calls a minute: the next leader goes
    /// on from there. `None` for all that the operator allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<u32>,
}

/// A machine's uptime: comparable between processes of one boot, and only between those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineClock {
    /// Names the boot.
    pub boot: u64,
    pub uptime: DurationMs,
}

/// The leader's tick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomStatus {
    pub event: EventId,
    pub mode: RoomMode,
    pub epoch: u32,
    pub cursor: u64,
    /// The last number given out.
    pub number_last: u64,
    pub live_ahead: u64,
    /// The operator's rate, or what the stages behind a room that adapts bear of it.
    pub rate_per_minute: u32,
    pub limited_by: LimitedBy,
    pub seats_remaining: SeatsBand,
    pub called_last_minute: u32,
    pub active: u32,
    pub at: UnixMillis,
    /// How long until the next tick at most; a status older than a few of these is stale.
    pub tick: DurationMs,
    /// Places up to this number must check in, or will be skipped as gone.
    pub check_in_horizon: u64,
    #[serde(default, skip_serializing_if = "RoomLife::is_default")]
    pub life: RoomLife,
}

/// How a room stands besides its line, as its leader says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RoomLife {
    /// A room in standby that is a line now.
    pub is_armed: bool,
    /// Why nobody is called, if that is so.
    pub hold: Option<HoldReason>,
}

impl RoomLife {
    /// Whether there is nothing to say, so that it need not be sent.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a room calls nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldReason {
    /// An operator wants it so: the mode `hold`, or `queueAll`.
    Operator,
    /// Redis does not answer.
    RedisAway,
    /// Redis lost the line; numbers go on in a new epoch.
    NewEpoch,
    /// The next in line are numbers of which nobody knows whether anybody has them.
    NumbersInDoubt,
    /// This leader has not read yet which places are sold and who has bought.
    SalesUnknown,
    /// No leader has said anything for a while.
    LeaderSilent,
}

/// The audience of admission passes.
pub const PASS_AUDIENCE: &str = "usher-pass";

/// What an admission pass says: the claims of a JWT signed with EdDSA.
///
/// All of it follows from the place and its release record, so signing again gives the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassClaims {
    pub aud: CompactString,
    pub event: EventId,
    pub epoch: u32,
    pub number: u64,
    /// Seconds since 1970, rounded up from `pass_until`: what a stranger's JWT library checks.
    pub exp: u64,
    /// The exact deadline.
    pub pass_until: UnixMillis,
    /// The account that claimed it; without one the pass belongs to its first user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<AccountId>,
}

impl PassClaims {
    pub fn new(
        event: EventId,
        place: PassPlace,
        pass_until: UnixMillis,
        sub: Option<AccountId>,
    ) -> Self {
        let exp = pass_until.0.div_ceil(1_000);
        let PassPlace { epoch, number } = place;
        Self { aud: PASS_AUDIENCE.into(), event, epoch, number, exp, pass_until, sub }
    }

    /// The pass as commands carry it.
    pub fn pass(&self) -> Pass {
        let place = PassPlace { epoch: self.epoch, number: self.number };
        Pass { place, expires_at: self.pass_until, account: self.sub }
    }
}

/// Which limit bound the last release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitedBy {
    /// Nobody waits.
    Nothing,
    Rate,
    Active,
    Seats,
    Allocator,
    Settlement,
    /// The mode calls nobody.
    Mode,
    /// Trouble: the room holds until a server is back.
    Recovery,
}

/// How many seats are left, coarsely: exact figures would help those who hoard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeatsBand {
    Many,
    Some,
    Few,
    None,
    Unknown,
}

impl SeatsBand {
    /// Many above a quarter of all, few below a twentieth.
    pub fn of(free: u32, total: u32) -> Self {
        let (free, total) = (u64::from(free), u64::from(total));
        if free == 0 {
            Self::None
        } else if free * 20 < total {
            Self::Few
        } else if free * 4 <= total {
            Self::Some
        } else {
            Self::Many
        }
    }
}
