//! People in line: they join, then poll.

use super::closed_loop::{Turn, Worker};
use super::wording::{get, label, post, resolve};
use crate::promises::Numbered;
use crate::wire::{Door, Socket};
use anyhow::{Context as _, ensure};
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::{Instant, Interval, interval_at};
use uuid::Uuid;

/// How often a place is polled in one measurement. The contract allows a burst of ten, and one a
/// second after it; with more, answers of 429 would be what is measured.
const POLLS_OF_PLACE_MAX: usize = 10;

/// Places that are asked what they are told.
const TOLD: usize = 1_000;

/// A line, and those in it that will poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub waiting: u32,
    /// Spread over the whole line.
    pub polling: u32,
}

/// Joins until enough have joined.
pub struct Joining {
    socket: Socket,
    question: Vec<u8>,
    /// Each join has a key of its own: the question is written anew.
    keyed: Option<(Door, String)>,
    line: Line,
    left: Arc<AtomicU32>,
    /// Of those that will poll.
    pub tokens: Vec<String>,
    /// Of all; none of who is drawn later.
    pub numbered: Vec<Numbered>,
}

impl Line {
    /// Whether the place that is joined when so many are left to join will poll.
    fn polls(self, left: u32) -> bool {
        let (left, polling) = (u64::from(left), u64::from(self.polling));
        let polling_before = |left: u64| left * polling / u64::from(self.waiting);
        polling_before(left - 1) < polling_before(left)
    }
}

impl Joining {
    /// One for each connection; together they make the line.
    pub async fn all(
        door: &Door,
        event: &str,
        connections: u32,
        line: Line,
    ) -> anyhow::Result<Vec<Self>> {
        ensure!(
            0 < line.polling && line.polling <= line.waiting,
            "those who poll are some of those who wait"
        );
        let target = resolve(door).await?;
        let left = Arc::new(AtomicU32::new(line.waiting));
        let joining = |number: u32| Self {
            socket: Socket::new(door, target, usize::try_from(number).expect("32 bits fit")),
            question: join_question(door, event),
            keyed: None,
            line,
            left: Arc::clone(&left),
            tokens: Vec::new(),
            numbered: Vec::new(),
        };
        Ok((0..connections).map(joining).collect())
    }

    /// As [`Self::all`], each join with an `Idempotency-Key` of its own, as the pages send one.
    pub async fn keyed(
        door: &Door,
        event: &str,
        connections: u32,
        line: Line,
    ) -> anyhow::Result<Vec<Self>> {
        let mut all = Self::all(door, event, connections, line).await?;
        for joining in &mut all {
            joining.keyed = Some((door.clone(), format!("/api/queue/{event}/join")));
        }
        Ok(all)
    }

    pub fn numbers(&self) -> impl Iterator<Item = u64> + '_ {
        self.numbered.iter().map(|join| join.number)
    }
}

impl Worker for Joining {
    async fn turn(&mut self) -> anyhow::Result<Turn> {
        #[derive(Deserialize)]
        struct Joined {
            token: String,
            number: Option<u64>,
        }
        // Relaxed: only a count; nothing is ordered by it.
        let take = |left: u32| left.checked_sub(1);
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        let Ok(left) = taken else { return Ok(Turn::Done) };
        if let Some((door, path)) = &self.keyed {
            let key = format!("idempotency-key: {}\r\n", Uuid::now_v7().simple());
            self.question = post(door, path, &key, "{}");
        }
        let asked = Instant::now();
        let reply = self.socket.ask(&self.question).await?;
        let answered = Instant::now();
        if reply.status != 201 {
            return Ok(Turn::Answered(Err(label(reply))));
        }
        let joined: Joined = serde_json::from_slice(reply.body).context("read a place")?;
        self.numbered.extend(joined.number.map(|number| Numbered { asked, answered, number }));
        if self.line.polls(left) {
            self.tokens.push(joined.token);
        }
        Ok(Turn::Answered(Ok(())))
    }
}

/// Asks for one place after the other, until each was asked for as often as the contract allows.
pub struct Polling {
    socket: Socket,
    questions: Arc<Vec<Vec<u8>>>,
    next: usize,
    left: usize,
    /// None asks again when it was answered.
    pace: Option<Interval>,
}

impl Polling {
    /// One for each connection. Each begins elsewhere, so that no place is asked for twice in a
    /// row, and goes on where `first` says, so that a later turn asks for others.
    pub async fn all(
        door: &Door,
        questions: &Arc<Vec<Vec<u8>>>,
        connections: u32,
        first: usize,
    ) -> anyhow::Result<Vec<Self>> {
        let target = resolve(door).await?;
        let connections = usize::try_from(connections).expect("32 bits fit");
        let step = (questions.len() / connections).max(1);
        let polling = |number: usize| Self {
            socket: Socket::new(door, target, number),
            questions: Arc::clone(questions),
            next: first + number * step,
            left: (POLLS_OF_PLACE_MAX * questions.len() / connections)
                .min(POLLS_OF_PLACE_MAX * step),
            pace: None,
        };
        Ok((0..connections).map(polling).collect())
    }

    /// One for each connection, all with the same question, until the time is over.
    pub async fn of_all(
        door: &Door,
        question: Vec<u8>,
        connections: u32,
    ) -> anyhow::Result<Vec<Self>> {
        let (target, questions) = (resolve(door).await?, Arc::new(vec![question]));
        let polling = |number: u32| Self {
            socket: Socket::new(door, target, usize::try_from(number).expect("32 bits fit")),
            questions: Arc::clone(&questions),
            next: 0,
            left: usize::MAX,
            pace: None,
        };
        Ok((0..connections).map(polling).collect())
    }

    /// Lets all of them together ask so many times a second, in turn.
    pub fn set_pace(all: &mut [Self], per_second: f64) {
        let step = Duration::from_secs_f64(1.0 / per_second);
        let connections = u32::try_from(all.len()).expect("a few thousand");
        for (polling, turn) in all.iter_mut().zip(0..) {
            polling.pace = Some(interval_at(Instant::now() + step * turn, step * connections));
        }
    }
}

impl Worker for Polling {
    async fn turn(&mut self) -> anyhow::Result<Turn> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(Turn::Done) };
        let question = &self.questions[self.next % self.questions.len()];
        self.next += 1;
        self.left = left;
        let reply = self.socket.ask(question).await?;
        let good = reply.status == 200;
        Ok(Turn::Answered(if good { Ok(()) } else { Err(label(reply)) }))
    }

    async fn pause(&mut self) {
        if let Some(pace) = &mut self.pace {
            pace.tick().await;
        }
    }
}

/// Each place's own question.
pub fn polls(door: &Door, event: &str, tokens: &[String]) -> Arc<Vec<Vec<u8>>> {
    let path = format!("/api/queue/{event}/me");
    let poll = |token: &String| get(door, &path, ("waiting-room-token", token));
    Arc::new(tokens.iter().map(poll).collect())
}

/// How often a line of so many asks in a second if everybody waits as long as they are told: some
/// of the questions are asked, spread over all.
pub async fn told_per_second(
    door: &Door,
    questions: &[Vec<u8>],
    waiting: u32,
) -> anyhow::Result<f64> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Told {
        poll_after_ms: u32,
    }
    let mut socket = Socket::new(door, resolve(door).await?, 0);
    let mut per_second = Vec::new();
    for question in questions.iter().step_by(questions.len().div_ceil(TOLD).max(1)) {
        let reply = socket.ask(question).await?;
        ensure!(reply.status == 200, "a poll was answered {}", label(reply));
        let told: Told = serde_json::from_slice(reply.body).context("read when to ask again")?;
        per_second.push(1_000.0 / f64::from(told.poll_after_ms.max(1)));
    }
    let asked = u32::try_from(per_second.len())?.max(1);
    Ok(per_second.iter().sum::<f64>() / f64::from(asked) * f64::from(waiting))
}

/// What somebody asks to join.
pub fn join_question(door: &Door, event: &str) -> Vec<u8> {
    post(door, &format!("/api/queue/{event}/join"), "", "{}")
}

/// What everybody may ask of a line.
pub fn status_question(door: &Door, event: &str) -> Vec<u8> {
    get(door, &format!("/api/queue/{event}/status"), ("accept", "application/json"))
}

/// The bytes of the body of one answer, which is to have this status.
pub async fn answer_bytes(door: &Door, question: &[u8], status: u16) -> anyhow::Result<usize> {
    let mut socket = Socket::new(door, resolve(door).await?, 0);
    let reply = socket.ask(question).await?;
    ensure!(reply.status == status, "a question was answered {}", label(reply));
    Ok(reply.body.len())
}

#[cfg(test)]
mod tests {
    use super::super::closed_loop::run;
    use super::{Door, Duration, Line, Polling, polls, told_per_second};
    use crate::baseline::{listen, serve};
    use axum::Router;
    use axum::http::HeaderMap;
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};
    use tokio::task::JoinSet;

    #[test]
    fn those_who_poll_are_spread_over_the_whole_line() {
        for (waiting, polling) in [(10, 10), (1_000, 7), (1_000_000, 10_000)] {
            let line = Line { waiting, polling };
            let lefts: Vec<u32> = (1..=waiting).filter(|left| line.polls(*left)).collect();
            assert_eq!(lefts.len(), usize::try_from(polling).unwrap());
            let gaps = lefts.windows(2).map(|pair| pair[1] - pair[0]);
            assert!(gaps.clone().max() <= gaps.min().map(|gap| gap + 1), "{line:?}");
        }
    }

    #[tokio::test]
    async fn a_line_asks_as_often_as_all_its_places_are_told_to() {
        // Half of the places come back after 10 s, the others after 40 s.
        let router = Router::new().fallback(|headers: HeaderMap| async move {
            let is_near = headers["waiting-room-token"].to_str().unwrap().ends_with('0');
            format!("{{\"pollAfterMs\":{}}}", if is_near { 10_000 } else { 40_000 })
        });
        let (listener, port) = listen(0).unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, router));
        let door = Door::new(&format!("http://127.0.0.1:{port}")).unwrap();
        let tokens: Vec<String> = (0..24).map(|number| format!("t{}", number % 2)).collect();
        let questions = polls(&door, "E", &tokens);
        let told = told_per_second(&door, &questions, 800_000).await.unwrap();
        assert!((told - 50_000.0).abs() < 1e-6, "{told}");
        let mut polling = Polling::all(&door, &questions, 4, 0).await.unwrap();
        Polling::set_pace(&mut polling, 100.0);
        let (_, measured) = run(polling, Duration::from_millis(800)).await.unwrap();
        assert!(measured.good_all <= 80, "{measured:?}");
    }

    #[tokio::test]
    async fn no_place_is_polled_more_often_than_the_contract_allows() {
        let heard = Arc::new(Mutex::new(BTreeMap::<String, u32>::new()));
        let counts = Arc::clone(&heard);
        let router = Router::new().fallback(move |headers: HeaderMap| {
            let token = headers["waiting-room-token"].to_str().unwrap().to_owned();
            *counts.lock().unwrap().entry(token).or_default() += 1;
            async {}
        });
        let (listener, port) = listen(0).unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, router));
        let door = Door::new(&format!("http://127.0.0.1:{port}")).unwrap();
        let tokens: Vec<String> = (0..24).map(|number| format!("t{number}")).collect();
        let polling = Polling::all(&door, &polls(&door, "E", &tokens), 4, 5).await.unwrap();
        // It ends by itself long before the time is over.
        let (_, measured) = run(polling, Duration::from_mins(1)).await.unwrap();
        assert_eq!((measured.good_all, measured.other.len()), (240, 0));
        let heard = heard.lock().unwrap();
        assert_eq!(heard.len(), 24);
        assert!(heard.values().all(|count| *count == 10), "{heard:?}");
    }
}
