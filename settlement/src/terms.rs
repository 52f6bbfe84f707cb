//! The terms by which sales are booked, as the catalogue has them.

use crate::catalogue::Catalogue;
use crate::error::Error;
use crate::order::{Order, Part};
use chassis::clock::Monotonic;
use schema::{AccountId, EventId, Split, Terms};
use settlement_core::{Posting, on_sale, ticket_of};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// For how long terms are taken for those of now.
///
/// It is how late a change may count, and how often the catalogue is asked for each event on sale.
const TERMS_FRESH: Duration = Duration::from_secs(2);

/// The terms of the events that are being sold.
#[derive(Debug)]
pub(crate) struct TermsBook {
    catalogue: Catalogue,
    /// Bounded by the events on sale.
    known: Mutex<HashMap<EventId, Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    terms: Arc<Terms>,
    asked_at: Monotonic,
}

/// The sale of some lines of an order.
fn sale_by(terms: &Terms, order: &Order, lines: impl Iterator<Item = u16>) -> Posting {
    let prices = lines.map(|line| order.prices[usize::from(line)]);
    let (mut split, mut total) = (Split::default(), 0);
    for (level, price) in prices {
        split = split + terms.split(price, level);
        total += price;
    }
    // MON-1: what is booked as sold is what is charged.
    assert!(split.charged() == total, "{split:?} of {}", order.id);
    on_sale(split, order.total.currency, order.payer, terms.promoter)
}

impl TermsBook {
    pub(crate) fn new(catalogue: Catalogue) -> Self {
        Self { catalogue, known: Mutex::default() }
    }

    /// What the sale of an order books now. The refund negates that, whatever the terms are then.
    pub(crate) async fn sale_of(&self, order: &Order) -> Result<Posting, Error> {
        let terms = self.of(&order.event).await?;
        Ok(sale_by(&terms, order, 0..order.line_count))
    }

    /// What the open part's ticket was of what is left of its order's sale.
    pub(crate) async fn ticket_of(
        &self,
        order: &Order,
        part: Part,
        left: &Posting,
    ) -> Result<Posting, Error> {
        let terms = self.of(&order.event).await?;
        let is_left = |line: &u16| !order.gone.contains(line);
        let all = sale_by(&terms, order, (0..order.line_count).filter(is_left));
        let ticket = sale_by(&terms, order, std::iter::once(part.line));
        let (_, price) = order.prices[usize::from(part.line)];
        Ok(ticket_of(left, price, (&all, &ticket)))
    }

    /// Whose event it is, if it is a partner's.
    pub(crate) async fn promoter_of(&self, event: &EventId) -> Result<Option<AccountId>, Error> {
        Ok(self.of(event).await?.promoter)
    }

    async fn of(&self, event: &EventId) -> Result<Arc<Terms>, Error> {
        let Some(known) = self.look_up(event) else { return self.ask(event).await };
        if known.asked_at.elapsed() < TERMS_FRESH {
            return Ok(known.terms);
        }
        // Only this one asks; sales go on by what was known last while NATS is away.
        self.remember(event, Arc::clone(&known.terms));
        match self.ask(event).await {
            Ok(terms) => Ok(terms),
            Err(error) => {
                let error = chassis::telemetry::chain(&error);
                tracing::warn!(%event, %error, "terms not read again");
                Ok(known.terms)
            }
        }
    }

    async fn ask(&self, event: &EventId) -> Result<Arc<Terms>, Error> {
        let terms = Arc::new(self.catalogue.listing(event).await?.terms);
        self.remember(event, Arc::clone(&terms));
        Ok(terms)
    }

    fn look_up(&self, event: &EventId) -> Option<Known> {
        self.known().get(event).cloned()
    }

    fn remember(&self, event: &EventId, terms: Arc<Terms>) {
        self.known().insert(event.clone(), Known { terms, asked_at: Monotonic::now() });
    }

    fn known(&self) -> MutexGuard<'_, HashMap<EventId, Known>> {
        // Nothing panics while the map is locked; if it did, the map would still be whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
