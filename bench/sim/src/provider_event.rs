//! What the provider tells of by itself: late, in any order, repeated or never, and now and then
//! what is not so. It makes settlement ask, and is not believed.

use crate::common::Common;
use crate::happening::Happening;
use settlement_core::Seen;

/// How many of its events the provider never tells.
const NEVER_PERCENT: u64 = 40;

/// How many say what is not so: somebody's who is not the provider, or of a test.
const UNTRUE_PERCENT: u64 = 10;

/// Something that has happened to a payment.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: u64,
    pub payment: String,
    /// How the payment was then, as it says.
    pub says: Seen,
}

/// The events on their way.
#[derive(Debug, Default)]
pub struct Events {
    waiting: Vec<Event>,
    count: u64,
}

/// Makes events of what has happened at the provider.
pub fn tell_news(common: &mut Common) {
    common.provider.turn(common.now);
    for (payment, seen) in common.provider.news() {
        common.write(format_args!("payment {payment} is {seen:?}"));
        if common.dice.hits(NEVER_PERCENT) {
            common.tally.add(Happening::EventLost);
            continue;
        }
        let is_true = !common.dice.hits(UNTRUE_PERCENT);
        let says = if is_true { seen } else { Seen::Captured };
        common.events.count += 1;
        let id = common.events.count;
        common.events.waiting.push(Event { id, payment, says });
    }
}

/// Takes an event; it may come again.
pub fn take(common: &mut Common) -> Option<Event> {
    let count = common.events.waiting.len();
    if count == 0 {
        return None;
    }
    let at = common.choose(count);
    let again = common.happens(25);
    let waiting = &mut common.events.waiting;
    let event = if again { waiting[at].clone() } else { waiting.remove(at) };
    common.note(Happening::EventTold, format_args!("{} is {:?}", event.payment, event.says));
    Some(event)
}
