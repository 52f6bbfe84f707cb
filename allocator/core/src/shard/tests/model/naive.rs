//! The same rules, written down as plainly as possible: sets that are looked through from end to
//! end.

use crate::shapes::shapes;
use schema::SYSTEM_ACCOUNT;
use schema::{
    AccountId, AreaIdx, BestAvailable, Command, CommandBody, Held, HoldId, HoldSeats, OutcomeBody,
    OwnerKind, Payment, PreviousStatuses, ReturnedPart, SeatIdx, SellAllotted, Verdict,
    VerdictKind, Want,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

pub(super) const SEATS: u32 = 16;
const ACCESSIBLE: u32 = 11;
/// The seats of each row: section A's two, section B's one.
const ROWS: [Range<u32>; 3] = [0..6, 6..12, 12..16];
/// The rows of each section.
const SECTIONS: [Range<usize>; 2] = [0..2, 2..3];

/// A guard that allows nothing.
const NONE: PreviousStatuses = PreviousStatuses { free: false, set_aside: false };
/// A channel that the event may have.
pub(super) struct ModelChannel {
    pub key: &'static str,
    pub seats: &'static [u32],
    pub ends_at: Option<u64>,
}

/// The first ends in the course of most runs.
pub(super) const CHANNELS: [ModelChannel; 2] = [
    ModelChannel { key: "F", seats: &[2, 3, 4, 9], ends_at: Some(700_000) },
    ModelChannel { key: "G", seats: &[6, 7, 11, 13, 14], ends_at: None },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Held,
    Paying,
    Sold,
    Blocked,
}

#[derive(Debug, Clone)]
struct ModelHold {
    account: AccountId,
    fan: bool,
    seats: BTreeSet<u32>,
    areas: BTreeMap<u16, u32>,
    phase: Phase,
    deadline: Option<u64>,
    made: u64,
    reminder: u64,
    attempt: u32,
    /// The attempt before the last swap.
    swapped: u32,
    /// Parts of its sale that went back.
    parts: u32,
    pass: Option<u64>,
}

/// Everything as plain sets, looked through from end to end.
#[derive(Default)]
pub(super) struct Model {
    holds: BTreeMap<HoldId, ModelHold>,
    /// Account, why, when.
    ended: BTreeMap<HoldId, (AccountId, &'static str, u64)>,
    passes: BTreeMap<u64, (AccountId, bool)>,
    /// Time of the last outcome: what is older than a quarter of an hour by then is forgotten.
    pub last: u64,
    pub now: u64,
    /// Which of the channels there are.
    pub channels: [bool; 2],
    /// What both areas have together.
    pool: Option<u32>,
}

impl Model {
    pub fn starting_at(now: u64, pool: Option<u32>) -> Self {
        Self { now, pool, ..Self::default() }
    }

    fn taken(&self, seat: u32) -> bool {
        self.holds.values().any(|hold| hold.seats.contains(&seat))
    }

    /// The seats that channels keep from who asks.
    fn kept(&self, owner: OwnerKind, key: Option<&str>) -> BTreeSet<u32> {
        let there = CHANNELS.iter().zip(self.channels).filter(|(_, there)| *there);
        let closed = there.map(|(channel, _)| channel).filter(|channel| {
            let live = channel.ends_at.is_none_or(|ends_at| self.now < ends_at);
            owner == OwnerKind::Fan && live && key != Some(channel.key)
        });
        closed.flat_map(|channel| channel.seats.iter().copied()).collect()
    }

    fn area_free(&self, area: u16) -> u32 {
        let taken: u32 = self.holds.values().filter_map(|hold| hold.areas.get(&area)).sum();
        [5, 3][usize::from(area)] - taken
    }

    /// Free standing places of both areas.
    fn standing_free(&self) -> u32 {
        let free = self.area_free(0) + self.area_free(1);
        self.pool.map_or(free, |pool| pool - (5 + 3 - free))
    }

    pub fn free(&self) -> u32 {
        let seats = (0..SEATS).filter(|&seat| !self.taken(seat)).count();
        u32::try_from(seats).unwrap() + self.standing_free()
    }

    fn places_of(&self, account: AccountId) -> u32 {
        let own = self.holds.values().filter(|hold| hold.fan && hold.account == account);
        own.map(places).sum()
    }

    /// How many parts of a hold's sale went back.
    pub fn parts_of(&self, id: HoldId) -> u32 {
        self.holds.get(&id).map_or(0, |hold| hold.parts)
    }

    /// Ends a hold.
    fn end(&mut self, id: HoldId, why: &'static str) -> String {
        let hold = self.holds.remove(&id).unwrap();
        if let (Some(pass), "Refunded") = (hold.pass, why) {
            self.passes.get_mut(&pass).unwrap().1 = true;
        }
        self.ended.insert(id, (hold.account, why, self.now));
        format!("released {why}")
    }

    /// The live hold of this account, or what to answer instead.
    fn own(&self, id: HoldId, who: AccountId, again: &str) -> Result<ModelHold, String> {
        if let Some(hold) = self.holds.get(&id) {
            let own = hold.account == who;
            return if own { Ok(hold.clone()) } else { Err("HoldUnknown".to_owned()) };
        }
        match self.ended(id) {
            Some((account, why)) if account == who => {
                Err(if why == again { "unchanged" } else { "HoldEnded" }.to_owned())
            }
            _ => Err("HoldUnknown".to_owned()),
        }
    }

    fn ended(&self, id: HoldId) -> Option<(AccountId, &'static str)> {
        let &(account, why, at) = self.ended.get(&id)?;
        (self.last <= at + 900_000).then_some((account, why))
    }

    /// Predicts the answer and follows it. Best available is followed, its seats are checked.
    pub fn ask(&mut self, command: &Command, actual: &OutcomeBody) -> Result<String, String> {
        let who = command.account;
        match &command.body {
            CommandBody::HoldSeats(ask) => self.hold(who, ask, actual),
            CommandBody::ReleaseHold { hold } => match self.own(*hold, who, "ByOwner")?.phase {
                Phase::Held | Phase::Blocked => Ok(self.end(*hold, "ByOwner")),
                Phase::Paying => Err("PaymentInProgress".to_owned()),
                Phase::Sold => Err("AlreadySold".to_owned()),
            },
            CommandBody::ExtendHold { hold } => self.extend(*hold, who),
            CommandBody::SwapSeats { hold, want, channel } => {
                self.swap(*hold, (want, channel.as_deref()), who, actual)
            }
            CommandBody::StartPayment(ask) => {
                let hold = self.own(ask.hold, who, "never")?;
                match hold.phase {
                    Phase::Held if hold.deadline.unwrap() <= self.now => {
                        Err("HoldEnded".to_owned())
                    }
                    Phase::Held => {
                        let hold = self.holds.get_mut(&ask.hold).unwrap();
                        hold.phase = Phase::Paying;
                        hold.attempt += 1;
                        hold.reminder = self.now + 30_000;
                        Ok(format!("paying {}", hold.attempt))
                    }
                    Phase::Paying | Phase::Sold => Ok("unchanged".to_owned()),
                    Phase::Blocked => Err("RequestInvalid".to_owned()),
                }
            }
            CommandBody::RecordVerdict(verdict) => self.verdict(who, *verdict),
            CommandBody::Reseat(_) => unreachable!("no step of the model asks for late money"),
            CommandBody::ReduceSale { part, places } => self.reduce(who, *part, places),
            CommandBody::ReturnAllotted { seats, areas, previous } => {
                self.give_back(who, seats, areas, *previous)
            }
            CommandBody::SellAllotted(ask) => self.sell(who, ask),
        }
    }

    fn extend(&mut self, id: HoldId, who: AccountId) -> Result<String, String> {
        let hold = self.own(id, who, "never")?;
        match hold.phase {
            Phase::Held if hold.deadline.unwrap() <= self.now => Err("HoldEnded".to_owned()),
            Phase::Held => {
                let longer = (self.now + 600_000).min(hold.made + 1_800_000);
                if longer <= hold.deadline.unwrap() {
                    return Err("HoldAtLimit".to_owned());
                }
                self.holds.get_mut(&id).unwrap().deadline = Some(longer);
                Ok(format!("extended {longer}"))
            }
            Phase::Paying => Err("PaymentInProgress".to_owned()),
            Phase::Sold => Err("AlreadySold".to_owned()),
            Phase::Blocked => Err("RequestInvalid".to_owned()),
        }
    }

    fn swap(
        &mut self,
        id: HoldId,
        (want, key): (&Want, Option<&str>),
        who: AccountId,
        actual: &OutcomeBody,
    ) -> Result<String, String> {
        let hold = self.own(id, who, "never")?;
        match hold.phase {
            Phase::Held if hold.deadline.unwrap() <= self.now => return Err("HoldEnded".to_owned()),
            Phase::Held => {}
            Phase::Paying => return Err("PaymentInProgress".to_owned()),
            Phase::Sold => return Err("AlreadySold".to_owned()),
            Phase::Blocked => return Err("RequestInvalid".to_owned()),
        }
        let (mut seats, areas, count) = shape(want)?;
        if count == 0 || 10 < count {
            return Err("RequestInvalid".to_owned());
        }
        if (&seats, &areas) == (&hold.seats, &hold.areas) {
            return Ok("unchanged".to_owned());
        }
        if 6 < self.places_of(who) - places(&hold) + count {
            return Err("LimitExceeded".to_owned());
        }
        let closed = self.kept(OwnerKind::Fan, key);
        let kept: Vec<_> =
            seats.difference(&hold.seats).filter(|seat| closed.contains(seat)).collect();
        if !kept.is_empty() {
            return Err(format!("kept {kept:?}"));
        }
        let none = if self.free() == 0 { "SoldOut" } else { "NotEnoughSeats" };
        if let Want::BestAvailable(best) = *want {
            seats = self.best(best, &closed, actual).ok_or(none)?;
        }
        let room = |area: u16| self.area_free(area) + hold.areas.get(&area).copied().unwrap_or(0);
        let lacks = areas.iter().any(|(&area, &quantity)| room(area) < quantity);
        let standing = self.standing_free() + hold.areas.values().sum::<u32>();
        if lacks || standing < areas.values().sum::<u32>() {
            return Err(none.to_owned());
        }
        let others = seats.difference(&hold.seats).copied();
        let taken: Vec<_> = others.filter(|&seat| self.taken(seat)).collect();
        if !taken.is_empty() {
            return Err(format!("taken {taken:?}"));
        }
        let says = format!("swapped {seats:?} {areas:?} {:?}", hold.deadline);
        let swapped = hold.attempt;
        self.holds.insert(id, ModelHold { seats, areas, swapped, ..hold });
        Ok(says)
    }

    fn hold(
        &mut self,
        who: AccountId,
        ask: &HoldSeats,
        actual: &OutcomeBody,
    ) -> Result<String, String> {
        let fan = ask.owner == OwnerKind::Fan;
        let (mut seats, areas, count) = shape(&ask.want)?;
        if count == 0 || (fan && 10 < count) {
            return Err("RequestInvalid".to_owned());
        }
        if fan && self.now < 10_000 {
            return Err("NotOnSale".to_owned());
        }
        if let Some(previous) = ask.previous() {
            let named = matches!(ask.want, Want::Seats(_));
            if fan || !named || previous == NONE {
                return Err("RequestInvalid".to_owned());
            }
            seats = self.left_of(who, seats, previous)?;
            if seats.is_empty() {
                return Ok("all so".to_owned());
            }
        }
        let pass = ask.pass.filter(|_| fan).map(|pass| pass.place.number);
        self.check_pass(who, pass)?;
        if fan && 6 < self.places_of(who) + count {
            return Err("LimitExceeded".to_owned());
        }
        let closed = self.kept(ask.owner, ask.channel());
        let kept: Vec<_> = seats.intersection(&closed).copied().collect();
        if !kept.is_empty() {
            return Err(format!("kept {kept:?}"));
        }
        let none = if self.free() == 0 { "SoldOut" } else { "NotEnoughSeats" };
        if let Want::BestAvailable(best) = ask.want {
            seats = self.best(best, &closed, actual).ok_or(none)?;
        }
        let lacks = areas.iter().any(|(&area, &quantity)| self.area_free(area) < quantity);
        if lacks || self.standing_free() < areas.values().sum::<u32>() {
            return Err(none.to_owned());
        }
        let taken: Vec<_> = seats.iter().copied().filter(|&seat| self.taken(seat)).collect();
        if !taken.is_empty() {
            return Err(format!("taken {taken:?}"));
        }
        let OutcomeBody::SeatsHeld(given) = actual else { return Err("held".to_owned()) };
        let phase = if fan { Phase::Held } else { Phase::Blocked };
        let deadline = fan.then(|| self.now + 600_000);
        let says = format!("held {seats:?} {areas:?} {deadline:?}");
        if let Some(pass) = pass {
            self.passes.entry(pass).or_insert((who, false));
        }
        let hold = ModelHold {
            account: who,
            fan,
            seats,
            areas,
            phase,
            deadline,
            made: self.now,
            reminder: 0,
            attempt: 0,
            swapped: 0,
            parts: 0,
            pass,
        };
        self.holds.insert(given.hold, hold);
        Ok(says)
    }

    fn is_own(&self, who: AccountId, seat: u32) -> bool {
        let own = |hold: &&ModelHold| hold.phase == Phase::Blocked && hold.account == who;
        self.holds.values().filter(own).any(|hold| hold.seats.contains(&seat))
    }

    /// The free ones of seats, if all may be as they are.
    fn left_of(
        &self,
        who: AccountId,
        seats: BTreeSet<u32>,
        previous: PreviousStatuses,
    ) -> Result<BTreeSet<u32>, String> {
        let may_stay = |seat: u32| previous.set_aside && self.is_own(who, seat);
        let (taken, free): (BTreeSet<u32>, BTreeSet<u32>) =
            seats.into_iter().partition(|&seat| self.taken(seat));
        let taken: Vec<u32> = taken.into_iter().filter(|&seat| !may_stay(seat)).collect();
        if !taken.is_empty() {
            return Err(format!("taken {taken:?}"));
        }
        if !previous.free && !free.is_empty() {
            return Err(format!("not allowed {free:?}"));
        }
        Ok(free)
    }

    fn check_pass(&self, who: AccountId, pass: Option<u64>) -> Result<(), String> {
        let used = pass.and_then(|pass| self.passes.get(&pass));
        if used.is_some_and(|(owner, _)| *owner != who) {
            return Err("PassForeign".to_owned());
        }
        if used.is_some_and(|(_, spent)| *spent) {
            return Err("PassSpent".to_owned());
        }
        if pass.is_some() && self.holds.values().any(|hold| hold.pass == pass) {
            return Err("PassInUse".to_owned());
        }
        Ok(())
    }

    /// Checks the chosen seats; `None` where the model agrees that there are none.
    fn best(
        &self,
        best: BestAvailable,
        closed: &BTreeSet<u32>,
        actual: &OutcomeBody,
    ) -> Option<BTreeSet<u32>> {
        // Sections and price levels are the same.
        let fits = |at: u16| {
            best.section.is_none_or(|section| section == at)
                && best.price_level.is_none_or(|level| u16::from(level) == at)
        };
        let usable = |seat: u32| !self.taken(seat) && !closed.contains(&seat);
        let sections = (0..).zip(SECTIONS).filter(|(at, _)| fits(*at));
        let all = sections.flat_map(|(_, rows)| shapes(&ROWS[rows], best.quantity));
        let all = all.map(|seats| seats.into_iter().map(|seat| seat.0).collect::<BTreeSet<_>>());
        let mut offered = all.filter(|seats| {
            seats.iter().all(|&seat| usable(seat)) && best.accessible == seats.contains(&ACCESSIBLE)
        });
        let (OutcomeBody::SeatsHeld(held) | OutcomeBody::SeatsSwapped(held)) = actual else {
            assert_eq!(offered.next(), None, "{best:?} was refused");
            return None;
        };
        let seats: BTreeSet<u32> = held.seats.iter().map(|held| held.seat.0).collect();
        let offered: Vec<_> = offered.collect();
        assert!(offered.contains(&seats), "{seats:?} for {best:?}");
        let row_count = |seats: &BTreeSet<u32>| {
            ROWS.iter().filter(|row| seats.iter().any(|seat| row.contains(seat))).count()
        };
        let least = offered.iter().map(row_count).min();
        assert_eq!(least, Some(row_count(&seats)), "no more rows than need be");
        Some(seats)
    }

    fn verdict(&mut self, who: AccountId, verdict: Verdict) -> Result<String, String> {
        if who != SYSTEM_ACCOUNT {
            return Err("RequestInvalid".to_owned());
        }
        let Some(hold) = self.holds.get_mut(&verdict.hold) else {
            return match (self.ended(verdict.hold), verdict.kind) {
                (None, _) => Err("HoldUnknown".to_owned()),
                (Some((_, why)), VerdictKind::Sold) if why != "Refunded" => {
                    Err("HoldEnded".to_owned())
                }
                _ => Ok("unchanged".to_owned()),
            };
        };
        let last = 0 < verdict.attempt && verdict.attempt == hold.attempt;
        if hold.phase == Phase::Blocked {
            return Err("RequestInvalid".to_owned());
        }
        if 0 < hold.swapped && verdict.attempt <= hold.swapped {
            return if verdict.kind == VerdictKind::Sold {
                Err("HoldEnded".to_owned())
            } else {
                Ok("unchanged".to_owned())
            };
        }
        let open = hold.phase != Phase::Sold;
        match verdict.kind {
            VerdictKind::Declined if hold.phase == Phase::Paying && !hold.fan => {
                Err("RequestInvalid".to_owned())
            }
            VerdictKind::Declined if last && hold.phase == Phase::Paying => {
                hold.phase = Phase::Held;
                let left = if hold.attempt <= 5 { 30_000 } else { 0 };
                hold.deadline = Some(hold.deadline.unwrap().max(self.now + left));
                Ok(format!("declined {:?}", hold.deadline))
            }
            VerdictKind::Cancelled if last && open => {
                Ok(self.end(verdict.hold, "PaymentCancelled"))
            }
            VerdictKind::Sold if open => {
                hold.phase = Phase::Sold;
                if let Some(pass) = hold.pass {
                    self.passes.get_mut(&pass).unwrap().1 = true;
                }
                Ok("sold".to_owned())
            }
            VerdictKind::Refunded => Ok(self.end(verdict.hold, "Refunded")),
            _ => Ok("unchanged".to_owned()),
        }
    }

    fn reduce(&mut self, who: AccountId, part: u32, gone: &ReturnedPart) -> Result<String, String> {
        if who != SYSTEM_ACCOUNT {
            return Err("RequestInvalid".to_owned());
        }
        let ended = self.ended(gone.hold);
        let Some(hold) = self.holds.get_mut(&gone.hold) else {
            return match ended {
                None => Err("HoldUnknown".to_owned()),
                Some((_, "Refunded")) => Ok("unchanged".to_owned()),
                Some(_) => Err("HoldEnded".to_owned()),
            };
        };
        if part <= hold.parts {
            return Ok("unchanged".to_owned());
        }
        let mut left = hold.clone();
        let has_seats = gone.seats.iter().all(|seat| left.seats.remove(&seat.0));
        let has_areas = gone.areas.iter().all(|(area, quantity)| {
            let rest = left.areas.get(&area.0).and_then(|rest| rest.checked_sub(*quantity));
            rest.is_some_and(|rest| left.areas.insert(area.0, rest).is_some())
        });
        let is_some = places(&left) < places(hold) && 0 < places(&left);
        let is_next = hold.phase == Phase::Sold && part == hold.parts + 1;
        if !(has_seats && has_areas && is_some && is_next) {
            return Err("RequestInvalid".to_owned());
        }
        left.parts = part;
        *hold = left;
        Ok(format!("part {part} {:?} {:?}", gone.seats, gone.areas))
    }

    fn give_back(
        &mut self,
        who: AccountId,
        seats: &[SeatIdx],
        areas: &[(AreaIdx, u32)],
        previous: Option<PreviousStatuses>,
    ) -> Result<String, String> {
        let wanted = self.own_of(who, seats, areas, previous)?;
        if wanted.is_empty() && areas.is_empty() {
            return Ok("all so".to_owned());
        }
        Ok("returned".to_owned())
    }

    /// The seats of an operation that the partner's allotments have, which have its areas too; the
    /// others are free.
    fn own_of(
        &self,
        who: AccountId,
        seats: &[SeatIdx],
        areas: &[(AreaIdx, u32)],
        previous: Option<PreviousStatuses>,
    ) -> Result<BTreeSet<u32>, String> {
        let mut wanted: BTreeSet<u32> = seats.iter().map(|seat| seat.0).collect();
        if wanted.len() < seats.len() || (seats.is_empty() && areas.is_empty()) {
            return Err("RequestInvalid".to_owned());
        }
        if let Some(previous) = previous {
            if !areas.is_empty() || previous == NONE {
                return Err("RequestInvalid".to_owned());
            }
            let strange = |&seat: &u32| {
                if self.taken(seat) { !self.is_own(who, seat) } else { !previous.free }
            };
            if wanted.iter().any(strange) {
                return Err("NotAllotted".to_owned());
            }
            wanted.retain(|&seat| self.taken(seat));
            if !previous.set_aside && !wanted.is_empty() {
                return Err(format!("not allowed {wanted:?}"));
            }
        }
        let own = |hold: &ModelHold| hold.phase == Phase::Blocked && hold.account == who;
        let mine: Vec<_> = self.holds.values().filter(|hold| own(hold)).collect();
        let has = |area: u16| mine.iter().filter_map(|hold| hold.areas.get(&area)).sum::<u32>();
        let has_seats = wanted.iter().all(|seat| mine.iter().any(|hold| hold.seats.contains(seat)));
        if !has_seats || areas.iter().any(|(area, quantity)| has(area.0) < *quantity) {
            return Err("NotAllotted".to_owned());
        }
        Ok(wanted)
    }

    /// Where it takes them from is followed.
    fn sell(&mut self, who: AccountId, ask: &SellAllotted) -> Result<String, String> {
        self.own_of(who, &ask.seats, &ask.areas, ask.previous)?;
        let seats: BTreeSet<u32> = ask.seats.iter().map(|seat| seat.0).collect();
        let areas: BTreeMap<u16, u32> =
            ask.areas.iter().map(|(area, quantity)| (area.0, *quantity)).collect();
        Ok(format!("sells {seats:?} {areas:?} {:?}", Some(self.now + 180_000)))
    }

    /// Follows a sale: who gave, and who has it since.
    pub fn follow_sale(&mut self, parts: &[ReturnedPart], payment: &Payment) {
        let sold = &payment.held;
        let given: BTreeSet<u32> =
            parts.iter().flat_map(|part| &part.seats).map(|seat| seat.0).collect();
        let seats: BTreeSet<u32> = sold.seats.iter().map(|seat| seat.seat.0).collect();
        let areas: BTreeMap<u16, u32> =
            sold.areas.iter().map(|area| (area.area.0, area.quantity)).collect();
        let mut standing: BTreeMap<u16, u32> = BTreeMap::new();
        for (area, quantity) in parts.iter().flat_map(|part| &part.areas) {
            *standing.entry(area.0).or_default() += quantity;
        }
        assert_eq!(standing, areas, "standing places come from allotments");
        self.follow_return(parts, sold.account);
        let rest: Vec<_> = seats.difference(&given).collect();
        assert!(given.is_subset(&seats) && rest.iter().all(|seat| !self.taken(**seat)));
        let hold = ModelHold {
            account: sold.account,
            fan: false,
            seats,
            areas,
            phase: Phase::Paying,
            deadline: Some(self.now + 180_000),
            made: self.now,
            reminder: self.now + 30_000,
            attempt: 1,
            swapped: 0,
            parts: 0,
            pass: None,
        };
        self.holds.insert(sold.hold, hold);
    }

    /// Follows which of the allotments gave: several may.
    pub fn follow_return(&mut self, parts: &[schema::ReturnedPart], who: AccountId) {
        for part in parts {
            let hold = self.holds.get_mut(&part.hold).unwrap();
            assert!(hold.account == who && hold.phase == Phase::Blocked);
            assert!(part.seats.iter().all(|seat| hold.seats.remove(&seat.0)));
            for (area, quantity) in &part.areas {
                let left = hold.areas.get_mut(&area.0).unwrap();
                *left = left.checked_sub(*quantity).unwrap();
            }
            if places(hold) == 0 {
                self.end(part.hold, "ByOwner");
            }
        }
    }

    /// What a tick must do now, in any order.
    pub fn tick(&mut self) -> BTreeSet<(HoldId, String)> {
        let mut due = BTreeSet::new();
        for (id, hold) in self.holds.clone() {
            if hold.phase == Phase::Held && hold.deadline.unwrap() <= self.now {
                due.insert((id, self.end(id, "Expired")));
            } else if hold.phase == Phase::Paying && hold.reminder <= self.now {
                self.holds.get_mut(&id).unwrap().reminder = self.now + 30_000;
                due.insert((id, format!("awaited {}", hold.attempt)));
            }
        }
        due
    }
}

type Shape = (BTreeSet<u32>, BTreeMap<u16, u32>, u32);

/// The seats, areas and number of places that are asked for.
fn shape(want: &Want) -> Result<Shape, String> {
    let check = |invalid: bool, unknown: bool| {
        let refusal = if invalid { "RequestInvalid" } else { "SeatUnknown" };
        if invalid || unknown { Err(refusal.to_owned()) } else { Ok(()) }
    };
    match want {
        Want::Seats(wanted) => {
            let seats: BTreeSet<u32> = wanted.iter().map(|seat| seat.0).collect();
            check(seats.len() < wanted.len(), seats.iter().any(|&seat| SEATS <= seat))?;
            let count = u32::try_from(seats.len()).unwrap();
            Ok((seats, BTreeMap::new(), count))
        }
        Want::Areas(wanted) => {
            let areas: BTreeMap<u16, u32> =
                wanted.iter().map(|(area, quantity)| (area.0, *quantity)).collect();
            let empty = areas.values().any(|&quantity| quantity == 0);
            check(areas.len() < wanted.len() || empty, areas.keys().any(|&area| 1 < area))?;
            let count = areas.values().sum();
            Ok((BTreeSet::new(), areas, count))
        }
        Want::BestAvailable(best) => {
            check(false, best.section.is_some_and(|section| 1 < section))?;
            Ok((BTreeSet::new(), BTreeMap::new(), u32::from(best.quantity)))
        }
    }
}

fn places(hold: &ModelHold) -> u32 {
    u32::try_from(hold.seats.len()).unwrap() + hold.areas.values().sum::<u32>()
}

/// An outcome in the model's words.
pub(super) fn says(body: &OutcomeBody) -> String {
    match body {
        OutcomeBody::SeatsHeld(held) => format!("held {}", says_places(held)),
        OutcomeBody::SeatsSwapped(held) => format!("swapped {}", says_places(held)),
        OutcomeBody::HoldReleased { why, .. } => format!("released {why:?}"),
        OutcomeBody::PaymentStarted(payment) => format!("paying {}", payment.attempt),
        OutcomeBody::PaymentAwaited(payment) => format!("awaited {}", payment.attempt),
        OutcomeBody::PaymentDeclined { deadline, .. } => format!("declined {:?}", Some(deadline.0)),
        OutcomeBody::SeatsSold { .. } => "sold".to_owned(),
        OutcomeBody::AllotmentReduced { .. } => "returned".to_owned(),
        OutcomeBody::SaleReduced { part, places } => {
            format!("part {part} {:?} {:?}", places.seats, places.areas)
        }
        OutcomeBody::Refused(schema::Refusal::SeatTaken { seats }) => {
            format!("taken {:?}", seats.iter().map(|seat| seat.0).collect::<Vec<_>>())
        }
        OutcomeBody::Refused(schema::Refusal::StatusNotAllowed { seats }) => {
            format!("not allowed {:?}", seats.iter().map(|seat| seat.0).collect::<BTreeSet<_>>())
        }
        OutcomeBody::Refused(schema::Refusal::ChannelRequired { seats }) => {
            format!("kept {:?}", seats.iter().map(|seat| seat.0).collect::<Vec<_>>())
        }
        OutcomeBody::Refused(refusal) => format!("{refusal:?}"),
        OutcomeBody::Unchanged { .. } => "unchanged".to_owned(),
        OutcomeBody::SeatsUnchanged => "all so".to_owned(),
        OutcomeBody::DeadlinesMoved { by } => format!("moved by {}", by.0),
        OutcomeBody::HoldExtended { deadline, .. } => format!("extended {}", deadline.0),
        OutcomeBody::Reseated(payment) => format!("reseated {}", says_places(&payment.held)),
        OutcomeBody::AllottedSold { payment, .. } => {
            format!("sells {}", says_places(&payment.held))
        }
    }
}

fn says_places(held: &Held) -> String {
    let seats: BTreeSet<u32> = held.seats.iter().map(|seat| seat.seat.0).collect();
    let areas: BTreeMap<u16, u32> =
        held.areas.iter().map(|area| (area.area.0, area.quantity)).collect();
    format!("{seats:?} {areas:?} {:?}", held.deadline.map(|at| at.0))
}
