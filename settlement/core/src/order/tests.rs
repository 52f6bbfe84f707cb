//! The table, cell by cell: one line a state, one column a trigger, `-` where the move is refused.
//! The last triggers are a person's, and have a test of their own.

use super::{MoveRefused, State, TRANSITIONS, Trigger, transition};

const CELLS: &str = "
    state      Start  Sell Decline  GiveUp     MoneyBack HoldEnded Cancel    Review
    open       paying -    -        -          -         -         -         -
    paying     -      paid declined cancelling -         -         -         review
    declined   paying -    -        -          -         cancelled -         -
    cancelling -      paid -        -          cancelled -         -         review
    cancelled  -      -    -        -          -         -         -         -
    paid       -      -    -        -          -         -         refunding review
    refunding  -      -    -        -          refunded  -         -         review
    refunded   -      -    -        -          -         -         -         -
    review     -      -    -        -          -         -         -         -
";

/// What a person says of an order under review, and where it goes then.
const PERSONS: [(Trigger, State); 3] = [
    (Trigger::Uphold, State::Paid),
    (Trigger::GiveBack, State::Refunding),
    (Trigger::Dismiss, State::Cancelled),
];

fn state(word: &str) -> State {
    if word == "review" { State::ReviewNeeded } else { word.parse().unwrap() }
}

#[test]
fn every_cell_of_the_table_does_what_it_says() {
    let mut rows = CELLS.trim().lines().map(|line| line.split_whitespace());
    let header: Vec<&str> = rows.next().unwrap().skip(1).collect();
    let (triggers, persons) = Trigger::ALL.split_at(8);
    assert_eq!(header, triggers.iter().map(|trigger| format!("{trigger:?}")).collect::<Vec<_>>());
    assert_eq!(persons, PERSONS.map(|(trigger, _)| trigger));
    let mut states_seen = Vec::new();
    for mut row in rows {
        let from = state(row.next().unwrap());
        states_seen.push(from);
        for (&trigger, cell) in triggers.iter().zip(row.by_ref()) {
            let expected = match cell {
                "-" => Err(MoveRefused { from, trigger }),
                word => Ok(state(word)),
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
    for end in [State::Cancelled, State::Refunded] {
        assert!(TRANSITIONS.iter().all(|legal| legal.from != end), "{end} goes on");
    }
}

#[test]
fn what_a_person_has_to_look_at_goes_on_by_a_persons_word_and_by_nothing_else() {
    for (trigger, to) in PERSONS {
        for from in State::ALL {
            let expected = (from == State::ReviewNeeded).then_some(to);
            assert_eq!(transition(from, trigger).ok(), expected, "{from} by {trigger:?}");
        }
    }
}

#[test]
fn a_stored_word_is_read_back() {
    for state in State::ALL {
        assert_eq!(state.as_str().parse(), Ok(state));
    }
    assert!("Paid".parse::<State>().is_err());
}
