//! How a room deals with its line now, as its settings, its records and the time have it.

use crate::limits::CLOCKS_APART_MAX;
use schema::{QueueingMethod, RoomMode, RoomSettings, UnixMillis};

/// How those who wait are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Nobody,
    /// At the steady pace of the rate.
    Paced,
    /// At the next tick, as far as the caps allow.
    AtOnce,
}

/// What is true of a room besides its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// A pre-queue gathers, which is not called before its draw.
    pub gathering: bool,
    /// A room in standby that became a line.
    pub is_armed: bool,
    /// The event is cancelled: there is nothing to wait for.
    pub is_over: bool,
    pub now: UnixMillis,
}

/// How the line is called.
pub fn manner(settings: &RoomSettings, life: Life) -> Manner {
    let options = &settings.options;
    if life.is_over || options.queue_all || options.queueing_method == QueueingMethod::Reject {
        return Manner::Nobody;
    }
    let has_opened = settings.opens_at.is_some_and(|opens_at| opens_at <= life.now);
    let is_fifo = options.queueing_method == QueueingMethod::Fifo;
    let is_at_once = match settings.mode {
        RoomMode::Off | RoomMode::Hold | RoomMode::Closed => return Manner::Nobody,
        RoomMode::PreQueue if life.gathering => return Manner::Nobody,
        // Without a draw its line just stands until it opens; with one it was drawn when it did.
        RoomMode::PreQueue if is_fifo && !has_opened => return Manner::Nobody,
        RoomMode::Open | RoomMode::Drain | RoomMode::PreQueue => false,
        RoomMode::Standby => !life.is_armed,
    };
    if is_at_once || options.queueing_method == QueueingMethod::Passthrough {
        Manner::AtOnce
    } else {
        Manner::Paced
    }
}

/// Why a room calls nobody for good, as far as its settings say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The event is cancelled.
    Cancelled,
    /// An operator closed the room.
    Closed,
}

impl Ending {
    pub fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Closed => "closed",
        }
    }
}

/// Whether those who wait have come to the end of the sale; a room that opens later has not.
pub fn ending(settings: &RoomSettings, is_cancelled: bool, now: UnixMillis) -> Option<Ending> {
    let opens_later = settings.opens_at.is_some_and(|opens_at| now < opens_at);
    let is_rejecting = settings.options.queueing_method == QueueingMethod::Reject;
    match settings.mode {
        _ if is_cancelled => Some(Ending::Cancelled),
        RoomMode::Closed if !opens_later => Some(Ending::Closed),
        RoomMode::Off | RoomMode::Closed => None,
        _ => is_rejecting.then_some(Ending::Closed),
    }
}

/// A change of a room's phase that its leader has to carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseStep {
    StartGather,
    Draw,
}

/// What the records say of a room's pre-queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gathered {
    /// One gathers now, or is to be drawn.
    pub gathering: bool,
    /// When the last one was drawn, by [`drawn_at`].
    pub drawn_at: Option<UnixMillis>,
}

/// What the settings ask of a room with these pre-queues, at `now`.
///
/// A pre-queue that was drawn when it opened, or later, is over, also by a clock that was put back
/// since, or that of another leader: else a second one would begin behind its draw.
pub fn phase_step(
    settings: &RoomSettings,
    Gathered { gathering, drawn_at }: Gathered,
    now: UnixMillis,
) -> Option<PhaseStep> {
    let by = |at: UnixMillis| settings.opens_at.is_some_and(|opens_at| opens_at <= at);
    let has_opened = by(now) || !gathering && drawn_at.is_some_and(by);
    let is_drawn = settings.options.queueing_method == QueueingMethod::Random;
    match settings.mode {
        RoomMode::PreQueue if !gathering && !has_opened && is_drawn => Some(PhaseStep::StartGather),
        RoomMode::PreQueue if gathering && has_opened => Some(PhaseStep::Draw),
        RoomMode::Open | RoomMode::Drain | RoomMode::Standby if gathering => Some(PhaseStep::Draw),
        _ => None,
    }
}

/// The time that a draw at `now` is stored with: that at which the pre-queue opens, where this
/// clock has not come there yet. It was closed by one that had, and two are not further apart than
/// [`CLOCKS_APART_MAX`].
pub fn drawn_at(settings: &RoomSettings, now: UnixMillis) -> UnixMillis {
    let opens_at = settings.opens_at.filter(|&opens_at| opens_at <= now + CLOCKS_APART_MAX);
    opens_at.filter(|_| settings.mode == RoomMode::PreQueue).map_or(now, |at| at.max(now))
}

/// Why nobody may join now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinRefusal {
    /// There is no room: reserve needs no pass.
    Off,
    /// The pre-queue begins at this time.
    NotYet(UnixMillis),
    /// It is closed, and its sale is announced for this time.
    Announced(UnixMillis),
    Closed,
    SoldOut,
}

/// Whether people may join at `now`.
///
/// # Errors
/// Why they may not.
pub fn may_join(
    settings: &RoomSettings,
    sold_out: bool,
    now: UnixMillis,
) -> Result<(), JoinRefusal> {
    let is_rejecting = settings.options.queueing_method == QueueingMethod::Reject;
    let ahead = |time: Option<UnixMillis>| time.filter(|&time| now < time);
    match (settings.mode, ahead(settings.opens_at), ahead(settings.options.prequeue_from)) {
        (RoomMode::Off, ..) => Err(JoinRefusal::Off),
        (RoomMode::Closed, Some(opens_at), _) => Err(JoinRefusal::Announced(opens_at)),
        _ if sold_out => Err(JoinRefusal::SoldOut),
        (RoomMode::Closed | RoomMode::Drain, ..) => Err(JoinRefusal::Closed),
        _ if is_rejecting => Err(JoinRefusal::Closed),
        (RoomMode::PreQueue, Some(_), Some(begins_at)) => Err(JoinRefusal::NotYet(begins_at)),
        (RoomMode::PreQueue | RoomMode::Open | RoomMode::Hold | RoomMode::Standby, ..) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Ending, Gathered, JoinRefusal, Life, Manner, PhaseStep};
    use super::{drawn_at, ending, manner, may_join, phase_step};
    use schema::{QueueingMethod, RoomMode, RoomOptions, RoomSettings, UnixMillis};

    const NOW: UnixMillis = UnixMillis(1_000);
    const BEFORE: Option<UnixMillis> = Some(UnixMillis(999));
    const LATER: Option<UnixMillis> = Some(UnixMillis(1_001));

    fn room(mode: RoomMode, method: QueueingMethod, opens_at: Option<UnixMillis>) -> RoomSettings {
        let options = RoomOptions { queueing_method: method, ..RoomOptions::default() };
        RoomSettings { mode, opens_at, options, ..RoomSettings::default() }
    }

    fn life(gathering: bool, is_armed: bool) -> Life {
        Life { gathering, is_armed, is_over: false, now: NOW }
    }

    #[test]
    fn each_mode_and_method_has_its_manner() {
        use Manner::{AtOnce, Nobody, Paced};
        use QueueingMethod::{Fifo, Passthrough, Random, Reject};
        use RoomMode::{Closed, Drain, Hold, Off, Open, PreQueue, Standby};
        // By mode, and whether it is armed: fifo, random, passthrough, reject.
        let rows = [
            (Off, false, None, [Nobody, Nobody, Nobody, Nobody]),
            (Hold, false, None, [Nobody, Nobody, Nobody, Nobody]),
            (Closed, false, None, [Nobody, Nobody, Nobody, Nobody]),
            (Open, false, None, [Paced, Paced, AtOnce, Nobody]),
            (Drain, false, None, [Paced, Paced, AtOnce, Nobody]),
            (Standby, false, None, [AtOnce, AtOnce, AtOnce, Nobody]),
            (Standby, true, None, [Paced, Paced, AtOnce, Nobody]),
            (PreQueue, false, BEFORE, [Paced, Paced, AtOnce, Nobody]),
            (PreQueue, false, LATER, [Nobody, Paced, AtOnce, Nobody]),
        ];
        for (mode, is_armed, opens_at, wanted) in rows {
            for (method, wanted) in [Fifo, Random, Passthrough, Reject].into_iter().zip(wanted) {
                let mut settings = room(mode, method, opens_at);
                let found = manner(&settings, life(false, is_armed));
                assert_eq!(found, wanted, "{mode:?} {method:?} {opens_at:?}");
                if mode == PreQueue {
                    assert_eq!(manner(&settings, life(true, is_armed)), Nobody, "it gathers");
                }
                let over = Life { is_over: true, ..life(false, is_armed) };
                assert_eq!(manner(&settings, over), Nobody, "the event is cancelled");
                settings.options.queue_all = true;
                assert_eq!(manner(&settings, life(false, is_armed)), Nobody, "all queue");
            }
        }
    }

    #[test]
    fn only_a_room_that_will_not_open_is_at_its_end() {
        let of = |mode, method, opens_at| ending(&room(mode, method, opens_at), false, NOW);
        let fifo = QueueingMethod::Fifo;
        assert_eq!(of(RoomMode::Closed, fifo, BEFORE), Some(Ending::Closed));
        assert_eq!(of(RoomMode::Closed, fifo, LATER), None);
        for mode in [RoomMode::Open, RoomMode::Hold, RoomMode::PreQueue, RoomMode::Standby] {
            assert_eq!(of(mode, fifo, None), None);
            assert_eq!(of(mode, QueueingMethod::Reject, None), Some(Ending::Closed));
        }
        let cancelled = ending(&room(RoomMode::Open, fifo, LATER), true, NOW);
        assert_eq!(cancelled, Some(Ending::Cancelled));
    }

    #[test]
    fn only_a_pre_queue_that_is_drawn_gathers() {
        use QueueingMethod::{Fifo, Random};
        let step = |mode, method, opens_at, gathering| {
            let gathered = Gathered { gathering, drawn_at: None };
            phase_step(&room(mode, method, opens_at), gathered, NOW)
        };
        assert_eq!(step(RoomMode::PreQueue, Random, LATER, false), Some(PhaseStep::StartGather));
        assert_eq!(step(RoomMode::PreQueue, Fifo, LATER, false), None);
        assert_eq!(step(RoomMode::PreQueue, Random, BEFORE, false), None);
        for method in [Fifo, Random] {
            let drawn = step(RoomMode::PreQueue, method, BEFORE, true);
            assert_eq!(drawn, Some(PhaseStep::Draw), "what gathered is drawn in any case");
            assert_eq!(step(RoomMode::Standby, method, None, true), Some(PhaseStep::Draw));
        }
    }

    #[test]
    fn a_pre_queue_that_was_drawn_stays_drawn_when_the_clock_goes_back_and_a_later_one_gathers() {
        let step = |opens_at: u64, drawn: Option<u64>, gathering| {
            let opens_at = Some(UnixMillis(opens_at));
            let settings = room(RoomMode::PreQueue, QueueingMethod::Random, opens_at);
            let drawn_at = drawn.map(UnixMillis);
            phase_step(&settings, Gathered { gathering, drawn_at }, NOW)
        };
        let start = Some(PhaseStep::StartGather);
        assert_eq!(step(1_005, None, false), start);
        assert_eq!(step(1_005, Some(1_005), false), None);
        assert_eq!(step(1_005, Some(1_007), false), None);
        assert_eq!(step(1_005, Some(1_004), false), start, "that was another one");
        assert_eq!(step(1_005, Some(1_007), true), None, "what gathers is drawn when it opens");
        assert_eq!(step(1_000, Some(900), true), Some(PhaseStep::Draw));
    }

    #[test]
    fn a_draw_by_a_clock_behind_that_which_closed_the_pre_queue_is_of_its_opening() {
        let drawn = |mode, opens_at: u64| {
            drawn_at(&room(mode, QueueingMethod::Random, Some(UnixMillis(opens_at))), NOW).0
        };
        assert_eq!(drawn(RoomMode::PreQueue, 990), 1_000);
        assert_eq!(drawn(RoomMode::PreQueue, 1_005), 1_005);
        assert_eq!(drawn(RoomMode::PreQueue, 61_000), 61_000);
        assert_eq!(drawn(RoomMode::PreQueue, 61_001), 1_000, "the time was changed since");
        assert_eq!(drawn(RoomMode::Open, 1_005), 1_000);
    }

    #[test]
    fn who_may_join_follows_from_the_mode_the_method_and_the_seats() {
        let join = |mode, method, opens_at, sold_out| {
            may_join(&room(mode, method, opens_at), sold_out, NOW)
        };
        let fifo = QueueingMethod::Fifo;
        for mode in [RoomMode::PreQueue, RoomMode::Open, RoomMode::Hold, RoomMode::Standby] {
            assert_eq!(join(mode, fifo, LATER, false), Ok(()));
            assert_eq!(join(mode, fifo, LATER, true), Err(JoinRefusal::SoldOut));
            let rejected = join(mode, QueueingMethod::Reject, LATER, false);
            assert_eq!(rejected, Err(JoinRefusal::Closed));
        }
        assert_eq!(join(RoomMode::Off, fifo, LATER, true), Err(JoinRefusal::Off));
        assert_eq!(join(RoomMode::Drain, fifo, None, false), Err(JoinRefusal::Closed));
        assert_eq!(join(RoomMode::Closed, fifo, BEFORE, false), Err(JoinRefusal::Closed));
        let announced = Err(JoinRefusal::Announced(UnixMillis(1_001)));
        assert_eq!(join(RoomMode::Closed, fifo, LATER, true), announced);
    }

    #[test]
    fn a_pre_queue_begins_at_its_time_and_no_other_mode_knows_that() {
        let join = |mode, begins_at: u64| {
            let mut settings = room(mode, QueueingMethod::Random, Some(UnixMillis(5_000)));
            settings.options.prequeue_from = Some(UnixMillis(begins_at));
            may_join(&settings, false, NOW)
        };
        let not_yet = Err(JoinRefusal::NotYet(UnixMillis(1_001)));
        assert_eq!(join(RoomMode::PreQueue, 1_001), not_yet);
        assert_eq!(join(RoomMode::PreQueue, 1_000), Ok(()));
        for mode in [RoomMode::Open, RoomMode::Hold, RoomMode::Standby] {
            assert_eq!(join(mode, 1_001), Ok(()));
        }
        let mut open = room(RoomMode::PreQueue, QueueingMethod::Random, BEFORE);
        open.options.prequeue_from = LATER;
        assert_eq!(may_join(&open, false, NOW), Ok(()), "its line goes on");
    }
}
