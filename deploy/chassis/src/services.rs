//! Who is there: registration and discovery by the NATS Services API.
//!
//! It is core NATS, at most once: an instance that is slow to answer is missing from the list.

use std::{collections::HashMap, time::Duration};

use async_nats::service::{Service, ServiceExt};
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, timeout_at};

use crate::{Error, Nats};

/// A registration; the service is listed until this is dropped.
#[derive(Debug)]
pub struct Announcement {
    // Taken by `drop` alone.
    service: Option<Service>,
}

impl Drop for Announcement {
    fn drop(&mut self) {
        let service = self.service.take().expect("dropped once");
        // A dropped service would go on to answer. Its stop is asynchronous in form only: it ends a
        // task.
        let stopped = service.stop().now_or_never();
        assert!(
            stopped.is_some_and(|stopped| stopped.is_ok()),
            "stopping a service waits for nothing"
        );
    }
}

/// One instance that answered.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct ServiceInfo {
    pub name: String,
    pub id: String,
    pub version: String,
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

/// How many answers a discovery takes; more instances than this are not looked at.
const ANSWERS_MAX: usize = 1_024;

/// Lists this process as an instance of service `name` (`[A-Za-z0-9_-]`), `version` being semantic.
pub async fn announce(
    nats: &Nats,
    name: &str,
    version: &str,
    metadata: impl IntoIterator<Item = (String, String)>,
) -> Result<Announcement, Error> {
    let metadata = metadata.into_iter().collect();
    let started = nats.client.service_builder().metadata(metadata).start(name, version).await;
    let service = started.map_err(|error| Error::Rejected {
        what: format!("announce service {name}"),
        source: crate::Cause::of(&*error),
    })?;
    Ok(Announcement { service: Some(service) })
}

/// The instances of service `name` that answer within `wait`, ordered by id.
pub async fn discover(nats: &Nats, name: &str, wait: Duration) -> Result<Vec<ServiceInfo>, Error> {
    let what = || format!("discover service {name}");
    let deadline = Instant::now() + wait;
    let inbox = nats.client.new_inbox();
    let ask = async {
        let answers = nats.client.subscribe(inbox.clone()).await;
        let answers = answers.map_err(|error| Error::unavailable(what(), &error))?;
        let question = format!("$SRV.INFO.{name}");
        let asked = nats.client.publish_with_reply(question, inbox, bytes::Bytes::new()).await;
        asked.map_err(|error| Error::unavailable(what(), &error))?;
        Ok(answers)
    };
    let asked = timeout_at(deadline, ask).await;
    let mut answers = asked.map_err(|elapsed| Error::unavailable(what(), &elapsed))??;
    let mut found = Vec::new();
    while found.len() < ANSWERS_MAX {
        // The deadline is the only end of the list: nobody knows how many there are.
        let Ok(Some(answer)) = timeout_at(deadline, answers.next()).await else { break };
        // With nobody there, the server itself answers, without a payload.
        if answer.payload.is_empty() {
            break;
        }
        match serde_json::from_slice::<ServiceInfo>(&answer.payload) {
            Ok(info) => found.push(info),
            Err(error) => tracing::debug!(%error, "an answer to {name} is not a service's"),
        }
    }
    found.sort_by(|left, right| left.id.cmp(&right.id));
    Ok(found)
}
