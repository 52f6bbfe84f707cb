//! A lane: its people, their times, and what they were told.

use super::answer;
use super::deals::Told;
use super::edge::Edge;
use super::question::{Asking, Writer};
use super::wheel::Wheel;
use super::work::Times;
use super::{Counts, Group, Played, World};
use crate::arrivals;
use crate::dice::Dice;
use crate::fan::{Ask, Card, News, Person, Scene, Status, Step, What};
use crate::record::{Deal, Dealt, Deed, Heard, Latency, Place, Shown, Tally, Verdict, is_success};
use crate::scenario::{Habits, Kind, People, Scenario};
use crate::wire::Reply;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Why somebody who plays by the rules may be refused what they ask for. Whether those that speak
/// of places are true is judged after the run; every other refusal is an error.
fn refusals(deed: Deed) -> &'static [&'static str] {
    const IN_FLIGHT: &str = "IDEMPOTENCY_IN_FLIGHT";
    match deed {
        Deed::Join => &["ROOM_OFF", "ROOM_CLOSED", "SOLD_OUT", IN_FLIGHT],
        Deed::Claim => &["CLAIM_EXPIRED", "ROOM_OFF", "ROOM_CLOSED", "SOLD_OUT"],
        Deed::Reserve => &[
            "SEAT_TAKEN",
            "NOT_ENOUGH_SEATS",
            "SOLD_OUT",
            "LIMIT_EXCEEDED",
            "PASS_EXPIRED",
            IN_FLIGHT,
        ],
        Deed::Confirm => &["PAYMENT_DECLINED", "RESERVATION_EXPIRED", IN_FLIGHT],
        Deed::Release => &["RESERVATION_EXPIRED", IN_FLIGHT],
        Deed::Cancel => &[IN_FLIGHT],
        _ => &[],
    }
}

pub struct Lane {
    scenario: Arc<Scenario>,
    world: Arc<World>,
    cast: Vec<Cast>,
    people: Vec<Person>,
    wheel: Wheel,
    /// Who is due, with the intended times.
    ready: VecDeque<(u32, Duration)>,
    edges: Vec<Edge>,
    leaked: Option<(Box<str>, u32)>,
    leaked_token: Option<Box<str>>,
    tally: Tally,
    counts: Counts,
    all_joined: bool,
    has_ended: bool,
    is_cut: bool,
}

/// One group of people.
struct Cast {
    name: String,
    /// None for the operator.
    kind: Option<Kind>,
    habits: Habits,
    group: Group,
}

impl Lane {
    /// Every `of`-th person of the scenario, beginning with the `number`-th.
    pub fn new(scenario: Arc<Scenario>, world: Arc<World>, number: usize, of: usize) -> Self {
        let mut people = Vec::new();
        let mut starts = Vec::new();
        let mut cast = Vec::new();
        for (group_at, (name, group)) in (0_u16..).zip(&scenario.people) {
            let seed = scenario.seed.wrapping_add(u64::from(group_at) << 32);
            let range = world.named.get(&group.event).cloned().unwrap_or(0..1);
            let accounts = u32::try_from(world.accounts.len()).expect("far fewer than people");
            let first = u32::try_from(number).expect("lanes are few");
            for at in (first..group.count).step_by(of) {
                let mut dice = Dice::new(seed, at.into());
                starts.push(arrivals::start(&group.arrivals, at, group.count, &mut dice));
                let event = range.start + dice.below(range.end - range.start);
                people.push(Person::new(group.kind, group_at, event, accounts, dice));
            }
            cast.push(Cast::of(name, group));
        }
        if number == 0 && !scenario.operator.is_empty() {
            let group = u16::try_from(cast.len()).expect("groups are few");
            starts.push(Duration::ZERO);
            people.push(Person::operator(group));
        }
        cast.push(Cast::operator());
        let mut wheel = Wheel::new(people.len());
        let mut tally = Tally::default();
        let end = Duration::from_secs(scenario.seconds_max.into());
        for (person, start) in (0..).zip(starts) {
            wheel.put(person, millis(start));
            if start < end {
                tally.arrive(start);
            }
        }
        let joins = |person: &&Person| {
            let kind = cast[usize::from(person.group)].kind;
            let joins = matches!(kind, Some(Kind::Fan | Kind::Hoarder | Kind::Flooder));
            joins && world.venue(person.event).has_room
        };
        let to_join = people.iter().filter(joins).count();
        let counts =
            Counts { people: number_of(&people), to_join: count(to_join), ..Counts::default() };
        Self {
            edges: vec![Edge::default(); world.venues.len()],
            ready: VecDeque::new(),
            leaked: None,
            leaked_token: None,
            tally,
            all_joined: false,
            has_ended: false,
            is_cut: false,
            scenario,
            world,
            cast,
            people,
            wheel,
            counts,
        }
    }

    /// Wakes everybody who is due; returns how many wait for a connection.
    pub fn wake(&mut self, now: Duration) -> usize {
        let ready = &mut self.ready;
        // Rounded down: nobody is woken early.
        let now_ms = u32::try_from(now.as_millis()).unwrap_or(u32::MAX);
        self.wheel.take(now_ms, |person, due_ms| {
            ready.push_back((person, Duration::from_millis(due_ms.into())));
        });
        self.ready.len()
    }

    /// Whose turn it is, with the time that was meant; nobody's after the cut.
    pub fn next_due(&mut self) -> Option<(u32, Duration)> {
        if self.is_cut { None } else { self.ready.pop_front() }
    }

    /// Nobody is woken any more. Who was due before is still asked for: if they were not, the
    /// longest waits of all would be missing among the latencies.
    pub fn end(&mut self) {
        self.has_ended = true;
    }

    /// Nobody is asked for any more.
    pub fn cut(&mut self) {
        self.is_cut = true;
    }

    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub fn everybody_joined(&mut self) {
        self.all_joined = true;
    }

    pub fn counts(&self) -> Counts {
        let p99 = self.last_second_p99();
        Counts { overdue: count(self.ready.len()), p99, ..self.counts }
    }

    fn last_second_p99(&self) -> Duration {
        let mut all = Latency::rough();
        if let Some(second) = self.tally.seconds.values().rev().nth(1) {
            second.latency.values().for_each(|latency| all.merge(latency));
        }
        all.at(0.99)
    }

    pub fn sleep(&mut self, person: u32, until: Duration) {
        self.wheel.put(person, millis(until));
    }

    pub fn leave(&mut self, person: u32) {
        self.counts.gone += 1;
        // A token of somebody who has gone is only memory.
        self.person_mut(person).papers = crate::fan::Papers::default();
    }

    /// Tells a person the news.
    pub fn step(&mut self, person: u32, now: Duration, news: News<'_>) -> Step {
        let person = &mut self.people[idx(person)];
        let venue = self.world.venue(person.event);
        let scene = Scene {
            now,
            habits: &self.cast[usize::from(person.group)].habits,
            plan: &venue.plan,
            has_room: venue.has_room,
            accounts: u32::try_from(self.world.accounts.len()).expect("far fewer than people"),
            all_joined: self.all_joined,
            leaked: self.leaked.as_ref().map(|(pass, owner)| (&**pass, *owner)),
            leaked_token: self.leaked_token.as_deref(),
            steering: &self.scenario.operator,
        };
        person.step(&scene, news)
    }

    /// What a cache in front of the service answers, if it does.
    pub fn cached(&mut self, person: u32, ask: &Ask, now: Duration) -> Option<Status> {
        if ask.deed != Deed::Status {
            return None;
        }
        let event = self.people[idx(person)].event;
        let status = self.edges[idx(event)].find(now)?;
        self.counts.cached += 1;
        Some(status)
    }

    /// Writes the question of a person who meant to ask it at `intended`.
    pub fn write(&mut self, person: u32, ask: &Ask, intended: Duration, writer: &mut Writer) {
        if let What::Reserve { key, .. } = ask.what {
            let inside = self.person_mut(person).papers.inside.get_or_insert_default();
            // A purchase begins with the first try under its key.
            if inside.key != Some(key) {
                (inside.key, inside.began) = (Some(key), intended);
            }
        }
        let person = &self.people[idx(person)];
        let asking = Asking { world: &self.world, person, steering: &self.scenario.operator };
        writer.write(&asking, ask);
    }

    /// Notes what came back, and tells it to who asked.
    pub fn hear(
        &mut self,
        person: u32,
        ask: &Ask,
        times: Times,
        reply: anyhow::Result<Reply<'_>>,
    ) -> Step {
        let lost = reply.as_ref().err().map(ToString::to_string);
        let says_when = reply.as_ref().is_ok_and(|reply| reply.says_when);
        let (status, body) = reply.map_or((0, &[][..]), |reply| (reply.status, reply.body));
        let (news, code) = match &lost {
            Some(reason) => (News::Lost, reason.as_str()),
            None => answer::read(ask.deed, status, body),
        };
        let Times { intended, asked, answered } = times;
        let shown = Shown { status, code, says_when };
        let verdict = self.count(person, ask, shown, times);
        let (deed, code) = (ask.deed, code.into());
        let by_bot = self.cast[usize::from(self.people[idx(person)].group)].is_bot();
        let heard = Heard { deed, intended, asked, answered, status, code, verdict, by_bot };
        self.tally.hear(&heard);
        let told = Told {
            world: &self.world,
            person: &self.people[idx(person)],
            ask,
            status,
            code: shown.code,
            body,
        };
        if let Some(deal) = told.deal() {
            let key = match ask.what {
                What::Reserve { key, .. } => Some(key),
                _ => None,
            };
            self.deal(person, times, key, deal);
        }
        self.notice(person, answered, &news);
        let step = self.step(person, answered, news);
        let asks_again = matches!(&step, Step::Ask(next) if next.deed == Deed::Join);
        let ends = step == Step::Gone || !news.try_again();
        if ask.deed == Deed::Join && ends && !asks_again {
            self.counts.joined += 1;
        }
        step
    }

    /// Everything that was counted, and whether somebody was still due.
    pub fn played(mut self) -> Played {
        let counts = self.counts();
        let groups = self.cast.drain(..).map(|cast| (cast.name, cast.group));
        Played { groups: groups.collect(), tally: self.tally, counts }
    }

    fn count(&mut self, person: u32, ask: &Ask, shown: Shown<'_>, times: Times) -> Verdict {
        let cast = &mut self.cast[usize::from(self.people[idx(person)].group)];
        let took = times.answered.saturating_sub(times.intended);
        self.counts.asked += 1;
        cast.group.asked += 1;
        let verdict = cast.verdict(ask, shown);
        match verdict {
            // As in a tally: of people, and of what they were told.
            Verdict::Told if !cast.is_bot() => {
                cast.group.latency.entry(ask.deed).or_default().add(took);
            }
            Verdict::Told => {}
            Verdict::Shed => {
                self.counts.shed += 1;
                cast.group.shed += 1;
            }
            Verdict::Error => {
                self.counts.errors += 1;
                cast.group.errors += 1;
            }
        }
        let private = matches!(ask.deed, Deed::Me | Deed::Claim | Deed::Reserve);
        if cast.kind == Some(Kind::Replayer) && private && is_success(shown.status) {
            self.counts.trespasses += 1;
        }
        verdict
    }

    fn deal(&mut self, person: u32, times: Times, key: Option<u64>, deal: Deal) {
        let event = self.people[idx(person)].event;
        match &deal {
            Deal::Reserved { reservation, places, .. } => {
                let inside = self.people[idx(person)].papers.inside.as_ref();
                if inside.is_some_and(|inside| inside.reservation == *reservation) {
                    // The same key, the same answer: nothing new was promised.
                    return;
                }
                self.counts.reserved += place_count(places);
            }
            Deal::Confirmed { places, .. } => {
                self.counts.sold += place_count(places);
                if let Some(inside) = self.people[idx(person)].papers.inside.as_ref() {
                    self.tally.book(times.answered, times.answered.saturating_sub(inside.began));
                }
            }
            Deal::Released { .. } => self.counts.released += 1,
            _ => {}
        }
        let by_partner = self.cast[usize::from(self.people[idx(person)].group)].kind;
        // A partner has no account of the run.
        let account = match by_partner {
            Some(Kind::Partner) => u32::MAX,
            _ => self.people[idx(person)].account,
        };
        let event = self.world.venue(event).event.clone();
        self.tally.deal(Dealt {
            event,
            account,
            key,
            asked: times.asked,
            answered: times.answered,
            deal,
        });
    }

    /// What news mean to others than the one who heard them.
    fn notice(&mut self, person: u32, now: Duration, news: &News<'_>) {
        let (event, account) = {
            let person = &self.people[idx(person)];
            (person.event, person.account)
        };
        match news {
            News::Status(status) => self.edges[idx(event)].keep(now, *status),
            News::Pass(pass) => self.leaked = Some(((*pass).into(), account)),
            // The first is as good as any.
            News::Joined { token, .. } if self.leaked_token.is_none() => {
                self.leaked_token = Some((*token).into());
            }
            _ => {}
        }
    }

    fn person_mut(&mut self, person: u32) -> &mut Person {
        &mut self.people[idx(person)]
    }
}

impl Cast {
    fn of(name: &str, people: &People) -> Self {
        let (name, habits) = (name.to_owned(), people.habits.clone());
        Self { name, kind: Some(people.kind), habits, group: Group::default() }
    }

    fn operator() -> Self {
        let (name, habits) = ("operator".to_owned(), Habits::default());
        Self { name, kind: None, habits, group: Group::default() }
    }

    fn is_bot(&self) -> bool {
        matches!(self.kind, Some(Kind::Flooder | Kind::Replayer | Kind::Hoarder))
    }

    fn verdict(&self, ask: &Ask, shown: Shown<'_>) -> Verdict {
        let plays_fair = matches!(self.kind, Some(Kind::Fan | Kind::Shopper));
        let is_bot = self.is_bot();
        let forges = self.kind == Some(Kind::Replayer);
        match Verdict::of(shown) {
            // Who asks too often is meant to hear so.
            Verdict::Shed if is_bot && shown.status == 429 => Verdict::Told,
            Verdict::Error if forges && shown.status == 401 && !shown.code.is_empty() => {
                Verdict::Told
            }
            Verdict::Told if plays_fair && !is_known(ask, shown) => Verdict::Error,
            verdict => verdict,
        }
    }
}

/// Whether somebody who plays by the rules may hear this: with a good card nobody is declined, and
/// with a pass of one's own nobody is told that it is another's, forged or spent.
fn is_known(ask: &Ask, shown: Shown<'_>) -> bool {
    let is_declined = shown.status == 402 && ask.what == What::Pay(Card::Good);
    is_success(shown.status) || (!is_declined && refusals(ask.deed).contains(&shown.code))
}

fn place_count(places: &[Place]) -> u64 {
    let count = |place: &Place| match place {
        Place::Seat(_) => 1,
        Place::Area { quantity, .. } => u64::from(*quantity),
    };
    places.iter().map(count).sum()
}

/// Milliseconds, rounded up.
fn millis(time: Duration) -> u32 {
    let ms = time.as_micros().div_ceil(1_000);
    u32::try_from(ms).unwrap_or(u32::MAX)
}

fn idx(number: u32) -> usize {
    usize::try_from(number).expect("usize has 32 bits or more")
}

fn number_of(people: &[Person]) -> u64 {
    count(people.len())
}

fn count(number: usize) -> u64 {
    u64::try_from(number).expect("usize has at most 64 bits")
}
