//! An answer that is not the journal's, and a command that is forgotten too early, are found.

use super::Answers;
use crate::audit::compare::Witness;
use allocator::{AnswerView, AnsweredIds, AnswersView, IdsView, Numbered};
use schema::limits::ANSWER_MEMORY;
use schema::{
    AccountId, Asked, Batch, CommandId, DurationMs, HoldId, Outcome, OutcomeBody, UnixMillis,
};

const BEGIN: UnixMillis = UnixMillis(1_000_000_000_000);

/// Of a second each, with a question and something that nobody asked for.
fn batches() -> Vec<Batch> {
    let batch = |number: u64| {
        let asked = |command| Asked { command, fingerprint: 3, account: AccountId(4) };
        let outcome = |asked| Outcome {
            asked,
            event: "EVT002".parse().unwrap(),
            free_after: 0,
            body: OutcomeBody::Unchanged { hold: HoldId(u128::from(number)) },
        };
        let outcomes = vec![outcome(Some(asked(command(number)))), outcome(None)];
        let time = BEGIN + DurationMs(number * 1_000);
        Batch { epoch: 1, number: number + 1, time, outcomes, previous: 0 }
    };
    (0..8).map(batch).collect()
}

fn command(number: u64) -> CommandId {
    CommandId(u128::from(number) << 64 | u128::from(number + 100))
}

fn answers() -> Vec<AnswerView> {
    let batches = batches();
    let first = batches.iter().map(|batch| AnswerView::of(batch.time, &batch.outcomes[0]));
    first.map(Option::unwrap).collect()
}

/// What an owner knows of all eight: the last three are in memory.
fn agreed() -> AnswersView {
    let ids = |first: u64, last: u64| {
        let hash = |number| IdsView::hash(AnsweredIds::id(command(number)), number);
        let sum = (first..=last).map(hash).fold(0, u64::wrapping_add);
        IdsView { first, last, count: last + 1 - first, sum }
    };
    let remembered = Numbered { from: 5, entries: answers().split_off(5) };
    AnswersView { remembered, ids: vec![ids(0, 3), ids(4, 7)] }
}

/// What is found of an owner's memory by who reads the journal from its beginning.
fn found(change: impl FnOnce(&mut AnswersView)) -> Vec<String> {
    let mut view = agreed();
    change(&mut view);
    let mut told = Answers::new(super::known_from(&view));
    for batch in &batches() {
        told.take(batch);
    }
    told.owner(&view)
}

#[test]
fn a_memory_of_what_the_journal_says_shows_no_difference() {
    assert_eq!(found(|_| {}), Vec::<String>::new());
}

#[test]
fn another_answer_and_another_command_are_found() {
    let of = command(6);
    assert_eq!(
        found(|view| view.remembered.entries[1].checksum ^= 1),
        [format!("the answer to {of} is another to the owner than in the journal")],
    );
    let at = |view: &mut AnswersView| view.remembered.entries[1].at = BEGIN;
    assert_eq!(found(at).len(), 1, "of another time");
    let other = command(9);
    assert_eq!(
        found(|view| view.remembered.entries[1].command = other),
        [format!("answer 6 is to {other} to the owner and to {of} in the journal")],
    );
    assert_eq!(
        found(|view| view.remembered.entries.truncate(2)),
        ["7 answers to the owner and 8 in the journal"],
    );
}

#[test]
fn a_command_that_is_not_known_is_found() {
    assert_eq!(
        found(|view| view.ids[0].sum ^= 1),
        ["from answer 0 on other commands are known to the owner"],
    );
    let fewer = "of the commands from answer 4 on 3 are known to the owner, 4 in the journal";
    assert_eq!(found(|view| view.ids[1].count = 3), [fewer]);
    let none = "of the commands from answer 0 on 4 are known to the owner, 8 in the journal";
    assert_eq!(found(|view| view.ids.truncate(1)), [none]);
}

#[test]
fn a_command_that_is_forgotten_before_its_time_is_found_and_none_after() {
    let early = format!(
        "commands up to answer 3 of {} are forgotten to the owner",
        BEGIN + DurationMs(3_000)
    );
    assert_eq!(found(|view| view.ids = view.ids.split_off(1)), [early]);
    let later = |more: DurationMs| {
        let mut told = Answers::new(4);
        let mut batches = batches();
        batches[7].time = batches[3].time + ANSWER_MEMORY + more;
        for batch in &batches {
            told.take(batch);
        }
        told.forgotten("", 4)
    };
    assert!(later(DurationMs(0)).is_some());
    assert_eq!(later(DurationMs(1)), None, "a day has passed");
}

#[test]
fn books_that_begin_with_a_checkpoint_say_nothing_of_what_was_before() {
    let mut told = Answers::new(0);
    told.begin(&Numbered { from: 2, entries: answers()[2..5].to_vec() });
    for batch in &batches()[5..] {
        told.take(batch);
    }
    let mut view = agreed();
    view.ids[0].sum ^= 1;
    assert_eq!(told.owner(&view), Vec::<String>::new(), "the first four are not told whole");
    view.ids[1].sum ^= 1;
    assert_eq!(told.owner(&view).len(), 1);
    let kept = Numbered { from: 3, entries: answers().split_off(3) };
    assert_eq!(told.remembered(Witness::Checkpoint, &kept), Vec::<String>::new());
}
