//! Places for money that came late: `desk reseats L1 ana 0 1 after H1` asks for the seats 0 and 1
//! that ana has paid for and that H1 had.

use super::world::{World, account};
use super::{Labels, check, want};
use schema::{
    AreaIdx, CommandBody, CommandId, Currency, Held, HeldArea, HeldSeat, HoldId, OwnerKind, Reseat,
    SeatIdx, ShardId, Want,
};

/// Seats up to 11 are of level 0 and cost 5,000, all other places 3,000 at level 1.
pub(super) fn ask(words: &[&str], number: u32, world: &World, labels: &Labels) -> CommandBody {
    let label = |name: &str| labels.get(name).copied();
    let fresh = HoldId::compose(ShardId(3), world.now, CommandId(u128::from(number)));
    let before = words.iter().position(|&word| word == "after").map(|at| words[at + 1]);
    let level = |seat: SeatIdx| u8::from(12 <= seat.0);
    let seat = |seat: SeatIdx| {
        let price = if seat.0 < 12 { 5_000 } else { 3_000 };
        HeldSeat { seat, generation: 0, price_level: level(seat), price }
    };
    let area = |(area, quantity): (AreaIdx, u32)| HeldArea {
        area,
        quantity,
        price_level: 1,
        price: 3_000,
    };
    let (seats, areas) = match want(&words[4..]) {
        Want::Seats(seats) => (seats, vec![]),
        Want::Areas(areas) => (vec![], areas),
        Want::BestAvailable(_) => panic!("nothing best was paid for"),
    };
    let paid = Held {
        hold: label(words[2]).unwrap_or(fresh),
        account: account(words[3]),
        owner: OwnerKind::Fan,
        seats: seats.into_iter().map(seat).collect(),
        areas: areas.into_iter().map(area).collect(),
        currency: Currency::EUR,
        deadline: None,
        pass: None,
    };
    let before = before.and_then(label).unwrap_or(HoldId(7));
    CommandBody::Reseat(Reseat { paid, before })
}

#[test]
fn late_money_has_the_same_seats_again_if_they_are_free() {
    check(
        "at 10            => nothing
         ana holds H1 0 1 => held 0 1 until 610
         ana pays H1      => H1 paying 1 until 190
         settlement verdict H1 cancelled 1 => H1 PaymentCancelled
         at 300           => nothing
         desk reseats L1 ana 0 1 after H1 => reseated 0 1 until 900
         again            => known reseated 0 1 until 900
         counts           => 22 free 2 paying
         bob holds H2 1   => taken 1
         settlement verdict L1 sold 1 => L1 sold
         counts           => 22 free 2 sold
         at 900           => nothing
         settlement verdict L1 refunded 1 => L1 Refunded
         counts           => 24 free",
    );
}

#[test]
fn late_money_is_decided_once_whatever_command_asks() {
    check(
        "at 10            => nothing
         desk reseats L1 ana 0 1 after H1 => reseated 0 1 until 610
         desk reseats L1 ana 0 1 after H1 => unchanged
         desk reseats L1 ana 3 4 after H1 => unchanged
         counts           => 22 free 2 paying
         settlement verdict L1 cancelled 1 => L1 PaymentCancelled
         desk reseats L1 ana 0 1 after H1 => unchanged
         counts           => 24 free",
    );
}

#[test]
fn where_the_same_are_taken_late_money_has_as_many_adjacent_ones_of_the_same_kind() {
    check(
        "at 10             => nothing
         ana holds H1 0 1  => held 0 1 until 610
         ana releases H1   => H1 ByOwner
         bob holds H2 0    => held 0 until 610
         desk reseats L1 ana 0 1 after H1 => reseated 4 5 until 610
         desk reseats L2 cem 0 1 after H1 => reseated 8 9 until 610
         desk reseats L3 dan 0 1 after H1 => reseated 6 7 until 610
         desk reseats L4 eva 0 1 after H1 => reseated 1 2 until 610
         desk reseats L5 fay 0 1 after H1 => NotEnoughSeats
         counts            => 15 free 1 held 8 paying
         gus holds H3 3 10 => held 3 10 until 610
         desk reseats L6 fay 0 after H1 => NotEnoughSeats
         desk reseats L7 fay 12 13 after H1 => reseated 12 13 until 610",
    );
}

#[test]
fn an_accessible_seat_is_had_only_by_whom_who_paid_for_one() {
    check(
        "at 10            => nothing
         pia allots A1 0 1 2 3 4 5 6 7 8 9 => held 0 1 2 3 4 5 6 7 8 9
         desk reseats L1 ana 0 1 after H1 => NotEnoughSeats
         desk reseats L2 ana 10 11 after H1 => reseated 10 11 until 610
         desk reseats L3 bob 10 11 after H1 => NotEnoughSeats",
    );
}

#[test]
fn a_party_in_two_rows_keeps_the_row_that_is_free() {
    check(
        "at 10            => nothing
         bob holds H1 6   => held 6 until 610
         desk reseats L1 ana 0 1 6 7 after H1 => reseated 0 1 7 8 until 610
         counts           => 19 free 1 held 4 paying",
    );
}

#[test]
fn late_money_for_standing_places_has_room_in_the_same_area_or_none() {
    check(
        "at 10            => nothing
         bob holds H1 area 1 2 => held 1x2 until 610
         desk reseats L1 ana area 1 2 after H1 => NotEnoughSeats
         desk reseats L2 ana area 0 2 1 1 after H1 => reseated 0x2 1x1 until 610
         desk reseats L3 cem area 1 1 after H1 => NotEnoughSeats
         counts           => 19 free 2 held 3 paying",
    );
}

#[test]
fn late_money_counts_for_the_limit_and_buys_nothing_for_who_has_taken_others_since() {
    check(
        "at 10            => nothing
         ana holds H1 0 1 => held 0 1 until 610
         ana releases H1  => H1 ByOwner
         at 11            => nothing
         ana holds H2 6   => held 6 until 611
         desk reseats L1 ana 0 1 after H1 => LimitExceeded
         at 12            => nothing
         bob holds H3 2 3 4 5 => held 2 3 4 5 until 612
         bob pays H3      => H3 paying 1 until 192
         settlement verdict H3 sold 1 => H3 sold
         at 13            => nothing
         bob holds H4 0   => held 0 until 613
         bob releases H4  => H4 ByOwner
         desk reseats L2 bob 0 after H4 => reseated 0 until 613
         desk reseats L3 bob 7 8 after H4 => LimitExceeded",
    );
}

#[test]
fn what_is_no_longer_sold_is_not_had_for_late_money() {
    check(
        "at 10            => nothing
         bob reseats L1 ana 0 1 after H1 => RequestInvalid
         settlement reseats L2 ana 0 1 after H1 => RequestInvalid
         desk reseats L3 ana after H1 => RequestInvalid
         desk reseats L4 ana 1 0 after H1 => RequestInvalid
         desk reseats L5 ana 0 77 after H1 => SeatUnknown
         at 1000000       => nothing
         desk reseats L6 ana 0 1 after H1 => NotOnSale",
    );
    check(
        "at 10            => nothing
         cancelled        => cancelled
         desk reseats L1 ana 0 1 after H1 => NotOnSale",
    );
}

#[test]
fn seats_that_a_channel_keeps_are_had_again_but_not_in_the_place_of_others() {
    check(
        "at 10            => nothing
         channel F keeps 4 5 6 7 8 9 10 => kept
         desk reseats L1 ana 4 5 after H1 => reseated 4 5 until 610
         bob holds H2 0   => held 0 until 610
         desk reseats L2 cem 0 1 after H1 => reseated 1 2 until 610
         desk reseats L3 dan 0 1 after H1 => NotEnoughSeats",
    );
}
