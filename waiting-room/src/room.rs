//! One room as this instance knows it; every task of the room writes its own part, handlers read.

use crate::cohorts::{Cohorts, Entered};
use crate::joiner::{Asked, JoinAsk, Joined};
use crate::loads::Loads;
use crate::seal::Sealer;
use crate::seats::Seats;
use crate::secret::Secrets;
use crate::store::{Blessed, Store};
use chassis::clock::Monotonic;
use chassis::keys::{HmacKey, random_bytes};
use schema::admission::{AdmissionRecord, Beacon, Draw, GivenReport, LimitedBy, RoomStatus};
use schema::{EventId, EventListing, RoomSettings, ShardId};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::{mpsc, watch};
use waiting_room_core::{
    Ledger, LiveIndex, MonoMs, NumberSet, POLLS, PlaceKind, PollGuard, Standing, Token, terms_in,
};

use crate::config::{CHECK_INS_MAX, STATUS_AGE_MAX};
use crate::document::Document;
use dashmap::DashMap;
use schema::DurationMs;

/// Numbers in one block of poll guards: 16 KiB.
const GUARD_BLOCK: u64 = 4_096;

/// One room.
#[derive(Debug)]
pub(crate) struct Room {
    pub event: EventId,
    pub store: Store,
    pub joins: mpsc::Sender<JoinAsk>,
    /// Rises with each record that the ledger has taken in: the stream sequence.
    pub read_to: watch::Sender<u64>,
    /// Whether anybody asked for a position since the index was read.
    pub index_wanted: AtomicBool,
    /// What everybody may know, as it is given out.
    pub document: Document,
    /// The highest number that this instance has given out. Raised under the ledger's lock, so that
    /// it is final for an epoch once the next one is in the ledger.
    given_max: AtomicU64,
    /// Names this instance to the leader, for its life.
    pub giver: u64,
    pub sealer: Arc<Sealer>,
    pub secrets: Arc<Secrets>,
    /// The one that sells its seats.
    pub shard: ShardId,
    /// What the stages behind the room say, for its leader.
    pub loads: Arc<Loads>,
    /// What all who wait may ask together.
    pub polls_per_second_max: u32,
    /// Written with the ledger, before it.
    pub cohorts: Cohorts,
    beacon: RwLock<Option<Beacon>>,
    listing: RwLock<Arc<EventListing>>,
    settings: RwLock<RoomSettings>,
    ledger: RwLock<Ledger>,
    status: RwLock<Option<(RoomStatus, Monotonic)>>,
    index: RwLock<Arc<LiveIndex>>,
    seats: Mutex<Seats>,
    completed: Mutex<Completed>,
    check_ins: Mutex<NumberSet>,
    /// Places this instance has seen claimed: a poll of theirs need not ask Redis.
    claimed: Mutex<NumberSet>,
    /// Next free times of polls, in ms since the instance started.
    guards: DashMap<u64, Box<[AtomicU32]>>,
}

/// Places that bought.
#[derive(Debug, Default)]
pub(crate) struct Completed {
    pub numbers: NumberSet,
    /// Those that the room's leader has not counted yet.
    pub fresh: Vec<u64>,
}

/// What a room has from its process.
pub(crate) struct Around {
    pub sealer: Arc<Sealer>,
    pub secrets: Arc<Secrets>,
    /// The shard that sells its seats.
    pub shard: ShardId,
    pub loads: Arc<Loads>,
    /// What all who wait may ask together.
    pub polls_per_second_max: u32,
}

impl Room {
    pub(crate) fn new(
        listing: EventListing,
        settings: RoomSettings,
        store: Store,
        joins: mpsc::Sender<JoinAsk>,
        around: Around,
    ) -> Self {
        let Around { sealer, secrets, shard, loads, polls_per_second_max } = around;
        let mut seats = Seats::default();
        seats.list(listing.places_total);
        Self {
            event: listing.event.clone(),
            store,
            joins,
            read_to: watch::Sender::new(0),
            index_wanted: AtomicBool::new(false),
            document: Document::default(),
            given_max: AtomicU64::new(0),
            giver: u64::from_be_bytes(random_bytes()),
            sealer,
            secrets,
            shard,
            loads,
            polls_per_second_max,
            cohorts: Cohorts::default(),
            beacon: RwLock::default(),
            listing: RwLock::new(Arc::new(listing)),
            settings: RwLock::new(settings),
            ledger: RwLock::default(),
            status: RwLock::default(),
            index: RwLock::default(),
            seats: Mutex::new(seats),
            completed: Mutex::default(),
            check_ins: Mutex::default(),
            claimed: Mutex::default(),
            guards: DashMap::new(),
        }
    }

    pub(crate) fn listing(&self) -> Arc<EventListing> {
        Arc::clone(&read(&self.listing))
    }

    pub(crate) fn list(&self, listing: EventListing) {
        lock(&self.seats).list(listing.places_total);
        *write(&self.listing) = Arc::new(listing);
    }

    pub(crate) fn settings(&self) -> RoomSettings {
        read(&self.settings).clone()
    }

    pub(crate) fn admission_rate_per_minute(&self) -> u32 {
        read(&self.settings).admission_rate_per_minute
    }

    pub(crate) fn set(&self, settings: RoomSettings) {
        *write(&self.settings) = settings;
    }

    pub(crate) fn ledger(&self) -> RwLockReadGuard<'_, Ledger> {
        read(&self.ledger)
    }

    /// The longest that anybody is told to wait before the next poll now.
    pub(crate) fn poll_ceiling(&self) -> DurationMs {
        let crowd = self.ledger().crowd();
        POLLS.ceiling_for(crowd, &read(&self.settings), self.polls_per_second_max)
    }

    /// Takes in the next record of the stream, heard of at `at`.
    pub(crate) fn apply(&self, record: AdmissionRecord, at: MonoMs) {
        self.cohorts.follow(&record);
        self.ledger_mut().apply(record, at);
    }

    pub(crate) fn ledger_mut(&self) -> RwLockWriteGuard<'_, Ledger> {
        write(&self.ledger)
    }

    /// What the draws of the room take from outside; `None` for nothing.
    pub(crate) fn beacon(&self) -> Option<Beacon> {
        read(&self.beacon).clone()
    }

    pub(crate) fn set_beacon(&self, beacon: Option<Beacon>) {
        *write(&self.beacon) = beacon;
    }

    pub(crate) fn blessed(&self) -> Blessed {
        Blessed::of(&self.ledger())
    }

    /// Notes that numbers up to `last` go out, if `epoch` is still the room's epoch and they are
    /// not above its mark. `None` if the mark is not known to be that high yet.
    pub(crate) fn may_give(&self, epoch: u32, last: u64) -> Option<bool> {
        let ledger = self.ledger();
        if ledger.epoch != epoch {
            return Some(false);
        }
        if ledger.mark < last {
            return None;
        }
        // Relaxed: the ledger's lock orders it before the next epoch.
        self.given_max.fetch_max(last, Ordering::Relaxed);
        Some(true)
    }

    /// What this instance has given out before the ledger's epoch, or in it.
    pub(crate) fn given_report(&self) -> GivenReport {
        let epoch = self.ledger().epoch;
        // Relaxed: see `may_give`.
        let given_to = self.given_max.load(Ordering::Relaxed);
        GivenReport { giver: self.giver, epoch, given_to }
    }

    /// How a place in line stands, with the terms as they are now, and what of Redis that is
    /// about: both as of the same record.
    pub(crate) fn standing(&self, number: u64) -> (Blessed, Standing) {
        let ledger = self.ledger();
        let standing = match ledger.standing(number) {
            Standing::Called(terms) => Standing::Called(terms_in(terms, ledger.epoch)),
            standing => standing,
        };
        (Blessed::of(&ledger), standing)
    }

    pub(crate) fn seats(&self) -> MutexGuard<'_, Seats> {
        lock(&self.seats)
    }

    pub(crate) fn completed(&self) -> MutexGuard<'_, Completed> {
        lock(&self.completed)
    }

    pub(crate) fn claimed(&self) -> MutexGuard<'_, NumberSet> {
        lock(&self.claimed)
    }

    pub(crate) fn hear(&self, status: RoomStatus) {
        let mut heard = write(&self.status);
        // An overtaken leader may still speak; its words are older.
        let is_old = heard.as_ref().is_some_and(|(last, _)| status.cursor < last.cursor);
        if !is_old {
            *heard = Some((status, Monotonic::now()));
        }
    }

    /// The leader's last word; with trouble as the limit if it is no news of now.
    pub(crate) fn status(&self) -> Option<RoomStatus> {
        let heard = read(&self.status);
        let (status, at) = heard.as_ref()?;
        let mut status = status.clone();
        if STATUS_AGE_MAX < at.elapsed() {
            status.limited_by = LimitedBy::Recovery;
        }
        Some(status)
    }

    /// A part of the leader's last word, which is true of when it was said.
    pub(crate) fn told<T>(&self, part: impl FnOnce(&RoomStatus) -> T) -> Option<T> {
        read(&self.status).as_ref().map(|(status, _)| part(status))
    }

    /// Whether a place that waits is not asked to check in; `None` is one before its draw. In doubt
    /// it is near: the leader waits for those who were told a far one's pause, and for no others.
    pub(crate) fn is_far(&self, number: Option<u64>) -> bool {
        let read = read(&self.status);
        let fresh = read.as_ref().filter(|(_, heard)| heard.elapsed() <= STATUS_AGE_MAX);
        fresh.is_some_and(|(status, _)| number.is_none_or(|n| status.check_in_horizon < n))
    }

    pub(crate) fn index(&self) -> Arc<LiveIndex> {
        // Relaxed: a wish; the index itself is behind its lock.
        self.index_wanted.store(true, Ordering::Relaxed);
        Arc::clone(&read(&self.index))
    }

    pub(crate) fn set_index(&self, index: LiveIndex) {
        *write(&self.index) = Arc::new(index);
    }

    /// Notes a check-in; it is written with the next flush.
    pub(crate) fn check_in(&self, number: u64) {
        let mut numbers = lock(&self.check_ins);
        if numbers.len() < CHECK_INS_MAX {
            numbers.insert(number);
        }
    }

    /// Takes back a check-in that has not been written.
    pub(crate) fn forget_check_in(&self, number: u64) {
        lock(&self.check_ins).remove(number);
    }

    pub(crate) fn take_check_ins(&self) -> NumberSet {
        std::mem::take(&mut *lock(&self.check_ins))
    }

    /// The token of a place, as a repeat of the join gets it too.
    pub(crate) fn token(&self, asked: &Asked, joined: &Joined) -> Token {
        let Joined { epoch, number, kind, kept } = *joined;
        let issued_at = kept.map_or(asked.issued_at, |kept| kept.issued_at);
        let (kid, event, pop_hash) = (self.sealer.kid(), self.event.clone(), asked.pop_hash);
        Token { kid, kind, event, epoch, number, issued_at, pop_hash }
    }

    /// Whether the place of a pre-queue is in its cohort. A draw that is made of nothing had none.
    pub(crate) fn entered(&self, number: u64, token_hash: &[u8; 32]) -> Entered {
        if self.ledger().draw_of(number).is_some_and(|draw| draw.made_of.is_none()) {
            return Entered::Yes;
        }
        self.cohorts.entered(number, token_hash)
    }

    /// The draw of the token's pre-queue; `None` before it, and for a place of the line.
    pub(crate) fn draw_of(&self, token: &Token) -> Option<Draw> {
        let number = (token.kind == PlaceKind::PreQueue).then_some(token.number)?;
        self.ledger().draw_of(number).cloned()
    }

    /// The place's number in line; `None` before the draw of its pre-queue.
    pub(crate) fn line_number(&self, token: &Token) -> Option<u64> {
        if token.kind == PlaceKind::Line {
            return Some(token.number);
        }
        let ledger = self.ledger();
        let draw = ledger.draw_of(token.number)?;
        Some(drawn_number(draw, token.number))
    }

    /// Lets a poll of the place pass, or says how long to wait.
    pub(crate) fn guard(&self, number: u64, now_ms: u32) -> Result<(), DurationMs> {
        let (block, idx) = (number / GUARD_BLOCK, number % GUARD_BLOCK);
        // Found by all but the first poll of a block, with a lock that polls share.
        let block = match self.guards.get(&block) {
            Some(known) => known,
            None => self.guards.entry(block).or_insert_with(fresh_guards).downgrade(),
        };
        let place = &block[usize::try_from(idx).expect("below the block's size")];
        let call = |next: u32| PollGuard::call(next, now_ms);
        // Relaxed: each place's guard stands alone.
        let passed =
            place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| call(next).ok());
        match passed {
            Ok(_) => Ok(()),
            Err(next) => call(next).map(drop),
        }
    }
}

fn fresh_guards() -> Box<[AtomicU32]> {
    (0..GUARD_BLOCK).map(|_| AtomicU32::new(0)).collect()
}

/// The function that the draw's permutation is keyed by: HMAC-SHA256 under the seed over the round
/// and the half-block as 8 big-endian bytes; the first 8 bytes of it, big-endian. Frozen: fans
/// verify it.
pub(crate) fn prf(key: &HmacKey, round: u8, half: u64) -> u64 {
    let mac = key.mac(&[&[round], &half.to_be_bytes()]);
    u64::from_be_bytes(*mac.first_chunk().expect("a MAC has 32 bytes"))
}

/// The number in line of the pre-queue place with `number`.
pub(crate) fn drawn_number(draw: &Draw, number: u64) -> u64 {
    let key = draw_key(&draw.seed);
    Ledger::drawn_number(draw, number, &|round, half| prf(&key, round, half))
}

pub(crate) fn draw_key(seed: &[u8; 32]) -> HmacKey {
    HmacKey::from_bytes(*seed)
}

// Nothing panics while these are held, so a poisoned lock's data is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
