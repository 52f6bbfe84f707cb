//! An owner's shell around the real shard: it decides, fills batches, and answers behind the ack.

use crate::archive;
use crate::bus::{self, Told};
use crate::clock::JournalClock;
use crate::common::Common;
use crate::happening::Happening;
use crate::journal::{Ack, Append, MessageId, Record};
use crate::mutation::Mutation;
use crate::replica::Replica;
use crate::sabotage;
use crate::wire::Sender;
use allocator_core::{AnsweredIds, Decision, Shard};
use schema::{
    Asked, Batch, Command, DurationMs, EventId, Outcome, OutcomeBody, Reply, UnixMillis, codec,
};
use std::collections::VecDeque;

/// Outcomes of a batch, and of one tick: few, so that full batches occur.
const BATCH_OUTCOMES_MAX: usize = 8;
const TICK_OUTCOMES_MAX: usize = 4;

/// How long an append is waited for before it is sent again.
const APPEND_AGAIN: DurationMs = DurationMs(60);

/// What an asker will hear.
#[derive(Debug, Clone)]
pub struct Answer {
    to: String,
    /// The command that is answered.
    pub asked: Asked,
    pub reply: Reply,
    /// The number of an answer that has left the memory: what is said is what the archive has.
    archived: Option<u64>,
}

impl Answer {
    pub fn is_archived(&self) -> bool {
        self.archived.is_some()
    }
}

/// A batch that fills.
#[derive(Debug, Default)]
struct Open {
    time: Option<UnixMillis>,
    outcomes: Vec<Outcome>,
    answers: Vec<Answer>,
    is_pulse: bool,
}

/// A batch whose acknowledgement is waited for.
#[derive(Debug)]
struct InFlight {
    append: Append,
    answers: Vec<Answer>,
    sent_at: UnixMillis,
}

#[derive(Debug)]
pub struct Owner {
    pub epoch: u64,
    sender: Sender,
    shard: Shard,
    clock: JournalClock,
    /// Events whose deadlines are still to be moved, and by how much.
    moves: Vec<EventId>,
    moved_by: DurationMs,
    open: Open,
    /// Batches sent in this epoch.
    number: u64,
    /// The sequence of the last batch that the journal has acknowledged, or that the replica had.
    previous: u64,
    in_flight: Option<InFlight>,
    /// What may be said, for the batch of this number.
    leaving: VecDeque<(u64, Answer)>,
    told: Option<UnixMillis>,
    /// Since when it takes nothing more, so as to let the shard go.
    pub leaves_since: Option<UnixMillis>,
}

impl Owner {
    /// Opens the shard from a replica that has followed the journal up to the epoch record.
    pub fn open(sender: Sender, epoch: u64, replica: &Replica, common: &mut Common) -> Self {
        let mut snapshot = replica.shard.snapshot();
        if common.is_broken(Mutation::ForgetAnswers) {
            snapshot.answers.entries.clear();
            snapshot.answered = AnsweredIds::default();
        }
        let shard = common.hall.restore(snapshot);
        let wall = common.wall_of(sender.process);
        let (clock, outage) =
            JournalClock::resume(replica.time, wall, replica.received, common.now);
        let outage = outage.filter(|_| !common.is_broken(Mutation::CountOutages));
        let moves = outage.map_or_else(Vec::new, |_| shard.events_with_deadlines());
        common.note(Happening::TakeOver, format_args!("epoch {epoch} opens, outage {outage:?}"));
        common.bus.read_again();
        Self {
            epoch,
            sender,
            shard,
            clock,
            moves,
            moved_by: outage.unwrap_or_default(),
            open: Open::default(),
            number: 0,
            previous: replica.applied.sequence,
            in_flight: None,
            leaving: VecDeque::new(),
            told: replica.time,
            leaves_since: None,
        }
    }

    /// Whether a command may be decided now.
    pub fn takes_commands(&self) -> bool {
        let full = BATCH_OUTCOMES_MAX <= self.open.outcomes.len().max(self.open.answers.len());
        self.moves.is_empty() && !full && self.leaves_since.is_none()
    }

    /// Begins to hand the shard over: takes no more commands, and ends the batch under way.
    pub fn leave(&mut self, common: &mut Common) {
        self.leaves_since.get_or_insert(common.now);
        if common.is_broken(Mutation::HandOverUnappended) {
            let in_flight = self.in_flight.as_mut();
            let waiting = in_flight.map(|sent| std::mem::take(&mut sent.answers));
            for answer in waiting.into_iter().flatten() {
                self.say(Some(self.number), answer, common);
            }
        }
    }

    /// Whether it has appended and said everything before it goes.
    pub fn has_left(&self) -> bool {
        let Open { outcomes, answers, .. } = &self.open;
        let rests = self.in_flight.is_none() && outcomes.is_empty() && answers.is_empty();
        self.leaves_since.is_some() && rests && self.leaving.is_empty()
    }

    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Decides a command, and lets the answer wait for the batch.
    pub fn decide(&mut self, mut command: Command, view: &Shard, common: &mut Common) {
        assert!(self.takes_commands());
        let wall = common.wall_of(self.sender.process);
        common.promises.decides(command.id, self.clock.now(common.now), wall);
        let translate = |time| self.clock.translate(time, wall, common.now);
        if common.is_broken(Mutation::PassByJournalTime) {
            command.deadline = translate(command.deadline);
        } else {
            command.translate_times(translate);
        }
        let time = self.time_of_batch(common);
        let decision = sabotage::decide(&mut self.shard, view, time, &command, common);
        common.write(format_args!("epoch {} decides {}: {decision:?}", self.epoch, command.id));
        let done = |replayed, outcome: Outcome| {
            let outcome = Box::new(outcome);
            Reply::Done { sequence: 0, replayed, outcome }
        };
        let mut archived = None;
        let reply = match decision {
            Decision::Fresh(outcome) => {
                self.open.outcomes.push(outcome.clone());
                done(false, outcome)
            }
            Decision::Known(outcome) => {
                common.tally.add(Happening::Replayed);
                done(true, outcome)
            }
            Decision::Mismatch => {
                common.tally.add(Happening::Mismatch);
                Reply::Mismatch { asked: command.fingerprint }
            }
            Decision::TooLate => {
                common.tally.add(Happening::TooLate);
                Reply::TooLate
            }
            Decision::Archived { number } => {
                archived = Some(number);
                Reply::Busy
            }
            Decision::NotYet => Reply::Busy,
        };
        if command.reply_to.is_empty() {
            return;
        }
        let to = command.reply_to.to_string();
        let answer = Answer { to, asked: Asked::by(&command), reply, archived };
        if sabotage::answers_at_once(&answer, common.mutation) {
            self.say(None, answer, common);
        } else {
            self.open.answers.push(answer);
        }
    }

    /// One round of the decider and of the writer.
    pub fn turn(&mut self, common: &mut Common) {
        if self.leaves_since.is_none() || !self.moves.is_empty() {
            self.move_deadlines(common);
            self.tick(common);
            self.pulse(common);
        }
        match &mut self.in_flight {
            None => self.send(common),
            Some(in_flight) if in_flight.sent_at + APPEND_AGAIN <= common.now => {
                // The outcome is unknown: the same bytes again.
                in_flight.sent_at = common.now;
                let append = in_flight.append.clone();
                common.note(Happening::AppendRepeated, format_args!("{:?} again", append.id));
                common.wire.send(self.sender, append);
            }
            Some(_) => {}
        }
        // A crash between two answers leaves some unsaid.
        let count = if common.calm { self.leaving.len() } else { common.choose(4) };
        for _ in 0..count.min(self.leaving.len()) {
            let (number, answer) = self.leaving.pop_front().expect("counted just before");
            self.say(Some(number), answer, common);
        }
    }

    /// Hears of the batch in flight; `false` when another owner has the shard.
    pub fn hear(&mut self, id: MessageId, ack: Ack, common: &mut Common) -> bool {
        let Some(in_flight) = self.in_flight.take_if(|sent| sent.append.id == id) else {
            return true;
        };
        match ack {
            Ack::Stored { sequence, .. } => {
                self.previous = sequence;
                for mut answer in in_flight.answers {
                    if let Reply::Done { sequence: at, .. } = &mut answer.reply {
                        *at = sequence;
                    }
                    self.leaving.push_back((self.number, answer));
                }
                true
            }
            Ack::WrongLast => {
                common.note(Happening::Deposed, format_args!("epoch {} is over", self.epoch));
                common.promises.deposed(self.epoch);
                if common.is_broken(Mutation::AnswerDeposed) {
                    for answer in in_flight.answers {
                        self.say(Some(self.number), answer, common);
                    }
                }
                false
            }
        }
    }

    /// Journal time.
    fn now(&self, common: &Common) -> UnixMillis {
        if common.is_broken(Mutation::TrustWall) {
            let wall = common.wall_of(self.sender.process);
            return self.told.unwrap_or_default().max(wall);
        }
        self.clock.now(common.now)
    }

    fn time_of_batch(&mut self, common: &Common) -> UnixMillis {
        let time = self.now(common);
        *self.open.time.get_or_insert(time)
    }

    fn move_deadlines(&mut self, common: &mut Common) {
        while self.open.outcomes.len() < BATCH_OUTCOMES_MAX
            && let Some(event) = self.moves.pop()
        {
            let time = self.time_of_batch(common);
            let moved = self.shard.move_deadlines(time, &event, self.moved_by);
            self.open.outcomes.push(moved.expect("all events are listed"));
        }
    }

    fn tick(&mut self, common: &mut Common) {
        if !self.moves.is_empty() || BATCH_OUTCOMES_MAX <= self.open.outcomes.len() {
            return;
        }
        if self.shard.next_turn().is_none() {
            let wall = common.wall_of(self.sender.process);
            self.clock.catch_up(wall, common.now);
        }
        let now = self.now(common);
        let time = self.open.time.unwrap_or(now);
        let due = sabotage::tick(&mut self.shard, time, TICK_OUTCOMES_MAX, common.mutation);
        if !due.is_empty() {
            self.open.time = Some(time);
            self.open.outcomes.extend(due);
        }
    }

    fn pulse(&mut self, common: &mut Common) {
        let empty = self.open.outcomes.is_empty() && self.open.answers.is_empty();
        let due = self.clock.is_pulse_due(self.told, self.shard.next_turn(), common.now);
        let due = due && !common.is_broken(Mutation::NeverPulse);
        if empty && self.in_flight.is_none() && due {
            self.open.is_pulse = true;
            self.open.time = Some(self.now(common));
            common.tally.add(Happening::Pulse);
        }
    }

    /// Closes the batch and sends it to the journal, also one of answers alone.
    fn send(&mut self, common: &mut Common) {
        let Open { outcomes, answers, is_pulse, .. } = &self.open;
        if outcomes.is_empty() && answers.is_empty() && !is_pulse {
            // A decision that made nothing leaves no time behind.
            self.open.time = None;
            return;
        }
        let Open { time, mut outcomes, answers, .. } = std::mem::take(&mut self.open);
        self.number += 1;
        let (epoch, number) = (self.epoch, self.number);
        let time = time.expect("whatever is in a batch has given it a time");
        self.told = Some(time);
        if !outcomes.is_empty() {
            common.promises.closed((epoch, number), &self.shard);
        }
        sabotage::miscount(&mut outcomes, common.mutation);
        let batch = Batch { epoch, number, time, outcomes, previous: self.previous };
        let record = Record::Batch(codec::encode_checked(&batch));
        let fence = (!common.is_broken(Mutation::IgnoreFence)).then_some(epoch);
        let append = Append { id: MessageId::Batch { epoch, number }, fence, record };
        common.wire.send(self.sender, append.clone());
        self.in_flight = Some(InFlight { append, answers, sent_at: common.now });
    }

    /// Says an answer, which the batch of `number` stands for.
    fn say(&self, number: Option<u64>, mut answer: Answer, common: &mut Common) {
        if let Some(number) = answer.archived {
            answer.reply = archive::recall(number, answer.asked, self.previous, common);
        }
        // Rounded up, so that nobody is told that more is left of a hold than is.
        let time = self.now(common) + DurationMs(1);
        let batch = number.map(|number| (self.epoch, number));
        common.promises.answered(common.now, time, self.epoch, batch, &answer);
        let Answer { to, asked: Asked { command, .. }, reply, .. } = answer;
        common.write(format_args!("epoch {} answers {command}: {}", self.epoch, brief(&reply)));
        bus::tell(common, Told { to, command, reply });
    }
}

fn brief(reply: &Reply) -> &'static str {
    match reply {
        Reply::Done { outcome, .. } => match outcome.body {
            OutcomeBody::Refused(_) => "no",
            _ => "done",
        },
        Reply::Mismatch { .. } => "mismatch",
        Reply::TooLate => "too late",
        Reply::Busy => "busy",
    }
}
