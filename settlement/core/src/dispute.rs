//! Disputes: a buyer's bank asks for a payment's money, or has taken it back.

/// How a dispute stands at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disputed {
    /// The bank only asks: no money has moved.
    Inquiry,
    /// It asked, and took nothing.
    Dropped,
    /// It has taken the money, and we may object.
    Taken,
    /// It had to return the money.
    Won,
    /// It keeps the money.
    Lost,
}

/// What the ledger has to book when a dispute is seen to stand differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// The money is gone.
    pub gone: bool,
    /// And is here again.
    pub returned: bool,
}

impl Disputed {
    pub const ALL: [Self; 5] = [Self::Inquiry, Self::Dropped, Self::Taken, Self::Won, Self::Lost];

    /// As tables and metrics have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inquiry => "inquiry",
            Self::Dropped => "dropped",
            Self::Taken => "taken",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }

    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// Whether the bank has moved money, be it here again or not.
    const fn has_moved(self) -> bool {
        matches!(self, Self::Taken | Self::Won | Self::Lost)
    }

    /// Whether it stays like that.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Dropped | Self::Won | Self::Lost)
    }
}

/// What is to be booked when a dispute stands as `now`, of which `before` is booked already.
/// `None` if nothing has changed. What is over stays so, whatever is said later.
pub fn moved(before: Option<Disputed>, now: Disputed) -> Option<Moved> {
    if before == Some(now) || before.is_some_and(Disputed::is_over) {
        return None;
    }
    let was_gone = before.is_some_and(Disputed::has_moved);
    // A bank that has taken the money does not only ask any more.
    if was_gone && !now.has_moved() {
        return None;
    }
    Some(Moved { gone: now.has_moved() && !was_gone, returned: now == Disputed::Won })
}

#[cfg(test)]
mod tests {
    use super::{Disputed, Moved, moved};

    #[test]
    fn money_goes_once_and_returns_once_whatever_is_seen_of_the_way() {
        for first in Disputed::ALL {
            for second in Disputed::ALL {
                let (mut booked, mut before) = ((0, 0), None);
                for now in [first, second, second] {
                    let Some(Moved { gone, returned }) = moved(before, now) else { continue };
                    booked = (booked.0 + u32::from(gone), booked.1 + u32::from(returned));
                    before = Some(now);
                }
                let standing = before.expect("the first is always news");
                let expected = match standing {
                    Disputed::Inquiry | Disputed::Dropped => (0, 0),
                    Disputed::Taken | Disputed::Lost => (1, 0),
                    Disputed::Won => (1, 1),
                };
                assert_eq!(booked, expected, "{first:?} {second:?}");
            }
        }
    }

    #[test]
    fn what_is_over_stays_so_and_taken_money_is_no_question_any_more() {
        for over in Disputed::ALL.into_iter().filter(|one| one.is_over()) {
            assert!(Disputed::ALL.into_iter().all(|now| moved(Some(over), now).is_none()));
        }
        assert_eq!(moved(Some(Disputed::Taken), Disputed::Inquiry), None);
        let gone = Moved { gone: true, returned: false };
        assert_eq!(moved(Some(Disputed::Inquiry), Disputed::Lost), Some(gone));
        assert_eq!(
            moved(Some(Disputed::Taken), Disputed::Lost),
            Some(Moved { gone: false, ..gone })
        );
    }

    #[test]
    fn a_standing_is_read_as_it_is_written() {
        assert!(
            Disputed::ALL.into_iter().all(|one| Disputed::from_text(one.as_str()) == Some(one))
        );
        assert_eq!(Disputed::from_text("lose"), None);
    }
}
