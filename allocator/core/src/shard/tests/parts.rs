//! Parts of a sale that go back: `settlement reduces H1 1 0` gives back the seat 0 as part 1 of H1.

use super::check;

#[test]
fn a_place_that_went_back_is_free_and_the_rest_stays_sold() {
    check(
        "at 10            => nothing
         ana holds H1 0 1 2 => held 0 1 2 until 610
         settlement reduces H1 1 0 => RequestInvalid
         ana pays H1      => H1 paying 1 until 190
         settlement reduces H1 1 0 => RequestInvalid
         settlement verdict H1 sold 1 => H1 sold
         counts           => 21 free 3 sold
         settlement reduces H1 1 1 => H1 loses 1 by part 1
         again            => known H1 loses 1 by part 1
         counts           => 22 free 2 sold
         bob holds H2 1   => held 1 until 610
         bob holds H3 0   => taken 0
         settlement reduces H1 1 1 => unchanged
         settlement reduces H1 1 0 => unchanged
         settlement reduces H1 3 0 => RequestInvalid
         settlement reduces H1 2 0 => H1 loses 0 by part 2
         settlement verdict H1 refunded 1 => H1 Refunded
         counts           => 23 free 1 held
         settlement reduces H1 3 2 => unchanged",
    );
}

#[test]
fn only_settlement_gives_back_places_that_a_sale_has_and_never_the_last() {
    check(
        "at 10            => nothing
         ana holds H1 0 1 => held 0 1 until 610
         bob holds H2 2   => held 2 until 610
         part allots A1 3 4 => held 3 4
         settlement reduces A1 1 3 => RequestInvalid
         ana pays H1      => H1 paying 1 until 190
         settlement verdict H1 sold 1 => H1 sold
         ana reduces H1 1 0 => RequestInvalid
         settlement reduces H1 1 2 => RequestInvalid
         settlement reduces H1 1 0 2 => RequestInvalid
         settlement reduces H1 1 0 1 => RequestInvalid
         settlement reduces H1 1 area 0 1 => RequestInvalid
         settlement reduces H1 0 0 => unchanged
         settlement reduces H1 1 99 => SeatUnknown
         settlement reduces H9 1 0 => HoldUnknown
         settlement reduces H1 1 0 elsewhere => NotYet
         bob releases H2  => H2 ByOwner
         settlement reduces H2 1 2 => HoldEnded
         counts           => 20 free 2 sold 2 blocked",
    );
}

#[test]
fn standing_places_go_back_one_by_one_and_count_no_more_for_the_account() {
    check(
        "at 10            => nothing
         ana holds H1 area 0 4 1 2 => held 0x4 1x2 until 610
         ana pays H1      => H1 paying 1 until 190
         settlement verdict H1 sold 1 => H1 sold
         ana holds H2 0   => LimitExceeded
         settlement reduces H1 1 area 0 5 => RequestInvalid
         settlement reduces H1 1 area 0 2 => H1 loses 0x2 by part 1
         counts           => 20 free 4 sold
         ana holds H2 0 1 2 => LimitExceeded
         ana holds H3 0 1 => held 0 1 until 610",
    );
}
