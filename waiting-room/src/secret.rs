//! The secrets of draws. None is stored: each follows from a key of the house and a nonce that the
//! room's stream shows, so every leader finds it again, and who reads the stream does not.

use chassis::keys::HmacKey;
use schema::EventId;

/// What the MAC covers before the rest, so that no other use of the key makes a secret.
const DOMAIN: &[u8] = b"usher draw secret v1\0";

#[derive(Debug)]
pub(crate) struct Secrets {
    key: HmacKey,
}

impl Secrets {
    pub(crate) fn new(key: HmacKey) -> Self {
        Self { key }
    }

    /// The secret of the pre-queue above `base`. The nonce keeps it from being that of an earlier
    /// pre-queue of a system that lost its streams and kept its keys.
    pub(crate) fn of(&self, event: &EventId, base: u64, nonce: &[u8; 32]) -> [u8; 32] {
        let event = event.as_str().as_bytes();
        let event_len = u8::try_from(event.len()).expect("an event id has at most 24 bytes");
        self.key.mac(&[DOMAIN, &[event_len], event, &base.to_be_bytes(), nonce])
    }
}

#[cfg(test)]
mod tests {
    use super::{HmacKey, Secrets};

    #[test]
    fn a_secret_is_found_again_and_no_other_pre_queue_has_it() {
        let secrets = |byte| Secrets::new(HmacKey::from_bytes([byte; 32]));
        let (event, other) = ("EVT001".parse().unwrap(), "EVT002".parse().unwrap());
        let secret = secrets(1).of(&event, 7, &[3; 32]);
        assert_eq!(secrets(1).of(&event, 7, &[3; 32]), secret);
        assert_ne!(secrets(2).of(&event, 7, &[3; 32]), secret);
        assert_ne!(secrets(1).of(&other, 7, &[3; 32]), secret);
        assert_ne!(secrets(1).of(&event, 8, &[3; 32]), secret);
        assert_ne!(secrets(1).of(&event, 7, &[4; 32]), secret);
    }
}
