//! The comparisons: what Usher does, and what stands against it.

use super::process::Baseline;
use super::work::{Side, Terms, join_at};
use crate::baseline::{Appending, Inserting, Kind, Servers, append, insert};
use crate::cli::{BaselineName, Ratio};
use crate::measure::{Measured, calls_json};
use crate::record::Latency;
use crate::system::{RedisCounters, System};
use crate::wire::Door;
use anyhow::{Context as _, ensure};
use async_nats::jetstream;
use schema::{Shards, subject};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Seats that a side may sell in a second.
const USHER_SEATS: u32 = 80_000;
const BASELINE_SEATS: u32 = 40_000;

/// One turn.
pub struct Turned {
    pub per_second: f64,
    /// How long it took with its preparation, and what Usher's processes took of a core meanwhile,
    /// in seconds.
    pub lasted: Duration,
    pub usher_cpu: BTreeMap<String, f64>,
    /// What a crowd heard; empty where nobody asked over HTTP.
    pub measured: Measured,
    /// What was counted besides.
    pub counted: Vec<Counted>,
    /// More for the raw output.
    pub note: Value,
}

/// A figure of a turn that is no rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counted {
    pub figure: &'static str,
    pub unit: &'static str,
    pub value: f64,
}

/// Usher, and what its turns leave for the other side's.
pub struct Usher {
    pub(super) side: Side,
    pub(super) data: PathBuf,
    nats: String,
    /// The journals' messages of the last turn.
    journal: Journal,
}

/// What a turn wrote into the journals.
#[derive(Debug, Clone, Copy, Default)]
struct Journal {
    message_bytes: u64,
    outcomes_per_message: f64,
}

/// What stands against Usher.
pub struct Rival {
    what: What,
    /// Ends with this.
    process: Option<Baseline>,
}

enum What {
    Shop(Side),
    Room(Side),
    Bare(Door),
    JetStream(Servers),
    Postgres(Servers),
}

#[derive(Deserialize)]
struct Running {
    nats: String,
}

impl From<Measured> for Turned {
    fn from(measured: Measured) -> Self {
        let per_second = measured.per_second;
        let (lasted, usher_cpu, note) = (Duration::ZERO, BTreeMap::new(), Value::Null);
        Self { per_second, lasted, usher_cpu, measured, counted: Vec::new(), note }
    }
}

impl Usher {
    pub fn new(system: &System) -> anyhow::Result<Self> {
        let running = fs::read(system.data.join("usher.json")).context("read usher.json")?;
        let running: Running = serde_json::from_slice(&running).context("parse usher.json")?;
        let side = Side::new(&system.door, system.bench_door, USHER_SEATS);
        let (data, nats) = (system.data.clone(), running.nats);
        Ok(Self { side, data, nats, journal: Journal::default() })
    }

    pub async fn join(&mut self, terms: &Terms) -> anyhow::Result<Measured> {
        self.side.join(terms).await
    }

    /// That all its joins were given.
    pub fn numbers(&self) -> &[u64] {
        self.side.numbers()
    }

    pub async fn turn(&mut self, ratio: Ratio, terms: &Terms) -> anyhow::Result<Turned> {
        Ok(match ratio {
            Ratio::ReserveVsConventional | Ratio::ReserveVsPostgresOnly => {
                self.side.reserve(terms).await?.into()
            }
            Ratio::BookingVsConventional | Ratio::BookingVsPostgresOnly => {
                self.side.book(terms).await?.into()
            }
            Ratio::ReserveBestVsPostgresOnly => self.side.reserve_best(terms).await?.into(),
            Ratio::ContendedVsConventional | Ratio::ContendedVsPostgresOnly => {
                self.side.contend(terms).await?.into()
            }
            Ratio::PollVsBareHyper | Ratio::PollVsRedisZset => self.polled(terms).await?,
            Ratio::StatusVsBareHyper => self.side.status(terms).await?.into(),
            Ratio::JoinVsBarePost => self.side.join_on(terms).await?.into(),
            Ratio::JournalVsRawJetstream => self.journaled(terms).await?,
            Ratio::SettleVsRawPostgres
            | Ratio::ConfirmVsConventional
            | Ratio::ConfirmVsConventionalCharging => self.side.confirm(terms).await?.into(),
        })
    }

    /// A turn of polls, and what Redis was called for meanwhile: by whatever the system does.
    async fn polled(&mut self, terms: &Terms) -> anyhow::Result<Turned> {
        let mut redis = RedisCounters::open(&self.data).await?;
        let before = redis.calls().await?;
        let measured = self.side.poll(terms).await?;
        let note = calls_json(&before, &redis.calls().await?, measured.good_all);
        let value = note["redisCallsPerPoll"].as_f64();
        let counted = |value| Counted { figure: "redis_calls_per_poll", unit: "calls", value };
        let counted = value.map(counted).into_iter().collect();
        Ok(Turned { counted, note, ..measured.into() })
    }

    /// A turn of reserve, and a look at the messages that it left.
    async fn journaled(&mut self, terms: &Terms) -> anyhow::Result<Turned> {
        let before = journals(&self.nats).await?;
        let measured = self.side.reserve(terms).await?;
        let after = journals(&self.nats).await?;
        let messages = (after.messages_ever - before.messages_ever).max(1);
        let outcomes = u32::try_from(measured.good_all).context("a turn is short")?;
        let messages = u32::try_from(messages).context("a turn is short")?;
        self.journal = Journal {
            message_bytes: after.bytes.saturating_sub(before.bytes) / u64::from(messages),
            outcomes_per_message: f64::from(outcomes) / f64::from(messages),
        };
        ensure!(0 < self.journal.message_bytes, "the journals were trimmed meanwhile");
        let note = self.journal.note();
        Ok(Turned { note, ..measured.into() })
    }
}

impl Journal {
    fn note(self) -> Value {
        json!({
            "messageBytes": self.message_bytes, "outcomesPerMessage": self.outcomes_per_message,
        })
    }
}

impl Rival {
    /// Starts it. Blocking at times, on the thread that calls this.
    pub async fn start(
        ratio: Ratio,
        usher: &mut Usher,
        terms: &Terms,
        out: &Path,
    ) -> anyhow::Result<Self> {
        let name = match ratio {
            Ratio::ReserveVsConventional
            | Ratio::BookingVsConventional
            | Ratio::ConfirmVsConventional
            | Ratio::ContendedVsConventional => BaselineName::Conventional,
            Ratio::ConfirmVsConventionalCharging => BaselineName::ConventionalCharging,
            Ratio::ReserveVsPostgresOnly
            | Ratio::BookingVsPostgresOnly
            | Ratio::ReserveBestVsPostgresOnly
            | Ratio::ContendedVsPostgresOnly => BaselineName::PostgresOnly,
            Ratio::PollVsBareHyper | Ratio::StatusVsBareHyper | Ratio::JoinVsBarePost => {
                BaselineName::Bare
            }
            Ratio::PollVsRedisZset => BaselineName::RedisZset,
            Ratio::JournalVsRawJetstream => {
                let servers = Servers::start(&out.join("raw-jetstream"), &[Kind::Nats])?;
                return Ok(Self { what: What::JetStream(servers), process: None });
            }
            Ratio::SettleVsRawPostgres => {
                let servers = Servers::start(&out.join("raw-postgres"), &[Kind::Postgres])?;
                return Ok(Self { what: What::Postgres(servers), process: None });
            }
        };
        let body_bytes = match ratio {
            Ratio::StatusVsBareHyper => usher.side.status_bytes().await?,
            Ratio::JoinVsBarePost => usher.side.join_bytes().await?,
            _ if ratio.polls() => usher.side.poll_bytes().await?,
            _ => 0,
        };
        let baseline = Baseline::start(name, body_bytes, out)?;
        let mut side = Side::new(&baseline.door, true, BASELINE_SEATS);
        let what = match name {
            BaselineName::Bare => What::Bare(baseline.door.clone()),
            BaselineName::RedisZset => {
                side.join(terms).await?;
                What::Room(side)
            }
            BaselineName::Conventional
            | BaselineName::ConventionalCharging
            | BaselineName::PostgresOnly => What::Shop(side),
        };
        Ok(Self { what, process: Some(baseline) })
    }

    /// Whether it can stand against Usher in another comparison too. A bare answer has the size of
    /// one question's.
    pub fn serves(&self, from: Ratio, to: Ratio) -> bool {
        from.other() == to.other() && !matches!(self.what, What::Bare(_))
    }

    /// The process that answers; its own servers are its children.
    pub fn process_id(&self) -> Option<u32> {
        match &self.what {
            What::JetStream(servers) | What::Postgres(servers) => servers.process_ids().next(),
            What::Shop(_) | What::Room(_) | What::Bare(_) => {
                self.process.as_ref().map(Baseline::process_id)
            }
        }
    }

    pub async fn turn(
        &mut self,
        ratio: Ratio,
        usher: &mut Usher,
        terms: &Terms,
    ) -> anyhow::Result<Turned> {
        Ok(match &mut self.what {
            What::Shop(side) => match ratio {
                Ratio::BookingVsConventional | Ratio::BookingVsPostgresOnly => {
                    side.book(terms).await?.into()
                }
                Ratio::ReserveBestVsPostgresOnly => side.reserve_best(terms).await?.into(),
                Ratio::ConfirmVsConventional | Ratio::ConfirmVsConventionalCharging => {
                    side.confirm(terms).await?.into()
                }
                Ratio::ContendedVsConventional | Ratio::ContendedVsPostgresOnly => {
                    side.contend(terms).await?.into()
                }
                _ => side.reserve(terms).await?.into(),
            },
            What::Room(side) => side.poll(terms).await?.into(),
            What::Bare(door) => match ratio {
                Ratio::StatusVsBareHyper => usher.side.status_at(door, terms).await?.into(),
                Ratio::JoinVsBarePost => join_at(door, terms).await?.1.into(),
                _ => usher.side.poll_at(door, terms).await?.into(),
            },
            What::JetStream(servers) => {
                let message_bytes = usize::try_from(usher.journal.message_bytes)?;
                let (url, time) = (servers.url(Kind::Nats)?, terms.turn());
                let appended = append(&Appending { url, message_bytes, time }).await?;
                let per_second = appended.0 * usher.journal.outcomes_per_message;
                let latency = appended.1;
                let note = json!({"messagesPerSecond": appended.0, "like": usher.journal.note()});
                Turned { note, ..limit(per_second, latency).into() }
            }
            What::Postgres(servers) => {
                let (url, parties) = (servers.url(Kind::Postgres)?, terms.parties.clone());
                let inserting = Inserting { url, parties, time: terms.turn() };
                let (per_second, latency) = insert(&inserting).await?;
                let note = json!({"ordersPerSecond": per_second});
                Turned { note, ..limit(per_second, latency).into() }
            }
        })
    }
}

/// What a limit of the machine did; `latency` is that of a whole batch.
fn limit(per_second: f64, latency: Latency) -> Measured {
    Measured { per_second, latency, ..Measured::default() }
}

/// How much has ever been written into the journals, and how many bytes are there.
struct Written {
    messages_ever: u64,
    bytes: u64,
}

async fn journals(url: &str) -> anyhow::Result<Written> {
    let client = async_nats::connect(url).await.context("connect to Usher's NATS")?;
    let context = jetstream::new(client);
    let mut written = Written { messages_ever: 0, bytes: 0 };
    for shard in Shards::default().all() {
        let stream = context.get_stream(subject::journal_stream(shard)).await;
        let state = stream.context("look at a journal")?.cached_info().state.clone();
        written.messages_ever += state.last_sequence;
        written.bytes += state.bytes;
    }
    Ok(written)
}
