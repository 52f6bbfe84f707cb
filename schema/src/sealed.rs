//! State as bytes: compressed, with the version and a checksum at the end.
//!
//! As [`codec`] for messages, without its bound on them: what is sealed is stored, or sent in
//! parts.

use crate::codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Largest state, before it is compressed. Postgres takes 1 GB in a value.
pub const SEALED_BYTES_MAX: usize = 512 * 1024 * 1024;

/// More state than [`SEALED_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("seal {bytes} bytes, of which at most {SEALED_BYTES_MAX} are one value")]
pub struct TooLarge {
    bytes: usize,
}

/// Encodes a state.
///
/// # Errors
/// [`TooLarge`].
pub fn seal<T: Serialize>(state: &T) -> Result<Vec<u8>, TooLarge> {
    let plain = rmp_serde::to_vec(state).expect("the state holds only encodable types");
    if SEALED_BYTES_MAX < plain.len() {
        return Err(TooLarge { bytes: plain.len() });
    }
    let mut bytes = lz4_flex::compress_prepend_size(&plain);
    bytes.push(codec::VERSION);
    let checksum = codec::checksum(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    Ok(bytes)
}

/// Reads what [`seal`] made; `None` when a bit has changed, or the version is another.
pub fn unseal<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (body, checksum) = bytes.split_last_chunk::<4>()?;
    let (version, packed) = body.split_last()?;
    let whole = codec::checksum(body) == u32::from_be_bytes(*checksum);
    if !whole || *version != codec::VERSION {
        return None;
    }
    // A checksum does not keep anybody from writing a size that there is no memory for.
    let size = u32::from_le_bytes(*packed.first_chunk()?);
    if usize::try_from(size).map_or(true, |size| SEALED_BYTES_MAX < size) {
        return None;
    }
    let plain = lz4_flex::decompress_size_prepended(packed).ok()?;
    rmp_serde::from_slice(&plain).ok()
}

#[cfg(test)]
mod tests {
    use super::{seal, unseal};
    use crate::codec;

    #[test]
    fn a_changed_bit_another_version_and_an_absurd_size_are_refused() {
        let state: Vec<u64> = (0..100).collect();
        let sealed = seal(&state).unwrap();
        assert_eq!(unseal(&sealed), Some(state));
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 4;
            assert_eq!(unseal::<Vec<u64>>(&damaged), None, "byte {at}");
            assert_eq!(unseal::<Vec<u64>>(&sealed[..at]), None, "cut before byte {at}");
        }
        let forge = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut body = sealed[..sealed.len() - 4].to_vec();
            change(&mut body);
            let checksum = codec::checksum(&body);
            body.extend_from_slice(&checksum.to_be_bytes());
            unseal::<Vec<u64>>(&body)
        };
        assert_eq!(forge(&|body| *body.last_mut().unwrap() += 1), None);
        assert_eq!(forge(&|body| body[..4].fill(0xff)), None);
        assert!(forge(&|_| {}).is_some(), "what is forged well is taken");
    }
}
