//! One who buys for one party after the other.

use super::shop::Shop;
use super::trace::{Party, Place};
use crate::measure::{Turn, Worker};
use crate::wire::{Answer, Connection};
use anyhow::{bail, ensure};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const SEAT_TAKEN: &str = "400 SEAT_TAKEN";
const SOLD_OUT: &str = "400 SOLD_OUT";

/// Answers by which pretix says that somebody was faster.
pub const REFUSALS: [&str; 2] = [SEAT_TAKEN, SOLD_OUT];

/// Pause after "too many requests". Only the hosted pretix says so; a shorter one would be the
/// flood that the answer is about.
const TOO_MANY_PAUSE: Duration = Duration::from_secs(1);

pub struct Fan {
    /// Places that it has bought.
    pub places: u64,
    shop: Arc<Shop>,
    connection: Connection,
    email: String,
    /// Still to come, the next one last.
    parties: Vec<Party>,
}

impl Fan {
    pub fn new(shop: Arc<Shop>, number: u32, mut parties: Vec<Party>) -> anyhow::Result<Self> {
        let connection = Connection::new(&shop.door, usize::try_from(number)?);
        let email = format!("fan{number}@example.org");
        parties.reverse();
        Ok(Self { places: 0, shop, connection, email, parties })
    }

    /// Whether all its parties have asked.
    pub fn is_served(&self) -> bool {
        self.parties.is_empty()
    }

    /// A paid order. Prices are left out: pretix takes the item's.
    fn order(&self, party: &Party) -> Value {
        let position = |(place, number): (&Place, u32)| {
            let Place { item, seat } = place;
            json!({"positionid": number, "item": item, "variation": null, "seat": seat,
                "answers": []})
        };
        let positions = party.iter().zip(1..).map(position).collect::<Vec<_>>();
        json!({
            "email": self.email, "sales_channel": "web", "status": "p",
            "payment_provider": "manual", "send_email": false, "positions": positions,
        })
    }
}

impl Worker for Fan {
    async fn turn(&mut self) -> anyhow::Result<Turn> {
        let Some(party) = self.parties.pop() else { return Ok(Turn::Done) };
        let question = self.shop.orders(&self.order(&party));
        let Ok(answer) = self.connection.ask(question).await else {
            // A server that breaks down under the load is a finding, not an end of the measurement.
            return Ok(Turn::Answered(Err("no answer".to_owned())));
        };
        let verdict = verdict(&answer)?;
        match &verdict {
            Ok(()) => self.places += u64::try_from(party.len())?,
            Err(label) if label == "429" => {
                self.parties.push(party);
                tokio::time::sleep(TOO_MANY_PAUSE).await;
            }
            Err(_) => {}
        }
        Ok(Turn::Answered(verdict))
    }
}

/// Reads an answer to an order: sold, or a label that says why not.
///
/// # Errors
/// If pretix does not understand what it is asked, or by whom: then there is nothing to measure.
fn verdict(answer: &Answer) -> anyhow::Result<Result<(), String>> {
    match answer.status {
        201 => {
            let order = answer.json()?;
            ensure!(order["code"].is_string(), "an order without a code: {}", answer.text());
            ensure!(order["status"] == "p", "the order is not paid: {}", answer.text());
            Ok(Ok(()))
        }
        400 => {
            let refusal = answer.json()?;
            let positions = refusal["positions"].as_array().map_or(&[][..], Vec::as_slice);
            let blames = |field: &str| positions.iter().any(|position| !position[field].is_null());
            match (blames("seat"), blames("item")) {
                (true, _) => Ok(Err(SEAT_TAKEN.to_owned())),
                (false, true) => Ok(Err(SOLD_OUT.to_owned())),
                (false, false) => bail!("pretix does not take the order: {}", answer.text()),
            }
        }
        401 | 403 | 404 | 405 | 415 => {
            bail!("pretix refuses the request: {} {}", answer.status, answer.text())
        }
        status => Ok(Err(status.to_string())),
    }
}
