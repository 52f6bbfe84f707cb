//! That runs repeat, that they hold, that they are no idle talk, and that they notice.

use crate::{Dead, Ending, Happening, Mutation, Play, Report, Tally, run};
use clap::ValueEnum;
use schema::InvariantId;
use std::ops::RangeInclusive;

const STEPS: u32 = 600;

/// The seeds that must do all that may happen, and those in one of which a mutation has to show.
const HOLDING: RangeInclusive<u64> = 1..=80;
const BREAKING: RangeInclusive<u64> = 1..=600;

/// The seeds in which somebody dies after each step.
const KILLED: [u64; 4] = [3, 5, 8, 13];

fn play(seed: u64, mutation: Option<Mutation>) -> Report {
    run(Play { seed, steps: STEPS, ending: Ending::Home, mutation })
}

#[test]
fn the_same_seed_does_the_same_and_another_does_not() {
    let hashes: Vec<u64> = [7, 7, 8].iter().map(|&seed| play(seed, None).hash).collect();
    assert_eq!(hashes[0], hashes[1]);
    assert_ne!(hashes[0], hashes[2]);
}

#[test]
fn every_promise_holds_and_everything_that_may_happen_does() {
    let mut tally = Tally::default();
    for seed in HOLDING {
        let report = play(seed, None);
        assert_eq!(report.broken, None, "seed {seed}:\n{}", report.tail.join("\n"));
        tally.add_all(&report.tally);
    }
    let never = Happening::ALL.iter().filter(|&&happening| tally.count(happening) == 0);
    assert_eq!(never.collect::<Vec<_>>(), [] as [&Happening; 0]);
}

/// Kills after each of the first steps of some seeds.
fn survives(dead: Dead) {
    let runs = KILLED.iter().flat_map(|seed| (1..=120).map(move |steps| (*seed, steps)));
    for (seed, steps) in runs {
        let report = run(Play { seed, steps, ending: Ending::Kill(dead), mutation: None });
        let tail = || report.tail.join("\n");
        assert_eq!(report.broken, None, "seed {seed}, {steps} steps, {dead:?}:\n{}", tail());
    }
}

#[test]
fn everything_may_be_killed_after_any_step() {
    survives(Dead::All);
}

#[test]
fn the_owner_alone_may_be_killed_after_any_step() {
    survives(Dead::Owner);
}

#[test]
fn the_standby_alone_may_be_killed_after_any_step() {
    survives(Dead::Standby);
}

#[test]
fn settlement_alone_may_be_killed_after_any_step() {
    survives(Dead::Settlement);
}

/// Breaks the system in every way that breaks `promise`, and wants to hear of that promise.
fn notices(promise: InvariantId) {
    let variants = Mutation::value_variants().iter().copied();
    let mutations: Vec<Mutation> =
        variants.filter(|mutation| mutation.breaks() == promise).collect();
    assert!(!mutations.is_empty(), "nothing breaks {promise}");
    for mutation in mutations {
        let shows = |seed: &u64| {
            let broken = play(*seed, Some(mutation)).broken;
            broken.is_some_and(|broken| broken.promise() == Some(promise))
        };
        let seed = BREAKING.into_iter().find(shows);
        let seed = seed.unwrap_or_else(|| panic!("{mutation:?} does not break {promise}"));
        assert_eq!(play(seed, None).broken, None, "seed {seed} breaks without {mutation:?}");
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

#[test]
fn passes_that_buy_what_they_may_not_are_noticed() {
    notices(InvariantId::Line4);
}

#[test]
fn ledgers_that_do_not_add_up_are_noticed() {
    notices(InvariantId::Mon1);
}
