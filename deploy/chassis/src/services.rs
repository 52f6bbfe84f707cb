//! Who is there: registration and discovery by the NATS Services API.

use std::{collections::HashMap, time::Duration};

use crate::{Error, Nats};

/// A registration; the service is listed until this is dropped.
#[derive(Debug)]
pub struct Announcement {}

/// One instance that answered.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct ServiceInfo {
    pub name: String,
    pub id: String,
    pub version: String,
    #[serde(default)]
    pub metadata: HashMap<String, String>,
}

/// Lists this process as an instance of service `name` (`[A-Za-z0-9_-]`), `version` being semantic.
pub async fn announce(
    nats: &Nats,
    name: &str,
    version: &str,
    metadata: HashMap<String, String>,
) -> Result<Announcement, Error> {
    todo!("{nats:?} {name} {version} {metadata:?}")
}

/// The instances of service `name` that answer within `wait`.
pub async fn discover(nats: &Nats, name: &str, wait: Duration) -> Result<Vec<ServiceInfo>, Error> {
    todo!("{nats:?} {name} {wait:?}")
}
