//! Who comes to a rehearsed sale.

use super::{Rehearsal, TICK};

/// A called fan who is there claims within this time, each as soon as the other.
///
/// Near the front a page asks every 2 to 2.6 s; the rest is the person.
pub(super) const COMES_WITHIN_MS: u64 = 5_000;

/// One who joins; the number is the place in the crowd, from 1 on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fan {
    pub joins_at_ms: u64,
    pub claims_after_ms: u16,
    /// The checkout that this fan takes, in thousandths of the mean.
    pub checkout_milli: u16,
    pub wants: u16,
    /// Whether anybody is there when the number is called.
    pub comes: bool,
}

/// The crowd in the order of the joins, those of a second spread over it.
pub(super) fn crowd(rehearsal: &Rehearsal) -> Vec<Fan> {
    let mut chance = Chance(rehearsal.seed);
    let (whole, rest) = (rehearsal.basket_milli / 1_000, rehearsal.basket_milli % 1_000);
    let mut fans = Vec::new();
    for (second, &joins) in (0_u64..).zip(&rehearsal.joins) {
        for nth in 0..u64::from(joins) {
            let within = 1_000 * nth / u64::from(joins);
            let wants = whole + u32::from(chance.below(1_000) < u64::from(rest));
            let small = |value: u64| u16::try_from(value).expect("a few thousand");
            fans.push(Fan {
                joins_at_ms: second * 1_000 + within / TICK.0 * TICK.0,
                claims_after_ms: small(chance.below(COMES_WITHIN_MS)),
                checkout_milli: small(500 + chance.below(1_000)),
                wants: small(wants.into()),
                comes: u64::from(rehearsal.no_show_milli) <= chance.below(1_000),
            });
        }
    }
    fans
}

/// A stream of random numbers (`SplitMix64`), the same one for the same seed.
struct Chance(u64);

impl Chance {
    /// A number in `[0, bound)`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let scaled = u128::from(mixed) * u128::from(bound);
        u64::try_from(scaled >> 64).expect("below the bound")
    }
}
