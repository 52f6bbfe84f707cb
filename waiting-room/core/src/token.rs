//! The token: a fan's signed statement of a place. Losing every server loses no place, because this
//! has it.

use schema::{EventId, UnixMillis};

/// What the MAC covers before the token, so that no other use of the key makes a token.
pub const DOMAIN: &[u8] = b"usher waiting-room token v1\0";

/// Bytes of the MAC at the end.
pub const MAC_BYTES: usize = 32;

const VERSION: u8 = 1;

/// A place, as its token states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Names the key of the MAC.
    pub kid: [u8; 8],
    pub kind: PlaceKind,
    pub event: EventId,
    pub epoch: u32,
    /// Given out once in the room's life.
    pub number: u64,
    pub issued_at: UnixMillis,
    /// SHA-256 of the secret that a claim must show.
    pub pop_hash: Option<[u8; 32]>,
    /// A hash of the account that joined, where the room wanted a login.
    pub owner: Option<[u8; 32]>,
}

/// Whether the number is the place's number in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaceKind {
    Line,
    /// A draw turns it into one.
    PreQueue,
}

/// Why bytes are not a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("read a waiting-room token")]
pub struct TokenFault;

impl Token {
    /// The MAC's domain; the MAC is over it and the body.
    pub const DOMAIN: &'static [u8] = DOMAIN;

    /// The bytes before the MAC. Frozen: fans carry them for days.
    pub fn body(&self) -> Vec<u8> {
        let event = self.event.as_str().as_bytes();
        let event_len = u8::try_from(event.len()).expect("an event id has at most 24 bytes");
        let flags = u8::from(self.kind == PlaceKind::PreQueue)
            | u8::from(self.pop_hash.is_some()) << 1
            | u8::from(self.owner.is_some()) << 2;
        let mut body = Vec::with_capacity(96 + event.len() + MAC_BYTES);
        body.extend([VERSION, flags]);
        body.extend(self.kid);
        body.extend(self.epoch.to_be_bytes());
        body.extend(self.number.to_be_bytes());
        body.extend(self.issued_at.0.to_be_bytes());
        body.push(event_len);
        body.extend(event);
        body.extend(self.pop_hash.iter().flatten());
        body.extend(self.owner.iter().flatten());
        body
    }

    /// Splits a token's bytes into body and MAC, for checking the one by the other.
    ///
    /// # Errors
    /// [`TokenFault`] if they are too short.
    pub fn split(bytes: &[u8]) -> Result<(&[u8], &[u8; MAC_BYTES]), TokenFault> {
        bytes.split_last_chunk().ok_or(TokenFault)
    }

    /// Reads a body whose MAC has been checked; accepts exactly what [`Token::body`] makes.
    ///
    /// # Errors
    /// [`TokenFault`] for other bytes.
    pub fn read(body: &[u8]) -> Result<Self, TokenFault> {
        let mut rest = body;
        let [version, flags] = take(&mut rest)?;
        if version != VERSION || 7 < flags {
            return Err(TokenFault);
        }
        let key_name = take(&mut rest)?;
        let epoch = u32::from_be_bytes(take(&mut rest)?);
        let number = u64::from_be_bytes(take(&mut rest)?);
        let issued_at = UnixMillis(u64::from_be_bytes(take(&mut rest)?));
        let [event_len] = take(&mut rest)?;
        let (event, mut rest) = rest.split_at_checked(event_len.into()).ok_or(TokenFault)?;
        let event = std::str::from_utf8(event).map_err(|_| TokenFault)?;
        let event = event.parse().map_err(|_| TokenFault)?;
        let pop_hash = if flags & 2 == 0 { None } else { Some(take(&mut rest)?) };
        let owner = if flags & 4 == 0 { None } else { Some(take(&mut rest)?) };
        if !rest.is_empty() {
            return Err(TokenFault);
        }
        let kind = if flags & 1 == 0 { PlaceKind::Line } else { PlaceKind::PreQueue };
        Ok(Self { kid: key_name, kind, event, epoch, number, issued_at, pop_hash, owner })
    }

    /// The key's name in a body that has not been checked yet.
    pub fn kid_of(body: &[u8]) -> Option<[u8; 8]> {
        body.get(2..10)?.try_into().ok()
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], TokenFault> {
    let (taken, left) = rest.split_first_chunk().ok_or(TokenFault)?;
    *rest = left;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use super::{PlaceKind, Token, TokenFault};
    use proptest::prelude::*;
    use schema::UnixMillis;

    fn token(kind: PlaceKind, number: u64, pop_hash: Option<[u8; 32]>) -> Token {
        let event = "EVT001".parse().unwrap();
        let issued_at = UnixMillis(1_800_000_000_000);
        let (key, owner) = (*b"key-id-0", None);
        Token { kid: key, kind, event, epoch: 3, number, issued_at, pop_hash, owner }
    }

    #[test]
    fn the_bytes_of_a_token_are_frozen() {
        let body = token(PlaceKind::PreQueue, 258, None).body();
        let wanted =
            b"\x01\x01key-id-0\0\0\0\x03\0\0\0\0\0\0\x01\x02\0\0\x01\xA3\x18\x5C\x50\0\x06EVT001";
        assert_eq!(body, wanted);
    }

    proptest! {
        #[test]
        fn a_token_survives_the_way_to_bytes_and_back(
            is_pre_queue in any::<bool>(), number in any::<u64>(), pop in any::<Option<[u8; 32]>>(),
            owner in any::<Option<[u8; 32]>>(),
        ) {
            let kind = if is_pre_queue { PlaceKind::PreQueue } else { PlaceKind::Line };
            let token = Token { owner, ..token(kind, number, pop) };
            prop_assert_eq!(Token::read(&token.body()), Ok(token));
        }

        #[test]
        fn a_flipped_bit_never_reads_as_the_same_place(bit in 0_usize..800) {
            let token = token(PlaceKind::Line, 7, Some([9; 32]));
            let mut body = token.body();
            prop_assume!(bit < body.len() * 8);
            body[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(Token::read(&body), Ok(token));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            if let Ok(token) = Token::read(&bytes) {
                prop_assert_eq!(token.body(), bytes);
            }
        }
    }

    #[test]
    fn a_cut_or_longer_token_is_refused() {
        let body = token(PlaceKind::Line, 7, Some([9; 32])).body();
        for end in 0..body.len() {
            assert_eq!(Token::read(&body[..end]), Err(TokenFault));
        }
        assert_eq!(Token::read(&[&body[..], &[0]].concat()), Err(TokenFault));
    }
}
