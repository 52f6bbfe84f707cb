//! Mistakes with standing places that areas share, and with guards.

use super::answer;
use crate::common::Common;
use crate::hall::{HOLD_TTL, PRICE, is_split};
use crate::promises::{guard_of, is_for_best};
use crate::standing::Standing;
use allocator_core::{Decision, Shard};
use schema::{
    AreaIdx, Command, CommandBody, Condition, Currency, Held, HeldArea, HoldId, Outcome,
    OutcomeBody, OwnerKind, PreviousStatuses, Refusal, UnixMillis, Want,
};

/// A hold of standing places for which each area has room by itself.
pub fn ignore_pool(shard: &mut Shard, time: UnixMillis, command: &Command) -> Decision {
    let decision = shard.decide(time, command);
    let Decision::Fresh(outcome) = &decision else { return decision };
    let lacks_room =
        matches!(outcome.body, OutcomeBody::Refused(Refusal::NotEnoughSeats | Refusal::SoldOut));
    let CommandBody::HoldSeats(ask) = &command.body else { return decision };
    let Want::Areas(areas) = &ask.want else { return decision };
    let taken = standing_of(shard, command).plus(Standing::of(areas.iter().copied()));
    if !lacks_room || ask.owner != OwnerKind::Fan || !taken.fits_each() {
        return decision;
    }
    let held = |&(area, quantity)| HeldArea { area, quantity, price_level: 0, price: PRICE };
    let held = Held {
        hold: HoldId::compose(crate::hall::SHARD, time, command.id),
        account: command.account,
        owner: ask.owner,
        seats: Vec::new(),
        areas: areas.iter().map(held).collect(),
        currency: Currency::EUR,
        deadline: Some(time + HOLD_TTL),
        pass: None,
    };
    let free_after = outcome.free_after.saturating_sub(held.place_count());
    let body = OutcomeBody::SeatsHeld(held);
    Decision::Fresh(Outcome { free_after, body, ..outcome.clone() })
}

/// A refusal of a swap for which there is room only where the hold's own places count as free.
pub fn keep_own(shard: &mut Shard, time: UnixMillis, command: &Command) -> Option<Decision> {
    let CommandBody::SwapSeats { hold, want: Want::Areas(areas), .. } = &command.body else {
        return None;
    };
    let own = shard.hold(*hold).filter(|own| own.held.account == command.account)?;
    let lacks_room = |&(area, quantity): &(AreaIdx, u32)| {
        shard.area_free(own.event, area).is_some_and(|free| free < quantity)
    };
    let refused = areas.iter().any(lacks_room);
    let body = OutcomeBody::Refused(Refusal::NotEnoughSeats);
    refused.then(|| answer(shard, time, command, body)).flatten()
}

/// A refusal of the best available seats where they are in both rows; `None` where they are not.
pub fn refuse_split(
    shard: &mut Shard,
    time: UnixMillis,
    command: &Command,
    common: &Common,
) -> Option<Decision> {
    if !is_for_best(command) {
        return None;
    }
    let decided = common.hall.restore(shard.snapshot()).decide(time, command);
    let Decision::Fresh(Outcome { body, .. }) = decided else { return None };
    let (OutcomeBody::SeatsHeld(held) | OutcomeBody::SeatsSwapped(held)) = body else {
        return None;
    };
    let body = OutcomeBody::Refused(Refusal::NotEnoughSeats);
    is_split(&held).then(|| answer(shard, time, command, body)).flatten()
}

/// The same operation with a guard that allows all statuses.
pub fn unguarded(command: &Command) -> Command {
    let mut command = command.clone();
    let all = PreviousStatuses { free: true, set_aside: true };
    if guard_of(&command).is_some() {
        match &mut command.body {
            CommandBody::HoldSeats(ask) => ask.condition = Some(Condition::Previous(all)),
            CommandBody::ReturnAllotted { previous, .. } => *previous = Some(all),
            _ => {}
        }
    }
    command
}

/// A guarded operation that does nothing by the look of a replica; `None` where that sees something
/// to do.
pub fn guard_by(
    view: &Shard,
    shard: &mut Shard,
    time: UnixMillis,
    command: &Command,
    common: &Common,
) -> Option<Decision> {
    guard_of(command)?;
    let seen = common.hall.restore(view.snapshot()).decide(time, command);
    let Decision::Fresh(Outcome { body, .. }) = seen else { return None };
    let does_nothing = matches!(body, OutcomeBody::Refused(_) | OutcomeBody::SeatsUnchanged);
    does_nothing.then(|| answer(shard, time, command, body)).flatten()
}

/// What is taken of each area of the command's event.
fn standing_of(shard: &Shard, command: &Command) -> Standing {
    let holds = shard.holds().filter(|hold| *hold.event == command.event);
    let areas = holds.flat_map(|hold| &hold.held.areas);
    Standing::of(areas.map(|area| (area.area, area.quantity)))
}
