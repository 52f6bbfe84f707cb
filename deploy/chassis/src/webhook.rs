//! Signatures of outgoing webhooks, as the specification "Standard Webhooks" has them.

use aws_lc_rs::hmac;

use crate::base64url;
use crate::keys::HmacKey;

/// What the header of the signatures begins each one with.
const VERSION: &str = "v1,";

/// What the text of a secret begins with: shows in logs and leak scanners what it is.
const PREFIX: &str = "whsec_";

/// What an endpoint and we have in common. It is not printed.
pub struct Secret {
    bytes: Vec<u8>,
}

impl Secret {
    /// The `number`th secret of an endpoint. It is derived, so none is stored.
    pub fn of(key: &HmacKey, endpoint: [u8; 16], number: u32) -> Secret {
        let secret = key.mac(&[b"usher webhook 1 ", &endpoint, &number.to_be_bytes()]);
        Secret { bytes: secret.to_vec() }
    }

    /// As its owner stores it: `whsec_` and base64.
    pub fn text(&self) -> String {
        format!("{PREFIX}{}", base64(&self.bytes))
    }

    /// The signature of a message: `v1,` and base64.
    pub fn sign(&self, id: &str, timestamp_s: u64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.bytes);
        let signed = hmac::sign(&key, format!("{id}.{timestamp_s}.{body}").as_bytes());
        format!("{VERSION}{}", base64(signed.as_ref()))
    }
}

/// Base64 with the common alphabet and padding (RFC 4648 section 4), which the specification wants.
fn base64(bytes: &[u8]) -> String {
    let mut text = base64url::encode(bytes).replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Secret, base64};
    use crate::keys::HmacKey;

    #[test]
    fn the_specifications_own_example_is_signed_as_it_says() {
        let bytes = [
            49, 242, 144, 246, 191, 6, 41, 138, 171, 79, 8, 212, 60, 63, 8, 44, 246, 72, 163, 98,
            218, 45, 164, 176,
        ];
        let secret = Secret { bytes: bytes.to_vec() };
        assert_eq!(secret.text(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signed = secret.sign(id, 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_endpoint_and_each_number_has_a_secret_of_its_own() {
        let key = HmacKey::from_bytes([7; 32]);
        let text = |endpoint, number| Secret::of(&key, [endpoint; 16], number).text();
        assert_eq!(text(1, 1), text(1, 1));
        assert_ne!(text(1, 1), text(1, 2));
        assert_ne!(text(1, 1), text(2, 1));
        assert!(text(1, 1).starts_with("whsec_"));
    }

    #[test]
    fn the_common_alphabet_and_padding_are_used() {
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
        assert_eq!(base64(b"abc"), "YWJj");
        assert_eq!(base64(b"a"), "YQ==");
    }
}
