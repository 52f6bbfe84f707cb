//! Operations that say in which statuses they may find seats.

use super::check;

#[test]
fn a_claim_that_allows_own_seats_takes_the_others_and_none_where_a_seat_is_anybody_elses() {
    check(
        "pia allots A1 0 1 among free => held 0 1
         pia allots A2 0 1 2 => taken 0 1
         pia allots A2 0 1 2 among free => taken 0 1
         pia allots A2 0 1 2 among own => not allowed 2
         pia allots A2 0 1 2 among free own => held 2
         again            => known held 2
         pia allots A3 0 1 2 among free own => all so
         again            => known all so
         pia allots A3 1 2 among own => all so
         kim allots A3 2 3 among free own => taken 2
         kim allots A3 2 3 among own => taken 2
         kim allots A3 3 4 among own => not allowed 3 4
         pia allots A3 3 3 among free own => RequestInvalid
         pia allots A3 3 among => RequestInvalid
         pia allots A3 area 0 1 among free own => RequestInvalid
         pia allots A3 best 1 among free own => RequestInvalid
         house kills K1 5 6 among free own => held 5 6
         house kills K2 4 5 6 among free own => held 4
         pia allots A3 3 4 among free own => taken 4
         at 10            => nothing
         ana holds H1 3 among free own => RequestInvalid
         counts           => 18 free 6 blocked",
    );
}

#[test]
fn a_return_that_allows_free_seats_gives_the_others_back() {
    check(
        "pia allots A1 0 1 2 => held 0 1 2
         kim allots A2 5  => held 5
         pia returns 0 3  => NotAllotted
         pia returns 0 3 among own => NotAllotted
         pia returns 0 3 among free => not allowed 0
         pia returns 0 5 among free own => NotAllotted
         pia returns 0 3 among free own => A1 reduced by 0
         pia returns 0 3 among free own => all so
         pia returns 0 3 among free => all so
         pia returns 1 among own => A1 reduced by 1
         pia returns 1 among => RequestInvalid
         pia returns area 0 1 among free own => RequestInvalid
         counts           => 22 free 2 blocked",
    );
}
