//! LINE-4 in the journal: a pass is one account's, has one hold at a time, and buys once.

use super::EventBooks;
use allocator::PassUse;
use schema::{Held, HoldId, OutcomeBody, PassPlace, Released};

impl EventBooks {
    /// Follows the passes, before the holds are; says what contradicts itself.
    pub(super) fn follow_pass(&mut self, body: &OutcomeBody) -> Option<String> {
        match body {
            OutcomeBody::SeatsHeld(held) => self.bind(held),
            OutcomeBody::HoldReleased { hold, why } => {
                let used = self.pass_of(*hold)?;
                used.hold = None;
                used.spent |= *why == Released::Refunded;
                None
            }
            OutcomeBody::SeatsSold { hold, pass } => {
                let known = self.holds.get(hold)?.held.pass;
                if let Some(used) = self.pass_of(*hold) {
                    used.spent = true;
                }
                (known != *pass).then(|| format!("{hold} is sold with another pass"))
            }
            OutcomeBody::SeatsSwapped(held) => {
                let known = self.holds.get(&held.hold)?.held.pass;
                (known != held.pass).then(|| format!("{} swaps its pass", held.hold))
            }
            _ => None,
        }
    }

    fn bind(&mut self, held: &Held) -> Option<String> {
        let place = held.pass?;
        let Held { hold, account, .. } = *held;
        let fresh = PassUse { account, hold: None, spent: false };
        let used = self.passes.entry(place).or_insert(fresh);
        let before = std::mem::replace(used, PassUse { hold: Some(hold), ..*used });
        let PassPlace { epoch, number } = place;
        let says = |what: String| Some(format!("{hold} uses pass {epoch}.{number}, {what}"));
        if before.account != account {
            return says(format!("which is {}'s", before.account));
        }
        if let Some(other) = before.hold {
            return says(format!("while {other} does"));
        }
        before.spent.then(|| says("which is spent".to_owned())).flatten()
    }

    fn pass_of(&mut self, hold: HoldId) -> Option<&mut PassUse> {
        let place = self.holds.get(&hold)?.held.pass?;
        self.passes.get_mut(&place)
    }
}
