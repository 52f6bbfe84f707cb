//! That runs repeat, that they hold, that they are no idle talk, and that they notice.

use crate::{Happening, Mutation, Tally, run};
use clap::ValueEnum;
use schema::InvariantId;

const STEPS: u32 = 400;

/// The seeds that hold, and the ones in which a mutation has to show.
const HOLDING: std::ops::RangeInclusive<u64> = 1..=40;
const BREAKING: std::ops::RangeInclusive<u64> = 1..=100;

#[test]
fn the_same_seed_does_the_same_and_another_does_not() {
    let hashes: Vec<u64> = [7, 7, 8].iter().map(|&seed| run(seed, STEPS, None).hash).collect();
    assert_eq!(hashes[0], hashes[1]);
    assert_ne!(hashes[0], hashes[2]);
}

#[test]
fn every_promise_holds_and_everything_that_may_happen_does() {
    let mut tally = Tally::default();
    for seed in HOLDING {
        let report = run(seed, STEPS, None);
        assert_eq!(report.broken, None, "seed {seed}:\n{}", report.tail.join("\n"));
        tally.add_all(&report.tally);
    }
    let never = Happening::ALL.iter().filter(|&&happening| tally.count(happening) == 0);
    assert_eq!(never.collect::<Vec<_>>(), [] as [&Happening; 0]);
}

/// Breaks the system in every way that breaks `promise`, and wants to hear of that promise.
fn notices(promise: InvariantId) {
    let variants = Mutation::value_variants().iter().copied();
    let mutations: Vec<Mutation> =
        variants.filter(|mutation| mutation.breaks() == promise).collect();
    assert!(!mutations.is_empty(), "nothing breaks {promise}");
    for mutation in mutations {
        let mut broken = BREAKING.filter_map(|seed| run(seed, STEPS, Some(mutation)).broken);
        let noticed = broken.any(|broken| broken.promise() == Some(promise));
        assert!(noticed, "{mutation:?} does not break {promise}");
    }
}

#[test]
fn seats_with_two_owners_are_noticed() {
    notices(InvariantId::Seat1);
}

#[test]
fn places_that_vanish_are_noticed() {
    notices(InvariantId::Seat2);
}

#[test]
fn holds_that_end_too_soon_or_never_are_noticed() {
    notices(InvariantId::Seat3);
}

#[test]
fn untrue_refusals_are_noticed() {
    notices(InvariantId::Seat4);
}

#[test]
fn commands_with_two_answers_are_noticed() {
    notices(InvariantId::Cmd1);
}

#[test]
fn owners_that_go_on_when_deposed_are_noticed() {
    notices(InvariantId::Fence1);
}

#[test]
fn confirmed_orders_that_are_lost_are_noticed() {
    notices(InvariantId::Ord1);
}

#[test]
fn charges_without_tickets_are_noticed() {
    notices(InvariantId::Ord2);
}

#[test]
fn tickets_and_seats_that_differ_are_noticed() {
    notices(InvariantId::Ord3);
}
