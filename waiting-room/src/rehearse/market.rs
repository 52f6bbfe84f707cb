//! What those who are let in do with the seats of a rehearsed sale.

use super::Rehearsal;
use super::crowd::Fan;
use schema::{DurationMs, SettlementLoad};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use waiting_room_core::{Basket, Bits};

/// How many orders the rehearsed settlement can work on at once: the default of a real one.
const ORDERS_MAX: u32 = 2_048;

/// How the seats stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub free: u32,
    pub held: u32,
    pub sold: u32,
    /// Fans who were let in and found nothing, or came too late for it.
    pub empty_handed: u32,
}

/// What a fan inside does next. Of one moment the earlier comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Claim { pass_until: u64 },
    Choose { pass_until: u64, pays_at: u64 },
    Pay { places: u32 },
    IsSold { places: u32 },
}

pub(super) struct Market {
    counts: Counts,
    pub basket: Basket,
    /// Numbers that have claimed their passes.
    pub claimed: Bits,
    deeds: BinaryHeap<Reverse<(u64, Deed, u64)>>,
    claim_window: u64,
    pass_ttl: u64,
    checkout: u64,
    settlement: Settlement,
}

/// One order after the other, if it bears but so many a minute.
struct Settlement {
    order_us: Option<u64>,
    free_from_us: u64,
    /// When the orders that wait have come.
    waiting: VecDeque<u64>,
}

impl Market {
    pub(super) fn new(rehearsal: &Rehearsal, claimed: Bits) -> Self {
        let order_us = rehearsal.orders_per_minute.map(|orders| 60_000_000 / u64::from(orders));
        Self {
            counts: Counts { free: rehearsal.seats, ..Counts::default() },
            basket: Basket::default(),
            claimed,
            deeds: BinaryHeap::new(),
            claim_window: u64::from(rehearsal.settings.claim_window_seconds) * 1_000,
            pass_ttl: u64::from(rehearsal.settings.pass_ttl_seconds) * 1_000,
            checkout: rehearsal.checkout.0,
            settlement: Settlement { order_us, free_from_us: 0, waiting: VecDeque::new() },
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn is_sold_out(&self) -> bool {
        self.counts.free == 0 && self.counts.held == 0
    }

    /// Whether nobody inside does anything any more.
    pub(super) fn is_quiet(&self) -> bool {
        self.deeds.is_empty()
    }

    pub(super) fn load(&self, now: u64) -> SettlementLoad {
        let waiting = &self.settlement.waiting;
        let oldest = waiting.front().map_or(0, |came| now.saturating_sub(*came));
        SettlementLoad {
            instance: "rehearsal".into(),
            orders: u32::try_from(waiting.len()).unwrap_or(u32::MAX).min(ORDERS_MAX),
            orders_max: ORDERS_MAX,
            commit_wait: DurationMs(oldest),
            provider_down: false,
        }
    }

    /// A fan who is there was called.
    pub(super) fn called(&mut self, now: u64, number: u64, fan: &Fan) {
        let claims_at = now + u64::from(fan.claims_after_ms);
        let claim_until = now + self.claim_window;
        if claims_at < claim_until {
            let pass_until = claim_until + self.pass_ttl;
            self.deeds.push(Reverse((claims_at, Deed::Claim { pass_until }, number)));
        }
    }

    /// Lets everybody inside do what they do until `now`; returns the numbers that have bought.
    pub(super) fn turn(&mut self, now: u64, fans: &[Fan]) -> Vec<u64> {
        let mut completed = Vec::new();
        while let Some(&Reverse((at, deed, number))) = self.deeds.peek() {
            if now < at {
                break;
            }
            self.deeds.pop();
            let fan = &fans[usize::try_from(number - 1).expect("a fan's number")];
            if let Some((next_at, next)) = self.act(at, deed, number, fan) {
                self.deeds.push(Reverse((next_at, next, number)));
            } else if let Deed::IsSold { .. } = deed {
                completed.push(number);
            }
        }
        completed
    }

    /// Does a deed; returns the fan's next one.
    fn act(&mut self, at: u64, deed: Deed, number: u64, fan: &Fan) -> Option<(u64, Deed)> {
        match deed {
            Deed::Claim { pass_until } => {
                self.claimed.set(number);
                let takes = self.checkout * u64::from(fan.checkout_milli) / 1_000;
                Some((at + takes / 4, Deed::Choose { pass_until, pays_at: at + takes }))
            }
            Deed::Choose { pass_until, pays_at } => {
                let places = u32::from(fan.wants).min(self.counts.free);
                if places == 0 || pass_until <= at {
                    self.counts.empty_handed += 1;
                    return None;
                }
                self.counts.free -= places;
                self.counts.held += places;
                self.basket.took(places);
                Some((pays_at, Deed::Pay { places }))
            }
            Deed::Pay { places } => Some((self.settlement.take(at), Deed::IsSold { places })),
            Deed::IsSold { places } => {
                self.settlement.finish();
                self.counts.held -= places;
                self.counts.sold += places;
                None
            }
        }
    }
}

impl Settlement {
    /// Takes an order; returns when it will be done.
    fn take(&mut self, now: u64) -> u64 {
        self.waiting.push_back(now);
        let Some(order_us) = self.order_us else { return now };
        self.free_from_us = self.free_from_us.max(now * 1_000) + order_us;
        self.free_from_us.div_ceil(1_000)
    }

    fn finish(&mut self) {
        self.waiting.pop_front();
    }
}
