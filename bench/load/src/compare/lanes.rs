//! Buyers who reserve in every shard all the time, and notice how long nobody was answered.

use crate::engine::Account;
use crate::measure::Stock;
use crate::wire::{Answer, Connection, Door, Question};
use anyhow::{Context as _, ensure};
use schema::{EventId, Shards};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Buyers of each shard: two, so that one who waits for an answer does not hide that others are
/// answered.
const LANES: usize = 2;

/// Between an answer and the next question: what is measured is how long nobody is answered, not
/// how many.
const PACE: Duration = Duration::from_millis(20);

/// Before a question is repeated that was not answered.
const AGAIN: Duration = Duration::from_millis(50);

/// How long a question is repeated before the run is given up.
const PATIENCE: Duration = Duration::from_mins(1);

/// One question and what came back at once.
#[derive(Debug, Clone)]
pub struct Heard {
    pub shard: u8,
    pub sent: Instant,
    pub at: Instant,
    /// `None` where nothing or "later" came back, and the same is asked again.
    pub hold: Option<Hold>,
    /// Why not.
    pub failure: String,
}

/// What a key was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub event: Box<str>,
    pub key: String,
    pub account: usize,
    pub reservation: String,
    pub seats: Vec<String>,
}

/// Buyers at work.
pub struct Lanes {
    door: Door,
    accounts: Arc<Vec<Account>>,
    heard: Arc<Mutex<Vec<Heard>>>,
    ends: Arc<AtomicBool>,
    buyers: JoinSet<anyhow::Result<()>>,
}

struct Lane {
    connection: Connection,
    event: Box<str>,
    shard: u8,
    account: usize,
    accounts: Arc<Vec<Account>>,
    heard: Arc<Mutex<Vec<Heard>>>,
    ends: Arc<AtomicBool>,
}

impl Lanes {
    /// Begins to reserve the seats of `stock`, which has an event for every shard.
    pub fn start(door: &Door, stock: Stock) -> anyhow::Result<Self> {
        let accounts = Arc::new(stock.accounts);
        ensure!(!accounts.is_empty(), "nobody has an account");
        let (heard, ends) = (Arc::default(), Arc::default());
        let (mut buyers, mut shards) = (JoinSet::new(), BTreeSet::new());
        for venue in stock.venues {
            let event: EventId = venue.event.parse().context("an event has a name")?;
            let shard = Shards::default().of(&event).0;
            if !shards.insert(shard) {
                continue;
            }
            for number in 0..LANES {
                let lane = Lane {
                    connection: Connection::new(door, number),
                    event: venue.event.clone(),
                    shard,
                    account: (usize::from(shard) * LANES + number) % accounts.len(),
                    accounts: Arc::clone(&accounts),
                    heard: Arc::clone(&heard),
                    ends: Arc::clone(&ends),
                };
                buyers.spawn(lane.reserve());
            }
        }
        ensure!(shards.len() == Shards::default().count(), "a shard has no event");
        Ok(Self { door: door.clone(), accounts, heard, ends, buyers })
    }

    /// What has been heard since then.
    pub fn since(&self, from: Instant) -> Vec<Heard> {
        let heard = self.heard.lock().expect("nobody panics with it in hand");
        heard.iter().filter(|heard| from <= heard.at).cloned().collect()
    }

    /// When each of these shards first answered a question that was asked after `from`; `None`
    /// while one has not.
    pub fn served(&self, shards: &BTreeSet<u8>, from: Instant) -> Option<Vec<Instant>> {
        let heard = self.since(from);
        let first = |shard: &u8| {
            let answered = |heard: &&Heard| heard.shard == *shard && heard.hold.is_some();
            let after = heard.iter().filter(answered).filter(|heard| from <= heard.sent);
            after.map(|heard| heard.at).min()
        };
        shards.iter().map(first).collect()
    }

    /// Fails if a buyer has given up.
    pub fn still_buy(&mut self) -> anyhow::Result<()> {
        match self.buyers.try_join_next() {
            Some(ended) => ended.context("a buyer panicked")?.context("a buyer has given up"),
            None => Ok(()),
        }
    }

    /// Ends the sale; returns everything that was heard.
    pub async fn end(&mut self) -> anyhow::Result<Vec<Heard>> {
        // Relaxed: nothing is ordered by it.
        self.ends.store(true, Ordering::Relaxed);
        while let Some(ended) = self.buyers.join_next().await {
            ended.context("a buyer panicked")?.context("a buyer has given up")?;
        }
        Ok(std::mem::take(&mut *self.heard.lock().expect("nobody panics with it in hand")))
    }

    /// Asks once more under the same keys; returns what was answered otherwise.
    pub async fn repeat(&self, holds: &[Hold]) -> anyhow::Result<Vec<String>> {
        let mut connection = Connection::new(&self.door, 0);
        let mut different = Vec::new();
        for hold in holds {
            let account = &self.accounts[hold.account];
            let answer = connection.ask(question(account, &hold.event, &hold.key)).await?;
            let again = held(&answer, &hold.event, &hold.key, hold.account);
            if again.as_ref() != Ok(hold) {
                different.push(format!("{hold:?}, and then {again:?}"));
            }
        }
        Ok(different)
    }
}

impl Lane {
    async fn reserve(mut self) -> anyhow::Result<()> {
        for number in 0_u64.. {
            let key = format!("failover-{}-{}-{number}", self.event, self.account);
            let begun = Instant::now();
            loop {
                // Relaxed: nothing is ordered by it.
                if self.ends.load(Ordering::Relaxed) {
                    return Ok(());
                }
                if self.ask(&key).await {
                    break;
                }
                ensure!(begun.elapsed() < PATIENCE, "{key} was not answered");
                sleep(AGAIN).await;
            }
            sleep(PACE).await;
        }
        Ok(())
    }

    /// Asks once; says whether there is an answer.
    async fn ask(&mut self, key: &str) -> bool {
        let sent = Instant::now();
        let question = question(&self.accounts[self.account], &self.event, key);
        let hold = match self.connection.ask(question).await {
            Ok(answer) => held(&answer, &self.event, key, self.account),
            Err(error) => Err(format!("no answer: {error:#}")),
        };
        let (hold, failure) = match hold {
            Ok(hold) => (Some(hold), String::new()),
            Err(failure) => (None, failure),
        };
        let answered = hold.is_some();
        let heard = Heard { shard: self.shard, sent, at: Instant::now(), hold, failure };
        self.heard.lock().expect("nobody panics with it in hand").push(heard);
        answered
    }
}

fn question(account: &Account, event: &str, key: &str) -> Question {
    let want = json!({"eventId": event, "bestAvailable": {"quantity": 1}});
    let question = Question::post("/api/bookings/reserve", &want);
    let question = question.header("authorization", account.authorization.to_string());
    question.header("idempotency-key", key.to_owned())
}

/// Reads a hold; everything else is told in words.
fn held(answer: &Answer, event: &str, key: &str, account: usize) -> Result<Hold, String> {
    let other = || format!("{} {}", answer.status, answer.text());
    if answer.status != 201 {
        return Err(other());
    }
    let body = answer.json().map_err(|_| other())?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let seats = body["seats"].as_array().ok_or_else(other)?;
    let seats: Option<Vec<String>> = seats.iter().map(|seat| text(&seat["seatId"])).collect();
    Ok(Hold {
        event: event.into(),
        key: key.to_owned(),
        account,
        reservation: text(&body["reservationId"]).ok_or_else(other)?,
        seats: seats.ok_or_else(other)?,
    })
}

#[cfg(test)]
mod tests {
    use super::{Answer, Hold, held};
    use bytes::Bytes;

    #[test]
    fn a_hold_is_read_and_everything_else_is_a_failure() {
        let answer = |status, body: &str| Answer { status, body: Bytes::from(body.to_owned()) };
        let body = "{\"reservationId\": \"R1\", \"seats\": [{\"seatId\": \"S1-1-1\"}]}";
        let hold = Hold {
            event: "E".into(),
            key: "k".to_owned(),
            account: 3,
            reservation: "R1".to_owned(),
            seats: vec!["S1-1-1".to_owned()],
        };
        assert_eq!(held(&answer(201, body), "E", "k", 3), Ok(hold));
        let failure = |status, body| held(&answer(status, body), "E", "k", 3).unwrap_err();
        assert_eq!(failure(503, "{\"code\": \"BUSY\"}"), "503 {\"code\": \"BUSY\"}");
        assert_eq!(failure(201, "{}"), "201 {}");
    }
}
