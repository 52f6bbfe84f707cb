//! Tokens with their MAC: made at a join, checked before anything else of a poll is looked at.

use chassis::base64url;
use chassis::keys::{HmacKey, sha256};
use schema::EventId;
use waiting_room_core::{MAC_BYTES, Token, jitter, token_hash};

/// Longest token text: 24 bytes of event, two hashes, a MAC and 31 bytes, in base64.
const TEXT_BYTES_MAX: usize = 256;

/// Makes and checks tokens.
#[derive(Debug)]
pub(crate) struct Sealer {
    key: HmacKey,
    kid: [u8; 8],
}

/// A token that is genuine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    pub token: Token,
    /// A byte that belongs to the place.
    pub jitter: u8,
}

/// A token that was made here: its text, and what [`Sealer::open`] would say of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub token: String,
    pub place: Opened,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenRefusal {
    Invalid,
    Expired,
    /// Genuine, and of another event.
    Foreign,
}

impl Sealer {
    pub(crate) fn new(key: HmacKey) -> Self {
        let kid = base64url::decode(&key.kid).and_then(|kid| kid.try_into().ok());
        let kid = kid.expect("a key's name is 8 bytes in base64");
        Self { key, kid }
    }

    pub(crate) fn kid(&self) -> [u8; 8] {
        self.kid
    }

    pub(crate) fn seal(&self, token: Token) -> Sealed {
        let bytes = self.bytes(&token);
        let mac = bytes.last_chunk::<MAC_BYTES>().expect("a token ends with its MAC");
        let place = Opened { jitter: jitter(mac), token };
        Sealed { token: base64url::encode(&bytes), place }
    }

    /// The hash that the token's place is entered with in its cohort.
    pub(crate) fn hash(&self, token: &Token) -> [u8; 32] {
        token_hash(sha256, &self.bytes(token))
    }

    fn bytes(&self, token: &Token) -> Vec<u8> {
        assert!(token.kid == self.kid);
        let mut bytes = token.body();
        let mac = self.key.mac(&[Token::DOMAIN, &bytes]);
        bytes.extend(mac);
        bytes
    }

    /// Checks a token's text for `event`, but for its age: only its room knows that.
    pub(crate) fn open(&self, text: &str, event: &EventId) -> Result<Opened, TokenRefusal> {
        let invalid = TokenRefusal::Invalid;
        if TEXT_BYTES_MAX < text.len() {
            return Err(invalid);
        }
        let bytes = base64url::decode(text).ok_or(invalid)?;
        let (body, mac): (&[u8], &[u8; MAC_BYTES]) = Token::split(&bytes).map_err(|_| invalid)?;
        if Token::kid_of(body) != Some(self.kid) || !self.key.verify(&[Token::DOMAIN, body], mac) {
            return Err(invalid);
        }
        let token = Token::read(body).map_err(|_| invalid)?;
        if token.event != *event {
            return Err(TokenRefusal::Foreign);
        }
        Ok(Opened { jitter: jitter(mac), token })
    }
}

#[cfg(test)]
mod tests {
    use super::{Sealed, Sealer, TokenRefusal};
    use chassis::base64url;
    use chassis::keys::HmacKey;
    use schema::{EventId, UnixMillis};
    use waiting_room_core::{PlaceKind, Token};

    fn event(text: &str) -> EventId {
        text.parse().unwrap()
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let sealer = Sealer::new(HmacKey::from_bytes([1; 32]));
        let token = Token {
            kid: sealer.kid(),
            kind: PlaceKind::Line,
            event: event("EVT001"),
            epoch: 3,
            number: 70_000,
            issued_at: UnixMillis(1_000),
            pop_hash: Some([5; 32]),
            owner: Some([6; 32]),
        };
        let Sealed { token: text, place } = sealer.seal(token.clone());
        let open = |text: &str, id| sealer.open(text, &event(id));
        assert_eq!(open(&text, "EVT001"), Ok(place));
        let bytes = base64url::decode(&text).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let forged = base64url::encode(&bytes);
            assert_eq!(open(&forged, "EVT001"), Err(TokenRefusal::Invalid), "bit {bit}");
        }
        assert_eq!(open(&text, "EVT002"), Err(TokenRefusal::Foreign));
        assert_eq!(open(&format!("{text}="), "EVT001"), Err(TokenRefusal::Invalid));
        let other = Sealer::new(HmacKey::from_bytes([2; 32]));
        let foreign_key = other.open(&text, &event("EVT001"));
        assert_eq!(foreign_key, Err(TokenRefusal::Invalid));
    }
}
