//! Entries of a cohort: places of a pre-queue with the hashes of their tokens, as the room's stream
//! has them before the tokens are answered.
//!
//! One version byte, then 40 bytes a place: its number, big-endian, and the hash. MessagePack would
//! write a hash as 64 bytes, and there are a million of them.

/// The version that is written.
const VERSION: u8 = 1;
const ENTRY_BYTES: usize = 8 + 32;

/// Most places in one message.
pub const ENTRIES_MAX: usize = 4_096;

/// A place's number as it was given out, and the hash of its token.
pub type Entry = (u64, [u8; 32]);

/// Why bytes are not entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("read the entries of a cohort")]
pub struct EntriesFault;

/// Writes entries as one message.
///
/// # Panics
/// For more than [`ENTRIES_MAX`].
pub fn encode(entries: &[Entry]) -> Vec<u8> {
    assert!(entries.len() <= ENTRIES_MAX, "{} entries", entries.len());
    let mut bytes = Vec::with_capacity(1 + entries.len() * ENTRY_BYTES);
    bytes.push(VERSION);
    for (number, token_hash) in entries {
        bytes.extend(number.to_be_bytes());
        bytes.extend(token_hash);
    }
    bytes
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// [`EntriesFault`] for other bytes.
pub fn decode(bytes: &[u8]) -> Result<Vec<Entry>, EntriesFault> {
    let rest = bytes.strip_prefix(&[VERSION]).ok_or(EntriesFault)?;
    let (entries, []) = rest.as_chunks::<ENTRY_BYTES>() else { return Err(EntriesFault) };
    if ENTRIES_MAX < entries.len() {
        return Err(EntriesFault);
    }
    let entry = |bytes: &[u8; ENTRY_BYTES]| {
        let (number, token_hash) = bytes.split_first_chunk().expect("40 bytes are more than 8");
        (u64::from_be_bytes(*number), token_hash.try_into().expect("the other 32"))
    };
    Ok(entries.iter().map(entry).collect())
}

const _: () = assert!(1 + ENTRIES_MAX * ENTRY_BYTES < crate::codec::MESSAGE_BYTES_MAX);

#[cfg(test)]
mod tests {
    use super::{ENTRIES_MAX, EntriesFault, decode, encode};

    #[test]
    fn the_bytes_of_entries_are_frozen_and_read_as_they_were_written() {
        let entries = [(258, [7; 32]), (259, [8; 32])];
        let bytes = encode(&entries);
        let wanted =
            [&b"\x01\0\0\0\0\0\0\x01\x02"[..], &[7; 32], b"\0\0\0\0\0\0\x01\x03", &[8; 32]];
        assert_eq!(bytes, wanted.concat());
        assert_eq!(decode(&bytes), Ok(entries.to_vec()));
        assert_eq!(decode(&encode(&[])), Ok(Vec::new()));
    }

    #[test]
    fn cut_longer_and_other_bytes_are_refused() {
        let bytes = encode(&[(1, [1; 32])]);
        for end in (0..bytes.len()).filter(|&end| end != 1) {
            assert_eq!(decode(&bytes[..end]), Err(EntriesFault), "{end}");
        }
        assert_eq!(decode(&[&bytes[..], &[0]].concat()), Err(EntriesFault));
        assert_eq!(decode(&[&[2], &bytes[1..]].concat()), Err(EntriesFault));
        let many = [&[1][..], &vec![0; 40 * (ENTRIES_MAX + 1)]].concat();
        assert_eq!(decode(&many), Err(EntriesFault));
    }
}
