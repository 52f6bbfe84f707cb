//! One room as this instance knows it; every task of the room writes its own part, handlers read.

use crate::cohorts::Cohorts;
use crate::guards::PollGuards;
use crate::joiner::JoinAsk;
use crate::loads::Loads;
use crate::metrics::{self, Within};
use crate::outside::Outside;
use crate::seal::Sealer;
use crate::seats::Seats;
use crate::secret::Secrets;
use crate::store::{Blessed, Store};
use chassis::clock::Monotonic;
use chassis::keys::random_bytes;
use schema::admission::{AdmissionRecord, GivenReport, HoldReason, LimitedBy, RoomStatus};
use schema::{EventId, EventListing, EventStatus, RoomSettings, ShardId, UnixMillis};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::{mpsc, watch};
use waiting_room_core::{
    Baskets, Bits, Ceilings, Ending, Ledger, Life, LiveIndex, Manner, MonoMs, NumberSet, POLLS,
    Paces, Speed, Standing, Told, Until, Wait, ending, manner, terms_in,
};

use crate::config::{CHECK_INS_MAX, LATE_SEEN_MAX, STATUS_AGE_MAX};
use crate::document::Document;
use schema::DurationMs;

mod completed;
mod place;
mod view;

pub(crate) use completed::{Completed, Visit};
pub(crate) use view::{View, of_room};

/// One room.
#[derive(Debug)]
pub(crate) struct Room {
    pub event: EventId,
    /// Whose journal tells of its seats, and how far that has been read.
    pub shard: ShardId,
    pub sales_read_to: Arc<AtomicU64>,
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
    /// What the stages behind the room say, for its leader.
    pub loads: Arc<Loads>,
    /// What all who wait may ask together.
    pub polls_per_second_max: u32,
    /// Written with the ledger, before it.
    pub cohorts: Cohorts,
    pub outside: Outside,
    listing: RwLock<Arc<EventListing>>,
    settings: RwLock<Arc<RoomSettings>>,
    ledger: RwLock<Ledger>,
    status: RwLock<Option<(RoomStatus, Monotonic)>>,
    index: RwLock<Arc<LiveIndex>>,
    /// Which order of the line the index is of.
    index_order: Mutex<Option<Order>>,
    /// What polls are told, as of the leader's last word.
    outlook: RwLock<Outlook>,
    speed: Mutex<Speed>,
    told: Mutex<Told>,
    started: Monotonic,
    seats: Arc<Mutex<Seats>>,
    completed: Mutex<Completed>,
    check_ins: Mutex<NumberSet>,
    /// Places that were passed over and whose fans have asked since the last flush.
    returners: Mutex<NumberSet>,
    /// Some did not fit.
    check_ins_dropped: AtomicBool,
    /// Places this instance has seen claimed: a poll of theirs need not ask Redis.
    claimed: Mutex<NumberSet>,
    pub guards: PollGuards,
    /// Of what places ask besides polls: claims and leaves.
    pub acts: PollGuards,
    /// Of passes that are given back, by numbers in line and not by those of tokens.
    pub give_backs: PollGuards,
    /// Whether what the stream held when this process came has been read.
    pub begun: watch::Sender<bool>,
    version: AtomicU64,
    /// As of some version.
    view: RwLock<Arc<View>>,
}

/// Which order the numbers in line have: what is known of who is alive holds for one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    epoch: u32,
    draw_count: usize,
    has_doubts: bool,
}

impl Order {
    pub(crate) fn of(ledger: &Ledger) -> Self {
        let (epoch, draw_count) = (ledger.epoch, ledger.draws.len());
        Self { epoch, draw_count, has_doubts: ledger.doubts().next().is_some() }
    }
}

/// What polls are told besides the place itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outlook {
    /// `None` while nothing is known of how fast the line will move.
    pub paces: Option<Paces>,
    /// `None` for a room without seats.
    pub free: Option<u32>,
    /// People inside who hold no seats.
    pub without_seats: u64,
    pub baskets: Baskets,
    pub basket_max: u16,
    pub ended: Option<Ending>,
}

/// What a room has from its process.
pub(crate) struct Around {
    pub sealer: Arc<Sealer>,
    pub secrets: Arc<Secrets>,
    /// The shard that sells its seats, and how far its journal has been read.
    pub shard: ShardId,
    pub sales_read_to: Arc<AtomicU64>,
    pub seats: Arc<Mutex<Seats>>,
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
        let Around { sealer, secrets, shard, sales_read_to, seats, .. } = around;
        let Around { loads, polls_per_second_max, .. } = around;
        Self {
            event: listing.event.clone(),
            shard,
            sales_read_to,
            store,
            joins,
            read_to: watch::Sender::new(0),
            index_wanted: AtomicBool::new(false),
            document: Document::default(),
            given_max: AtomicU64::new(0),
            giver: u64::from_be_bytes(random_bytes()),
            sealer,
            secrets,
            loads,
            polls_per_second_max,
            cohorts: Cohorts::default(),
            outside: Outside::default(),
            listing: RwLock::new(Arc::new(listing)),
            settings: RwLock::new(Arc::new(settings)),
            ledger: RwLock::default(),
            status: RwLock::default(),
            index: RwLock::default(),
            index_order: Mutex::default(),
            outlook: RwLock::default(),
            speed: Mutex::default(),
            told: Mutex::default(),
            started: Monotonic::now(),
            seats,
            completed: Mutex::default(),
            check_ins: Mutex::default(),
            returners: Mutex::default(),
            check_ins_dropped: AtomicBool::new(false),
            claimed: Mutex::default(),
            guards: PollGuards::default(),
            acts: PollGuards::default(),
            give_backs: PollGuards::default(),
            begun: watch::Sender::new(false),
            version: AtomicU64::new(1),
            view: RwLock::default(),
        }
    }

    pub(crate) fn listing(&self) -> Arc<EventListing> {
        Arc::clone(&read(&self.listing))
    }

    pub(crate) fn list(&self, listing: EventListing) {
        lock(&self.seats).list(listing.places_total);
        *write(&self.listing) = Arc::new(listing);
        self.changed();
    }

    pub(crate) fn settings(&self) -> Arc<RoomSettings> {
        Arc::clone(&read(&self.settings))
    }

    pub(crate) fn set(&self, settings: RoomSettings) {
        *write(&self.settings) = Arc::new(settings);
        self.changed();
    }

    pub(crate) fn ledger(&self) -> RwLockReadGuard<'_, Ledger> {
        read(&self.ledger)
    }

    /// The longest that anybody is told to wait before the next poll now.
    pub(crate) fn poll_ceilings(&self) -> Ceilings {
        let crowd = self.ledger().crowd();
        POLLS.ceilings_for(crowd, &read(&self.settings), self.polls_per_second_max)
    }

    /// Takes in the next record of the stream, heard of at `at`.
    pub(crate) fn apply(&self, record: AdmissionRecord, at: MonoMs) {
        self.cohorts.follow(&record);
        write(&self.ledger).apply(record, at);
        self.changed();
    }

    /// Drops what nobody can need at `now` any more.
    pub(crate) fn forget(&self, now: UnixMillis) {
        write(&self.ledger).forget(now);
        self.changed();
    }

    /// What the stream held when this process came has been read.
    pub(crate) fn begin(&self) {
        self.begun.send_replace(true);
        self.changed();
    }

    /// How the line is called now, as this instance knows it.
    pub(crate) fn manner(&self) -> Manner {
        self.manner_of(&read(&self.settings), &self.ledger())
    }

    /// How the line is called now by `settings`, with the records of `ledger`.
    pub(crate) fn manner_of(&self, settings: &RoomSettings, ledger: &Ledger) -> Manner {
        let life = Life {
            gathering: ledger.gathering.is_some(),
            is_armed: ledger.is_armed,
            is_over: self.is_cancelled(),
            now: chassis::clock::now(),
        };
        manner(settings, life)
    }

    /// Whether there is nothing to wait for any more.
    pub(crate) fn is_cancelled(&self) -> bool {
        read(&self.listing).status == EventStatus::Cancelled
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

    /// Waits until the place with `number` in line has been called or passed. Cancel-safe.
    pub(crate) async fn is_called(&self, number: u64) {
        let mut read_to = self.read_to.subscribe();
        loop {
            read_to.mark_unchanged();
            let is_waiting = self.ledger().standing(number) == Standing::Waiting;
            if !is_waiting || read_to.changed().await.is_err() {
                return;
            }
        }
    }

    pub(crate) fn seats(&self) -> MutexGuard<'_, Seats> {
        lock(&self.seats)
    }

    pub(crate) fn claimed(&self) -> MutexGuard<'_, NumberSet> {
        lock(&self.claimed)
    }

    pub(crate) fn hear(&self, status: RoomStatus) {
        let mut heard = write(&self.status);
        // An overtaken leader may still speak; its words are older.
        let is_old = heard.as_ref().is_some_and(|(last, _)| status.cursor < last.cursor);
        if is_old {
            return;
        }
        let (limited_by, active) = (status.limited_by, status.active);
        let may_call = status.rate_per_minute != 0;
        *heard = Some((status, Monotonic::now()));
        drop(heard);
        self.changed();
        let now = self.now();
        let is_held = matches!(
            limited_by,
            LimitedBy::Nothing | LimitedBy::Mode | LimitedBy::Recovery | LimitedBy::Seats
        );
        let is_line_moving = may_call && !is_held;
        let called = self.ledger().called;
        let paces = {
            let mut speed = lock(&self.speed);
            speed.note(now, called, is_line_moving);
            speed.paces().filter(|_| is_line_moving || limited_by == LimitedBy::Nothing)
        };
        self.check_told(now);
        let listing = self.listing();
        let ended = ending(
            &read(&self.settings),
            listing.status == EventStatus::Cancelled,
            chassis::clock::now(),
        );
        let (free, returns) = {
            let seats = self.seats();
            (seats.to_sell(), seats.returns())
        };
        let without_seats = u64::from(active.saturating_sub(returns.holding));
        let (baskets, basket_max) = (returns.baskets, listing.account_places_max);
        *write(&self.outlook) = Outlook { paces, free, without_seats, baskets, basket_max, ended };
        self.changed();
    }

    /// The time by which claims and passes of the room are judged.
    ///
    /// LINE-2: their terms are in the leader's time, who lets others in when they end. A clock that
    /// is behind the leader's last word is wrong by as much at least.
    pub(crate) fn wall(&self) -> UnixMillis {
        let now = chassis::clock::now();
        read(&self.status).as_ref().map_or(now, |(status, _)| now.max(status.at))
    }

    /// The leader's last word; with trouble as the limit if it is no news of now.
    pub(crate) fn status(&self) -> Option<RoomStatus> {
        let heard = read(&self.status);
        let (status, at) = heard.as_ref()?;
        let mut status = status.clone();
        if STATUS_AGE_MAX < at.elapsed() {
            status.limited_by = LimitedBy::Recovery;
            status.life.hold = Some(HoldReason::LeaderSilent);
        }
        Some(status)
    }

    /// Positions are asked for: the index shall be read again.
    pub(crate) fn want_index(&self) {
        // Relaxed: a wish; the index itself is behind its lock. Mostly it is wished for already,
        // and then nobody writes what all read.
        if !self.index_wanted.load(Ordering::Relaxed) {
            self.index_wanted.store(true, Ordering::Relaxed);
        }
    }

    /// Takes who is alive from the first of `bits` on, `last` being the last number given out.
    ///
    /// Who was gone stays gone for the positions of others, unless the line has another order since
    /// or some numbers are in doubt, whose owners count from their check-in on.
    pub(crate) fn set_index(&self, order: Order, bits: Bits, last: u64) {
        let before = lock(&self.index_order).replace(order);
        let mut index = write(&self.index);
        let is_same = before == Some(order) && !order.has_doubts;
        let next = if is_same { index.followed_by(bits, last) } else { LiveIndex::new(bits, last) };
        *index = Arc::new(next);
        drop(index);
        self.changed();
    }

    /// The place was told that it waits so long.
    pub(crate) fn note_told(&self, number: u64, wait: Wait) {
        let now = self.now();
        let [p50, p90] =
            [wait.p50, wait.p90].map(|seconds| now + DurationMs(seconds.saturating_mul(1_000)));
        lock(&self.told).note(number, Until { p50, p90 });
    }

    /// Holds what was told against what came of it.
    fn check_told(&self, now: MonoMs) {
        let ledger = self.ledger();
        for (number, until) in lock(&self.told).passed(ledger.cursor) {
            if matches!(ledger.standing(number), Standing::Called(_)) {
                metrics::waited(match until {
                    Until { p50, .. } if now <= p50 => Within::P50,
                    Until { p90, .. } if now <= p90 => Within::P90,
                    _ => Within::Neither,
                });
            }
        }
    }

    /// Since this instance has the room.
    fn now(&self) -> MonoMs {
        MonoMs(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Notes a check-in; it is written with the next flush.
    pub(crate) fn check_in(&self, number: u64) {
        let mut numbers = lock(&self.check_ins);
        if numbers.len() < CHECK_INS_MAX {
            numbers.insert(number);
        } else if !numbers.contains(number) {
            // Relaxed: read under the same lock.
            self.check_ins_dropped.store(true, Ordering::Relaxed);
        }
    }

    /// Notes that a fan whose place was passed over is there; what is too much for one flush comes
    /// with a later poll.
    pub(crate) fn come_back(&self, number: u64) {
        let mut numbers = lock(&self.returners);
        if numbers.len() < CHECK_INS_MAX {
            numbers.insert(number);
        }
    }

    /// The returners of one flush.
    pub(crate) fn take_returners(&self) -> Vec<u64> {
        let mut numbers = lock(&self.returners);
        let taken: Vec<u64> = numbers.iter().take(LATE_SEEN_MAX).collect();
        for &number in &taken {
            numbers.remove(number);
        }
        taken
    }

    /// Takes back what has not been written of a fan who is there.
    pub(crate) fn forget_presence(&self, number: u64) {
        lock(&self.check_ins).remove(number);
        lock(&self.returners).remove(number);
    }

    /// The check-ins since the last call, and whether they are all there were.
    pub(crate) fn take_check_ins(&self) -> (NumberSet, bool) {
        let mut numbers = lock(&self.check_ins);
        // Relaxed: written under the same lock.
        let dropped = self.check_ins_dropped.swap(false, Ordering::Relaxed);
        (std::mem::take(&mut *numbers), !dropped)
    }
}

// Nothing panics while these are held, so a poisoned lock's data is whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
