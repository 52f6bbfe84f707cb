//! What the catalogue says of an event now.

use crate::config::BUS_WAIT;
use crate::error::Error;
use chassis::{Nats, outside};
use schema::{EventId, EventListing, PlanId, SeatingPlan, codec, subject};
use serde::de::DeserializeOwned;

/// Reads single entries of the stream. Clones share the connection.
#[derive(Debug, Clone)]
pub(crate) struct Catalogue {
    pub nats: Nats,
}

impl Catalogue {
    pub(crate) async fn listing(&self, event: &EventId) -> Result<EventListing, Error> {
        self.read(&subject::catalog_event(event)).await
    }

    pub(crate) async fn plan(&self, plan: &PlanId) -> Result<SeatingPlan, Error> {
        self.read(&subject::catalog_plan(plan)).await
    }

    async fn read<T: DeserializeOwned>(&self, subject: &str) -> Result<T, Error> {
        let what = "read the catalogue";
        let read = async {
            let stream = self.nats.jetstream.get_stream_no_info(subject::CATALOG).await;
            let stream = stream.map_err(|error| Error::bus(what, &error))?;
            let message = stream.get_last_raw_message_by_subject(subject).await;
            let message = message.map_err(|error| Error::bus(what, &error))?;
            codec::decode(&message.payload).map_err(|error| Error::bus(what, &error))
        };
        let read = tokio::time::timeout(BUS_WAIT, outside(what, read)).await;
        read.unwrap_or(Err(Error::Slow { what }))
    }
}
