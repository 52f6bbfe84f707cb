//! What the records of a room say about positions, in a form that many polls share.

use crate::bits::LiveIndex;

/// The part of a ledger that positions follow from, as of one record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions {
    pub cursor: u64,
    /// Numbers beyond the cursor that count for nobody, first to last: given to nobody, or in
    /// doubt.
    pub(crate) nobodys: Vec<(u64, u64)>,
    /// Where in line numbers in doubt may be, first to last.
    pub(crate) doubts: Vec<(u64, u64)>,
}

impl Positions {
    /// How many live people wait before the place with `number` in line, as far as is known.
    ///
    /// Numbers that `index` has not read count as alive, but for those that were given to nobody
    /// and those in doubt: whoever has one of them counts once the check-in shows in the index.
    pub fn ahead(&self, index: &LiveIndex, number: u64) -> u64 {
        let (after, last) = (self.cursor.max(index.last), number.saturating_sub(1));
        let overlap = |&(first, end): &(u64, u64)| {
            let from = after.max(first - 1);
            end.min(last).saturating_sub(from)
        };
        let nobodys: u64 = self.nobodys.iter().map(overlap).sum();
        let unread = last.saturating_sub(after).saturating_sub(nobodys);
        index.ahead(self.cursor, number) + unread
    }

    /// The first number in doubt between the cursor and the place with `number` in line.
    pub fn doubt_before(&self, number: u64) -> Option<u64> {
        let first = self.doubts.iter().map(|&(first, _)| first.max(self.cursor + 1)).min();
        first.filter(|&first| first < number)
    }
}
