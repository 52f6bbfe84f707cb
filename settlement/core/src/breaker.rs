//! Whether a provider is worth asking: after many calls without an answer only a few are let
//! through, until some are answered again.

use schema::DurationMs;

/// Answers that are remembered, and how many of them may be missing.
///
/// A provider that leaves every second call open charges cards and does not say so: each such order
/// waits for its deadline. Fewer, and a handful of unlucky cards would stop a sale.
const REMEMBERED: u32 = 20;
const MISSING_MAX: u32 = 10;

/// As many calls in a row without an answer are an outage, however many came before.
const MISSING_IN_A_ROW: u32 = 5;

/// How often a call is let through meanwhile. One a second costs a provider in trouble nothing, and
/// says within a second that it is back.
pub const PROBE_EVERY: DurationMs = DurationMs(1_000);

/// Answers in a row after which all calls are let through again: one may be luck.
const ANSWERED_IN_A_ROW: u32 = 3;

const _: () = {
    assert!(MISSING_IN_A_ROW < MISSING_MAX);
    assert!(MISSING_MAX < REMEMBERED);
    assert!(REMEMBERED <= u32::BITS);
};

/// Counts what came of the calls to one provider. Times are since any fixed moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Breaker {
    /// The last answers, the newest in the lowest bit; 1 is a missing one.
    missing: u32,
    /// `None` while calls are let through.
    outage: Option<Outage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Outage {
    probe_at: DurationMs,
    answered: u32,
}

impl Breaker {
    /// Whether a call may be made at `now`. During an outage, each `true` uses up a probe.
    pub fn may_ask(&mut self, now: DurationMs) -> bool {
        let Some(outage) = &mut self.outage else { return true };
        let due = outage.probe_at <= now;
        if due {
            outage.probe_at = DurationMs(now.0.saturating_add(PROBE_EVERY.0));
        }
        due
    }

    /// Notes whether a call that was made has been answered, at `now`. A refusal is an answer.
    pub fn heard(&mut self, now: DurationMs, is_answered: bool) {
        self.missing =
            (self.missing << 1 | u32::from(!is_answered)) & (u32::MAX >> (32 - REMEMBERED));
        let is_too_much = self.is_too_much();
        match &mut self.outage {
            // Closed => Open.
            None if is_too_much => {
                let probe_at = DurationMs(now.0.saturating_add(PROBE_EVERY.0));
                self.outage = Some(Outage { probe_at, answered: 0 });
            }
            None => {}
            Some(outage) if is_answered => {
                outage.answered += 1;
                // The next one need not wait: it is known to be there.
                outage.probe_at = now;
                // Open => Closed.
                if ANSWERED_IN_A_ROW <= outage.answered {
                    *self = Self::default();
                }
            }
            Some(outage) => outage.answered = 0,
        }
        assert!(self.outage.is_some() || !self.is_too_much());
    }

    /// Whether most calls are held back.
    pub fn is_open(&self) -> bool {
        self.outage.is_some()
    }

    fn is_too_much(&self) -> bool {
        MISSING_IN_A_ROW <= self.missing.trailing_ones() || MISSING_MAX <= self.missing.count_ones()
    }
}

#[cfg(test)]
mod tests {
    use super::Breaker;
    use schema::DurationMs;

    /// Plays a script: `+` an answered call, `-` a missing one, `?` asks and expects yes, `!` asks
    /// and expects no, `s` lets a second pass. Returns whether the breaker is open then.
    fn check(script: &str) -> bool {
        let (mut breaker, mut now) = (Breaker::default(), DurationMs(7));
        for (at, sign) in script.chars().enumerate() {
            match sign {
                '+' | '-' => breaker.heard(now, sign == '+'),
                '?' | '!' => {
                    assert_eq!(breaker.may_ask(now), sign == '?', "letter {at} of {script}");
                }
                's' => now.0 += 1_000,
                _ => unreachable!("no such sign"),
            }
        }
        breaker.is_open()
    }

    #[test]
    fn a_few_missing_answers_are_no_outage() {
        assert!(!check("?----+?----+?"));
        assert!(!check(&format!("{}?", "-++".repeat(50))));
        assert!(!check(&"--++++".repeat(9)));
    }

    #[test]
    fn five_in_a_row_or_half_of_the_last_twenty_are_one() {
        assert!(!check("----"));
        assert!(check("-----!"));
        assert!(check(&format!("{}-----!", "+".repeat(40))));
        assert!(!check(&"-+".repeat(9)));
        assert!(check(&format!("{}-!", "-+".repeat(9))));
        // What is more than twenty answers ago is forgotten.
        assert!(!check(&format!("{}{}{}", "-+".repeat(9), "+".repeat(20), "-+".repeat(9))));
    }

    #[test]
    fn one_call_a_second_is_let_through_until_three_are_answered() {
        assert!(check("-----!s?!!s?!-s?!"));
        assert!(check("-----s?+?+"));
        assert!(check("-----s?+?+?-!"));
        assert!(!check("-----s?+?+?+?????"));
        // Afterwards it begins anew.
        assert!(!check("-----s?+?+?+----"));
        assert!(check("-----s?+?+?+-----!"));
    }

    #[test]
    fn calls_that_began_before_the_outage_may_end_it_too() {
        assert!(!check("-----+++?"));
    }
}
