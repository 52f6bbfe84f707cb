//! Channels: seats of an event that only those may take who know a code, until the channel ends.

use crate::codec::MESSAGE_BYTES_MAX;
use crate::plan::{Fault, check_unique};
use crate::plan_index::PlanIndex;
use crate::time::UnixMillis;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Most channels of an event. A presale has a handful; with more, each choice of the best seats
/// would go through all of their rows.
pub const CHANNELS_MAX: usize = 16;
/// Most rows that the channels of an event name together. The listing is one message, which holds
/// them with room to spare.
pub const CHANNEL_ROWS_MAX: usize = 16_384;
/// Shortest code in bytes: what is shorter is guessed.
pub const CHANNEL_CODE_BYTES_MIN: usize = 4;
/// Longest code in bytes.
pub const CHANNEL_CODE_BYTES_MAX: usize = 64;

/// Most bytes of an encoded [`ChannelRow`].
const ROW_BYTES_MAX: usize = 16;

const _: () = assert!(CHANNEL_ROWS_MAX * ROW_BYTES_MAX < MESSAGE_BYTES_MAX / 2);

/// Seats that only those may take who know a code, until the channel ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Names the channel in commands and in the API; unique in its event, spelled like a section.
    pub key: CompactString,
    pub name: CompactString,
    /// SHA-256 over a word of its own, the event's id and the code, which is stored nowhere.
    pub code_hash: [u8; 32],
    /// From then on its seats are everybody's; `None` keeps them until an operator changes that.
    pub ends_at: Option<UnixMillis>,
    pub rows: Vec<ChannelRow>,
}

/// The seats of one row that belong to a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRow {
    /// Index of the section in the plan, and of the row in the section.
    pub section: u16,
    pub row: u16,
    /// Bit `i` is set when the row's seat `i` belongs to the channel.
    pub seats: u64,
}

/// Why channels are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelFault {
    #[error("an event has at most {CHANNELS_MAX} channels, with at most {CHANNEL_ROWS_MAX} rows")]
    TooMany,
    #[error(transparent)]
    Key(#[from] Fault),
    #[error("channel {key:?} keeps no seat")]
    Empty { key: CompactString },
    #[error("channel {key:?} has a seat that the plan does not have")]
    SeatUnknown { key: CompactString },
    #[error("channel {key:?} has a seat that channel {other:?} has too")]
    Overlap { key: CompactString, other: CompactString },
    #[error("channel {key:?} has the code of channel {other:?}")]
    CodeTwice { key: CompactString, other: CompactString },
}

impl ChannelFault {
    /// The stable code in the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooMany => "CHANNELS_TOO_MANY",
            Self::Overlap { .. } => "CHANNEL_OVERLAP",
            Self::CodeTwice { .. } => "CHANNEL_CODE_TWICE",
            Self::SeatUnknown { .. } => "SEAT_UNKNOWN",
            Self::Key(_) | Self::Empty { .. } => "REQUEST_INVALID",
        }
    }
}

impl Channel {
    /// Whether its seats are kept at `now`.
    pub fn is_live(&self, now: UnixMillis) -> bool {
        self.ends_at.is_none_or(|ends_at| now < ends_at)
    }

    /// Checks the channels of one event against each other and its plan: the limits, unique keys
    /// and codes, and that a seat is in one channel at most. O(rows).
    ///
    /// # Errors
    /// The first [`ChannelFault`] in the order of the channels.
    pub fn check_all(channels: &[Self], plan: &PlanIndex) -> Result<(), ChannelFault> {
        let row_count: usize = channels.iter().map(|channel| channel.rows.len()).sum();
        if CHANNELS_MAX < channels.len() || CHANNEL_ROWS_MAX < row_count {
            return Err(ChannelFault::TooMany);
        }
        check_unique("channel", channels.iter().map(|channel| &channel.key))?;
        let mut owners: HashMap<usize, Vec<(u64, &CompactString)>> = HashMap::new();
        for (at, channel) in channels.iter().enumerate() {
            let same = |other: &&Self| other.code_hash == channel.code_hash;
            if let Some(other) = channels[..at].iter().find(same) {
                let (key, other) = (channel.key.clone(), other.key.clone());
                return Err(ChannelFault::CodeTwice { key, other });
            }
            if channel.rows.iter().all(|row| row.seats == 0) {
                return Err(ChannelFault::Empty { key: channel.key.clone() });
            }
            for row in &channel.rows {
                let position = row.position(plan);
                let unknown = || ChannelFault::SeatUnknown { key: channel.key.clone() };
                let owners = owners.entry(position.ok_or_else(unknown)?).or_default();
                if let Some((_, other)) = owners.iter().find(|(seats, _)| seats & row.seats != 0) {
                    let (key, other) = (channel.key.clone(), (*other).clone());
                    return Err(ChannelFault::Overlap { key, other });
                }
                owners.push((row.seats, &channel.key));
            }
        }
        Ok(())
    }
}

impl ChannelRow {
    /// The position of its row in [`PlanIndex::rows`]; `None` if the plan lacks the row or one of
    /// the seats.
    pub fn position(&self, plan: &PlanIndex) -> Option<usize> {
        let at = plan.row_at(self.section, self.row)?;
        let all = u64::MAX >> (64 - u32::from(plan.rows()[at].seat_count));
        (self.seats & !all == 0).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::{CHANNEL_ROWS_MAX, CHANNELS_MAX, Channel, ChannelFault, ChannelRow, ROW_BYTES_MAX};
    use crate::plan::tests::small;
    use crate::plan_index::PlanIndex;
    use crate::time::UnixMillis;

    fn channel(number: u8, rows: &[(u16, u16, u64)]) -> Channel {
        let row = |&(section, row, seats)| ChannelRow { section, row, seats };
        Channel {
            key: format!("K{number}").into(),
            name: "Friends".into(),
            code_hash: [number; 32],
            ends_at: None,
            rows: rows.iter().map(row).collect(),
        }
    }

    fn check(channels: &[Channel]) -> Result<(), ChannelFault> {
        Channel::check_all(channels, &PlanIndex::new(small()))
    }

    #[test]
    fn channels_that_share_no_seat_are_accepted() {
        let rest = channel(2, &[(0, 0, 0b100), (1, 0, 0b1_1111)]);
        assert_eq!(check(&[channel(1, &[(0, 0, 0b011), (0, 1, 0b1111)]), rest]), Ok(()));
        assert_eq!(check(&[]), Ok(()));
    }

    #[test]
    fn channels_beyond_a_limit_are_refused_with_the_code_of_the_fault() {
        let code = |channels: &[Channel]| check(channels).unwrap_err().code();
        let many: Vec<_> = (0..=CHANNELS_MAX).map(|number| number.try_into().unwrap()).collect();
        let many: Vec<_> = many.iter().map(|&number| channel(number, &[(0, 0, 1)])).collect();
        assert_eq!(code(&many), "CHANNELS_TOO_MANY");
        let rows = vec![(0, 0, 1); CHANNEL_ROWS_MAX + 1];
        assert_eq!(code(&[channel(1, &rows)]), "CHANNELS_TOO_MANY");
        let overlap = [channel(1, &[(0, 1, 0b0110)]), channel(2, &[(0, 1, 0b1100)])];
        assert_eq!(code(&overlap), "CHANNEL_OVERLAP");
        assert_eq!(code(&[channel(1, &[(0, 1, 0b0110), (0, 1, 0b0100)])]), "CHANNEL_OVERLAP");
        let twice = [channel(1, &[(0, 0, 1)]), Channel { key: "K2".into(), ..channel(1, &[]) }];
        assert_eq!(code(&twice), "CHANNEL_CODE_TWICE");
        let twice =
            [channel(1, &[(0, 0, 1)]), Channel { key: "K1".into(), ..channel(2, &[(0, 0, 2)]) }];
        assert_eq!(code(&twice), "REQUEST_INVALID");
        assert_eq!(code(&[channel(1, &[])]), "REQUEST_INVALID");
        for unknown in [(0, 0, 0b1000), (0, 2, 1), (2, 0, 1), (1, 1, 1)] {
            assert_eq!(code(&[channel(1, &[unknown])]), "SEAT_UNKNOWN", "{unknown:?}");
        }
    }

    #[test]
    fn a_channel_ends_at_the_moment_that_it_names() {
        let ends_at = |ends_at| Channel { ends_at, ..channel(1, &[]) };
        assert!(ends_at(Some(UnixMillis(10))).is_live(UnixMillis(9)));
        assert!(!ends_at(Some(UnixMillis(10))).is_live(UnixMillis(10)));
        assert!(ends_at(None).is_live(UnixMillis(u64::MAX)));
    }

    #[test]
    fn a_row_has_at_most_so_many_bytes() {
        let row = ChannelRow { section: u16::MAX, row: u16::MAX, seats: u64::MAX };
        assert_eq!(rmp_serde::to_vec(&row).unwrap().len(), ROW_BYTES_MAX);
    }
}
