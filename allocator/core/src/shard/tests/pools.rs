//! Areas that share a capacity.

use super::check_in;
use super::world::{World, small_limits};
use crate::Limits;
use crate::shard::Decision;
use schema::{
    AreaIdx, CommandBody, CommandId, DurationMs, HoldSeats, OutcomeBody, OwnerKind, PlaceCounts,
    Refusal, UnixMillis, Want,
};

#[test]
fn areas_of_a_pool_have_no_more_places_than_the_pool() {
    check_in(
        World::pooled(6, small_limits()),
        "at 10            => nothing
         counts           => 22 free
         ana holds H1 area 0 4 => held 0x4 until 610
         bob holds H2 area 1 3 => NotEnoughSeats
         bob holds H2 area 0 2 => NotEnoughSeats
         bob holds H2 area 0 1 1 2 => NotEnoughSeats
         bob holds H2 area 0 1 1 1 => held 0x1 1x1 until 610
         cem holds H3 area 1 1 => NotEnoughSeats
         counts           => 16 free 6 held
         ana releases H1  => H1 ByOwner
         cem holds H3 area 1 3 => NotEnoughSeats
         cem holds H3 area 1 2 => held 1x2 until 610",
    );
}

#[test]
fn places_of_a_pool_are_paid_sold_refunded_and_given_back_like_others() {
    check_in(
        World::pooled(6, small_limits()),
        "pia allots A1 area 0 2 1 1 => held 0x2 1x1
         at 10            => nothing
         ana holds H1 area 1 2 => held 1x2 until 610
         ana pays H1      => H1 paying 1 until 190
         settlement verdict H1 sold 1 => H1 sold
         counts           => 17 free 2 sold 3 blocked
         bob holds H2 area 0 2 => NotEnoughSeats
         pia returns area 1 1 => A1 reduced by 1x1
         bob holds H2 area 0 2 => held 0x2 until 610
         bob holds H3 area 0 1 => NotEnoughSeats
         settlement verdict H1 refunded 1 => H1 Refunded
         bob holds H3 area 0 1 => held 0x1 until 610
         at 610           => H3 Expired, H2 Expired
         counts           => 20 free 2 blocked",
    );
}

/// Asks for standing places as somebody new.
fn ask(world: &mut World, number: u32, areas: Vec<(AreaIdx, u32)>) -> OutcomeBody {
    let (owner, want) = (OwnerKind::Fan, Want::Areas(areas));
    let ask = HoldSeats { want, owner, pass: None, condition: None };
    let id = CommandId(u128::from(number) + 1);
    let command = world.command(id, &number.to_string(), CommandBody::HoldSeats(ask));
    let Decision::Fresh(outcome) = world.decide(&command) else { panic!("a fresh command") };
    outcome.body
}

#[test]
fn a_pool_is_sold_to_its_last_place_and_refuses_only_what_it_or_the_area_lacks() {
    for capacity in 5..=8 {
        let mut world = World::pooled(capacity, Limits::default());
        world.now = UnixMillis(10_000);
        let (mut taken, mut number) = ([0_u32; 2], 0);
        while taken[0] + taken[1] < capacity {
            number += 1;
            let wanted = [number % 3, number / 3 % 2 + u32::from(number % 3 == 0)];
            let areas = [(AreaIdx(0), wanted[0]), (AreaIdx(1), wanted[1])];
            let areas = areas.into_iter().filter(|(_, quantity)| 0 < *quantity).collect();
            let fits = taken[0] + wanted[0] <= 5
                && taken[1] + wanted[1] <= 3
                && taken[0] + taken[1] + wanted[0] + wanted[1] <= capacity;
            match ask(&mut world, number, areas) {
                OutcomeBody::SeatsHeld(_) => {
                    assert!(fits, "{wanted:?} after {taken:?} of {capacity}");
                    taken = [taken[0] + wanted[0], taken[1] + wanted[1]];
                }
                refused => {
                    assert_eq!(refused, OutcomeBody::Refused(Refusal::NotEnoughSeats));
                    assert!(!fits, "{wanted:?} was refused after {taken:?} of {capacity}");
                }
            }
            let event = world.event();
            let free = [0, 1].map(|area| world.owner.area_free(event, AreaIdx(area)).unwrap());
            let left = capacity - taken[0] - taken[1];
            assert_eq!(free, [left.min(5 - taken[0]), left.min(3 - taken[1])]);
        }
        let counts = world.owner.counts(world.event()).unwrap();
        assert_eq!(counts, PlaceCounts { free: 16, held: capacity, ..PlaceCounts::default() });
        world.now = world.now + DurationMs(1);
        let last = ask(&mut world, 0, vec![(AreaIdx(1), 1)]);
        assert_eq!(last, OutcomeBody::Refused(Refusal::NotEnoughSeats));
    }
}
