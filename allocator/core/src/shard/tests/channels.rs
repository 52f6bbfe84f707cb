//! Seats that are for those who know a code.

use super::check;
use super::world::World;
use crate::{CatalogueError, Limits, Shard};
use schema::{Channel, ChannelFault, ChannelRow, ShardId};
use std::sync::Arc;

#[test]
fn seats_of_a_channel_go_to_fans_who_name_it_and_general_seats_to_all() {
    check(
        "channel F keeps 4 5 6 => kept
         at 10            => nothing
         ana holds H1 3 4 => needs a code 4
         ana holds H1 4 5 code G => needs a code 4 5
         ana holds H1 3   => held 3 until 610
         bob holds H2 2 4 code F => held 2 4 until 610
         cem holds H3 4   => needs a code 4
         cem holds H3 4 code F => taken 4
         bob releases H2  => H2 ByOwner
         cem holds H3 4   => needs a code 4
         counts           => 23 free 1 held",
    );
}

#[test]
fn a_channel_ends_in_journal_time_and_when_operators_end_it() {
    check(
        "channel F keeps 4 5 until 100 => kept
         at 99            => nothing
         ana holds H1 4   => needs a code 4
         at 100           => nothing
         ana holds H1 4   => held 4 until 700
         channel F keeps 5 6 => kept
         bob holds H2 6   => needs a code 6
         ana releases H1  => H1 ByOwner
         no channel       => nothing kept
         bob holds H2 6 4 => held 4 6 until 700",
    );
}

#[test]
fn who_holds_a_seat_keeps_it_when_a_channel_takes_it_in() {
    check(
        "at 10            => nothing
         ana holds H1 4   => held 4 until 610
         channel F keeps 4 5 => kept
         ana extends H1   => HoldAtLimit
         ana pays H1      => H1 paying 1 until 190
         settlement verdict H1 sold 1 => H1 sold
         ana holds H2 5   => needs a code 5",
    );
}

#[test]
fn the_best_seats_are_those_that_the_fan_may_take() {
    check(
        "channel F keeps 1 2 3 4 => kept
         at 10            => nothing
         ana holds H1 best 2 => held 8 9 until 610
         bob holds H2 best 2 code F => held 2 3 until 610
         ana holds H3 best 4 section 0 => NotEnoughSeats
         cem holds H4 best 2 section 1 => held 12 13 until 610",
    );
}

#[test]
fn a_house_in_which_only_a_channel_is_left_is_not_sold_out() {
    check(
        "channel F keeps 0 1 2 3 4 5 => kept
         at 10            => nothing
         pia allots A1 seats 0 to 2 => held 0 1 2
         pia allots A2 6 7 8 9 10 11 12 13 14 15 => held 6 7 8 9 10 11 12 13 14 15
         pia allots A3 area 0 5 1 3 => held 0x5 1x3
         ana holds H1 best 1 => NotEnoughSeats
         ana holds H1 best 3 code F => held 3 4 5 until 610
         bob holds H2 best 1 => SoldOut
         bob holds H2 best 1 code F => SoldOut
         bob holds H2 4   => needs a code 4",
    );
}

#[test]
fn partners_and_operators_are_not_bound_by_channels() {
    check(
        "channel F keeps 4 5 6 => kept
         pia allots A1 4  => held 4
         ops kills K1 5   => held 5
         at 10            => nothing
         pia returns 4    => A1 reduced by 4
         ana holds H1 4   => needs a code 4",
    );
}

#[test]
fn an_event_whose_channels_contradict_each_other_is_not_listed() {
    let world = World::new(Limits::default());
    let (mut listing, plan) = world.listed();
    let row = ChannelRow { section: 0, row: 0, seats: 0b11 };
    let channel = |key: &str, code| Channel {
        key: key.into(),
        name: key.into(),
        code_hash: [code; 32],
        ends_at: None,
        rows: vec![row],
    };
    listing.channels = vec![channel("F", 1), channel("G", 2)];
    let event = listing.event.clone();
    let mut shard = Shard::new(ShardId(3), Limits::default());
    let source = ChannelFault::Overlap { key: "G".into(), other: "F".into() };
    let refused = shard.put_event(Arc::new(listing), plan);
    assert_eq!(refused, Err(CatalogueError::Channels { event: event.clone(), source }));
    assert!(!shard.is_listed(&event));
}
