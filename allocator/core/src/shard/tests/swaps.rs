//! Other places for a hold.

use super::check;

#[test]
fn a_swap_takes_other_places_into_the_hold_and_keeps_its_deadline() {
    check(
        "at 10            => nothing
         ana holds H1 0 1 => held 0 1 until 610
         at 100           => nothing
         ana swaps H1 1 2 => H1 has 1 2 until 610
         again            => known H1 has 1 2 until 610
         bob holds H2 0   => held 0 until 700
         cem holds H3 1   => taken 1
         ana swaps H1 2 1 => unchanged
         ana swaps H1 area 0 2 => H1 has 0x2 until 610
         ana swaps H1 area 0 2 => unchanged
         ana swaps H1 area 1 1 0 5 => H1 has 0x5 1x1 until 610
         cem holds H3 1   => held 1 until 700
         ana swaps H1 best 1 => H1 has 2 until 610
         counts           => 21 free 3 held
         ana pays H1      => H1 paying 1 until 280
         settlement verdict H1 sold 1 => H1 sold
         at 700           => H2 Expired, H3 Expired
         settlement verdict H1 refunded 1 => H1 Refunded
         counts           => 24 free",
    );
}

#[test]
fn a_refused_swap_leaves_the_hold_as_it_was() {
    check(
        "at 10            => nothing
         ana holds H1 0 1 => held 0 1 until 610
         bob holds H2 2 3 => held 2 3 until 610
         ana swaps H1 1 2 3 4 => taken 2 3
         ana swaps H1 area 0 6 => NotEnoughSeats
         ana swaps H1 1 77 => SeatUnknown
         ana swaps H1 4 4 => RequestInvalid
         ana swaps H1     => RequestInvalid
         bob swaps H1 4   => HoldUnknown
         counts           => 20 free 4 held
         cem holds H3 0   => taken 0
         pia allots A1 seats 0 to 15 => taken 0 1 2 3
         pia allots A1 4 5 6 7 8 9 10 11 12 13 14 15 => held 4 5 6 7 8 9 10 11 12 13 14 15
         ana swaps H1 best 1 => NotEnoughSeats
         pia swaps A1 4   => RequestInvalid
         pia allots A2 area 0 5 1 3 => held 0x5 1x3
         ana swaps H1 best 1 => SoldOut
         ana swaps H1 area 0 1 => SoldOut
         ana swaps H1 0   => H1 has 0 until 610
         at 610           => H1 Expired, H2 Expired",
    );
}

#[test]
fn a_swap_counts_against_the_limit_without_the_places_that_it_gives_up() {
    check(
        "at 10            => nothing
         ana holds H1 0 1 2 => held 0 1 2 until 610
         ana holds H2 6 7 8 => held 6 7 8 until 610
         ana swaps H1 3 4 5 => H1 has 3 4 5 until 610
         ana swaps H1 2 3 4 5 => LimitExceeded
         ana swaps H1 area 0 4 => LimitExceeded
         ana swaps H1 best 4 => LimitExceeded
         ana swaps H1 3   => H1 has 3 until 610
         ana swaps H1 area 0 3 => H1 has 0x3 until 610
         ana releases H2  => H2 ByOwner
         ana swaps H1 area 1 3 0 3 => H1 has 0x3 1x3 until 610
         ana swaps H1 area 0 4 1 3 => LimitExceeded
         counts           => 18 free 6 held",
    );
}

#[test]
fn only_a_hold_that_waits_to_be_paid_is_swapped() {
    check(
        "at 10            => nothing
         ana holds H1 0   => held 0 until 610
         bob holds H2 1   => held 1 until 610
         ana pays H1      => H1 paying 1 until 190
         ana swaps H1 2   => PaymentInProgress
         settlement verdict H1 sold 1 => H1 sold
         ana swaps H1 2   => AlreadySold
         late tick 610    => nothing yet
         bob swaps H2 2   => HoldEnded
         at 610           => H2 Expired
         bob swaps H2 2   => HoldEnded
         bob holds H3 1   => held 1 until 1210
         cancelled        => cancelled
         bob swaps H3 2   => NotOnSale",
    );
}

#[test]
fn what_was_said_of_the_places_before_a_swap_changes_nothing() {
    check(
        "at 10            => nothing
         ana holds H1 0 1 => held 0 1 until 610
         ana pays H1      => H1 paying 1 until 190
         settlement verdict H1 declined 1 => H1 declined 1 until 610
         ana swaps H1 1 2 => H1 has 1 2 until 610
         bob holds H2 0   => held 0 until 610
         settlement verdict H1 declined 1 => unchanged
         settlement verdict H1 cancelled 1 => unchanged
         settlement verdict H1 refunded 1 => unchanged
         settlement verdict H1 sold 1 => HoldEnded
         ana swaps H1 1 3 => H1 has 1 3 until 610
         ana pays H1      => H1 paying 2 until 190
         settlement verdict H1 sold 1 => HoldEnded
         settlement verdict H1 declined 2 => H1 declined 2 until 610
         ana pays H1      => H1 paying 3 until 190
         settlement verdict H1 sold 2 => H1 sold
         settlement verdict H1 refunded 3 => H1 Refunded
         counts           => 23 free 1 held",
    );
}
