//! What its owner may do with a hold besides paying: give it up, or ask for more time.

use crate::Shard;
use crate::holds::{Entry, HoldPhase};
use schema::{Command, EventStatus, HoldId, OutcomeBody, Refusal, Released, UnixMillis};

impl Shard {
    pub(crate) fn rule_release(
        &self,
        event: usize,
        command: &Command,
        hold: HoldId,
    ) -> Result<OutcomeBody, Refusal> {
        let Some(entry) = self.own_hold(event, command, hold)? else {
            let ended = self.ended.get(hold).expect("a hold that is not live has ended");
            // A second release, and one that comes late.
            return match ended.why {
                Released::ByOwner => Ok(OutcomeBody::Unchanged { hold }),
                _ => Err(Refusal::HoldEnded),
            };
        };
        match entry.hold.phase {
            // Held | Blocked => ended.
            HoldPhase::Held | HoldPhase::Blocked => {
                Ok(OutcomeBody::HoldReleased { hold, why: Released::ByOwner })
            }
            HoldPhase::Paying => Err(Refusal::PaymentInProgress),
            HoldPhase::Sold => Err(Refusal::AlreadySold),
        }
    }

    /// A hold gets the whole time of a new one again, up to the longest life that the event allows.
    pub(crate) fn rule_extend(
        &self,
        now: UnixMillis,
        event: usize,
        command: &Command,
        hold: HoldId,
    ) -> Result<OutcomeBody, Refusal> {
        // Held => Held.
        let known = self.waiting_hold(now, event, command, hold)?.hold.held.deadline;
        let listing = &self.catalogue.events[event].listed().listing;
        let last = hold.made_at() + listing.hold_life_max_ms;
        let deadline = last.min(now + listing.hold_ttl_ms);
        if known.is_none_or(|known| deadline <= known) {
            return Err(Refusal::HoldAtLimit);
        }
        Ok(OutcomeBody::HoldExtended { hold, deadline })
    }

    /// The hold if it waits to be paid, of an event that is on sale.
    pub(crate) fn waiting_hold(
        &self,
        now: UnixMillis,
        event: usize,
        command: &Command,
        hold: HoldId,
    ) -> Result<&Entry, Refusal> {
        let entry = self.own_hold(event, command, hold)?.ok_or(Refusal::HoldEnded)?;
        match entry.hold.phase {
            HoldPhase::Held => {
                // Once the deadline has passed the next tick ends the hold.
                if entry.hold.held.deadline.is_none_or(|deadline| deadline <= now) {
                    return Err(Refusal::HoldEnded);
                }
                if self.catalogue.events[event].listed().listing.status != EventStatus::OnSale {
                    return Err(Refusal::NotOnSale);
                }
                Ok(entry)
            }
            HoldPhase::Paying => Err(Refusal::PaymentInProgress),
            HoldPhase::Sold => Err(Refusal::AlreadySold),
            HoldPhase::Blocked => Err(Refusal::RequestInvalid),
        }
    }

    /// The hold if it lives, `None` if it has ended, a refusal if this account never had it.
    pub(crate) fn own_hold(
        &self,
        event: usize,
        command: &Command,
        hold: HoldId,
    ) -> Result<Option<&Entry>, Refusal> {
        if let Some((_, entry)) = self.holds.find(hold) {
            let own = entry.event == event && entry.hold.held.account == command.account;
            return if own { Ok(Some(entry)) } else { Err(Refusal::HoldUnknown) };
        }
        let ended = self.ended.get(hold).ok_or(Refusal::HoldUnknown)?;
        let own = ended.event == command.event && ended.account == command.account;
        if own { Ok(None) } else { Err(Refusal::HoldUnknown) }
    }
}
