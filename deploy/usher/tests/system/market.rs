//! A steady sale in the background, with a record of everything that was answered.

use crate::client::{Answer, Lost};
use crate::fan::{Booking, Fan, best, confirm, fresh_key, reserve, text};
use crate::wait::{pause, until};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

/// What buyers do when the system does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenLost {
    GoHome,
    /// Ask again with the same key, until there is an answer.
    AskAgain,
}

/// A reserve that was sent.
#[derive(Debug, Clone)]
pub struct Asked {
    pub fan: Fan,
    pub key: String,
    /// What the reserve was answered; `None` when no answer came.
    pub answer: Option<Answer>,
    /// `None` when it was refused, too.
    pub reservation: Option<String>,
    pub seats: Vec<String>,
    /// Whether its payment was asked for.
    pub paying: bool,
    /// The booking, when the payment was answered.
    pub booking: Option<Booking>,
}

/// A running sale.
#[derive(Debug)]
pub struct Market {
    event: String,
    record: Arc<Mutex<Vec<Asked>>>,
    closing: Arc<AtomicBool>,
    buyers: JoinSet<()>,
}

impl Market {
    /// Lets each fan buy one seat after the other; each third hold is left unpaid when
    /// `leave_unpaid`.
    pub fn open(fans: &[Fan], event: &str, when_lost: WhenLost, leave_unpaid: bool) -> Self {
        let mut market = Self {
            event: event.to_owned(),
            record: Arc::default(),
            closing: Arc::default(),
            buyers: JoinSet::new(),
        };
        for (number, fan) in fans.iter().enumerate() {
            let buyer = Buyer {
                fan: fan.clone(),
                event: market.event.clone(),
                when_lost,
                record: Arc::clone(&market.record),
                closing: Arc::clone(&market.closing),
            };
            market.buyers.spawn(buyer.work(number, leave_unpaid));
        }
        market
    }

    /// How many bookings were answered so far.
    pub fn sold(&self) -> usize {
        let record = self.record.lock().unwrap();
        record.iter().filter(|asked| asked.booking.is_some()).count()
    }

    /// Waits until so many more bookings were answered.
    pub async fn sells(&self, more: usize) {
        let goal = self.sold() + more;
        until(&format!("{goal} sold seats"), async || (goal <= self.sold()).then_some(())).await;
    }

    /// Lets the buyers finish what they began, and returns the record.
    pub async fn close(mut self) -> Vec<Asked> {
        self.closing.store(true, Ordering::SeqCst);
        while let Some(done) = self.buyers.join_next().await {
            done.expect("a buyer met what the contract allows");
        }
        std::mem::take(&mut *self.record.lock().unwrap())
    }
}

struct Buyer {
    fan: Fan,
    event: String,
    when_lost: WhenLost,
    record: Arc<Mutex<Vec<Asked>>>,
    closing: Arc<AtomicBool>,
}

impl Buyer {
    async fn work(self, number: usize, leave_unpaid: bool) {
        for round in number.. {
            if self.closing.load(Ordering::SeqCst) {
                return;
            }
            let pays = !leave_unpaid || round % 3 != 0;
            let mut asked = Asked {
                fan: self.fan.clone(),
                key: fresh_key(),
                answer: None,
                reservation: None,
                seats: Vec::new(),
                paying: false,
                booking: None,
            };
            let goes_on = self.buy_one(&mut asked, pays).await;
            self.record.lock().unwrap().push(asked);
            if !goes_on {
                return;
            }
        }
    }

    async fn buy_one(&self, asked: &mut Asked, pays: bool) -> bool {
        let call = reserve(&best(&self.event, 1), &asked.key);
        let Ok(answer) = self.ask(call).await else { return false };
        asked.answer = Some(answer.clone());
        if answer.status != 201 {
            assert_eq!(answer.status, 409, "{answer:?}");
            return false;
        }
        let held = answer.json();
        let reservation = text(&held["reservationId"]);
        asked.reservation = Some(reservation.clone());
        let seats = held["seats"].as_array().expect("seats are held");
        asked.seats = seats.iter().map(|seat| text(&seat["seatId"])).collect();
        if !pays {
            return true;
        }
        asked.paying = true;
        loop {
            let Ok(answer) = self.ask(confirm(&reservation, "tok_ok")).await else { return false };
            match answer.status {
                200 => {
                    let booking = Booking::read(&answer.json());
                    assert_eq!(booking.places, asked.seats);
                    asked.booking = Some(booking);
                    return true;
                }
                202 => pause(Duration::from_millis(200)).await,
                // The outage lasted longer than the hold.
                410 => return true,
                _ => panic!("{answer:?}"),
            }
        }
    }

    async fn ask(&self, call: crate::client::Call) -> Result<Answer, Lost> {
        match self.when_lost {
            WhenLost::GoHome => self.fan.send(call).await?.settled(),
            WhenLost::AskAgain => Ok(self.fan.client.ask_stubbornly(self.fan.signed(call)).await),
        }
    }
}

/// All bookings of a record.
pub fn bookings(record: &[Asked]) -> Vec<Booking> {
    record.iter().filter_map(|asked| asked.booking.clone()).collect()
}
