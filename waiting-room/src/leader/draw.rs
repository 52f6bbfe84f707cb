//! The draw of a pre-queue, in steps that each wait for the record of the one before: the
//! commitment while it gathers, then the end of its cohort, the root, and at last the secret.
//!
//! A leader that takes over goes on with the step that is missing. So what is published is never
//! made twice, and nobody, this leader included, chooses any part after the next one is known.

use super::Leader;
use crate::config::ENTRIES_WAIT;
use crate::drawn::ingredients;
use crate::store::{Fault, Phase, Shift};
use chassis::keys::{random_bytes, sha256};
use chassis::{AppendError, Owner};
use schema::RoomSettings;
use schema::admission::{AdmissionRecord, Draw, DrawMadeOf};
use waiting_room_core::{Prepared, commitment, drawn_at, seed};

impl Leader {
    /// Commits to the secret of the pre-queue that gathers, and to whose secrets and whether a
    /// beacon go into its seed, before anybody has a place in it.
    pub(super) async fn commit(&mut self, owner: &Owner) -> Result<(), AppendError> {
        let base = self.ledger.gathering.expect("only a room that gathers is drawn");
        let (nonce, needs_beacon) = (random_bytes(), self.room.outside.needs_beacon());
        let witnesses = self.room.outside.witnesses();
        let secret = self.room.secrets.of(&self.room.event, base, &nonce);
        let commitment = commitment(sha256, &secret);
        let committed =
            AdmissionRecord::Committed { base, nonce, commitment, needs_beacon, witnesses };
        self.append(owner, committed).await
    }

    /// Closes the pre-queue and draws its order; returns false, because nobody is called before the
    /// next look at Redis.
    pub(super) async fn draw(
        &mut self,
        owner: &Owner,
        settings: &RoomSettings,
    ) -> Result<Result<bool, Fault>, AppendError> {
        let base = self.ledger.gathering.expect("only a room that gathers is drawn");
        let Some(prepared) = self.ledger.prepared.clone() else {
            self.commit(owner).await?;
            return Ok(Ok(false));
        };
        let Some(last) = prepared.last else { return self.close_cohort(owner, base).await };
        let root = if let Some(root) = prepared.root {
            root
        } else {
            // This instance follows its own records a moment later.
            let Some(closed) = self.room.cohorts.closed(base) else { return Ok(Ok(false)) };
            let root = closed.tree().await.root();
            self.append(owner, AdmissionRecord::Rooted { base, root }).await?;
            root
        };
        let Some(secret) = self.secret(base, &prepared) else { return Ok(Ok(false)) };
        let witnesses = self.room.outside.secrets(Some(root), &prepared.witnesses);
        let witnesses: Option<Vec<_>> = witnesses.into_iter().collect();
        let (Some(witnesses), Some(beacon)) = (witnesses, self.beacon(&root, &prepared)) else {
            return Ok(Ok(false));
        };
        let made_of = DrawMadeOf { root, secret, beacon: beacon.into(), witnesses };
        let seed = seed(sha256, ingredients(&self.room.event, last - base, &made_of));
        tracing::info!(event = %self.room.event, base, last, "the pre-queue is drawn");
        let (at, made_of) = (drawn_at(settings, chassis::clock::now()), Some(made_of));
        self.append(owner, AdmissionRecord::Drawn(Draw { base, last, seed, at, made_of })).await?;
        self.recall_doubt().await;
        Ok(self.show_draw().await.map(|()| false))
    }

    /// Ends the cohort. While it closes nobody gets a number, so the last one is known; those who
    /// have one get a moment to be entered.
    async fn close_cohort(
        &mut self,
        owner: &Owner,
        base: u64,
    ) -> Result<Result<bool, Fault>, AppendError> {
        let phase = Some(Phase::Closing);
        let shift = Shift { mark: self.ledger.mark, phase, ..Shift::default() };
        let last = match self.room.store.shift(&self.leading(), &shift).await {
            Ok(last) => last.max(base),
            Err(fault) => return Ok(Err(fault)),
        };
        let now = self.clock.now();
        let since = *self.closing_since.get_or_insert(now);
        let is_whole = last - base <= self.room.cohorts.entered_count();
        if !is_whole && now.since(since) < ENTRIES_WAIT {
            return Ok(Ok(false));
        }
        self.closing_since = None;
        self.append(owner, AdmissionRecord::CohortClosed { base, last }).await?;
        Ok(Ok(false))
    }

    /// The word from outside for the cohort with `root`: an empty one where none was promised. One
    /// for another draw is none: nobody knew this root when it was given.
    fn beacon(&self, root: &[u8; 32], prepared: &Prepared) -> Option<String> {
        if !prepared.needs_beacon {
            return Some(String::new());
        }
        self.room.outside.beacon(root)
    }

    /// The secret that was committed to.
    ///
    /// Without it the room holds, and says so once: a draw with another secret is what the
    /// commitment rules out. Whoever lost the key has lost that of the tokens too.
    fn secret(&mut self, base: u64, prepared: &Prepared) -> Option<[u8; 32]> {
        let secret = self.room.secrets.of(&self.room.event, base, &prepared.nonce);
        if commitment(sha256, &secret) == prepared.commitment {
            return Some(secret);
        }
        if !std::mem::replace(&mut self.is_secret_lost, true) {
            let event = &self.room.event;
            tracing::error!(%event, "the key of the draw is not the one that was committed with");
        }
        None
    }
}
