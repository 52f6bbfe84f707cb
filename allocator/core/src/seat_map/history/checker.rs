//! Looks for an order of a history's calls as Wing and Gong do: a call may be the next one if no
//! call that is still to be put was answered before it was asked. What is known to lead nowhere
//! is not tried twice.

use super::recorder::{History, Told};
use crate::seat_map::fixture::seats;
use crate::seat_map::oracle::{Answer, Call, Oracle};
use crate::seat_word::{SeatState, SeatWord};
use schema::SeatIdx;
use std::collections::HashSet;

/// How many calls of each thread are in order, and the seats after them.
type Place = (Vec<usize>, Oracle);

/// Says that there is an order, or how far the longest try came.
pub fn order(history: &History, oracle: Oracle) -> Result<(), String> {
    let mut open: Vec<Place> = vec![(vec![0; history.len()], oracle)];
    let mut seen: HashSet<Place> = HashSet::new();
    let mut furthest = open[0].clone();
    while let Some(place) = open.pop() {
        if !seen.insert(place.clone()) {
            continue;
        }
        let (done, oracle) = &place;
        let next = || history.iter().zip(done).map(|(calls, &done)| calls.get(done));
        let Some(first_answer) = next().flatten().map(|told| told.answered).min() else {
            return Ok(());
        };
        for (thread, told) in next().enumerate() {
            let Some(told) = told.filter(|told| told.asked < first_answer) else { continue };
            if let Some(after) = oracle.after(&told.call, &told.answer) {
                let mut done = done.clone();
                done[thread] += 1;
                open.push((done, after));
            }
        }
        if furthest.0.iter().sum::<usize>() < done.iter().sum::<usize>() {
            furthest = place;
        }
    }
    Err(format!("no order after {}", told_next(history, &furthest)))
}

fn told_next(history: &History, (done, oracle): &Place) -> String {
    let next = history.iter().zip(done).map(|(calls, &done)| calls.get(done));
    let next: Vec<String> = next.flatten().map(|told| format!("  {told:?}\n")).collect();
    format!("{done:?} calls of the threads with {oracle:?}; next are\n{}", next.concat())
}

/// Whether the history has an order: a thread a line, `asked-answered call => answer; ...`.
#[track_caller]
pub fn check(script: &str, has_order: bool) {
    let history: History = script
        .lines()
        .map(|line| line.split(';').map(|told| told_of(told.trim())).collect())
        .collect();
    let ordered = order(&history, Oracle::new(&super::ROWS));
    assert_eq!(ordered.is_ok(), has_order, "{ordered:?}");
}

fn told_of(script: &str) -> Told {
    let (question, answer) = script.split_once(" => ").unwrap();
    let words: Vec<&str> = question.split(' ').collect();
    let answered: Vec<&str> = answer.split(' ').collect();
    let (asked, ended) = words[0].split_once('-').unwrap();
    let slot = *words.last().unwrap();
    let call = match words[1] {
        "claim" => {
            let seats = &words[2..words.len() - 2];
            Call::Claim { seats: numbers(seats), slot: slot.parse().unwrap() }
        }
        "best" => Call::Best { quantity: words[2].parse().unwrap(), slot: slot.parse().unwrap() },
        "free" => {
            let (seat, from) = (numbers(&words[2..3])[0], word_of(&words[3..]));
            Call::Change { seat, from, to: SeatState::Free }
        }
        "read" => Call::Read { seat: numbers(&words[2..])[0] },
        other => panic!("no such call: {other}"),
    };
    let answer = match (&call, answered[0]) {
        (Call::Claim { seats, .. }, "ok") => Answer::Claimed(seats.clone()),
        (Call::Change { from, .. }, "ok") => Answer::Changed(from.changed(SeatState::Free, 0)),
        (Call::Read { .. }, _) => Answer::Is(word_of(&answered)),
        (_, "taken") => Answer::Taken(numbers(&answered[1..])),
        (_, "none") => Answer::NoneLeft,
        (Call::Best { .. }, _) => Answer::Claimed(numbers(&answered)),
        other => panic!("no such answer: {other:?}"),
    };
    let instant = |text: &str| text.parse().unwrap();
    Told { asked: instant(asked), answered: instant(ended), call, answer }
}

/// `free GENERATION` or `GENERATION of SLOT`, which is held.
fn word_of(text: &[&str]) -> SeatWord {
    if text[0] == "free" {
        return SeatWord { generation: text[1].parse().unwrap(), ..SeatWord::NEVER };
    }
    let (generation, slot) = (text[0].parse().unwrap(), text[2].parse().unwrap());
    SeatWord { generation, state: SeatState::Held, slot }
}

fn numbers(text: &[&str]) -> Vec<SeatIdx> {
    seats(&text.iter().map(|number| number.parse().unwrap()).collect::<Vec<u32>>())
}
