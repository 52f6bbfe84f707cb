//! People in line: they join, then poll.

use crate::closed_loop::{Turn, Worker};
use crate::wire::{Connection, Door, Question};
use crate::crowd::text;
use crate::sale::label;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The demo event with a room.
pub const EVENT: &str = "EVT001";

/// Joins until enough have joined.
pub struct Joining {
    connection: Connection,
    left: Arc<AtomicUsize>,
    pub tokens: Vec<String>,
}

impl Joining {
    pub fn new(door: &Door, number: usize, left: &Arc<AtomicUsize>) -> Self {
        let connection = Connection::new(door, number);
        Self { connection, left: Arc::clone(left), tokens: Vec::new() }
    }
}

impl Worker for Joining {
    async fn turn(&mut self) -> anyhow::Result<Turn> {
        let left = &self.left;
        // Relaxed: only a count; nothing is ordered by it.
        let take = |left: usize| left.checked_sub(1);
        if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return Ok(Turn::Done);
        }
        let question = Question::post(format!("/api/queue/{EVENT}/join"), &json!({}));
        let answer = self.connection.ask(question).await?;
        if answer.status != 201 {
            return Ok(Turn::Answered(Err(label(&answer))));
        }
        self.tokens.push(text(&answer.json()?, "token")?);
        Ok(Turn::Answered(Ok(())))
    }
}

/// Asks the same questions in turn.
pub struct Asking {
    connection: Connection,
    questions: Arc<Vec<Question>>,
    next: usize,
}

impl Asking {
    /// `first` keeps workers apart: each goes round from there.
    pub fn new(door: &Door, questions: &Arc<Vec<Question>>, first: usize) -> Self {
        let connection = Connection::new(door, first);
        Self { connection, questions: Arc::clone(questions), next: first }
    }
}

impl Worker for Asking {
    async fn turn(&mut self) -> anyhow::Result<Turn> {
        let question = self.questions[self.next % self.questions.len()].clone();
        self.next += 1;
        let answer = self.connection.ask(question).await?;
        let good = answer.status == 200;
        Ok(Turn::Answered(if good { Ok(()) } else { Err(label(&answer)) }))
    }
}

/// What polls ask: the public status, and each place's own.
pub fn status_questions() -> Arc<Vec<Question>> {
    Arc::new(vec![Question::get(format!("/api/queue/{EVENT}/status"))])
}

pub fn me_questions(tokens: &[String]) -> Arc<Vec<Question>> {
    let question = |token: &String| {
        Question::get(format!("/api/queue/{EVENT}/me")).header("waiting-room-token", token.clone())
    };
    Arc::new(tokens.iter().map(question).collect())
}
