//! The pre-queue: it gathers, closes, is drawn, and goes on as a line.

use super::Leader;
use crate::room::{draw_key, prf};
use crate::store::{Fault, Phase, Shift};
use chassis::{AppendError, Owner, keys};
use schema::RoomSettings;
use schema::admission::{AdmissionRecord, Draw};
use tokio::sync::oneshot;
use waiting_room_core::{Bits, Ledger, MARK_BLOCK, PhaseStep, draw_live, phase_step};

impl Leader {
    /// Does the next step that the settings ask for, and any step that an earlier leader left half
    /// done. Says whether the room may be called from now.
    pub(super) async fn shift_phase(
        &mut self,
        owner: &Owner,
        settings: &RoomSettings,
        phase: Phase,
    ) -> Result<Result<bool, Fault>, AppendError> {
        let gathering = self.ledger.gathering;
        match phase_step(settings, gathering.is_some(), chassis::clock::now()) {
            Some(PhaseStep::StartGather) => {
                self.start_gather(owner).await?;
                return Ok(self.show_gather().await.map(|()| false));
            }
            Some(PhaseStep::Draw) => return self.draw(owner).await,
            None => {}
        }
        Ok(match (gathering, phase) {
            // The record was written and Redis never heard of it.
            (Some(_), Phase::Line) => self.show_gather().await.map(|()| true),
            (None, Phase::Gather | Phase::Closing) => self.show_draw().await.map(|()| false),
            _ => Ok(true),
        })
    }

    /// Numbers above the mark are places of the pre-queue. The mark is above all that Redis may
    /// give as places of the line until it hears of the change.
    async fn start_gather(&mut self, owner: &Owner) -> Result<(), AppendError> {
        let (epoch, base) = (self.ledger.epoch, self.ledger.mark);
        let given_to = self.last_seen.unwrap_or(0).clamp(self.ledger.given, base);
        let number_max = base + MARK_BLOCK;
        self.append(owner, AdmissionRecord::MarkRaised { epoch, number_max }).await?;
        self.append(owner, AdmissionRecord::GatherStarted { given_to, base }).await?;
        tracing::info!(event = %self.room.event, base, "the pre-queue gathers");
        Ok(())
    }

    async fn show_gather(&self) -> Result<(), Fault> {
        let last_min = self.ledger.gathering.unwrap_or(0);
        let phase = Some(Phase::Gather);
        let shift = Shift { mark: self.ledger.mark, last_min, phase, live: Bits::default() };
        self.room.store.shift(&self.leading(), &shift).await.map(drop)
    }

    /// Closes the pre-queue and draws its order. While it closes nobody gets a number, so the last
    /// one is known when the record is written.
    async fn draw(&mut self, owner: &Owner) -> Result<Result<bool, Fault>, AppendError> {
        let phase = Some(Phase::Closing);
        let shift = Shift { mark: self.ledger.mark, phase, ..Shift::default() };
        let last = match self.room.store.shift(&self.leading(), &shift).await {
            Ok(last) => last,
            Err(fault) => return Ok(Err(fault)),
        };
        let base = self.ledger.gathering.expect("only a room that gathers is drawn");
        let seed = keys::random_bytes::<32>();
        let draw = Draw { base, last: last.max(base), seed, at: chassis::clock::now() };
        tracing::info!(event = %self.room.event, base, last, "the pre-queue is drawn");
        self.append(owner, AdmissionRecord::Drawn(draw)).await?;
        self.recall_doubt().await;
        Ok(self.show_draw().await.map(|()| false))
    }

    /// Moves the living to their drawn numbers. Repeatable: until it is done the bits are as they
    /// were.
    async fn show_draw(&self) -> Result<(), Fault> {
        let mut live = Bits::default();
        if let Some(draw) = self.ledger.draws.last().cloned() {
            let drawn = self.room.store.live(Bits::word_of(draw.base + 1)).await?;
            live = permute(drawn, draw).await;
        }
        let phase = Some(Phase::Line);
        let shift = Shift { mark: self.ledger.mark, last_min: 0, phase, live };
        self.room.store.shift(&self.leading(), &shift).await.map(drop)
    }
}

impl Leader {
    /// Finds out where in line the numbers in doubt are.
    pub(super) async fn recall_doubt(&mut self) {
        let ledger = self.ledger.clone();
        self.doubt = away("room-doubt", move || doubt(&ledger)).await;
    }
}

fn doubt(ledger: &Ledger) -> Bits {
    let in_line = |number| match ledger.draw_of(number) {
        None => number,
        Some(draw) => {
            let key = draw_key(&draw.seed);
            Ledger::drawn_number(draw, number, &|round, half| prf(&key, round, half))
        }
    };
    let numbers: Vec<u64> = ledger.doubts().map(in_line).collect();
    let (Some(&first), Some(&last)) = (numbers.iter().min(), numbers.iter().max()) else {
        return Bits::default();
    };
    let first_word = Bits::word_of(first);
    let word_count = Bits::word_of(last) - first_word + 1;
    let word_count = usize::try_from(word_count).expect("stretches fit in memory");
    let mut doubt = Bits::zeroed(first_word, word_count);
    for number in numbers {
        doubt.set(number);
    }
    doubt
}

/// A million places take about a second: too long for a thread that serves others.
async fn permute(live: Bits, draw: Draw) -> Bits {
    let permute = move || {
        let key = draw_key(&draw.seed);
        draw_live(&live, draw.base, draw.last, &|round, half| prf(&key, round, half))
    };
    away("room-draw", permute).await
}

async fn away(name: &'static str, work: impl FnOnce() -> Bits + Send + 'static) -> Bits {
    let (done, found) = oneshot::channel();
    // The leader waits; it is gone only if the process is.
    let work = move || done.send(work()).unwrap_or_default();
    chassis::tasks::spawn_thread(name, work).expect("one thread for a draw");
    found.await.expect("the thread sends or ends the process")
}
