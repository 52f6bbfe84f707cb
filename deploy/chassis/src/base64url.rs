//! Base64 with the URL alphabet and without padding (RFC 4648 section 5).
//!
//! Decoding accepts exactly what encoding makes: a token that could be spelled in two ways could be
//! remembered as two.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const VALUES: [u8; 256] = values();
const INVALID: u8 = 0xff;

/// Encodes `bytes`; O(n), one allocation.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    let letters = |group: [u8; 4]| {
        let bits = u32::from_be_bytes(group);
        [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift & 63) as usize])
    };
    let groups = bytes.chunks_exact(3);
    let last = groups.remainder();
    for group in groups {
        text.extend_from_slice(&letters([0, group[0], group[1], group[2]]));
    }
    if !last.is_empty() {
        let mut group = [0; 4];
        group[1..=last.len()].copy_from_slice(last);
        text.extend_from_slice(&letters(group)[..=last.len()]);
    }
    String::from_utf8(text).expect("the alphabet is ASCII")
}

/// Decodes what [`encode`] made; `None` for any other text.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let groups = text.as_bytes().chunks_exact(4);
    let last = groups.remainder();
    for letters in groups {
        bytes.extend_from_slice(&group(letters)?);
    }
    if last.is_empty() {
        return Some(bytes);
    }
    let mut letters = [ALPHABET[0]; 4];
    letters[..last.len()].copy_from_slice(last);
    let group = group(&letters)?;
    let (data, rest) = group.split_at(last.len() - 1);
    // A lone letter carries less than a byte, and bits beyond the last byte have another spelling:
    // zero.
    if data.is_empty() || rest.iter().any(|byte| *byte != 0) {
        return None;
    }
    bytes.extend_from_slice(data);
    Some(bytes)
}

/// The three bytes of four letters.
fn group(letters: &[u8]) -> Option<[u8; 3]> {
    let &[first, second, third, fourth] = letters else { return None };
    let values = [first, second, third, fourth].map(|letter| VALUES[usize::from(letter)]);
    // Only what is no letter has all eight bits: those of values are six.
    if values.iter().fold(0, |all, value| all | value) == INVALID {
        return None;
    }
    let [first, second, third, fourth] = values.map(u32::from);
    let [_, bytes @ ..] = (first << 18 | second << 12 | third << 6 | fourth).to_be_bytes();
    Some(bytes)
}

const fn values() -> [u8; 256] {
    let mut values = [INVALID; 256];
    let mut value = 0;
    while value < 64u8 {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn the_vectors_of_the_standard_hold() {
        let vectors = ["", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"];
        for (length, text) in vectors.into_iter().enumerate() {
            assert_eq!(encode(&b"foobar"[..length]), text);
            assert_eq!(decode(text).as_deref(), Some(&b"foobar"[..length]));
        }
        assert_eq!(encode(&[0xfb, 0xff, 0xfe]), "-__-");
    }

    #[test]
    fn every_byte_survives_at_every_place() {
        for length in 0..70u8 {
            for first in [0, 100, 186] {
                let bytes: Vec<u8> = (0..length).map(|at| at + first).collect();
                assert_eq!(decode(&encode(&bytes)), Some(bytes));
            }
        }
    }

    #[test]
    fn a_second_spelling_of_the_same_bytes_is_refused() {
        for text in ["Zh", "Zm9", "Z", "Zm9vY", "Zg==", "Zm9v ", "Zm+v", "Zm/v", "Zm\u{e9}"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
