//! What one side does in one turn.

use crate::engine::Account;
use crate::measure::{
    Booking, Buyer, Confirming, Habits, Joining, Measured, Polling, Reserving, Stock, Stocking,
    answer_bytes, polls, run,
};
use crate::wire::Door;
use anyhow::{Context as _, ensure};
use std::sync::Arc;
use std::time::Duration;

/// Accounts that buyers share.
const ACCOUNTS: u32 = 4_096;

/// Seats reserved for each second of a turn of payments: more than anybody pays for.
const PAYMENTS_PER_SECOND: u32 = 5_000;

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
    /// After seats were put on sale and after a turn, for what they leave behind.
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
        }
    }

    pub async fn reserve(&mut self, terms: &Terms) -> anyhow::Result<Measured> {
        let buyers = self.buyers(terms).await?;
        let workers = buyers.into_iter().map(Reserving).collect();
        let (workers, measured) = run(workers, terms.turn()).await?;
        ensure_stocked(workers.iter().map(|Reserving(buyer)| buyer))?;
        Ok(measured)
    }

    /// Reserve and confirm by one buyer, timed together.
    pub async fn book(&mut self, terms: &Terms) -> anyhow::Result<Measured> {
        let buyers = self.buyers(terms).await?;
        let workers = buyers.into_iter().map(Booking).collect();
        let (workers, measured) = run(workers, terms.turn()).await?;
        ensure_stocked(workers.iter().map(|Booking(buyer)| buyer))?;
        Ok(measured)
    }

    /// Payments of what was reserved before; only they are timed.
    pub async fn confirm(&mut self, terms: &Terms) -> anyhow::Result<Measured> {
        let each = PAYMENTS_PER_SECOND * terms.turn_ms / 1_000 / terms.connections + 1;
        let each = usize::try_from(each)?;
        let buyers = self.buyers(terms).await?;
        let workers = buyers.into_iter().map(|buyer| Stocking(buyer, each)).collect();
        let (workers, _) = run(workers, STOCKING_WAIT).await?;
        let workers = workers.into_iter().map(|Stocking(buyer, _)| Confirming(buyer)).collect();
        let (_, measured) = run(workers, terms.turn()).await?;
        Ok(measured)
    }

    /// Joins, and makes polls of the places.
    pub async fn join(&mut self, terms: &Terms) -> anyhow::Result<Measured> {
        let joining = Joining::all(&self.door, ROOM, terms.connections, terms.places).await?;
        let (joined, measured) = run(joining, STOCKING_WAIT).await?;
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

    /// The bytes of one poll's answer; of the last place's, which is not called soon.
    pub async fn poll_bytes(&self) -> anyhow::Result<usize> {
        let poll = self.polls.last().context("nobody has joined")?;
        answer_bytes(&self.door, poll).await
    }

    async fn buyers(&mut self, terms: &Terms) -> anyhow::Result<Vec<Buyer>> {
        let seats = self.seats_per_second / 1_000 * terms.turn_ms;
        let wanted = if self.accounts.is_empty() { ACCOUNTS } else { 0 };
        let mut stock = Stock::make(&self.door, self.bench_door, seats, wanted).await?;
        if wanted == 0 {
            stock.accounts = std::mem::take(&mut self.accounts);
        }
        let habits =
            Habits { connections: terms.connections, parties: &terms.parties, best: false };
        let buyers = Buyer::all(&self.door, &stock, habits).await?;
        self.accounts = stock.accounts;
        tokio::time::sleep(terms.rest).await;
        Ok(buyers)
    }
}

/// A turn in which seats ran out measured something else.
fn ensure_stocked<'a>(mut buyers: impl Iterator<Item = &'a Buyer>) -> anyhow::Result<()> {
    let stocked = buyers.all(|buyer| 0 < buyer.seats_left());
    ensure!(stocked, "the seats on sale did not last for the turn: a bench bug");
    Ok(())
}
