//! What is decided.

use super::world::{World, small_limits};
use super::{check, check_in};
use schema::{CommandBody, CommandId, HoldId, UnixMillis};
use std::fmt::Write;

#[test]
fn a_seat_is_free_again_after_the_hold_expires() {
    check(
        "at 10         => nothing
         ana holds H1 4 5 => held 4 5 until 610
         bob holds H2 5 6 => taken 5
         at 609        => nothing
         at 610        => H1 Expired
         bob holds H2 5 6 => held 5 6 until 1210
         counts        => 22 free 2 held",
    );
}

#[test]
fn a_claim_that_fails_names_every_taken_seat_and_takes_none() {
    check(
        "at 10            => nothing
         ana holds H1 1 3 => held 1 3 until 610
         bob holds H2 0 1 2 3 4 => taken 1 3
         bob holds H3 4 2 0 => held 0 2 4 until 610",
    );
}

#[test]
fn a_repeated_command_hears_its_first_answer_also_when_late_and_after_the_hold_has_ended() {
    check(
        "at 10            => nothing
         ana holds H1 1   => held 1 until 610
         again            => known held 1 until 610
         again differently => Mismatch
         at 610           => H1 Expired
         again            => known held 1 until 610
         bob holds H2 1   => held 1 until 1210
         ana holds H3 1   => taken 1
         bob releases H2  => H2 ByOwner
         ana holds H3 1   => held 1 until 1210",
    );
}

#[test]
fn a_refusal_is_remembered_and_a_late_command_is_not() {
    check(
        "at 10            => nothing
         ana holds H1 1   => held 1 until 610
         bob holds H2 1   => taken 1
         ana releases H1  => H1 ByOwner
         again            => known H1 ByOwner
         bob holds H3 1 late => TooLate
         again            => TooLate
         bob holds H4 1 elsewhere => NotYet",
    );
}

#[test]
fn answers_and_ended_holds_are_forgotten_in_the_end() {
    check(
        "at 10            => nothing
         ana holds H1 1   => held 1 until 610
         ana releases H1  => H1 ByOwner
         at 910           => nothing
         ana releases H1  => unchanged
         at 911           => nothing
         bob holds H2 2   => held 2 until 1511
         ana releases H1  => HoldUnknown",
    );
}

#[test]
fn a_command_is_not_decided_again_when_its_answer_has_left_the_memory() {
    check(
        "at 10            => nothing
         ana holds H1 1   => held 1 until 610
         ana releases H1  => H1 ByOwner
         again            => known H1 ByOwner
         at 911           => nothing
         bob holds H2 2   => held 2 until 1511
         ana holds H3 1   => held 1 until 1511
         at 1813          => H2 Expired, H3 Expired
         again            => Archived { number: 3 }
         again differently => Archived { number: 3 }",
    );
}

#[test]
fn it_is_known_before_which_answers_an_outcome_forgets_for_their_age() {
    let mut world = World::new(small_limits());
    for (number, seconds) in [(1, 10), (2, 20), (3, 30)] {
        world.now = UnixMillis(seconds * 1_000);
        let hold = CommandBody::ReleaseHold { hold: HoldId(7) };
        let command = world.command(CommandId(number), "ana", hold);
        world.decide(&command);
    }
    let memory = small_limits().answer_memory;
    let kept_at = |seconds: u64| world.owner.answers_kept_at(UnixMillis(seconds * 1_000) + memory);
    assert_eq!([10, 11, 20, 21, 30].map(kept_at), [0, 1, 1, 2, 2]);
    assert_eq!(kept_at(31), 3);
    // A leap of time: what is told before it takes effect is what it does.
    world.now = UnixMillis(25_000) + memory;
    let after = world.command(CommandId(4), "ana", CommandBody::ReleaseHold { hold: HoldId(7) });
    world.decide(&after);
    assert_eq!(world.owner.answers_remembered(), 2..4);
}

#[test]
fn a_request_without_sense_is_refused_and_changes_nothing() {
    check(
        "at 10            => nothing
         ana holds H 99   => SeatUnknown
         ana holds H 16   => SeatUnknown
         ana holds H 15   => held 15 until 610
         ana holds H 3 3  => RequestInvalid
         ana holds H      => RequestInvalid
         ana holds H seats 0 to 10 => RequestInvalid
         ana holds H best 0 => RequestInvalid
         ana holds H best 11 => RequestInvalid
         ana holds H best 1 section 2 => SeatUnknown
         ana holds H best 1 level 2 => SeatUnknown
         ana holds H area 0 0 => RequestInvalid
         ana holds H area 0 1 0 1 => RequestInvalid
         ana holds H area 2 1 => SeatUnknown
         ana holds H area 0 11 => RequestInvalid
         ana holds H area 0 4294967295 1 2 => RequestInvalid
         counts           => 23 free 1 held",
    );
}

#[test]
fn an_event_says_how_many_places_a_request_may_have() {
    let mut world = World::new(small_limits());
    world.allow(12);
    check_in(
        world,
        "at 10            => nothing
         ana holds H best 13 => RequestInvalid
         ana holds H seats 0 to 12 => RequestInvalid
         ana holds H1 seats 0 to 11 => held 0 1 2 3 4 5 6 7 8 9 10 11 until 610
         bob holds H2 best 2 => held 12 13 until 610
         bob swaps H2 seats 2 to 14 => RequestInvalid",
    );
}

#[test]
fn fans_buy_only_while_the_event_is_on_sale() {
    check(
        "ana holds H1 1   => NotOnSale
         pia allots A1 2  => held 2
         ops kills K1 3   => held 3
         at 10            => nothing
         ana holds H1 1   => held 1 until 610
         ana holds H2 2 3 => taken 2 3
         cancelled        => cancelled
         ana holds H2 4   => NotOnSale
         ops kills K2 4   => NotOnSale
         ana pays H1      => NotOnSale
         ana releases H1  => H1 ByOwner",
    );
}

#[test]
fn an_account_holds_and_owns_no_more_than_its_limit() {
    check(
        "at 10            => nothing
         ana holds H1 0 1 2 3 => held 0 1 2 3 until 610
         ana holds H2 4 5 6 => LimitExceeded
         ana holds H2 area 0 2 => held 0x2 until 610
         ana holds H3 best 1 => LimitExceeded
         bob holds H3 4   => held 4 until 610
         ana pays H1      => H1 paying 1 until 190
         settlement verdict H1 sold 1 => H1 sold
         ana holds H4 5   => LimitExceeded
         ana releases H2  => H2 ByOwner
         ana holds H4 5 6 => held 5 6 until 610
         settlement verdict H1 refunded 1 => H1 Refunded
         ana holds H5 0 1 2 3 => held 0 1 2 3 until 610
         ana allots A 8   => held 8",
    );
}

#[test]
fn a_pass_has_one_live_hold_and_is_its_first_users() {
    check(
        "at 10            => nothing
         ana holds H1 0 pass 7 => held 0 until 610
         ana holds H2 1 pass 7 => PassInUse
         bob holds H2 1 pass 7 => PassForeign
         bob holds H2 1 pass 8 for ana => PassForeign
         bob holds H2 0 pass 8 for bob => taken 0
         bob holds H2 1 pass 8 for bob => held 1 until 610
         ana releases H1  => H1 ByOwner
         bob holds H3 2 pass 7 => PassForeign
         ana holds H3 2 pass 7 => held 2 until 610
         cem holds H4 3 pass 9 expires 10 => PassExpired
         cem holds H4 3 pass 9 expires 11 => held 3 until 610
         cem releases H4  => H4 ByOwner
         at 11            => nothing
         cem holds H5 3 pass 9 expires 11 => PassExpired",
    );
}

#[test]
fn a_pass_is_spent_by_its_first_sale_for_good() {
    check(
        "at 10            => nothing
         ana holds H1 0 pass 7 => held 0 until 610
         ana pays H1      => H1 paying 1 until 190
         ana holds H2 1 pass 7 => PassInUse
         settlement verdict H1 sold 1 => H1 sold
         ana holds H2 1 pass 7 => PassSpent
         settlement verdict H1 refunded 1 => H1 Refunded
         ana holds H2 1 pass 7 => PassSpent
         bob holds H2 1 pass 7 => PassForeign
         ana holds H2 0   => held 0 until 610",
    );
}

#[test]
fn a_declined_payment_leaves_time_for_another_card() {
    check(
        "at 10            => nothing
         ana holds H1 0 1 => held 0 1 until 610
         at 600           => nothing
         ana pays H1      => H1 paying 1 until 780
         ana pays H1      => unchanged
         ana releases H1  => PaymentInProgress
         at 629           => nothing
         settlement verdict H1 declined 1 => H1 declined 1 until 659
         settlement verdict H1 declined 1 => unchanged
         ana pays H1      => H1 paying 2 until 809
         settlement verdict H1 declined 1 => unchanged
         settlement verdict H1 cancelled 1 => unchanged
         settlement verdict H1 declined 2 => H1 declined 2 until 659
         at 659           => H1 Expired
         ana pays H1      => HoldEnded
         counts           => 24 free",
    );
}

#[test]
fn an_owner_may_extend_a_hold_up_to_the_longest_life() {
    check(
        "at 10            => nothing
         ana holds H1 0   => held 0 until 610
         ana extends H1   => HoldAtLimit
         at 500           => nothing
         bob extends H1   => HoldUnknown
         ana extends H1   => H1 extended until 1100
         again            => known H1 extended until 1100
         at 1000          => nothing
         ana extends H1   => H1 extended until 1600
         at 1500          => nothing
         ana extends H1   => H1 extended until 1810
         ana extends H1   => HoldAtLimit
         bob holds H2 0   => taken 0
         at 1810          => H1 Expired
         ana extends H1   => HoldEnded
         bob holds H2 0   => held 0 until 2410",
    );
}

#[test]
fn only_a_hold_that_waits_to_be_paid_is_extended() {
    check(
        "at 10            => nothing
         pia allots A1 5  => held 5
         pia extends A1   => RequestInvalid
         ana holds H1 0   => held 0 until 610
         bob holds H2 1   => held 1 until 610
         at 100           => nothing
         ana pays H1      => H1 paying 1 until 280
         ana extends H1   => PaymentInProgress
         settlement verdict H1 declined 1 => H1 declined 1 until 610
         ana extends H1   => H1 extended until 700
         ana pays H1      => H1 paying 2 until 280
         settlement verdict H1 sold 2 => H1 sold
         ana extends H1   => AlreadySold
         late tick 610    => nothing yet
         bob extends H2   => HoldEnded
         at 610           => H2 Expired
         cem holds H3 1   => held 1 until 1210
         at 620           => nothing
         cancelled        => cancelled
         cem extends H3   => NotOnSale",
    );
}

#[test]
fn a_deadline_that_has_passed_counts_before_its_tick() {
    check(
        "at 10            => nothing
         ana holds H1 0   => held 0 until 610
         bob holds H2 1   => held 1 until 610
         late tick 610    => nothing yet
         ana pays H1      => HoldEnded
         cem holds H3 0   => taken 0
         bob releases H2  => H2 ByOwner
         at 610           => H1 Expired
         cem holds H3 0   => held 0 until 1210",
    );
}

#[test]
fn no_timer_ends_a_payment() {
    check(
        "at 10            => nothing
         ana holds H1 0   => held 0 until 610
         ana pays H1      => H1 paying 1 until 190
         at 39            => nothing
         at 40            => H1 awaited 1
         at 70            => H1 awaited 1
         at 5000          => H1 awaited 1
         at 5029          => nothing
         bob holds H2 0   => taken 0
         settlement verdict H1 cancelled 1 => H1 PaymentCancelled
         settlement verdict H1 cancelled 1 => unchanged
         bob holds H2 0   => held 0 until 5629
         settlement verdict H1 sold 1 => HoldEnded
         counts           => 23 free 1 held",
    );
}

#[test]
fn a_verdict_only_raises_the_rank_of_a_hold() {
    check(
        "at 10            => nothing
         ana holds H1 0   => held 0 until 610
         settlement verdict H1 declined 0 => unchanged
         settlement verdict H1 cancelled 0 => unchanged
         settlement verdict H1 sold 1 => H1 sold
         settlement verdict H1 sold 1 => unchanged
         settlement verdict H1 cancelled 1 => unchanged
         settlement verdict H1 declined 1 => unchanged
         ana pays H1      => unchanged
         ana releases H1  => AlreadySold
         at 100000        => nothing
         settlement verdict H1 refunded 1 => H1 Refunded
         settlement verdict H1 refunded 1 => unchanged
         settlement verdict H1 sold 1 => unchanged
         ana pays H1      => HoldEnded
         ana holds H2 0   => held 0 until 100600
         ana pays H2      => H2 paying 1 until 100180
         settlement verdict H2 refunded 1 => H2 Refunded
         counts           => 24 free",
    );
}

#[test]
fn a_payment_carries_the_trace_of_who_asked_first() {
    check(
        "at 10            => nothing
         ana holds H1 1   => held 1 until 610
         ana pays H1 traced T1 => H1 paying 1 until 190 traced T1
         again            => known H1 paying 1 until 190 traced T1
         ana pays H1 traced T2 => unchanged
         at 40            => H1 awaited 1",
    );
}

#[test]
fn bad_cards_do_not_keep_a_seat_for_ever() {
    let again = |attempt: u32, at: u32| {
        format!(
            "ana pays H1      => H1 paying {attempt} until {}
             settlement verdict H1 declined {attempt} => H1 declined {attempt} until ",
            at + 180
        )
    };
    let mut script = "at 10 => nothing\n ana holds H1 0 => held 0 until 610\n".to_owned();
    for attempt in 1..=5 {
        let at = 571 + 29 * attempt;
        writeln!(script, "at {at} => nothing").unwrap();
        writeln!(script, "{}{}", again(attempt, at), (at + 30).max(610)).unwrap();
    }
    writeln!(script, "at 726 => nothing").unwrap();
    writeln!(script, "{}746", again(6, 726)).unwrap();
    writeln!(script, "ana pays H1 => H1 paying 7 until 906").unwrap();
    writeln!(script, "at 750 => nothing").unwrap();
    writeln!(script, "settlement verdict H1 declined 7 => H1 declined 7 until 750").unwrap();
    writeln!(script, "at 751 => H1 Expired").unwrap();
    check(&script);
}

#[test]
fn a_late_sale_of_an_earlier_attempt_still_sells() {
    check(
        "at 10            => nothing
         ana holds H1 0   => held 0 until 610
         ana pays H1      => H1 paying 1 until 190
         settlement verdict H1 declined 1 => H1 declined 1 until 610
         settlement verdict H1 cancelled 1 => H1 PaymentCancelled
         ana holds H2 0   => held 0 until 610
         ana pays H2      => H2 paying 1 until 190
         settlement verdict H2 declined 1 => H2 declined 1 until 610
         ana pays H2      => H2 paying 2 until 190
         settlement verdict H2 sold 1 => H2 sold",
    );
}

#[test]
fn only_settlement_says_how_a_payment_went() {
    check(
        "at 10            => nothing
         ana holds H1 0   => held 0 until 610
         ana verdict H1 sold 1 => RequestInvalid
         settlement verdict H9 sold 1 => HoldUnknown
         pia allots A1 1  => held 1
         settlement verdict A1 sold 1 => RequestInvalid",
    );
}

#[test]
fn a_hold_is_known_to_its_owner_only() {
    check(
        "at 10            => nothing
         ana holds H1 0   => held 0 until 610
         bob releases H1  => HoldUnknown
         bob pays H1      => HoldUnknown
         bob releases H9  => HoldUnknown
         ana releases H1  => H1 ByOwner
         bob releases H1  => HoldUnknown
         ana releases H1  => unchanged
         ana holds H2 0   => held 0 until 610
         at 610           => H2 Expired
         ana releases H2  => HoldEnded",
    );
}

#[test]
fn standing_places_run_out_exactly() {
    check(
        "at 10            => nothing
         ana holds H1 area 0 3 => held 0x3 until 610
         bob holds H2 area 0 3 => NotEnoughSeats
         bob holds H2 area 1 2 0 2 => held 0x2 1x2 until 610
         cem holds H3 area 0 1 => NotEnoughSeats
         cem holds H3 area 1 1 0 1 => NotEnoughSeats
         cem holds H3 area 1 1 => held 1x1 until 610
         ana releases H1  => H1 ByOwner
         cem holds H4 area 0 3 => held 0x3 until 610
         pia allots A seats 0 to 15 => held 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
         counts           => 8 held 16 blocked
         dan holds H5 area 0 1 => SoldOut
         dan holds H5 best 1 => SoldOut
         dan holds H5 3   => taken 3
         at 610           => H4 Expired, H2 Expired, H3 Expired",
    );
}

#[test]
fn an_allotment_is_given_back_in_parts() {
    check(
        "pia allots A1 0 1 2 => held 0 1 2
         pia allots A2 area 0 2 => held 0x2
         pia allots A3 area 0 2 1 1 => held 0x2 1x1
         pia returns 1 4  => NotAllotted
         bob returns 1    => NotAllotted
         pia returns      => RequestInvalid
         pia returns 1 1  => RequestInvalid
         pia returns 77   => SeatUnknown
         pia returns 1    => A1 reduced by 1
         pia returns 1    => NotAllotted
         pia returns area 0 3 => A2 reduced by 0x2 and A3 reduced by 0x1
         pia returns area 0 2 => NotAllotted
         pia releases A2  => unchanged
         counts           => 20 free 4 blocked
         at 20            => nothing
         ana holds H1 1   => held 1 until 620
         pia returns 0 2  => A1 reduced by 0 2
         pia releases A3  => A3 ByOwner
         pia pays A3      => HoldEnded
         counts           => 23 free 1 held",
    );
}

#[test]
fn a_full_shard_refuses_before_it_grows() {
    check(
        "at 10            => nothing
         a holds H1 0     => held 0 until 610
         b holds H2 1     => held 1 until 610
         c holds H3 2     => held 2 until 610
         d holds H4 3     => held 3 until 610
         e holds H5 4     => held 4 until 610
         f holds H6 5     => held 5 until 610
         g holds H7 6     => held 6 until 610
         h holds H8 7     => held 7 until 610
         i holds H9 8     => held 8 until 610
         j holds H10 9    => held 9 until 610
         k holds H11 10   => held 10 until 610
         l holds H12 11   => held 11 until 610
         m holds H13 12   => NotYet
         a releases H1    => H1 ByOwner
         m holds H13 12   => held 12 until 610",
    );
}

#[test]
fn a_shard_binds_no_more_passes_than_its_limit() {
    check(
        "at 10            => nothing
         a holds H1 0 pass 1 => held 0 until 610
         b holds H2 1 pass 2 => held 1 until 610
         c holds H3 2 pass 3 => held 2 until 610
         d holds H4 3 pass 4 => held 3 until 610
         e holds H5 4 pass 5 => held 4 until 610
         f holds H6 5 pass 6 => held 5 until 610
         g holds H7 6 pass 7 => NotYet
         a releases H1    => H1 ByOwner
         g holds H7 6 pass 7 => NotYet
         a holds H8 6 pass 1 => held 6 until 610",
    );
}

#[test]
fn the_best_seats_are_adjacent_and_near_the_middle_and_leave_nobody_alone() {
    check(
        "at 10            => nothing
         a holds H1 best 2 => held 2 3 until 610
         b holds H2 best 2 => held 4 5 until 610
         c holds H3 best 2 => held 0 1 until 610
         d holds H4 best 3 => held 6 7 8 until 610
         e holds H5 best 3 => held 13 14 15 until 610
         f holds H6 best 2 => held 9 10 until 610
         g holds H7 best 1 => held 12 until 610
         tally            => 2 stranded 0 split
         tally            => 0 stranded 0 split
         h holds H8 best 1 => NotEnoughSeats
         h holds H8 best 1 accessible => held 11 until 610
         counts           => 8 free 16 held",
    );
}

#[test]
fn an_outage_moves_the_deadlines_of_unpaid_holds_and_of_nothing_else() {
    check(
        "at 10            => nothing
         ana holds H1 1   => held 1 until 610
         bob holds H2 2   => held 2 until 610
         bob pays H2      => H2 paying 1 until 190
         resume 1000 after 900 => 1 events moved
         at 1509          => H2 awaited 1
         at 1510          => H1 Expired
         resume 2000 after 400 => 0 events moved",
    );
}
