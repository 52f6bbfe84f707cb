//! What mutations do to an owner's decisions. Without one, the shard decides as it is.

mod books;
mod late;
mod passes;
mod places;

use crate::common::Common;
use crate::hall::CHANNEL;
use crate::journal::{Journal, Record};
use crate::mutation::Mutation;
use crate::owner::Answer;
use allocator_core::{AnsweredIds, Decision, HoldPhase, SeatState, Shard};
use schema::{
    Asked, Batch, Command, CommandBody, CommandId, Condition, HoldId, Outcome, OutcomeBody,
    Refusal, Reply, SYSTEM_ACCOUNT, SeatIdx, UnixMillis, Verdict, VerdictKind, Want, codec,
};

pub use books::cook;
pub use passes::forget_spent;

/// Decides a command; `view` is what a replica shows.
pub fn decide(
    shard: &mut Shard,
    view: &Shard,
    time: UnixMillis,
    command: &Command,
    common: &Common,
) -> Decision {
    match common.mutation {
        Some(Mutation::SkipGenerations) => {
            let other = present_owner(shard, &common.journal, command);
            shard.decide(time, other.as_ref().unwrap_or(command))
        }
        Some(Mutation::RefuseByView) => {
            refuse_by(view, shard, time, command).unwrap_or_else(|| shard.decide(time, command))
        }
        Some(Mutation::PoolForgetsArea) => places::ignore_pool(shard, time, command),
        Some(Mutation::SwapKeepsPlaces) => {
            places::keep_own(shard, time, command).unwrap_or_else(|| shard.decide(time, command))
        }
        Some(Mutation::NeverSplit) => places::refuse_split(shard, time, command, common)
            .unwrap_or_else(|| shard.decide(time, command)),
        Some(Mutation::SkipGuards) => shard.decide(time, &places::unguarded(command)),
        Some(Mutation::GuardByView) => places::guard_by(view, shard, time, command, common)
            .unwrap_or_else(|| shard.decide(time, command)),
        Some(Mutation::AnswerOtherFingerprint) => match shard.decide(time, command) {
            Decision::Mismatch => {
                let fingerprint = command.fingerprint ^ 1;
                shard.decide(time, &Command { fingerprint, ..command.clone() })
            }
            decision => decision,
        },
        Some(Mutation::LendPasses) => {
            shard.decide(time, &passes::with_pass(command, |pass| pass.account = None))
        }
        Some(Mutation::PassForEver) => {
            let lasting = passes::with_pass(command, |pass| pass.expires_at = UnixMillis(u64::MAX));
            shard.decide(time, &lasting)
        }
        Some(Mutation::SpentPassBuys) => {
            passes::ignore(&Refusal::PassSpent, shard, time, command, common)
        }
        Some(Mutation::PassForTwo) => {
            passes::ignore(&Refusal::PassInUse, shard, time, command, common)
        }
        Some(Mutation::EndSpendsPass) => {
            passes::refuse_used(shard, time, command).unwrap_or_else(|| shard.decide(time, command))
        }
        Some(Mutation::SkipChannels) => shard.decide(time, &with_key(command)),
        Some(Mutation::RefuseLate) => {
            late::refuse(shard, time, command).unwrap_or_else(|| shard.decide(time, command))
        }
        Some(Mutation::ReseatElsewhere) => {
            let shifted = late::shifted(shard, command);
            shard.decide(time, shifted.as_ref().unwrap_or(command))
        }
        Some(Mutation::SkipArchive) => decide_again(shard, time, command, common),
        Some(Mutation::LateVerdictWins) => late_verdict(shard, time, command),
        Some(Mutation::SwapReleasesFirst) => {
            let release = release_in_vain(shard, command);
            shard.decide(time, release.as_ref().unwrap_or(command))
        }
        _ => shard.decide(time, command),
    }
}

/// Ends what is due.
pub fn tick(
    shard: &mut Shard,
    time: UnixMillis,
    outcomes_max: usize,
    mutation: Option<Mutation>,
) -> Vec<Outcome> {
    match mutation {
        Some(Mutation::NeverExpire) => Vec::new(),
        Some(Mutation::ReleasePaying) => {
            let late = |hold: &allocator_core::HoldView<'_>| {
                let deadline = hold.held.deadline.filter(|&deadline| deadline <= time);
                hold.phase == HoldPhase::Paying && deadline.is_some()
            };
            let found = shard.holds().find(late).map(|hold| {
                let (id, attempt) = (hold.held.hold, hold.attempt);
                (hold.event.clone(), Verdict { hold: id, attempt, kind: VerdictKind::Cancelled })
            });
            if let Some((event, verdict)) = found {
                let id = CommandId(verdict.hold.0 ^ u128::from(verdict.attempt));
                let forged = forge(id, event, time, CommandBody::RecordVerdict(verdict));
                if let Decision::Fresh(outcome) = shard.decide(time, &forged) {
                    return vec![outcome];
                }
            }
            shard.tick(time, outcomes_max)
        }
        _ => shard.tick(time, outcomes_max),
    }
}

/// Whether an answer leaves without waiting for the journal.
pub fn answers_at_once(answer: &Answer, mutation: Option<Mutation>) -> bool {
    let refuses = |outcome: &Outcome| matches!(outcome.body, OutcomeBody::Refused(_));
    match (mutation, &answer.reply) {
        (Some(Mutation::RecallWithoutAppend), _) => answer.is_archived(),
        (Some(Mutation::RefuseBeforeAck), Reply::Done { outcome, .. }) => refuses(outcome),
        (Some(Mutation::AnswerWithoutAppend), Reply::Done { replayed, .. }) => *replayed,
        (Some(Mutation::AnswerBeforeAck | Mutation::AnswerWithoutAppend), _) => true,
        _ => false,
    }
}

/// Makes a release tell one free place too many.
pub fn miscount(outcomes: &mut [Outcome], mutation: Option<Mutation>) {
    if mutation == Some(Mutation::MiscountFree) {
        let is_release = |o: &&mut Outcome| matches!(o.body, OutcomeBody::HoldReleased { .. });
        for outcome in outcomes.iter_mut().filter(is_release) {
            outcome.free_after += 1;
        }
    }
}

/// The release that a swap begins with, if it ends with it: a seat that it wants is another's.
fn release_in_vain(shard: &Shard, command: &Command) -> Option<Command> {
    let CommandBody::SwapSeats { hold, want: Want::Seats(wanted), .. } = &command.body else {
        return None;
    };
    let before = shard.hold(*hold)?.held;
    let is_taken = |seat: &SeatIdx| {
        let word = shard.seat(&command.event, *seat);
        !before.has_seat(*seat) && word.is_some_and(|word| word.state != SeatState::Free)
    };
    let body = CommandBody::ReleaseHold { hold: *hold };
    wanted.iter().any(is_taken).then(|| Command { body, ..command.clone() })
}

fn forge(id: CommandId, event: schema::EventId, time: UnixMillis, body: CommandBody) -> Command {
    let reply_to = "".into();
    let (account, trace) = (SYSTEM_ACCOUNT, None);
    Command { id, fingerprint: 0, event, account, deadline: time, reply_to, trace, body }
}

/// The same release, of the hold that has the seat now.
fn present_owner(shard: &Shard, journal: &Journal, command: &Command) -> Option<Command> {
    let CommandBody::ReleaseHold { hold } = command.body else { return None };
    if shard.hold(hold).is_some() {
        return None;
    }
    let seat = first_seat_of(journal, hold)?;
    let owner = shard.holds().find(|found| {
        let has_seat = found.held.seats.iter().any(|held| held.seat == seat);
        *found.event == command.event && found.phase == HoldPhase::Held && has_seat
    })?;
    let body = CommandBody::ReleaseHold { hold: owner.held.hold };
    Some(Command { account: owner.held.account, body, ..command.clone() })
}

fn first_seat_of(journal: &Journal, hold: HoldId) -> Option<SeatIdx> {
    let mut sequence = 0;
    while let Some((next, record)) = journal.after(sequence) {
        sequence = next;
        let Record::Batch(bytes) = record else { continue };
        let batch: Batch = codec::decode_checked(bytes).expect("an owner encoded it");
        for outcome in &batch.outcomes {
            if let OutcomeBody::SeatsHeld(held) = &outcome.body
                && held.hold == hold
            {
                return held.seats.first().map(|seat| seat.seat);
            }
        }
    }
    None
}

/// The same command of somebody who knows the channel's code.
fn with_key(command: &Command) -> Command {
    let mut command = command.clone();
    if let CommandBody::HoldSeats(ask) = &mut command.body {
        ask.condition = Some(Condition::Channel(CHANNEL.into()));
    }
    command
}

/// A refusal of seats that a replica shows as taken; `None` when it shows none or the command is
/// known.
fn refuse_by(
    view: &Shard,
    shard: &mut Shard,
    time: UnixMillis,
    command: &Command,
) -> Option<Decision> {
    let CommandBody::HoldSeats(ask) = &command.body else { return None };
    let Want::Seats(wanted) = &ask.want else { return None };
    let is_taken = |seat: &&SeatIdx| {
        let word = view.seat(&command.event, **seat);
        word.is_some_and(|word| word.state != SeatState::Free)
    };
    let seats: Vec<SeatIdx> = wanted.iter().filter(is_taken).copied().collect();
    let body = OutcomeBody::Refused(Refusal::SeatTaken { seats: seats.clone() });
    (!seats.is_empty()).then(|| answer(shard, time, command, body)).flatten()
}

/// Answers a command with what was not decided and changes nothing; `None` when it is known.
fn answer(
    shard: &mut Shard,
    time: UnixMillis,
    command: &Command,
    body: OutcomeBody,
) -> Option<Decision> {
    // A deadline that is over asks for no more than the memory.
    let recall = Command { deadline: UnixMillis(0), ..command.clone() };
    if shard.decide(time, &recall) != Decision::TooLate {
        return None;
    }
    let Command { id, fingerprint, account, .. } = *command;
    let outcome = Outcome {
        asked: Some(Asked { command: id, fingerprint, account }),
        event: command.event.clone(),
        free_after: shard.counts(&command.event)?.free,
        body,
    };
    shard.apply(time, &outcome);
    Some(Decision::Fresh(outcome))
}

/// The decision of an owner who takes an answer that has left the memory for none.
fn decide_again(
    shard: &mut Shard,
    time: UnixMillis,
    command: &Command,
    common: &Common,
) -> Decision {
    let decision = shard.decide(time, command);
    if !matches!(decision, Decision::Archived { .. }) {
        return decision;
    }
    let mut snapshot = shard.snapshot();
    snapshot.answered = AnsweredIds::default();
    *shard = common.hall.restore(snapshot);
    shard.decide(time, command)
}

/// A verdict that is told again undoes a sale.
fn late_verdict(shard: &mut Shard, time: UnixMillis, command: &Command) -> Decision {
    let decision = shard.decide(time, command);
    let CommandBody::RecordVerdict(verdict) = command.body else { return decision };
    let is_late = !matches!(&decision, Decision::Fresh(o) if is_change(&o.body));
    let sold = shard.hold(verdict.hold).is_some_and(|hold| hold.phase == HoldPhase::Sold);
    if !is_late || !sold || verdict.kind != VerdictKind::Declined {
        return decision;
    }
    let verdict = Verdict { kind: VerdictKind::Refunded, ..verdict };
    let id = CommandId(command.id.0 ^ 1);
    shard.decide(time, &forge(id, command.event.clone(), time, CommandBody::RecordVerdict(verdict)))
}

fn is_change(body: &OutcomeBody) -> bool {
    !matches!(body, OutcomeBody::Refused(_) | OutcomeBody::Unchanged { .. })
}
