//! What becomes of a hold that is paid: its owner starts, and settlement says how it went.

use crate::Shard;
use crate::holds::{Entry, HoldPhase};
use schema::limits::{DECLINED_HOLD_LEFT_MIN, DECLINES_PROLONGED_MAX, PAYMENT_WAIT_MAX};
use schema::{
    Command, EventStatus, OutcomeBody, OwnerKind, Payment, Refusal, Released, SYSTEM_ACCOUNT,
    StartPayment, UnixMillis, Verdict, VerdictKind,
};

impl Shard {
    pub(crate) fn rule_payment(
        &self,
        now: UnixMillis,
        event: usize,
        command: &Command,
        ask: &StartPayment,
    ) -> Result<OutcomeBody, Refusal> {
        let entry = self.own_hold(event, command, ask.hold)?.ok_or(Refusal::HoldEnded)?;
        let hold = &entry.hold;
        match hold.phase {
            // Held => Paying, unless the deadline has passed: the next tick ends the hold then.
            HoldPhase::Held => {
                if hold.held.deadline.is_none_or(|deadline| deadline <= now) {
                    return Err(Refusal::HoldEnded);
                }
                if self.catalogue.events[event].listed().listing.status != EventStatus::OnSale {
                    return Err(Refusal::NotOnSale);
                }
                Ok(OutcomeBody::PaymentStarted(Payment {
                    held: hold.held.clone(),
                    attempt: hold.attempt + 1,
                    method: ask.method.clone(),
                    token: ask.token.clone(),
                    payment_deadline: now + PAYMENT_WAIT_MAX,
                    trace: command.trace.as_deref().map(Box::from),
                }))
            }
            // The asker waits for the verdict of the payment that runs, or reads the booking.
            HoldPhase::Paying | HoldPhase::Sold => Ok(OutcomeBody::Unchanged { hold: ask.hold }),
            HoldPhase::Blocked => Err(Refusal::RequestInvalid),
        }
    }

    pub(crate) fn rule_verdict(
        &self,
        now: UnixMillis,
        event: usize,
        command: &Command,
        verdict: Verdict,
    ) -> Result<OutcomeBody, Refusal> {
        if command.account != SYSTEM_ACCOUNT {
            return Err(Refusal::RequestInvalid);
        }
        let hold = verdict.hold;
        let live = self.holds.find(hold).filter(|(_, entry)| entry.event == event);
        let Some((_, entry)) = live else {
            let ended = self.ended.get(hold).filter(|ended| ended.event == command.event);
            let ended = ended.ok_or(Refusal::HoldUnknown)?;
            // A sale of what has been let go must be noticed; a refund of a refund is an old
            // message.
            let missed = verdict.kind == VerdictKind::Sold && ended.why != Released::Refunded;
            return if missed {
                Err(Refusal::HoldEnded)
            } else {
                Ok(OutcomeBody::Unchanged { hold })
            };
        };
        rule_live_verdict(now, entry, verdict)
    }
}

/// By rank: a verdict of a lower or equal one than the hold has reached changes nothing. Sold and
/// Refunded are facts of a commit, of whichever attempt; Declined and Cancelled speak of the last
/// attempt only.
fn rule_live_verdict(
    now: UnixMillis,
    entry: &Entry,
    verdict: Verdict,
) -> Result<OutcomeBody, Refusal> {
    let hold = verdict.hold;
    let last_attempt = 0 < verdict.attempt && verdict.attempt == entry.hold.attempt;
    let unchanged = Ok(OutcomeBody::Unchanged { hold });
    // It speaks of places that the hold had before a swap. A sale of those must be noticed.
    if entry.hold.attempt_swapped.is_some_and(|last| verdict.attempt <= last.get()) {
        let sold = verdict.kind == VerdictKind::Sold;
        return if sold { Err(Refusal::HoldEnded) } else { unchanged };
    }
    match (entry.hold.phase, verdict.kind) {
        (HoldPhase::Blocked, _) => Err(Refusal::RequestInvalid),
        // What a partner has sold is paid already: there is no other card to wait for.
        (HoldPhase::Paying, VerdictKind::Declined)
            if entry.hold.held.owner == OwnerKind::PartnerSale =>
        {
            Err(Refusal::RequestInvalid)
        }
        // Paying => Held, with time for another card, but not for ever another.
        (HoldPhase::Paying, VerdictKind::Declined) if last_attempt => {
            let prolongs = verdict.attempt <= DECLINES_PROLONGED_MAX;
            let left_min = if prolongs { now + DECLINED_HOLD_LEFT_MIN } else { now };
            let deadline = entry.hold.held.deadline.map_or(left_min, |known| known.max(left_min));
            Ok(OutcomeBody::PaymentDeclined { hold, attempt: verdict.attempt, deadline })
        }
        // Paying | Held (after a decline) => ended.
        (HoldPhase::Paying | HoldPhase::Held, VerdictKind::Cancelled) if last_attempt => {
            Ok(OutcomeBody::HoldReleased { hold, why: Released::PaymentCancelled })
        }
        // Paying | Held => Sold.
        (HoldPhase::Paying | HoldPhase::Held, VerdictKind::Sold) => {
            let pass = entry.hold.held.pass;
            Ok(OutcomeBody::SeatsSold { hold, pass })
        }
        // Sold => ended; Paying | Held => ended when the sale's own verdict has not come.
        (_, VerdictKind::Refunded) => {
            Ok(OutcomeBody::HoldReleased { hold, why: Released::Refunded })
        }
        (_, VerdictKind::Declined | VerdictKind::Cancelled)
        | (HoldPhase::Sold, VerdictKind::Sold) => unchanged,
    }
}
