//! Whom a partner has sold places to.

use std::fmt;

use schema::limits::BUYER_BYTES_MAX;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest name and longest address: no mailbox has a longer one in practice, and a name of 128
/// bytes fills two lines of a ticket.
const TEXT_BYTES_MAX: usize = 128;

// Each of its bytes may be written as two, and 32 others stand around them.
const _: () = assert!(2 * 2 * TEXT_BYTES_MAX + 32 <= BUYER_BYTES_MAX as usize);

/// Whom a partner has sold places to, as far as it says so. Only the partner sees it again.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Buyer {
    /// 1 to 128 bytes of text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// 1 to 128 bytes of text. Nothing is sent there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

impl fmt::Debug for Buyer {
    /// Without what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buyer").finish_non_exhaustive()
    }
}

impl Buyer {
    /// Whether it can be kept.
    pub fn is_valid(&self) -> bool {
        [&self.name, &self.email].into_iter().flatten().all(|text| {
            (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
        })
    }

    /// As it is kept; empty where nothing is said.
    pub fn write(&self) -> String {
        if *self == Self::default() {
            return String::new();
        }
        let text = serde_json::to_string(self).expect("a buyer is two texts");
        assert!(text.len() <= usize::from(BUYER_BYTES_MAX), "{} bytes of a buyer", text.len());
        text
    }

    /// Reads what was kept.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Buyer;
    use serde_json::json;

    #[test]
    fn a_buyer_is_kept_as_it_was_said_and_shown_to_nobody_who_logs() {
        for value in
            [json!({"name": "Ana \"A\" Ö", "email": "ana@example.com"}), json!({"name": "A"})]
        {
            let buyer: Buyer = serde_json::from_value(value.clone()).unwrap();
            assert!(buyer.is_valid());
            assert_eq!(serde_json::to_value(Buyer::read(&buyer.write())).unwrap(), value);
            assert_eq!(format!("{buyer:?}"), "Buyer { .. }");
        }
        assert_eq!((Buyer::default().write().as_str(), Buyer::read("")), ("", None));
    }

    #[test]
    fn the_longest_buyer_is_kept_and_what_is_no_text_is_refused() {
        let of = |name: &str| Buyer { name: Some(name.to_owned()), email: Some("\\".repeat(128)) };
        let longest = of(&"\"".repeat(128));
        assert!(longest.is_valid());
        assert_eq!(Buyer::read(&longest.write()), Some(longest));
        for name in ["", "a\nb", "a\u{0}", "\u{7f}", &"a".repeat(129)] {
            assert!(!of(name).is_valid(), "{name:?}");
        }
        assert!(serde_json::from_value::<Buyer>(json!({"phone": "1"})).is_err());
    }
}
