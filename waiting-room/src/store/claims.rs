//! Claims of called places: who has come, who gave a place up, and whose time is over.

use super::{Blessed, Fault, Leading, Store};
use redis::{Script, ScriptInvocation};
use waiting_room_core::Bits;

/// What is noted of a called place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    pub claimed: bool,
    /// Given up before a claim, for good if the place was called.
    pub left: bool,
}

impl Store {
    /// Notes a claim, unless the place was given up; says whether it is claimed now.
    pub(crate) async fn claim(&self, blessed: &Blessed, number: u64) -> Result<bool, Fault> {
        Ok(self.run::<u8>(blessed, &self.of_place(&self.scripts.claim, blessed, number)).await?
            == 1)
    }

    /// What is noted of a called place.
    pub(crate) async fn marks(&self, blessed: &Blessed, number: u64) -> Result<Marks, Fault> {
        let call = self.of_place(&self.scripts.marks, blessed, number);
        let (claimed, left): (u8, u8) = self.run(blessed, &call).await?;
        Ok(Marks { claimed: claimed == 1, left: left == 1 })
    }

    fn of_place<'a>(
        &self,
        script: &'a Script,
        blessed: &Blessed,
        number: u64,
    ) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.key(&self.room).key(&self.claimed).key(&self.void).key(&self.leaves);
        call.key(&self.closed);
        call.arg(&blessed.run_id).arg(blessed.epoch).arg(number);
        call
    }

    /// Makes sure that these called places are not claimed any more, each stretch as its first and
    /// its last number; those that were stay so.
    pub(crate) async fn close_claims(
        &self,
        leading: &Leading,
        called: &[(u64, u64)],
    ) -> Result<(), Fault> {
        // Redis' scripts take 8,000 arguments at most.
        for stretches in called.chunks(2_048) {
            let mut call = self.scripts.close_claims.prepare_invoke();
            call.key(&self.room).key(&self.closed);
            leading.args(&mut call);
            for (first, last) in stretches {
                call.arg(first).arg(last);
            }
            self.run::<u8>(&leading.blessed, &call).await?;
        }
        Ok(())
    }

    /// The claims of the numbers in `(after, last]`.
    pub(crate) async fn claims(
        &self,
        blessed: &Blessed,
        after: u64,
        last: u64,
    ) -> Result<Bits, Fault> {
        let first_word = Bits::word_of(after + 1);
        let mut call = self.scripts.claims.prepare_invoke();
        call.key(&self.room).key(&self.claimed);
        call.arg(&blessed.run_id).arg(blessed.epoch);
        call.arg(first_word * 8).arg(Bits::word_of(last) * 8 + 7);
        let bytes: Vec<u8> = self.run(blessed, &call).await?;
        Ok(Bits::from_redis(first_word, &bytes))
    }
}
