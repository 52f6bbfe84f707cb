//! The state as other stages take it, when the journal that they would read it from is trimmed.

use crate::Shard;
use crate::ended::Ended;
use crate::holds::{Hold, HoldPhase};
use schema::{Currency, EndedHold, EventId, EventState, LiveHold, PassPlace, Phase};

impl Shard {
    /// Shows all events with traces of outcomes, in order of id; their versions are 0. O(state).
    pub fn show(&self) -> Vec<EventState> {
        let mut shown: Vec<EventState> =
            (0..self.catalogue.events.len()).filter_map(|at| self.show_at(at)).collect();
        shown.sort_unstable_by(|a, b| a.event.cmp(&b.event));
        shown
    }

    /// Shows one event as [`show`](Self::show) does; `None` without traces of outcomes.
    pub fn show_event(&self, event: &EventId) -> Option<EventState> {
        self.show_at(self.catalogue.find(event)?)
    }

    fn show_at(&self, at: usize) -> Option<EventState> {
        let state = &self.catalogue.events[at];
        let sale = state.sale.as_ref().filter(|sale| !sale.is_pristine())?;
        let mut holds: Vec<(u32, &Hold)> = self.holds.of_event(at).collect();
        holds.sort_unstable_by_key(|(slot, _)| *slot);
        let spent = sale.passes.iter().filter(|(_, used)| used.spent);
        let mut spent: Vec<PassPlace> = spent.map(|(place, _)| *place).collect();
        spent.sort_unstable();
        Some(EventState {
            event: state.id.clone(),
            version: 0,
            free: sale.counts.free,
            holds: holds.into_iter().map(|(_, hold)| standing(hold)).collect(),
            spent,
        })
    }

    /// Shows the holds that ended lately, in the order of their end.
    pub fn show_ended(&self) -> Vec<EndedHold> {
        let ended = self.ended.iter().cloned();
        let shown = ended.map(|ended| {
            let Ended { hold, event, account, why, at } = ended;
            let currency = self.currency(&event);
            EndedHold { hold, event, account, currency, why, at }
        });
        shown.collect()
    }

    fn currency(&self, event: &EventId) -> Currency {
        let at = self.catalogue.find(event);
        let listed = at.and_then(|at| self.catalogue.events[at].listed.as_ref());
        listed.map_or(Currency::EUR, |listed| listed.listing.currency())
    }
}

fn standing(hold: &Hold) -> LiveHold {
    let phase = match hold.phase {
        HoldPhase::Held => Phase::Held,
        HoldPhase::Paying => Phase::Paying,
        HoldPhase::Sold => Phase::Sold,
        HoldPhase::Blocked => Phase::Blocked,
    };
    LiveHold { phase, attempt: hold.attempt, held: hold.held.clone() }
}
