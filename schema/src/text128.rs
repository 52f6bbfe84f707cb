//! The text form of 128-bit ids: a prefix and 26 digits of Crockford's base 32.
//!
//! Chosen over hyphenated hex because it is shorter, survives a double click, and has no letter
//! that is read as a digit. The digits are upper case in output and accepted in either case.

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Digits in the text form: 26 of 5 bits hold 128 with two bits to spare, which are zero.
pub(crate) const DIGIT_COUNT: usize = 26;

pub(crate) fn encode(value: u128) -> [u8; DIGIT_COUNT] {
    let mut text = [b'0'; DIGIT_COUNT];
    let mut rest = value;
    for digit in text.iter_mut().rev() {
        let low = usize::from((rest & 31).to_le_bytes()[0]);
        *digit = DIGITS[low];
        rest >>= 5;
    }
    assert!(rest == 0);
    text
}

pub(crate) fn decode(text: &str) -> Option<u128> {
    if text.len() != DIGIT_COUNT {
        return None;
    }
    let mut value: u128 = 0;
    for byte in text.bytes() {
        let upper = byte.to_ascii_uppercase();
        let digit = DIGITS.iter().position(|&known| known == upper)?;
        // The first digit carries only three bits: a larger one would not fit into 128.
        value = value.checked_mul(32)?.checked_add(u128::try_from(digit).ok()?)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn a_value_survives_the_way_to_text_and_back() {
        for value in [0, 1, 31, 32, u128::MAX, 0x0123_4567_89AB_CDEF_0123_4567_89AB_CDEF] {
            let text = encode(value);
            let text = std::str::from_utf8(&text).unwrap();
            assert_eq!(decode(text), Some(value));
            assert_eq!(decode(&text.to_lowercase()), Some(value));
        }
    }

    #[test]
    fn text_that_is_no_128_bit_value_is_refused() {
        assert_eq!(decode("Z0000000000000000000000000"), None, "above 128 bits");
        assert_eq!(decode("0000000000000000000000000"), None, "a digit short");
        assert_eq!(decode("0000000000000000000000000U"), None, "no such digit");
    }
}
