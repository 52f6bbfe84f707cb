//! The single writer of a shard: a thread that decides commands and fills batches.
//!
//! While one batch is being journaled the next one fills, so the batch size follows the load by
//! itself.

use crate::catalog::Catalog;
use crate::clock::JournalClock;
use crate::config::{APPEND_EVERY, IDLE_WAIT, MOVES_AT_ONCE_MAX, TICK_OUTCOMES_MAX};
use crate::inspect::Shown;
use crate::intake::CommandsAt;
use crate::metrics;
use crate::writer::{Answer, Decided};
use allocator_core::{Decision, Shard};
use chassis::telemetry::{TraceContext, chain};
use crossbeam_channel::{Receiver, never, select};
use schema::{Asked, Command, DurationMs, EventId, Reply, ShardId, UnixMillis};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// What a decider is given to do.
pub(crate) enum Work {
    /// A command, and up to where COMMANDS is answered with it.
    Command { command: Box<Command>, answers_to: CommandsAt },
    /// Shows the owner's memory of one event or of all, for the audit.
    Inspect { event: Option<EventId>, answer: oneshot::Sender<Shown> },
    #[cfg(all(feature = "testing", debug_assertions))]
    Plant {
        event: EventId,
        seat: schema::SeatIdx,
        word: allocator_core::SeatWord,
        answer: oneshot::Sender<allocator_core::SeatWord>,
    },
}

/// The sign that the batch under way is durable and the next one may go.
pub(crate) struct Journaled;

/// The events whose deadlines are still to be moved by an outage.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    events: Vec<EventId>,
    by: DurationMs,
}

impl Moves {
    pub(crate) fn after(shard: &Shard, by: DurationMs) -> Self {
        Self { events: shard.events_with_deadlines(), by }
    }
}

pub(crate) struct Decider {
    pub id: ShardId,
    pub epoch: u64,
    /// Batches of the epoch that were sent to the journal.
    pub sent: u64,
    /// The journal time that the last batch told.
    pub told: Option<UnixMillis>,
    /// When the last batch was sent.
    pub sent_at: Option<Instant>,
    pub shard: Shard,
    pub clock: JournalClock,
    pub catalog: Catalog,
    pub moves: Moves,
    pub work: Receiver<Work>,
    /// Audits that wait for the end of the batch; the one who passes them on waits for each.
    pub asked: Vec<(Option<EventId>, oneshot::Sender<Shown>)>,
    /// Holds one batch: the decider sends only when the one before is journaled.
    pub decided: mpsc::Sender<Decided>,
    pub journaled: Receiver<Journaled>,
}

impl Decider {
    /// Runs until the writer or everyone who asks has gone.
    pub(crate) fn run(mut self) {
        let mut batch = Decided::default();
        let mut journaling = false;
        let nothing = never();
        loop {
            let wait = self.wait(&batch, journaling);
            self.move_deadlines(&mut batch);
            // A full batch takes no more: what comes waits in its queue, and then in the stream.
            let open = self.moves.events.is_empty() && !batch.is_full();
            let work = if open { &self.work } else { &nothing };
            select! {
                recv(work) -> work => match work {
                    Ok(work) => self.take(work, &mut batch),
                    Err(_) => return,
                },
                recv(self.journaled) -> journaled => match journaled {
                    Ok(Journaled) => journaling = false,
                    Err(_) => return,
                },
                default(wait) => {}
            }
            // SEAT-3: before the queue, which may be long enough to fill every batch.
            self.tick(&mut batch);
            // Draining what is ready is what makes batches.
            while self.moves.events.is_empty()
                && !batch.is_full()
                && let Ok(work) = self.work.try_recv()
            {
                self.take(work, &mut batch);
            }
            if !journaling && batch.is_empty() {
                self.pulse(&mut batch);
            }
            if !journaling && !batch.is_empty() && self.left_to_fill(&batch).is_zero() {
                if !self.send(&mut batch) {
                    return;
                }
                journaling = true;
            }
            self.show(&batch);
        }
    }

    /// Sends a batch to the writer; says whether there still is one.
    fn send(&mut self, batch: &mut Decided) -> bool {
        if batch.is_journaled() {
            self.sent += 1;
            self.told = Some(batch.time_from(|| self.clock.now(Instant::now())));
            metrics::seats_chosen(self.id, self.shard.take_tally());
            metrics::kept(self.id, self.shard.kept());
        }
        self.sent_at = Some(Instant::now());
        self.decided.try_send(std::mem::take(batch)).is_ok()
    }

    /// How long a batch still waits for company.
    fn left_to_fill(&self, batch: &Decided) -> Duration {
        if batch.is_full() {
            return Duration::ZERO;
        }
        let since = self.sent_at.map_or(APPEND_EVERY, |at| at.elapsed());
        APPEND_EVERY.saturating_sub(since)
    }

    fn wait(&self, batch: &Decided, journaling: bool) -> Duration {
        let now = self.clock.now(Instant::now());
        let due = self.shard.next_turn().map(|due| Duration::from(due.since(now)));
        let due = due.map_or(IDLE_WAIT, |due| due.clamp(Duration::from_millis(1), IDLE_WAIT));
        let sends = !batch.is_empty() && !journaling;
        if sends { due.min(self.left_to_fill(batch)) } else { due }
    }

    fn take(&mut self, work: Work, batch: &mut Decided) {
        match work {
            Work::Command { command, answers_to } => {
                batch.commands_to = batch.commands_to.max(answers_to);
                self.decide(*command, batch);
            }
            Work::Inspect { event, answer } => self.asked.push((event, answer)),
            #[cfg(all(feature = "testing", debug_assertions))]
            Work::Plant { event, seat, word, answer } => {
                let before = self.shard.plant(&event, seat, word);
                answer.send(before).expect("the test waits for it");
            }
        }
    }

    fn decide(&mut self, mut command: Command, batch: &mut Decided) {
        self.learn(&command.event);
        let (now, wall) = (Instant::now(), chassis::clock::now());
        command.translate_times(|time| self.clock.translate(time, wall, now));
        self.shard.set_wall(self.clock.now(now), wall);
        let time = batch.time_from(|| self.clock.now(now));
        let decision = self.shard.decide(time, &command);
        metrics::command_decided(self.id, &decision);
        tracing::debug!(
            trace_id = trace_id(&command),
            command = %command.id,
            event = %command.event,
            verb = command.body.verb(),
            "command decided"
        );
        let answer = match decision {
            Decision::Fresh(outcome) => {
                batch.push(outcome.clone());
                Answer::Outcome { replayed: false, outcome: Box::new(outcome) }
            }
            Decision::Known(outcome) => {
                Answer::Outcome { replayed: true, outcome: Box::new(outcome) }
            }
            Decision::Archived { number } => {
                Answer::Archived { asked: Asked::by(&command), number }
            }
            Decision::Mismatch => Answer::Other(Reply::Mismatch { asked: command.fingerprint }),
            Decision::TooLate => Answer::Other(Reply::TooLate),
            Decision::NotYet => Answer::Other(Reply::Busy),
        };
        if !command.reply_to.is_empty() {
            batch.answers.push((command.reply_to, command.id, answer));
        }
    }

    /// Brings a new or changed listing of the catalogue into the shard.
    fn learn(&mut self, event: &EventId) {
        let Some(listed) = self.catalog.find(event) else { return };
        if let Err(error) = self.shard.put_event(listed.listing, listed.tables) {
            tracing::error!(shard = %self.id, error = %chain(&error), "listing ignored");
        }
    }

    /// Before anything else: a hold must not end by a deadline that the outage has moved.
    fn move_deadlines(&mut self, batch: &mut Decided) {
        while batch.outcomes.len() < MOVES_AT_ONCE_MAX
            && let Some(event) = self.moves.events.pop()
        {
            let time = batch.time_from(|| self.clock.now(Instant::now()));
            let moved = self.shard.move_deadlines(time, &event, self.moves.by);
            batch.push(moved.expect("an event with holds is listed"));
        }
    }

    fn tick(&mut self, batch: &mut Decided) {
        if !self.moves.events.is_empty() {
            return;
        }
        let now = Instant::now();
        if self.shard.next_turn().is_none() {
            self.clock.catch_up(chassis::clock::now(), now);
        }
        if batch.is_full() {
            return;
        }
        let time = batch.time().unwrap_or_else(|| self.clock.now(now));
        for outcome in self.shard.tick(time, TICK_OUTCOMES_MAX) {
            batch.time_from(|| time);
            batch.push(outcome);
        }
    }

    /// Tells the journal the time while a deadline runs and nothing else does.
    ///
    /// An owner that starts after an outage takes the time from the last batch on for the outage.
    /// So the quiet before it counts as time that people had, whatever any wall clock says.
    fn pulse(&self, batch: &mut Decided) {
        let now = Instant::now();
        if self.clock.is_pulse_due(self.told, self.shard.next_turn(), now) {
            batch.pulse(self.clock.now(now));
        }
    }

    /// Answers the audit when the memory is exactly what the batches sent so far make it.
    fn show(&mut self, batch: &Decided) {
        if !batch.is_empty() {
            return;
        }
        for (event, answer) in self.asked.drain(..) {
            let events = self.shard.inspect(event.as_ref());
            let answers = || (self.shard.answers_since(0), self.shard.inspect_ids());
            let answers = event.is_none().then(answers);
            // The auditor may have gone: then nobody wants to know.
            drop(answer.send(Shown { epoch: self.epoch, batch: self.sent, events, answers }));
        }
    }
}

/// The trace that a command belongs to, as log lines have it; empty where nobody keeps one.
fn trace_id(command: &Command) -> String {
    let trace = command.trace.as_deref().and_then(TraceContext::parse);
    trace.map_or_else(String::new, |trace| trace.trace_id())
}

#[cfg(test)]
mod tests;
