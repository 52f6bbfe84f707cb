//! The table, cell by cell: one line a state, one column a trigger, `-` where the move is refused.

use super::{MoveRefused, State, TRANSITIONS, Trigger, transition};

const CELLS: &str = "
    state         Start   Sell  Decline   GiveUp      MoneyBack  HoldEnded  Cancel     Review
    open          paying  -     -         -           -          -          -          -
    paying        -       paid  declined  cancelling  -          -          -          review_needed
    declined      paying  -     -         -           -          cancelled  -          -
    cancelling    -       paid  -         -           cancelled  -          -          review_needed
    cancelled     -       -     -         -           -          -          -          -
    paid          -       -     -         -           -          -          refunding  review_needed
    refunding     -       -     -         -           refunded   -          -          review_needed
    refunded      -       -     -         -           -          -          -          -
    review_needed -       -     -         -           -          -          -          -
";

#[test]
fn every_cell_of_the_table_does_what_it_says() {
    let mut rows = CELLS.trim().lines().map(|line| line.split_whitespace());
    let header: Vec<&str> = rows.next().unwrap().skip(1).collect();
    assert_eq!(header, Trigger::ALL.map(|trigger| format!("{trigger:?}")));
    let mut states_seen = Vec::new();
    for mut row in rows {
        let from: State = row.next().unwrap().parse().unwrap();
        states_seen.push(from);
        for (trigger, cell) in Trigger::ALL.into_iter().zip(row.by_ref()) {
            let expected = match cell {
                "-" => Err(MoveRefused { from, trigger }),
                word => Ok(word.parse().unwrap()),
            };
            assert_eq!(transition(from, trigger), expected, "{from} by {trigger:?}");
        }
    }
    assert_eq!(states_seen, State::ALL);
}

#[test]
fn no_cell_is_written_twice() {
    for (at, legal) in TRANSITIONS.iter().enumerate() {
        let same =
            |other: &&super::Move| (other.from, other.trigger) == (legal.from, legal.trigger);
        assert_eq!(TRANSITIONS[at..].iter().filter(same).count(), 1, "{legal:?}");
    }
}

#[test]
fn money_that_was_given_back_or_never_taken_is_the_end() {
    for end in [State::Cancelled, State::Refunded, State::ReviewNeeded] {
        assert!(TRANSITIONS.iter().all(|legal| legal.from != end), "{end} goes on");
    }
}

#[test]
fn a_stored_word_is_read_back() {
    for state in State::ALL {
        assert_eq!(state.as_str().parse(), Ok(state));
    }
    assert!("Paid".parse::<State>().is_err());
}
