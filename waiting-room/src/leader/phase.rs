//! The pre-queue: it gathers, closes, is drawn, and goes on as a line.

use super::Leader;
use crate::away::away;
use crate::drawn::{draw_key, drawn_number, prf};
use crate::store::{Fault, Phase, Shift};
use chassis::{AppendError, Owner};
use schema::RoomSettings;
use schema::admission::{AdmissionRecord, Draw};
use std::sync::Arc;
use waiting_room_core::{
    Bits, Cohort, Ledger, PhaseStep, cohort_live, draw_live, drawn_to_nobody, mark_above,
    phase_step,
};

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
        let step = if self.ledger.is_closed() {
            // It takes nobody any more, so it is drawn, whatever the settings say by now.
            Some(PhaseStep::Draw)
        } else {
            phase_step(settings, self.ledger.gathered(), chassis::clock::now())
        };
        match step {
            // It began before anything else of this tick, or will with the next.
            Some(PhaseStep::StartGather) => return Ok(Ok(false)),
            Some(PhaseStep::Draw) => return self.draw(owner, settings).await,
            None => self.closing_since = None,
        }
        if gathering.is_some() && self.ledger.prepared.is_none() {
            self.commit(owner).await?;
        }
        Ok(match (gathering, phase) {
            // The settings do not want the pre-queue closed any more.
            (Some(_), Phase::Closing) => self.show_gather().await.map(|()| true),
            (None, Phase::Gather | Phase::Closing) => self.show_draw().await.map(|()| false),
            _ => Ok(true),
        })
    }

    /// Begins the pre-queue that the settings ask for, or shows Redis the one whose record it never
    /// heard of; says whether it did.
    ///
    /// LINE-1: first of all in a tick. Were the mark raised there while it gives places of the
    /// line, those would get numbers of the pre-queue; and who joins then would be ahead of its
    /// draw.
    pub(super) async fn begin_gather(
        &mut self,
        owner: &Owner,
        settings: &RoomSettings,
        phase: Phase,
    ) -> Result<Result<bool, Fault>, AppendError> {
        let gathering = self.ledger.gathering.is_some();
        let step = phase_step(settings, self.ledger.gathered(), chassis::clock::now());
        let is_unheard = gathering && !self.ledger.is_closed() && phase == Phase::Line;
        if step == Some(PhaseStep::StartGather) {
            self.start_gather(owner).await?;
        } else if !is_unheard {
            return Ok(Ok(false));
        } else if self.ledger.prepared.is_none() {
            // Its leader died before it could, and nobody has a place in it yet.
            self.commit(owner).await?;
        }
        Ok(self.show_gather().await.map(|()| true))
    }

    /// Numbers above the mark are places of the pre-queue. The mark is above all that Redis may
    /// give as places of the line until it hears of the change.
    async fn start_gather(&mut self, owner: &Owner) -> Result<(), AppendError> {
        let (epoch, mark) = (self.ledger.epoch, self.ledger.mark);
        let given_to = self.last_seen.unwrap_or(0).clamp(self.ledger.given, mark);
        let mut base = mark;
        if let Some(number_max) = mark_above(self.ledger.next_base()) {
            base = self.ledger.next_base();
            self.append(owner, AdmissionRecord::MarkRaised { epoch, number_max }).await?;
        }
        self.append(owner, AdmissionRecord::GatherStarted { given_to, base }).await?;
        tracing::info!(event = %self.room.event, base, "the pre-queue gathers");
        self.commit(owner).await
    }

    async fn show_gather(&self) -> Result<(), Fault> {
        let last_min = self.ledger.gathering.unwrap_or(0);
        let phase = Some(Phase::Gather);
        let shift = Shift { mark: self.ledger.mark, last_min, phase, live: Bits::default() };
        self.room.store.shift(&self.leading(), &shift).await.map(drop)
    }

    /// Moves the living to their drawn numbers. Repeatable: until it is done the bits are as they
    /// were.
    pub(super) async fn show_draw(&self) -> Result<(), Fault> {
        let mut live = Bits::default();
        if let Some(draw) = self.ledger.draws.last().cloned() {
            let read = self.room.store.live(Bits::word_of(draw.base + 1)).await?;
            let known = self.known(&draw);
            live = permute(read, draw, known).await;
        }
        let phase = Some(Phase::Line);
        let shift = Shift { mark: self.ledger.mark, last_min: 0, phase, live };
        self.room.store.shift(&self.leading(), &shift).await.map(drop)
    }
}

impl Leader {
    /// The cohort of a draw, and its numbers that were in doubt; `None` for a draw that is made of
    /// none.
    fn known(&self, draw: &Draw) -> Option<Known> {
        draw.made_of.as_ref()?;
        // The record of its end comes before that of the draw, and was read here by then.
        let closed = self.room.cohorts.closed(draw.base)?;
        Some(Known { cohort: Arc::clone(&closed.cohort), decided: self.ledger.decided(draw) })
    }

    /// Where in line nobody is of those who were drawn, for each draw that is not passed.
    pub(super) async fn drawn_nobodys(&self) -> Vec<Bits> {
        let draws: Vec<Draw> = self.ledger.cohort_draws().cloned().collect();
        let mut nobodys = Vec::with_capacity(draws.len());
        for draw in draws {
            let Some(Known { cohort, .. }) = self.known(&draw) else { continue };
            let find = move || {
                let key = draw_key(&draw.seed);
                drawn_to_nobody(&cohort, &|round, half| prf(&key, round, half))
            };
            nobodys.push(away("room-draw", find).await);
        }
        nobodys
    }

    /// Finds out where in line the numbers in doubt are.
    pub(super) async fn recall_doubt(&mut self) {
        let ledger = self.ledger.clone();
        self.doubt = away("room-doubt", move || doubt(&ledger)).await;
    }
}

fn doubt(ledger: &Ledger) -> Bits {
    let in_line = |number| match ledger.draw_of(number) {
        None => number,
        Some(draw) => drawn_number(draw, number),
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

/// What is known of a draw besides its record.
struct Known {
    cohort: Arc<Cohort>,
    decided: Vec<(u64, u64)>,
}

/// A million places take about a second: too long for a thread that serves others.
async fn permute(live: Bits, draw: Draw, known: Option<Known>) -> Bits {
    let permute = move || {
        let live = match known {
            Some(Known { cohort, decided }) => cohort_live(&live, &cohort, &decided),
            None => live,
        };
        let key = draw_key(&draw.seed);
        draw_live(&live, draw.base, draw.last, &|round, half| prf(&key, round, half))
    };
    away("room-draw", permute).await
}
