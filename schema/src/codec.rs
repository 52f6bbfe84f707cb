//! How messages become bytes: one version byte, then MessagePack; journal batches add a checksum.
//!
//! MessagePack arrays are positional: a field may be added at the end with `#[serde(default)]`
//! under the same version, and left out there when it is `None`; any other change needs a new one.
//! Golden bytes in the tests hold the format.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version all encoders write.
pub const VERSION: u8 = 1;

/// Largest message of any kind. NATS refuses more than its `max_payload` of 1 MiB; the rest is for
/// headers.
pub const MESSAGE_BYTES_MAX: usize = 1_000_000;

const CHECKSUM_BYTES: usize = 4;

/// Why bytes are not a message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("decode a message of {bytes} bytes, more than {MESSAGE_BYTES_MAX}")]
    TooLarge { bytes: usize },
    #[error("decode a message of version {version}, only {VERSION} is known")]
    Version { version: u8 },
    #[error("decode an empty message")]
    Empty,
    #[error("check a message against its checksum")]
    Checksum,
    #[error("decode a message body")]
    Body(#[from] rmp_serde::decode::Error),
}

/// Encodes a message.
///
/// Bounded by its caller: the limits of the parts keep every message below [`MESSAGE_BYTES_MAX`],
/// and a larger one is a bug.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.push(VERSION);
    rmp_serde::encode::write(&mut bytes, message).expect("messages hold only encodable types");
    assert!(bytes.len() <= MESSAGE_BYTES_MAX, "a message of {} bytes", bytes.len());
    bytes
}

/// Decodes a message.
///
/// # Errors
/// [`Error`] for other versions, for too many bytes and for bytes of another type.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    Ok(rmp_serde::from_slice(body(bytes)?)?)
}

/// Joins encoded messages of one type into one, for [`decode_all`]. One alone stays as it is.
///
/// Bounded by its caller, as [`encode`].
pub fn join(messages: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    for message in messages {
        let (version, body) = message.as_ref().split_first().expect("an encoded message");
        assert!(*version == VERSION, "joined messages are of this version");
        bytes.extend_from_slice(body);
    }
    assert!(bytes.len() <= MESSAGE_BYTES_MAX, "a message of {} bytes", bytes.len());
    bytes
}

/// Decodes all that [`join`] put into one message, in its order.
///
/// # Errors
/// As [`decode`]; nothing is returned of a message whose end cannot be read.
pub fn decode_all<T: DeserializeOwned>(bytes: &[u8]) -> Result<Vec<T>, Error> {
    let mut rest = body(bytes)?;
    let mut messages = Vec::new();
    while !rest.is_empty() {
        messages.push(rmp_serde::from_read(&mut rest)?);
    }
    Ok(messages)
}

/// The CRC-32C (Castagnoli) of bytes, as in iSCSI (RFC 3720).
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// Encodes a message with a CRC-32C of everything before it at the end.
pub fn encode_checked<T: Serialize>(message: &T) -> Vec<u8> {
    let mut bytes = encode(message);
    let checksum = checksum(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

/// Decodes what [`encode_checked`] made; a single flipped bit is refused.
///
/// # Errors
/// [`Error::Checksum`] before anything is decoded, else as [`decode`].
pub fn decode_checked<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(Error::Empty)?;
    if self::checksum(body) != u32::from_be_bytes(*checksum) {
        return Err(Error::Checksum);
    }
    decode(body)
}

/// What stands behind the version byte.
fn body(bytes: &[u8]) -> Result<&[u8], Error> {
    if MESSAGE_BYTES_MAX < bytes.len() {
        return Err(Error::TooLarge { bytes: bytes.len() });
    }
    match bytes.split_first() {
        None => Err(Error::Empty),
        Some((&VERSION, body)) => Ok(body),
        Some((&version, _)) => Err(Error::Version { version }),
    }
}

#[cfg(test)]
mod tests;
