//! What one side does in one turn.

use super::fault::fault_of_making;
use crate::engine::Account;
use crate::measure::{
    Booking, Buyer, Confirming, Contending, Habits, Houses, Joining, Line, Measured, Polling,
    Reserving, Stock, Stocking, answer_bytes, join_question, polls, run, status_question, won_once,
};
use crate::wire::Door;
use anyhow::{Context as _, bail, ensure};
use std::sync::Arc;
use std::time::Duration;

/// Accounts that buyers share.
const ACCOUNTS: u32 = 4_096;

/// Of as many seats as are put on sale for a second of a turn one reservation is made that may be
/// paid.
///
/// Larger, and connections run out of what they may pay; smaller, and a turn is long prepared.
const SEATS_FOR_A_PAYMENT: u32 = 8;

/// The shortest turn that reservations are made for: in a short one some buyers are answered much
/// more often than others.
const STOCKED_MS_MIN: u32 = 2_000;

/// Sales for each second of a turn in which all want the same seats: more than are asked through.
const SALES_PER_SECOND: u32 = 25;

/// Joins of a turn, far from being taken: its time ends it.
const JOINS_MAX: u32 = u32::MAX;

/// How many wait for each place that polls.
///
/// The room goes on calling people while polls are measured, and a place that was called does not
/// wait: of a line that is no longer than those who poll, more and more of them are no polls of
/// places that wait. More takes longer to join.
const WAITING_FOR_EACH: u32 = 5;

/// How long joining, or reserving what is then paid for, may take.
const STOCKING_WAIT: Duration = Duration::from_mins(1);

/// The demo's event with a room.
const ROOM: &str = "EVT001";

/// How both sides are asked.
#[derive(Debug, Clone)]
pub struct Terms {
    pub connections: u32,
    /// Weights of parties of one, two and so on.
    pub parties: Vec<f64>,
    pub turn_ms: u32,
    /// Places in line that are polled.
    pub places: u32,
    /// Seats of a sale that all want, where they want the same.
    pub among: u32,
    /// After seats were put on sale, after reservations that are to be paid, and after a turn, for
    /// what they leave behind.
    pub rest: Duration,
}

impl Terms {
    pub fn turn(&self) -> Duration {
        Duration::from_millis(self.turn_ms.into())
    }

    /// How many places a party has on average.
    pub fn party_mean(&self) -> f64 {
        let places =
            self.parties.iter().zip(1_u32..).map(|(weight, size)| weight * f64::from(size));
        places.sum::<f64>() / self.parties.iter().sum::<f64>()
    }
}

/// Something that speaks the public contract, and what was made there for its turns.
pub struct Side {
    door: Door,
    bench_door: bool,
    /// Seats put on sale for each second of a turn: more than this side sells.
    seats_per_second: u32,
    accounts: Vec<Account>,
    polls: Arc<Vec<Vec<u8>>>,
    polled: usize,
    /// That all joins were given here.
    numbers: Vec<u64>,
}

impl Side {
    pub fn new(door: &Door, bench_door: bool, seats_per_second: u32) -> Self {
        Self {
            door: door.clone(),
            bench_door,
            seats_per_second,
            accounts: Vec::new(),
            polls: Arc::default(),
            polled: 0,
            numbers: Vec::new(),
        }
    }

    pub async fn reserve(&mut self, terms: &Terms) -> anyhow::Result<Measured> {
        let buyers = self.buyers(terms, Wish::Named).await?;
        reserved(buyers, terms).await
    }

    /// As many seats as the party has, whichever are the best.
    pub async fn reserve_best(&mut self, terms: &Terms) -> anyhow::Result<Measured> {
        let buyers = self.buyers(terms, Wish::Best).await?;
        reserved(buyers, terms).await
    }

    /// All want the same few seats; refusals are answers as wished.
    pub async fn contend(&mut self, terms: &Terms) -> anyhow::Result<Measured> {
        let sales = SALES_PER_SECOND * terms.turn_ms / 1_000;
        let stock = self.stock(Houses::many(sales, terms.among)).await?;
        let contending =
            Contending::all(&self.door, &stock, terms.connections, terms.among).await?;
        self.accounts = stock.accounts;
        tokio::time::sleep(terms.rest).await;
        let (contenders, measured) = run(contending, terms.turn()).await?;
        ensure!(0 < won_once(&contenders)?, "nobody won a seat: {:?}", measured.other);
        let lasted = contenders.iter().all(Contending::has_more);
        ensure!(lasted, "the sales did not last for the turn: a bench bug");
        Ok(measured)
    }

    /// Reserve and confirm by one buyer, timed together.
    pub async fn book(&mut self, terms: &Terms) -> anyhow::Result<Measured> {
        let buyers = self.buyers(terms, Wish::Named).await?;
        let workers = buyers.into_iter().map(Booking).collect();
        let (workers, measured) = run(workers, terms.turn()).await?;
        ensure_stocked(workers.iter().map(|Booking(buyer)| buyer))?;
        Ok(measured)
    }

    /// Payments of what was reserved before; only they are timed, a rest behind the reservations.
    pub async fn confirm(&mut self, terms: &Terms) -> anyhow::Result<Measured> {
        let payers = self.payers(terms).await?;
        tokio::time::sleep(terms.rest).await;
        let (payers, measured) = run(payers, terms.turn()).await?;
        let lasted = payers.iter().all(|Confirming(buyer)| 0 < buyer.unpaid());
        ensure!(lasted, "the reservations did not last for the turn: a bench bug");
        Ok(measured)
    }

    /// Those who pay in a turn, with reservations for all of it.
    pub async fn payers(&mut self, terms: &Terms) -> anyhow::Result<Vec<Confirming>> {
        let longest = Terms { turn_ms: terms.turn_ms.max(STOCKED_MS_MIN), ..terms.clone() };
        let each_second = self.seats_per_second / SEATS_FOR_A_PAYMENT;
        let each = each_second * longest.turn_ms / 1_000 / longest.connections + 1;
        let each = usize::try_from(each)?;
        let buyers = self.buyers(&longest, Wish::Named).await?;
        let workers = buyers.into_iter().map(|buyer| Stocking(buyer, each)).collect();
        let (workers, stocked) = run(workers, STOCKING_WAIT).await?;
        if let Some(fault) = fault_of_making(&stocked) {
            bail!("reserving what is to be paid: {fault}");
        }
        Ok(workers.into_iter().map(|Stocking(buyer, _)| Confirming(buyer)).collect())
    }

    /// Joins, and makes polls of the places.
    pub async fn join(&mut self, terms: &Terms) -> anyhow::Result<Measured> {
        let line = Line { waiting: WAITING_FOR_EACH * terms.places, polling: terms.places };
        let joining = Joining::all(&self.door, ROOM, terms.connections, line).await?;
        let (joined, measured) = run(joining, STOCKING_WAIT).await?;
        self.numbers.extend(joined.iter().flat_map(Joining::numbers));
        let tokens: Vec<String> = joined.into_iter().flat_map(|worker| worker.tokens).collect();
        ensure!(!tokens.is_empty(), "nobody could join: {:?}", measured.other);
        self.polls = polls(&self.door, ROOM, &tokens);
        Ok(measured)
    }

    pub async fn poll(&mut self, terms: &Terms) -> anyhow::Result<Measured> {
        self.poll_at(&self.door.clone(), terms).await
    }

    /// Asks the same questions elsewhere.
    pub async fn poll_at(&mut self, door: &Door, terms: &Terms) -> anyhow::Result<Measured> {
        let polling = Polling::all(door, &self.polls, terms.connections, self.polled).await?;
        let (_, measured) = run(polling, terms.turn()).await?;
        // The next turn begins with other places: one may poll once a second after a burst.
        let each = measured.good_all / u64::from(terms.connections);
        self.polled += usize::try_from(each)?;
        Ok(measured)
    }

    /// Joins for the time of a turn.
    pub async fn join_on(&mut self, terms: &Terms) -> anyhow::Result<Measured> {
        let (joined, measured) = join_at(&self.door, terms).await?;
        self.numbers.extend(joined.iter().flat_map(Joining::numbers));
        Ok(measured)
    }

    /// All ask for what everybody may know of the line.
    pub async fn status(&self, terms: &Terms) -> anyhow::Result<Measured> {
        self.status_at(&self.door, terms).await
    }

    /// Asks the same question elsewhere.
    pub async fn status_at(&self, door: &Door, terms: &Terms) -> anyhow::Result<Measured> {
        let question = status_question(&self.door, ROOM);
        let polling = Polling::of_all(door, question, terms.connections).await?;
        Ok(run(polling, terms.turn()).await?.1)
    }

    /// The bytes of one poll's answer; of the last place's, which is not called soon.
    pub async fn poll_bytes(&self) -> anyhow::Result<usize> {
        let poll = self.polls.last().context("nobody has joined")?;
        answer_bytes(&self.door, poll, 200).await
    }

    pub async fn status_bytes(&self) -> anyhow::Result<usize> {
        answer_bytes(&self.door, &status_question(&self.door, ROOM), 200).await
    }

    /// Joins for it; nobody looks after that place.
    pub async fn join_bytes(&self) -> anyhow::Result<usize> {
        answer_bytes(&self.door, &join_question(&self.door, ROOM), 201).await
    }

    /// The numbers that all joins were given here.
    pub fn numbers(&self) -> &[u64] {
        &self.numbers
    }

    async fn buyers(&mut self, terms: &Terms, wish: Wish) -> anyhow::Result<Vec<Buyer>> {
        let seats = self.seats_per_second / 1_000 * terms.turn_ms;
        let stock = self.stock(Houses::spread(seats)).await?;
        let (connections, parties) = (terms.connections, &terms.parties);
        let habits = Habits { connections, parties, best: wish == Wish::Best };
        let buyers = Buyer::all(&self.door, &stock, habits).await?;
        self.accounts = stock.accounts;
        tokio::time::sleep(terms.rest).await;
        Ok(buyers)
    }

    /// What is on sale for a turn, with this side's accounts: they are made for the first.
    async fn stock(&mut self, houses: Houses) -> anyhow::Result<Stock> {
        let wanted = if self.accounts.is_empty() { ACCOUNTS } else { 0 };
        let mut stock = Stock::make(&self.door, self.bench_door, houses, wanted).await?;
        if wanted == 0 {
            stock.accounts = std::mem::take(&mut self.accounts);
        }
        Ok(stock)
    }
}

/// Joins there for the time of a turn.
pub async fn join_at(door: &Door, terms: &Terms) -> anyhow::Result<(Vec<Joining>, Measured)> {
    // One token is enough: nobody polls.
    let line = Line { waiting: JOINS_MAX, polling: 1 };
    let joining = Joining::all(door, ROOM, terms.connections, line).await?;
    run(joining, terms.turn()).await
}

/// Which seats buyers ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Named,
    Best,
}

async fn reserved(buyers: Vec<Buyer>, terms: &Terms) -> anyhow::Result<Measured> {
    let workers = buyers.into_iter().map(Reserving).collect();
    let (workers, measured) = run(workers, terms.turn()).await?;
    ensure_stocked(workers.iter().map(|Reserving(buyer)| buyer))?;
    Ok(measured)
}

/// A turn in which seats ran out measured something else.
fn ensure_stocked<'a>(mut buyers: impl Iterator<Item = &'a Buyer>) -> anyhow::Result<()> {
    let stocked = buyers.all(|buyer| 0 < buyer.seats_left());
    ensure!(stocked, "the seats on sale did not last for the turn: a bench bug");
    Ok(())
}
