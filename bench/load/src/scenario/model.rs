//! The form of a scenario.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One scenario. Times are in seconds where a name ends in `_s`, in milliseconds where in `_ms`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub name: String,
    /// One sentence for `usher-bench list`.
    pub about: String,
    #[serde(default = "one")]
    pub seed: u64,
    /// The run ends then, if not before because everybody has gone.
    pub seconds_max: u32,
    #[serde(default)]
    pub door: DoorSpec,
    /// Accounts that those who buy share.
    pub accounts: u32,
    pub events: BTreeMap<String, Event>,
    pub people: BTreeMap<String, People>,
    /// What an operator does meanwhile, in this order.
    #[serde(default)]
    pub operator: Vec<Steering>,
    #[serde(default)]
    pub expect: Expect,
}

/// How the crowd holds its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DoorSpec {
    pub connections: u32,
    /// Local addresses that they come from: 127.0.0.2 and following.
    pub sources: u8,
    /// Questions after which a connection is opened anew; 0 keeps it.
    pub reuse_max: u32,
}

/// An event that exists, or one (or `copies` of it) that is made for the run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Event {
    pub make: Option<Make>,
    pub copies: u32,
    pub room: Option<Room>,
}

/// An event to be made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Make {
    pub sections: u32,
    /// Of each section.
    pub rows: u32,
    /// Of each row.
    pub seats: u8,
    #[serde(default)]
    pub waiting_room: bool,
    #[serde(default = "ten_minutes")]
    pub hold_ttl_seconds: u32,
    #[serde(default = "forty")]
    pub account_places_max: u16,
}

/// What an operator sets for a room; what is left out stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[serde(rename_all(serialize = "camelCase"))]
pub struct Room {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admission_rate_per_minute: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_window_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass_ttl_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<bool>,
}

/// People of one kind.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    pub kind: Kind,
    /// With 0, as many as `arrivals.rate` means.
    #[serde(default)]
    pub count: u32,
    /// Which of the scenario's events; each person chooses one of its copies.
    pub event: String,
    pub arrivals: Arrivals,
    #[serde(default)]
    pub habits: Habits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Joins the line where there is one, buys, goes.
    Fan,
    /// Stays for `stay_s`, browsing, searching and sometimes buying.
    Shopper,
    /// Polls a place of its own as fast as `think_ms` says, whatever it is told.
    Flooder,
    /// Holds what it can get, and never pays.
    Hoarder,
    /// Tries others' passes and forged tokens.
    Replayer,
    /// Takes blocks of seats aside and gives some back.
    Partner,
}

/// When people of a group come.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrivals {
    pub shape: Shape,
    /// With a `rate` and a count, as many as that takes.
    #[serde(default)]
    pub seconds: f64,
    /// The most that come in a second.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// The first comes this long after the start of the run.
    #[serde(default)]
    pub after_s: f64,
}

/// `"10x"`: so many times what the machine did when it was probed.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Rate(pub f64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Most come at once, and ever fewer after.
    Spike,
    /// More and more come: the rate grows from nothing in a straight line.
    Ramp,
    /// As many in each second.
    Steady,
}

/// From the first to the second, all equally likely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Range(pub u32, pub u32);

/// What people do, as shares from 0 to 1 unless said.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Habits {
    /// Weights of parties of one, two, and so on.
    pub parties: Vec<f64>,
    /// Join, and never come back.
    pub no_show: f64,
    /// Of those far from the front, who ask for their own place; the others look at the public
    /// status, which a cache in front of the service answers for a second.
    pub asks_me: f64,
    /// Name seats on the map; the others take the best.
    pub named: f64,
    /// Seats that those who name want, from the first of the plan; 0 for all.
    pub among: u32,
    /// Reserve, and go away without a word.
    pub abandon: f64,
    /// Reserve, and give it back.
    pub release: f64,
    /// Pay with a card that is declined, then with another.
    pub decline: f64,
    /// Pay, and cancel a moment later.
    pub cancel: f64,
    /// Send a reserve or a join again under the same key.
    pub double_click: f64,
    /// Tries to get seats before giving up.
    pub tries_max: u8,
    /// Between pass and reserve.
    pub look_ms: Range,
    /// Between reserve and payment, and between the acts of shoppers and bots.
    pub think_ms: Range,
    /// How long a shopper or a bot stays.
    pub stay_s: f64,
    /// How long somebody who hears that nothing is left waits for what others give back.
    pub linger_s: f64,
    /// Weights of what a shopper does next.
    pub acts: BTreeMap<Act, f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    Search,
    Event,
    Seats,
    Status,
    Buy,
}

/// One thing that an operator does.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steering {
    /// After the one before, or after the start.
    #[serde(default)]
    pub wait_s: f64,
    /// Wait until everybody who wants to join has been answered.
    #[serde(default)]
    pub after_joins: bool,
    pub event: String,
    pub room: Room,
}

/// What makes a run a good one; what is left out is not looked at.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// Share of answers that are neither a success nor a told refusal.
    pub errors_max: Option<f64>,
    /// Share of 429 and 503, those that bots heard aside.
    pub shed_max: Option<f64>,
    /// From the intended start, by deed as results name it.
    pub p99_ms: BTreeMap<String, f64>,
    /// Share of people who were due and had not asked when the run was cut off: 0, unless said.
    pub overdue_max: f64,
    /// By a group that is scaled by the machine: bookings a second, from its first arrival to the
    /// last answer, as a share of those that the machine made when it was probed for the group.
    pub booked_min: BTreeMap<String, f64>,
    /// Places paid for, at least.
    pub sold_min: Option<u64>,
    /// At some time nothing of the main event was free, and nothing held that could become so.
    pub sold_out: Option<bool>,
    /// Everybody has gone at the end.
    pub all_gone: Option<bool>,
    /// Of any figures by their names.
    pub figures_max: BTreeMap<String, f64>,
    /// Groups that are to wait no longer than another: their latencies become figures as ratios to
    /// its, which `figures_max` bounds.
    pub beside: BTreeMap<String, String>,
}

impl Scenario {
    /// The event that the crowd wants: that of the largest group of fans. None if there are no
    /// fans, or they are spread over copies.
    pub fn main_event(&self) -> Option<&str> {
        let fans = self.people.values().filter(|people| people.kind == Kind::Fan);
        let crowd = fans.max_by_key(|people| people.count)?;
        let is_one = self.events.get(&crowd.event).is_some_and(|event| event.copies == 0);
        is_one.then_some(&*crowd.event)
    }

    /// Puts `-RUN` behind the names of the events that are made: on a system that has seen the same
    /// scenario before, or another with such an event, they are new all the same.
    pub fn name_events(&mut self, run: &str) {
        let events = std::mem::take(&mut self.events);
        let of_people = self.people.values_mut().map(|people| &mut people.event);
        let of_operator = self.operator.iter_mut().map(|steering| &mut steering.event);
        for event in of_people.chain(of_operator) {
            if events.get(event).is_some_and(|event| event.make.is_some()) {
                *event = format!("{event}-{run}");
            }
        }
        for (name, event) in events {
            let is_made = event.make.is_some();
            let name = if is_made { format!("{name}-{run}") } else { name };
            self.events.insert(name, event);
        }
    }
}

impl Event {
    /// Of the events that exist those with a room have crowds.
    pub fn may_have_room(&self) -> bool {
        self.make.as_ref().is_none_or(|make| make.waiting_room)
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let times = text.strip_suffix('x').and_then(|times| times.parse().ok());
        let times = times.filter(|times| 0.0 < *times && *times <= 100.0);
        times.map(Self).ok_or_else(|| format!("a rate is \"0.1x\" to \"100x\", not {text:?}"))
    }
}

impl Default for DoorSpec {
    fn default() -> Self {
        Self { connections: 256, sources: 4, reuse_max: 0 }
    }
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            parties: vec![15.0, 45.0, 12.0, 22.0, 3.0, 3.0],
            no_show: 0.0,
            asks_me: 0.1,
            named: 0.2,
            among: 0,
            abandon: 0.0,
            release: 0.0,
            decline: 0.0,
            cancel: 0.0,
            double_click: 0.0,
            tries_max: 5,
            look_ms: Range(500, 2_000),
            think_ms: Range(1_000, 5_000),
            stay_s: 60.0,
            linger_s: 5.0,
            acts: BTreeMap::new(),
        }
    }
}

fn one() -> u64 {
    1
}

fn ten_minutes() -> u32 {
    600
}

fn forty() -> u16 {
    40
}
