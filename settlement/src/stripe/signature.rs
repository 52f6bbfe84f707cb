//! Whether Stripe has signed what came, and lately.

use crate::config::SIGNATURE_TOLERANCE;
use chassis::config::Secret;
use chassis::keys::HmacKey;
use schema::UnixMillis;

/// Most signatures that are looked at in one header: Stripe sends one for each secret in use.
const SIGNATURES_MAX: usize = 8;

/// Says whether `header` (`Stripe-Signature`) holds a signature of `body` under one of `secrets`
/// that was made within [`SIGNATURE_TOLERANCE`] of `now`.
///
/// The time is signed with the body, so an old event cannot be sent again later.
pub(crate) fn is_signed(header: &str, body: &[u8], secrets: &[Secret], now: UnixMillis) -> bool {
    let fields = || header.split(',').filter_map(|field| field.trim().split_once('='));
    let of = |wanted: &'static str| {
        fields().filter_map(move |(name, value)| (name == wanted).then_some(value))
    };
    let mut times = of("t");
    let (Some(time), None) = (times.next(), times.next()) else { return false };
    // The text itself is signed: only digits, so that there is one way to write it.
    let seconds = Some(time).filter(|time| time.bytes().all(|byte| byte.is_ascii_digit()));
    let Some(seconds) = seconds.and_then(|time| time.parse::<u64>().ok()) else { return false };
    let apart = now.0.abs_diff(seconds.saturating_mul(1_000));
    if SIGNATURE_TOLERANCE.0 < apart {
        return false;
    }
    let keys: Vec<HmacKey> =
        secrets.iter().map(|secret| HmacKey::from_slice(secret.expose().as_bytes())).collect();
    let parts: [&[u8]; 3] = [time.as_bytes(), b".", body];
    let macs = of("v1").take(SIGNATURES_MAX).filter_map(from_hex);
    macs.into_iter().any(|mac| keys.iter().any(|key| key.verify(&parts, &mac)))
}

/// Reads 32 bytes as lowercase hex digits.
fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digit = |letter: u8| match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// The header that Stripe would send.
#[cfg(test)]
pub(crate) fn sign(secret: &str, seconds: u64, body: &str) -> String {
    use std::fmt::Write;
    let time = seconds.to_string();
    let mac = HmacKey::from_slice(secret.as_bytes()).mac(&[time.as_bytes(), b".", body.as_bytes()]);
    let mut header = format!("t={time},v1=");
    for byte in mac {
        write!(header, "{byte:02x}").unwrap();
    }
    header
}

#[cfg(test)]
mod tests {
    use super::{is_signed, sign};
    use chassis::config::Secret;
    use proptest::prelude::*;
    use schema::UnixMillis;

    const NOW: u64 = 1_800_000_000;
    const BODY: &str = r#"{"id": "evt_1"}"#;

    fn is_taken(header: &str, body: &str) -> bool {
        let secrets = [Secret::new("whsec_new"), Secret::new("whsec_old")];
        is_signed(header, body.as_bytes(), &secrets, UnixMillis(NOW * 1_000 + 7))
    }

    #[test]
    fn a_signature_is_made_as_stripe_makes_it() {
        // Made with Python: hmac.new(b"whsec_new", b"1800000000." + body, "sha256").hexdigest().
        let mac = "a1b3a40a6ddb6b0698bdab16cefd85f0b11e2bc28cd24b1ff64d381f26c36c97";
        assert_eq!(sign("whsec_new", NOW, BODY), format!("t={NOW},v1={mac}"));
    }

    #[test]
    fn each_secret_in_use_signs_and_no_other() {
        assert!(is_taken(&sign("whsec_new", NOW, BODY), BODY));
        assert!(is_taken(&sign("whsec_old", NOW, BODY), BODY));
        assert!(!is_taken(&sign("whsec_gone", NOW, BODY), BODY));
        assert!(!is_signed(&sign("", NOW, BODY), BODY.as_bytes(), &[], UnixMillis(NOW * 1_000)));
        let both =
            format!("{},v1={}", sign("whsec_gone", NOW, BODY), &sign("whsec_new", NOW, BODY)[16..]);
        assert!(is_taken(&both, BODY), "one of several: {both}");
    }

    #[test]
    fn one_that_is_older_or_newer_than_the_tolerance_is_none() {
        for (seconds, taken) in [
            (NOW - 299, true),
            (NOW - 301, false),
            (NOW + 300, true),
            (NOW + 301, false),
            (0, false),
        ] {
            assert_eq!(is_taken(&sign("whsec_new", seconds, BODY), BODY), taken, "{seconds}");
        }
        // A fresh time in front of an old signature.
        let old = sign("whsec_new", NOW - 1_000, BODY);
        let renewed = old.replace(&format!("t={}", NOW - 1_000), &format!("t={NOW}"));
        assert!(!is_taken(&renewed, BODY));
        assert!(!is_taken(&format!("t={NOW},{old}"), BODY), "two times");
    }

    #[test]
    fn not_a_byte_of_the_body_may_change() {
        let header = sign("whsec_new", NOW, BODY);
        for at in 0..BODY.len() {
            let mut body = BODY.as_bytes().to_vec();
            body[at] ^= 1;
            let secrets = [Secret::new("whsec_new")];
            assert!(!is_signed(&header, &body, &secrets, UnixMillis(NOW * 1_000)), "byte {at}");
        }
        assert!(!is_taken(&header, &format!("{BODY} ")));
    }

    #[test]
    fn a_header_without_what_it_needs_is_no_signature() {
        let header = sign("whsec_new", NOW, BODY);
        let (time, mac) = header.split_once(',').unwrap();
        let short = &mac[..mac.len() - 2];
        let upper = mac.to_uppercase().replace("V1", "v1");
        for wrong in [
            "",
            "t",
            ",",
            "t=,v1=",
            time,
            mac,
            &format!("{time},v0={}", &mac[3..]),
            &format!("{time},{short}"),
            &format!("{time},{upper}"),
            &format!("t=+{NOW},{mac}"),
            &format!("t=99999999999999999999,{mac}"),
        ] {
            assert!(!is_taken(wrong, BODY), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_header_is_taken_that_was_not_signed(header in "[tv1=, a-f0-9]{0,90}|\\PC{0,90}") {
            prop_assert!(!is_taken(&header, BODY));
        }
    }
}
