//! Many buyers at the same moment.

use crate::client::{Answer, Client};
use crate::fan::{Booking, Fan, best, fresh_key, named, reserve, text};
use crate::seats::SeatMap;
use chassis::keys::sha256;
use schema::{AccountId, CommandId};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// Accounts that a crowd shares. Each costs two password hashes; with 60, none reaches its limit of
/// 40 places.
const ACCOUNTS: usize = 60;

/// What became of a crowd's wishes.
#[derive(Debug, Default)]
pub struct Crowd {
    pub bookings: Vec<Booking>,
    /// Refusals by code.
    pub refused: BTreeMap<String, usize>,
    /// What each reserve was answered.
    pub answers: Vec<Reserved>,
}

/// A reserve and its answer.
#[derive(Debug)]
pub struct Reserved {
    fan: Fan,
    wish: Value,
    key: String,
    pub answer: Answer,
}

impl Reserved {
    /// Its command's id: the format is frozen, so the test has it from the contract.
    pub fn command(&self) -> CommandId {
        let account: AccountId = self.fan.account.parse().expect("an account id");
        let account = account.0.to_be_bytes();
        let hash = sha256(&[b"usher command 1 reserve ", &account, self.key.as_bytes()]);
        let first = hash.first_chunk().expect("a hash has 32 bytes");
        CommandId(u128::from_be_bytes(*first))
    }

    /// Asks once more under the same key.
    pub async fn repeated(&self) -> Answer {
        self.fan.ask(reserve(&self.wish, &self.key)).await
    }
}

impl Crowd {
    fn add(&mut self, other: Self) {
        self.bookings.extend(other.bookings);
        self.answers.extend(other.answers);
        for (code, count) in other.refused {
            *self.refused.entry(code).or_default() += count;
        }
    }

    /// Asks under a key of its own, so that the journal's word on it can be found.
    async fn reserve(&mut self, fan: &Fan, wish: &Value) -> Answer {
        let key = fresh_key();
        let answer = fan.ask(reserve(wish, &key)).await;
        let (fan, wish) = (fan.clone(), wish.clone());
        self.answers.push(Reserved { fan, wish, key, answer: answer.clone() });
        answer
    }
}

pub async fn accounts(client: &Client, count: usize, name: &str) -> Vec<Fan> {
    let mut fans = JoinSet::new();
    for number in 0..count {
        let (client, name) = (client.clone(), format!("{name}-{number}"));
        fans.spawn(async move { Fan::new(&client, &name).await });
    }
    fans.join_all().await
}

/// Lets `buyers` try at once to buy seats of `event`, then one more buy what is left, until it is
/// sold out.
pub async fn sell_out(client: &Client, event: &str, buyers: usize) -> Crowd {
    let fans = Arc::new(accounts(client, ACCOUNTS, "crowd").await);
    let map = SeatMap::of(client, event).await;
    let start = Arc::new(Barrier::new(buyers));
    let mut tasks = JoinSet::new();
    for number in 0..buyers {
        let (fans, start) = (Arc::clone(&fans), Arc::clone(&start));
        let wishes = wishes(number, event, &map);
        tasks.spawn(async move {
            start.wait().await;
            let mood = Mood::of(number);
            try_to_buy(&fans[number % ACCOUNTS], wishes, mood).await
        });
    }
    let mut crowd = Crowd::default();
    while let Some(bought) = tasks.join_next().await {
        crowd.add(bought.expect("a buyer met what the contract allows"));
    }
    let late = Fan::new(client, "late").await;
    let late_too = accounts(client, ACCOUNTS / 10, "late").await;
    for fan in late_too.iter().chain([&late]).cycle() {
        let answer = crowd.reserve(fan, &best(event, 1)).await;
        if answer.status != 201 {
            assert_eq!((answer.status, answer.code().as_str()), (409, "SOLD_OUT"));
            break;
        }
        let paid = fan.confirm(&text(&answer.json()["reservationId"]), "tok_ok").await;
        crowd.bookings.push(Booking::read(&paid.expect(200)));
    }
    crowd
}

/// What a buyer asks for, one after the other until one is granted.
fn wishes(number: usize, event: &str, map: &SeatMap) -> Vec<Value> {
    let row = &map.rows[(number * 7) % map.rows.len()];
    let at = (number * 13) % (row.len() - 1);
    let pair: Vec<String> = row[at..at + 2].iter().map(|(seat, _)| seat.clone()).collect();
    match number % 4 {
        0 => vec![named(event, &pair), best(event, 1)],
        1 => vec![best(event, 2), best(event, 1)],
        _ => vec![best(event, 1)],
    }
}

/// What a buyer does with a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Pays,
    /// The first card is refused, another is taken.
    PaysAtTheSecondTry,
    Leaves,
}

impl Mood {
    fn of(number: usize) -> Self {
        match number % 16 {
            5 => Self::PaysAtTheSecondTry,
            9 => Self::Leaves,
            _ => Self::Pays,
        }
    }
}

async fn try_to_buy(fan: &Fan, wishes: Vec<Value>, mood: Mood) -> Crowd {
    let mut crowd = Crowd::default();
    for wish in wishes {
        let answer = crowd.reserve(fan, &wish).await;
        if answer.status == 201 {
            let reservation = text(&answer.json()["reservationId"]);
            crowd.bookings.extend(finish(fan, &reservation, mood).await);
            return crowd;
        }
        let code = answer.code();
        assert_eq!(answer.status, 409, "{answer:?}");
        match code.as_str() {
            "SEAT_TAKEN" => assert_asked_for(&wish, &answer.json()["seatIds"]),
            // One seat is enough for who is alone: as long as there is one, that one is given.
            "NOT_ENOUGH_SEATS" => assert_eq!(wish["bestAvailable"]["quantity"], 2, "{answer:?}"),
            "SOLD_OUT" => {
                *crowd.refused.entry(code).or_default() += 1;
                return crowd;
            }
            _ => panic!("{answer:?}"),
        }
        *crowd.refused.entry(code).or_default() += 1;
    }
    crowd
}

/// The seats that a refusal names are some of those asked for.
fn assert_asked_for(wish: &Value, refused: &Value) {
    let refused = refused.as_array().expect("the taken seats are named");
    assert!(!refused.is_empty());
    let asked = wish["seats"].as_array().expect("only named seats are taken");
    assert!(refused.iter().all(|seat| asked.iter().any(|asked| asked["seatId"] == *seat)));
}

async fn finish(fan: &Fan, reservation: &str, mood: Mood) -> Option<Booking> {
    match mood {
        Mood::Pays => {}
        Mood::PaysAtTheSecondTry => {
            let declined = fan.confirm(reservation, "tok_declined").await;
            assert_eq!((declined.status, declined.code().as_str()), (402, "PAYMENT_DECLINED"));
        }
        Mood::Leaves => {
            let path = format!("/api/bookings/reservations/{reservation}");
            let left = fan.ask(crate::client::Call::delete(&path)).await;
            assert!(matches!(left.status, 200 | 204), "{left:?}");
            return None;
        }
    }
    let paid = fan.confirm(reservation, "tok_ok").await.expect(200);
    Some(Booking::read(&paid))
}
