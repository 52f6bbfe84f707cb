//! Mistakes with places for late money.

use super::answer;
use crate::hall::ROWS;
use allocator_core::{Decision, SeatState, Shard};
use schema::{Command, CommandBody, OutcomeBody, Refusal, SeatIdx, UnixMillis};

/// A refusal of all late money.
pub fn refuse(shard: &mut Shard, time: UnixMillis, command: &Command) -> Option<Decision> {
    let CommandBody::Reseat(_) = &command.body else { return None };
    let body = OutcomeBody::Refused(Refusal::NotEnoughSeats);
    answer(shard, time, command, body)
}

/// The same claim to the seats beside those that were paid for, if these are free and in the row.
pub fn shifted(shard: &Shard, command: &Command) -> Option<Command> {
    let mut command = command.clone();
    let CommandBody::Reseat(ask) = &mut command.body else { return None };
    let last = ask.paid.seats.last()?.seat.0;
    let row = ROWS.iter().find(|row| row.contains(&last))?;
    let is_free = |seat: u32| {
        let word = shard.seat(&command.event, SeatIdx(seat));
        word.is_some_and(|word| word.state == SeatState::Free)
    };
    let all_in_row = ask.paid.seats.iter().all(|seat| row.contains(&(seat.seat.0 + 1)));
    let all_free = ask.paid.seats.iter().all(|seat| is_free(seat.seat.0 + 1));
    if !all_in_row || !all_free {
        return None;
    }
    ask.paid.seats.iter_mut().for_each(|seat| seat.seat.0 += 1);
    Some(command)
}
