//! People in line: they join, then poll.

use super::closed_loop::{Turn, Worker};
use super::wording::{get, label, post, resolve};
use crate::wire::{Door, Socket};
use anyhow::Context as _;
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Joins until enough have joined.
pub struct Joining {
    socket: Socket,
    question: Vec<u8>,
    left: Arc<AtomicU32>,
    pub tokens: Vec<String>,
}

impl Joining {
    /// One for each connection; together they join `places` times.
    pub async fn all(
        door: &Door,
        event: &str,
        connections: u32,
        places: u32,
    ) -> anyhow::Result<Vec<Self>> {
        let target = resolve(door).await?;
        let left = Arc::new(AtomicU32::new(places));
        let joining = |number: u32| Self {
            socket: Socket::new(door, target, usize::try_from(number).expect("32 bits fit")),
            question: post(door, &format!("/api/queue/{event}/join"), "", "{}"),
            left: Arc::clone(&left),
            tokens: Vec::new(),
        };
        Ok((0..connections).map(joining).collect())
    }
}

impl Worker for Joining {
    async fn turn(&mut self) -> anyhow::Result<Turn> {
        #[derive(Deserialize)]
        struct Joined {
            token: String,
        }
        // Relaxed: only a count; nothing is ordered by it.
        let take = |left: u32| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return Ok(Turn::Done);
        }
        let reply = self.socket.ask(&self.question).await?;
        if reply.status != 201 {
            return Ok(Turn::Answered(Err(label(reply))));
        }
        let joined: Joined = serde_json::from_slice(reply.body).context("read a place")?;
        self.tokens.push(joined.token);
        Ok(Turn::Answered(Ok(())))
    }
}

/// Asks for one place after the other.
pub struct Polling {
    socket: Socket,
    questions: Arc<Vec<Vec<u8>>>,
    next: usize,
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
        };
        Ok((0..connections).map(polling).collect())
    }
}

impl Worker for Polling {
    async fn turn(&mut self) -> anyhow::Result<Turn> {
        let question = &self.questions[self.next % self.questions.len()];
        self.next += 1;
        let reply = self.socket.ask(question).await?;
        let good = reply.status == 200;
        Ok(Turn::Answered(if good { Ok(()) } else { Err(label(reply)) }))
    }
}

/// Each place's own question.
pub fn polls(door: &Door, event: &str, tokens: &[String]) -> Arc<Vec<Vec<u8>>> {
    let path = format!("/api/queue/{event}/me");
    let poll = |token: &String| get(door, &path, ("waiting-room-token", token));
    Arc::new(tokens.iter().map(poll).collect())
}

/// The bytes of one poll's answer.
pub async fn answer_bytes(door: &Door, poll: &[u8]) -> anyhow::Result<usize> {
    let mut socket = Socket::new(door, resolve(door).await?, 0);
    let reply = socket.ask(poll).await?;
    anyhow::ensure!(reply.status == 200, "a poll was answered {}", label(reply));
    Ok(reply.body.len())
}
