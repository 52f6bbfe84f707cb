//! What partners sell: `bob sells S1 0 1` asks for the seats 0 and 1 of bob's allotments.

use super::world::{World, account, small_limits};
use super::{Decision, check, previous, want};
use schema::limits::BUYER_BYTES_MAX;
use schema::{
    CommandBody, CommandId, HoldSeats, Outcome, OutcomeBody, OwnerKind, Refusal, SeatIdx,
    SellAllotted, UnixMillis, Want,
};

pub(super) fn ask(words: &[&str]) -> CommandBody {
    let (seats, areas) = match want(&words[3..]) {
        Want::Seats(seats) => (seats, vec![]),
        Want::Areas(areas) => (vec![], areas),
        Want::BestAvailable(_) => panic!("nothing best is sold"),
    };
    let buyer = "ana".into();
    CommandBody::SellAllotted(SellAllotted { seats, areas, previous: previous(words), buyer })
}

#[test]
fn a_partner_sells_a_part_of_an_allotment_and_keeps_the_rest() {
    check(
        "at 10             => nothing
         bob allots A1 0 1 2 => held 0 1 2
         bob sells S1 1 2  => sells 1 2 until 190 from 1 2 of A1
         again             => known sells 1 2 until 190 from 1 2 of A1
         again differently => Mismatch
         counts            => 21 free 2 paying 1 blocked
         settlement verdict S1 declined 1 => RequestInvalid
         settlement verdict S1 sold 1 => S1 sold
         counts            => 21 free 2 sold 1 blocked
         bob sells S2 0 1  => NotAllotted
         bob sells S2 0    => sells 0 until 190 from 0 of A1
         bob returns 0     => NotAllotted
         ana holds H1 0    => taken 0
         settlement verdict S2 sold 1 => S2 sold
         settlement verdict S1 refunded 1 => S1 Refunded
         counts            => 23 free 1 sold
         ana holds H1 1 2  => held 1 2 until 610",
    );
}

#[test]
fn a_sale_may_take_of_several_allotments() {
    check(
        "at 10             => nothing
         bob allots A1 0 1 => held 0 1
         bob allots A2 3 4 => held 3 4
         bob sells S1 4 0 3 => sells 0 3 4 until 190 from 0 of A1 and 3 4 of A2
         counts            => 20 free 3 paying 1 blocked
         bob returns 1     => A1 reduced by 1
         counts            => 21 free 3 paying",
    );
}

#[test]
fn only_ones_own_allotted_places_are_sold_and_all_or_none() {
    check(
        "at 10             => nothing
         bob allots A1 0 1 => held 0 1
         cem allots A2 2   => held 2
         ana holds H1 3    => held 3 until 610
         house kills K1 4  => held 4
         bob sells S1 0 2  => NotAllotted
         bob sells S1 0 3  => NotAllotted
         bob sells S1 0 4  => NotAllotted
         bob sells S1 0 5  => NotAllotted
         bob sells S1 0 0  => RequestInvalid
         bob sells S1 0 99 => SeatUnknown
         bob sells S1      => RequestInvalid
         cem sells S1 0    => NotAllotted
         counts            => 19 free 1 held 4 blocked
         bob sells S1 0    => sells 0 until 190 from 0 of A1",
    );
}

#[test]
fn free_seats_are_sold_where_the_partner_says_so() {
    check(
        "at 10                        => nothing
         bob allots A1 0 1            => held 0 1
         ana holds H1 3               => held 3 until 610
         bob sells S1 1 2 among own   => NotAllotted
         bob sells S1 1 2 among free  => not allowed 1
         bob sells S1 2 3 among free own => NotAllotted
         bob sells S1 1 2 among free own => sells 1 2 until 190 from 1 of A1
         bob sells S2 5 among free    => sells 5 until 190 from
         bob sells S3 area 0 1 among free => RequestInvalid
         counts                       => 19 free 1 held 3 paying 1 blocked
         settlement verdict S2 sold 1 => S2 sold
         settlement verdict S2 refunded 1 => S2 Refunded
         bob sells S2 5 among free    => sells 5 until 190 from",
    );
}

#[test]
fn standing_places_are_sold_out_of_the_allotments_that_have_them() {
    check(
        "at 10                => nothing
         bob allots A1 area 0 2 => held 0x2
         bob allots A2 area 0 2 => held 0x2
         cem allots A3 area 0 1 => held 0x1
         bob sells S1 area 0 5 => NotAllotted
         bob sells S1 area 0 3 => sells 0x3 until 190 from 0x2 of A1 and 0x1 of A2
         counts               => 19 free 3 paying 2 blocked
         settlement verdict S1 sold 1 => S1 sold
         settlement reduces S1 1 area 0 1 => S1 loses 0x1 by part 1
         counts               => 20 free 2 sold 2 blocked
         bob sells S2 area 0 2 => NotAllotted",
    );
}

#[test]
fn a_pool_that_is_all_allotted_can_still_be_sold() {
    super::check_in(
        World::pooled(5, small_limits()),
        "at 10                => nothing
         bob allots A1 area 0 3 1 2 => held 0x3 1x2
         ana holds H1 area 1 1 => NotEnoughSeats
         bob sells S1 area 0 3 1 1 => sells 0x3 1x1 until 190 from 0x3 1x1 of A1
         ana holds H1 area 1 1 => NotEnoughSeats
         settlement verdict S1 sold 1 => S1 sold
         settlement verdict S1 refunded 1 => S1 Refunded
         ana holds H1 area 1 1 => held 1x1 until 610",
    );
}

#[test]
fn no_timer_and_no_fans_limit_touches_what_a_partner_sells() {
    check(
        "at 9              => nothing
         bob allots A1 seats 0 to 7 => held 0 1 2 3 4 5 6 7
         bob sells S1 seats 0 to 7 => sells 0 1 2 3 4 5 6 7 until 189 from 0 1 2 3 4 5 6 7 of A1
         bob releases S1   => PaymentInProgress
         bob swaps S1 9    => PaymentInProgress
         bob extends S1    => PaymentInProgress
         bob pays S1       => unchanged
         at 39             => S1 awaited 1
         at 300            => S1 awaited 1
         bob holds H1 8 9 10 12 13 14 => held 8 9 10 12 13 14 until 900
         settlement verdict S1 sold 1 => S1 sold
         at 900            => H1 Expired
         bob releases S1   => AlreadySold
         cancelled         => cancelled
         bob allots A2 9   => NotOnSale
         bob sells S2 9 among free => NotOnSale",
    );
}

#[test]
fn the_buyer_goes_with_the_sale_and_is_seen_nowhere_else() {
    let mut world = World::new(small_limits());
    let hold = HoldSeats {
        want: Want::Seats(vec![SeatIdx(0)]),
        owner: OwnerKind::Allotment,
        pass: None,
        condition: None,
    };
    world.now = UnixMillis(10_000);
    let allot = world.command(CommandId(1), "bob", CommandBody::HoldSeats(hold));
    world.decide(&allot);
    let sell = |buyer: &str| {
        let (seats, areas) = (vec![SeatIdx(0)], vec![]);
        let buyer = buyer.into();
        CommandBody::SellAllotted(SellAllotted { seats, areas, previous: None, buyer })
    };
    let long = "x".repeat(usize::from(BUYER_BYTES_MAX) + 1);
    let refused = world.command(CommandId(2), "bob", sell(&long));
    let Decision::Fresh(Outcome { body, .. }) = world.decide(&refused) else { panic!() };
    assert_eq!(body, OutcomeBody::Refused(Refusal::RequestInvalid));
    let command = world.command(CommandId(3), "bob", sell("Ana Secret"));
    let Decision::Fresh(outcome) = world.decide(&command) else { panic!() };
    assert!(!format!("{command:?} {outcome:?}").contains("Secret"));
    let OutcomeBody::AllottedSold { payment, .. } = outcome.body else { panic!() };
    assert_eq!((payment.token.as_str(), payment.method.as_str()), ("Ana Secret", "PARTNER"));
    assert_eq!((payment.held.account, payment.attempt), (account("bob"), 1));
}
