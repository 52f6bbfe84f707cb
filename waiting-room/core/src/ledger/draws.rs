//! What the records say of pre-queues and their draws.

use super::{Ledger, Prepared, push_range};
use crate::draw::Permutation;
use crate::manner::Gathered;
use schema::admission::Draw;

impl Ledger {
    pub(super) fn gather(&mut self, given_to: u64, base: u64) {
        assert!(self.gathering.is_none());
        assert!(self.cursor <= base);
        push_range(&mut self.unseen, given_to, base);
        self.given = self.given.max(base);
        self.seen = self.seen.max(given_to);
        self.gathering = Some(base);
    }

    /// Behind which number a pre-queue that begins now has its places: the mark, which it raises
    /// first. One that nobody came to is its own draw too, and the next one is not of its numbers.
    pub fn next_base(&self) -> u64 {
        self.draws.last().map_or(self.mark, |draw| self.mark.max(draw.base + 1))
    }

    pub(super) fn prepared_of(&mut self, base: u64) -> &mut Prepared {
        assert!(self.gathering == Some(base));
        self.prepared.as_mut().expect("the draw was committed to")
    }

    pub(super) fn close_cohort(&mut self, base: u64, last: u64) {
        assert!(base <= last);
        assert!(last <= self.mark);
        let before = self.prepared_of(base).last.replace(last);
        assert!(before.is_none(), "a cohort is closed once");
        self.given = self.given.max(last);
    }

    pub(super) fn draw(&mut self, draw: Draw) {
        assert!(self.gathering.take() == Some(draw.base));
        assert!(draw.base <= draw.last);
        assert!(draw.last <= self.mark);
        let prepared = self.prepared.take();
        let is_drawn = |&mut (_, last): &mut (u64, u64)| draw.base < last && last <= draw.last;
        if let Some(made_of) = &draw.made_of {
            let prepared = prepared.as_ref().expect("the draw was committed to");
            assert!(prepared.last == Some(draw.last), "the cohort ends where it was closed");
            assert!(prepared.root == Some(made_of.root), "the root was published before");
            let witness_count = made_of.witnesses.len();
            assert!(prepared.witnesses.len() == witness_count, "a draw waits for its witnesses");
            let has_beacon = !made_of.beacon.is_empty();
            assert!(prepared.needs_beacon == has_beacon, "a draw has the beacon it promised");
            // Its closed cohort says who has a number: nobody waits for what others would know.
            self.gaps.extract_if(.., is_drawn).for_each(drop);
            self.decided.extend(self.doubts.extract_if(.., is_drawn));
        } else {
            // Where they are in line now is the draw's secret until it is asked.
            self.unseen.extend(self.gaps.extract_if(.., is_drawn));
        }
        self.given = self.given.max(draw.last);
        self.draws.push(draw);
        self.fixed.push(prepared);
        assert!(self.fixed.len() == self.draws.len());
    }

    /// The numbers of `draw`, as given out, that were in doubt until its cohort was closed: first
    /// to last, ascending.
    pub fn decided(&self, draw: &Draw) -> Vec<(u64, u64)> {
        let is_drawn = |&&(_, last): &&(u64, u64)| draw.base < last && last <= draw.last;
        self.decided.iter().filter(is_drawn).copied().collect()
    }

    /// The draws that are made of a cohort and not passed: where those who are not in it are in
    /// line, nobody is.
    pub fn cohort_draws(&self) -> impl Iterator<Item = &Draw> + '_ {
        self.draws.iter().filter(|draw| draw.made_of.is_some() && self.cursor < draw.last)
    }

    /// The draws in their order, each with what was published of it before it was made.
    pub fn made(&self) -> impl DoubleEndedIterator<Item = (&Draw, Option<&Prepared>)> + '_ {
        self.draws.iter().zip(self.fixed.iter().map(Option::as_ref))
    }

    /// What became of the room's pre-queues.
    pub fn gathered(&self) -> Gathered {
        let drawn_at = self.draws.last().map(|draw| draw.at);
        Gathered { gathering: self.gathering.is_some(), drawn_at }
    }

    /// Whether the cohort of the pre-queue is closed, and its draw still to be made.
    pub fn is_closed(&self) -> bool {
        self.prepared.as_ref().is_some_and(|prepared| prepared.last.is_some())
    }

    /// Whether a closed pre-queue waits for what others have promised to its draw.
    pub fn awaits_a_word(&self) -> bool {
        let promised = |fixed: &Prepared| fixed.needs_beacon || !fixed.witnesses.is_empty();
        self.is_closed() && self.prepared.as_ref().is_some_and(promised)
    }

    /// The draw that orders the pre-queue place with `number`; `None` until it is drawn.
    pub fn draw_of(&self, number: u64) -> Option<&Draw> {
        let idx = self.draws.partition_point(|draw| draw.last < number);
        self.draws.get(idx).filter(|draw| draw.base < number)
    }

    /// The number in line of the pre-queue place with `number`. `prf` is keyed by the draw's seed.
    pub fn drawn_number(draw: &Draw, number: u64, prf: &dyn Fn(u8, u64) -> u64) -> u64 {
        assert!(draw.base < number);
        assert!(number <= draw.last);
        let permutation = Permutation::new(draw.last - draw.base, prf);
        draw.base + 1 + permutation.apply(number - draw.base - 1)
    }
}
