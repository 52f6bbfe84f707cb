//! From the bytes of commands to outcomes that survive the machine: decoding, deciding, encoding
//! and the fenced append to a journal on a server of its own that syncs each write, as an owner
//! does it for each of the shards of one machine.

use crate::fans::{Desk, catalogue, event, of_hold};
use crate::is_measuring;
use crate::venue::{ARENA, CLUB, Venue, scattered_couples};
use bytes::Bytes;
use chassis::config::Url;
use chassis::{
    Contender, Durability, FenceSpec, Nats, NatsConfig, Owner, Servers, ServersSpec, Shutdown,
    Which, stream_config,
};
use criterion::{Criterion, Throughput};
use schema::{
    AccountId, Batch, Command, EventId, HoldId, Outcome, ShardId, Shards, Want, codec, limits,
    stream, subject,
};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("durable");
    let venue = if is_measuring() { ARENA } else { CLUB };
    let couples = u64::from(venue.seat_count() / 2);
    group.throughput(Throughput::Elements(couples * u64::from(u8::from(Shards::default()))));
    group.sample_size(10);
    let mut machine = None;
    group.bench_function("hold 2 by name in all shards", |bench| {
        let machine = machine.get_or_insert_with(|| Machine::start(venue));
        bench.iter_custom(|turns| (0..turns).map(|_| machine.sell_out()).sum());
    });
    group.finish();
    if let Some(machine) = machine {
        machine.stop();
    }
}

/// A server with the journals of all shards, each with its owner.
struct Machine {
    runtime: Runtime,
    servers: Servers,
    /// Out of it while they sell.
    shards: Vec<Shard>,
    _folder: tempfile::TempDir,
}

struct Shard {
    sale: Sale,
    journal: Journal,
}

/// What an owner's decider does, in its own thread.
struct Sale {
    desk: Desk,
    event: EventId,
    wants: Vec<Want>,
    epoch: u64,
    /// Batches decided.
    number: u64,
}

/// What an owner's writer does.
struct Journal {
    id: ShardId,
    owner: Owner,
    /// Batches appended.
    number: u64,
}

impl Machine {
    fn start(venue: Venue) -> Self {
        let runtime = Runtime::new().expect("threads can be started");
        let folder = tempfile::tempdir().expect("the temporary folder is writable");
        let spec = ServersSpec {
            dir: folder.path().to_owned(),
            durability: Durability::Machine,
            which: vec![Which::Nats],
        };
        let servers = runtime.block_on(Servers::start(spec)).expect("nats-server starts");
        let url = Url::new(&servers.child(Which::Nats).url);
        let config = NatsConfig { url, ..NatsConfig::default() };
        let shards = runtime.block_on(async {
            let nats = Nats::connect(&config, "micro").await.expect("the server answers");
            let mut shards = Vec::new();
            for id in Shards::default().all() {
                shards.push(Shard::open(&nats, id, venue).await);
            }
            shards
        });
        Self { runtime, servers, shards, _folder: folder }
    }

    /// Sells out every shard; the time until the last hold was durable.
    fn sell_out(&mut self) -> Duration {
        let mut shards = std::mem::take(&mut self.shards);
        let asked: Vec<Vec<Bytes>> = shards.iter_mut().map(|shard| shard.sale.ask()).collect();
        let begun = Instant::now();
        let (sold, took) = self.runtime.block_on(async {
            let mut selling = JoinSet::new();
            for (shard, messages) in shards.into_iter().zip(asked) {
                selling.spawn(shard.sell(messages));
            }
            (selling.join_all().await, begun.elapsed())
        });
        for (mut shard, held) in sold {
            shard.sale.take_back(&held);
            self.shards.push(shard);
        }
        took
    }

    fn stop(self) {
        let Self { runtime, servers, shards, .. } = self;
        // The owners beat on this runtime.
        let _inside = runtime.enter();
        drop(shards);
        runtime.block_on(servers.stop());
    }
}

type Held = Vec<(HoldId, AccountId)>;

impl Shard {
    async fn open(nats: &Nats, id: ShardId, venue: Venue) -> Self {
        let journal = stream_config(&stream::journal(id), nats.replicas);
        nats.ensure_stream(&journal).await.expect("the server makes a stream");
        let spec = FenceSpec {
            stream: subject::journal_stream(id),
            epoch_subject: subject::journal_epoch(id),
            data_subject: subject::journal(id),
            lease_bucket: subject::LEASES.into(),
            lease_key: subject::shard_lease(id),
            probe_key: subject::shard_probe(id, "micro"),
            lease_beat_ms: 300,
            lease_silence_ms: 1_000,
        };
        let contender = Contender::new(nats.clone(), spec, "micro").await;
        let contender = contender.expect("the server makes a bucket");
        let owner = contender.acquire(&Shutdown::default()).await.expect("nobody else is there");
        let couples = scattered_couples(venue.seat_count());
        let sale = Sale {
            desk: Desk::new(&catalogue(venue, 1)),
            event: event(0),
            wants: couples.iter().map(|couple| Want::Seats(couple.to_vec())).collect(),
            epoch: owner.epoch,
            number: 0,
        };
        Self { sale, journal: Journal { id, owner, number: 0 } }
    }

    /// Decides a batch while the one before is appended.
    async fn sell(self, messages: Vec<Bytes>) -> (Self, Held) {
        let Self { mut sale, mut journal } = self;
        let (decided, batches) = mpsc::channel(1);
        let deciding = tokio::task::spawn_blocking(move || {
            let mut held = Held::new();
            for message in messages {
                let batch = sale.decide(&message, &mut held);
                decided.blocking_send(batch).expect("the journal takes all");
            }
            (sale, held)
        });
        journal.append_all(batches).await;
        let (sale, held) = deciding.await.expect("nothing panics");
        (Self { sale, journal }, held)
    }
}

impl Sale {
    /// The commands of couples for all seats, as they come from COMMANDS: many in a message.
    fn ask(&mut self) -> Vec<Bytes> {
        let messages = self.wants.chunks(limits::BATCH_OUTCOMES_MAX).map(|wants| {
            let ask = |want: &Want| codec::encode(&self.desk.hold(&self.event, want.clone()));
            Bytes::from(codec::join(&wants.iter().map(ask).collect::<Vec<_>>()))
        });
        messages.collect()
    }

    fn decide(&mut self, message: &[u8], held: &mut Held) -> Bytes {
        let commands: Vec<Command> = codec::decode_all(message).expect("they are commands");
        let time = self.desk.now();
        let outcomes: Vec<Outcome> =
            commands.iter().map(|command| self.desk.decide(time, command)).collect();
        held.extend(outcomes.iter().map(of_hold));
        self.number += 1;
        let (epoch, number) = (self.epoch, self.number);
        let batch = Batch { epoch, number, time, outcomes, previous: 0 };
        Bytes::from(codec::encode_checked(&batch))
    }

    /// Frees all seats again; no part of what is measured.
    fn take_back(&mut self, held: &Held) {
        for &(hold, account) in held {
            let release = self.desk.release(&self.event, hold, account);
            self.desk.decide(self.desk.now(), &release);
        }
    }
}

impl Journal {
    async fn append_all(&mut self, mut batches: mpsc::Receiver<Bytes>) {
        while let Some(batch) = batches.recv().await {
            self.number += 1;
            let message = format!("{}/{}/{}", self.id, self.owner.epoch, self.number);
            self.owner.append(&message, batch).await.expect("the journal is this owner's");
        }
    }
}
