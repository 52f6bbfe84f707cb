//! Mistakes with passes.

use super::answer;
use crate::common::Common;
use allocator_core::{Decision, Shard, Snapshot};
use schema::{Command, CommandBody, Outcome, OutcomeBody, Pass, Refusal, UnixMillis};

/// The same command with what `change` makes of its pass.
pub fn with_pass(command: &Command, change: impl FnOnce(&mut Pass)) -> Command {
    let mut command = command.clone();
    if let CommandBody::HoldSeats(ask) = &mut command.body {
        ask.pass.as_mut().map(change);
    }
    command
}

/// The decision of an owner who has forgotten `why` it would refuse a pass.
pub fn ignore(
    why: &Refusal,
    shard: &mut Shard,
    time: UnixMillis,
    command: &Command,
    common: &Common,
) -> Decision {
    let mut snapshot = shard.snapshot();
    let decision = common.hall.restore(snapshot.clone()).decide(time, command);
    let is_why = |outcome: &Outcome| outcome.body == OutcomeBody::Refused(why.clone());
    if matches!(&decision, Decision::Fresh(outcome) if is_why(outcome)) {
        let of_event = snapshot.events.iter_mut().filter(|found| found.event == command.event);
        let place = pass_of(command).map(|pass| pass.place);
        let uses = of_event.flat_map(|event| &mut event.passes);
        for (_, used) in uses.filter(|(at, _)| Some(*at) == place) {
            used.spent = false;
            used.hold = None;
        }
        *shard = common.hall.restore(snapshot);
    }
    shard.decide(time, command)
}

/// A refusal of a pass whose hold has ended unsold.
pub fn refuse_used(shard: &mut Shard, time: UnixMillis, command: &Command) -> Option<Decision> {
    let place = pass_of(command)?.place;
    let passes = shard.snapshot_event(&command.event).passes;
    let (_, used) = passes.into_iter().find(|(at, _)| *at == place)?;
    let is_free = used.hold.is_none() && !used.spent && used.account == command.account;
    let body = OutcomeBody::Refused(Refusal::PassSpent);
    is_free.then(|| answer(shard, time, command, body)).flatten()
}

/// Leaves the passes of live holds, from which everything else follows.
pub fn forget_spent(snapshot: &mut Snapshot) {
    for event in &mut snapshot.events {
        event.passes.retain(|(_, used)| used.hold.is_some());
    }
}

fn pass_of(command: &Command) -> Option<Pass> {
    match &command.body {
        CommandBody::HoldSeats(ask) => ask.pass,
        _ => None,
    }
}
