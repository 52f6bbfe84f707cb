//! What an answer counts as.

use super::is_success;

/// One word for each answer: targets, figures and pages all count by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// A success, or a refusal that says why.
    Told,
    /// A request to come later, that says why and when.
    Shed,
    /// Everything else, and no answer at all.
    Error,
}

/// What an answer looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown<'a> {
    /// 0 if there was no answer.
    pub status: u16,
    /// The problem's code, or what went wrong on the way; empty for a success.
    pub code: &'a str,
    /// It says when to come back (`Retry-After`).
    pub says_when: bool,
}

impl Verdict {
    /// The word for anybody who keeps to the rules.
    pub fn of(shown: Shown<'_>) -> Self {
        let Shown { status, code, says_when } = shown;
        match status {
            _ if is_success(status) && code.is_empty() => Self::Told,
            // Who is sent away without a reason, or for a time that nobody says, was told nothing.
            429 | 503 if !code.is_empty() && says_when => Self::Shed,
            402 | 403 | 409 | 410 | 423 if !code.is_empty() => Self::Told,
            _ => Self::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Shown, Verdict};

    fn verdict(status: u16, code: &str, says_when: bool) -> Verdict {
        Verdict::of(Shown { status, code, says_when })
    }

    #[test]
    fn a_request_to_come_later_says_why_and_when_or_is_an_error() {
        for status in [429, 503] {
            assert_eq!(verdict(status, "BUSY", true), Verdict::Shed);
            assert_eq!(verdict(status, "BUSY", false), Verdict::Error);
            assert_eq!(verdict(status, "", true), Verdict::Error);
        }
    }

    #[test]
    fn a_refusal_says_why_and_a_success_can_be_read() {
        assert_eq!(verdict(409, "SEAT_TAKEN", false), Verdict::Told);
        assert_eq!(verdict(409, "", false), Verdict::Error);
        assert_eq!(verdict(201, "", false), Verdict::Told);
        assert_eq!(verdict(201, "UNREADABLE", false), Verdict::Error);
        for status in [0, 400, 401, 404, 500] {
            assert_eq!(verdict(status, "CODE", true), Verdict::Error, "{status}");
        }
    }
}
