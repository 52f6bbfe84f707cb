//! The channels of an event as the choice of places sees them: bits by row, made once a listing.

use crate::plan_tables::PlanTables;
use compact_str::CompactString;
use schema::{Channel, ChannelFault, SeatIdx, UnixMillis};

/// The channels of one listing.
#[derive(Debug)]
pub(crate) struct Channels(Vec<Kept>);

#[derive(Debug)]
struct Kept {
    key: CompactString,
    ends_at: Option<UnixMillis>,
    /// Positions of rows, ascending, each with the bits of its kept seats.
    rows: Box<[(usize, u64)]>,
}

impl Channels {
    /// `None` for a listing without channels, which costs nothing.
    pub fn new(channels: &[Channel], tables: &PlanTables) -> Result<Option<Self>, ChannelFault> {
        Channel::check_all(channels, &tables.index)?;
        let kept = channels.iter().map(|channel| Kept::new(channel, tables));
        Ok((!channels.is_empty()).then(|| Self(kept.collect())))
    }

    /// What is kept from who names `key`, when the wall clock shows `wall`.
    pub fn closed<'a>(&'a self, wall: UnixMillis, key: Option<&'a str>) -> Closed<'a> {
        let others = self.0.iter().filter(move |kept| {
            kept.ends_at.is_none_or(|ends_at| wall < ends_at) && key != Some(kept.key.as_str())
        });
        Closed(others.collect())
    }
}

impl Kept {
    fn new(channel: &Channel, tables: &PlanTables) -> Self {
        let position = |row: &schema::ChannelRow| row.position(&tables.index);
        let rows = channel.rows.iter().map(|row| (position(row).expect("just checked"), row.seats));
        let mut rows: Vec<(usize, u64)> = rows.collect();
        rows.sort_unstable();
        // A row may be named in parts, which share no seat.
        rows.dedup_by(|next, before| {
            let same = next.0 == before.0;
            before.1 |= if same { next.1 } else { 0 };
            same
        });
        Self { key: channel.key.clone(), ends_at: channel.ends_at, rows: rows.into() }
    }

    fn bits_of(&self, row: usize) -> u64 {
        let found = self.rows.binary_search_by_key(&row, |&(at, _)| at);
        found.map_or(0, |at| self.rows[at].1)
    }
}

/// The channels that are closed to one asker.
#[derive(Debug)]
pub(crate) struct Closed<'a>(Vec<&'a Kept>);

impl Closed<'_> {
    /// Those of the seats that are kept. O(seats log rows).
    pub fn of(&self, seats: &[SeatIdx], tables: &PlanTables) -> Vec<SeatIdx> {
        let is_kept = |seat: &&SeatIdx| {
            let (row, bit) = tables.row_bit(**seat);
            self.0.iter().any(|kept| kept.bits_of(row) & bit != 0)
        };
        seats.iter().filter(is_kept).copied().collect()
    }

    /// The bits of all kept seats by row; empty if none is kept. O(rows).
    pub fn by_row(&self, row_count: usize) -> Box<[u64]> {
        if self.0.is_empty() {
            return Box::default();
        }
        let mut bits = vec![0; row_count];
        for (row, kept) in self.0.iter().flat_map(|kept| &kept.rows) {
            bits[*row] |= kept;
        }
        bits.into()
    }
}
