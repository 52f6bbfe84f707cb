//! A running stage with somebody who asks it.

use allocator::{Config, Deps};
use async_nats::Subscriber;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use chassis::{Follower, Health, Nats, Shutdown, StartAt, TestServers, stream_config, tasks};
use dashmap::DashMap;
use futures_util::StreamExt;
use schema::{
    AccountId, AllocatorLoad, Batch, Command, CommandBody, CommandId, Currency, DurationMs,
    EventId, EventListing, EventStatus, HoldSeats, Money, Outcome, OutcomeBody, OwnerKind,
    PriceLevel, Refusal, Reply, ReplyBatch, Row, SeatIdx, SeatingPlan, Section, ShardId,
    ShardState, Shards, Want, codec, sealed, subject,
};
use std::sync::Arc;
use std::time::Duration;

/// Far above anything these tests wait for; only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(30);

/// Short, so that a test can see a hold end.
pub const HOLD_TTL: DurationMs = DurationMs(2_000);

/// Few, so that a test can see an answer leave the memory.
pub const ANSWERS_MAX: u32 = 2_048;

pub struct Bench {
    pub servers: TestServers,
    nats: Nats,
    postgres: sqlx::PgPool,
    keep: DurationMs,
    stage: Option<Stage>,
    answers: Arc<DashMap<CommandId, Reply>>,
}

/// The stage in one process.
pub struct Stage {
    shutdown: Shutdown,
    running: tokio::task::JoinHandle<Result<(), allocator::Error>>,
}

impl Stage {
    pub async fn end(self) {
        self.shutdown.begin("the test ends");
        within(self.running).await.unwrap().unwrap();
    }
}

impl Bench {
    pub async fn start() -> Self {
        Self::with_holds_of(HOLD_TTL).await
    }

    pub async fn with_holds_of(hold_ttl: DurationMs) -> Self {
        // For ever.
        Self::with_journal_kept_for(hold_ttl, DurationMs(0)).await
    }

    pub async fn with_journal_kept_for(hold_ttl: DurationMs, keep: DurationMs) -> Self {
        let servers = TestServers::with(&[chassis::Which::Nats, chassis::Which::Postgres]).await;
        let nats = servers.nats().await;
        let postgres = servers.postgres().await;
        chassis::migrate(&postgres).await.unwrap();
        let catalog = stream_config(&schema::stream::catalog(), 1);
        nats.ensure_stream(&catalog).await.unwrap();
        let plan = plan();
        let listing = listing(&plan, hold_ttl);
        let entries = [
            (subject::catalog_plan(&plan.id), codec::encode(&plan)),
            (subject::catalog_event(&listing.event), codec::encode(&listing)),
        ];
        for (name, entry) in entries {
            nats.jetstream.publish(name, entry.into()).await.unwrap().await.unwrap();
        }
        let answers = Arc::new(DashMap::new());
        let heard = nats.client.subscribe(subject::replies("test")).await.unwrap();
        tasks::spawn("listener", listen(heard, Arc::clone(&answers)));
        let mut bench = Self { servers, nats, postgres, keep, stage: None, answers };
        bench.run().await;
        bench
    }

    async fn run(&mut self) {
        let health = self.begin();
        Self::ready(&health).await;
    }

    /// Starts the stage without a wait.
    pub fn begin(&mut self) -> Health {
        let (health, shutdown) = (Health::new(), Shutdown::default());
        let deps = Deps {
            nats: self.nats.clone(),
            postgres: self.postgres.clone(),
            health: health.clone(),
            shutdown: shutdown.clone(),
            instance: format!("test-{}", chassis::clock::now().0),
            shards: Shards::default(),
        };
        let config = Config {
            checkpoint_every_ms: 200,
            answers_max: ANSWERS_MAX,
            journal_keep_ms: self.keep.0,
            ..Config::default()
        };
        let running = tasks::spawn("allocator", allocator::run(config, deps));
        self.stage = Some(Stage { shutdown, running });
        health
    }

    pub async fn ready(health: &Health) {
        // A stage names what it has as soon as it runs.
        within(async {
            while health.missing().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            while health.missing().keys().any(|name| name.starts_with("allocator")) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    pub async fn stop(mut self) {
        self.end().await;
    }

    pub async fn end(&mut self) {
        if let Some(stage) = self.stage.take() {
            stage.end().await;
        }
    }

    /// Starts another one beside the stage that runs, which is returned.
    pub async fn start_another(&mut self) -> Stage {
        let first = self.stage.take().expect("one runs");
        self.run().await;
        first
    }

    /// Lets the journal take no more messages than it has.
    pub async fn fill_journal(&self) {
        let journal = self.nats.jetstream.get_stream(subject::journal_stream(shard())).await;
        let messages = journal.unwrap().cached_info().state.messages;
        self.limit_journal(i64::try_from(messages).unwrap()).await;
    }

    /// Lets it take any number again.
    pub async fn make_room(&self) {
        self.limit_journal(-1).await;
    }

    async fn limit_journal(&self, max_messages: i64) {
        let config = stream_config(&schema::stream::journal(shard()), 1);
        let limited = async_nats::jetstream::stream::Config { max_messages, ..config };
        self.nats.jetstream.update_stream(limited).await.unwrap();
    }

    /// Stops the stage and starts it again so much later.
    pub async fn restart_after_outage(&mut self, outage: DurationMs) {
        self.end().await;
        let end = chassis::clock::now() + outage;
        within(async {
            while chassis::clock::now() < end {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        self.run().await;
    }

    pub async fn restart(&mut self) {
        self.end().await;
        self.run().await;
    }

    pub fn hold(id: u128, seats: &[u32]) -> Command {
        Command {
            id: CommandId(id),
            fingerprint: u64::try_from(id).unwrap(),
            event: event(),
            account: AccountId(id + 1),
            deadline: chassis::clock::now() + DurationMs(60_000),
            reply_to: subject::replies("test").into(),
            trace: None,
            body: CommandBody::HoldSeats(HoldSeats {
                want: Want::Seats(seats.iter().copied().map(SeatIdx).collect()),
                owner: OwnerKind::Fan,
                pass: None,
                condition: None,
            }),
        }
    }

    /// Gives up what another command got.
    pub fn release(id: u128, held: &Outcome) -> Command {
        let OutcomeBody::SeatsHeld(held) = &held.body else { panic!("not held: {held:?}") };
        let body = CommandBody::ReleaseHold { hold: held.hold };
        Command { account: held.account, body, ..Self::hold(id, &[]) }
    }

    /// Sends the command again and again until its answer comes, as an ingress does.
    pub async fn ask(&self, command: &Command) -> Reply {
        let subject = subject::commands(Shards::default().of(&command.event));
        let bytes = codec::encode(command);
        within(async {
            loop {
                // A command that NATS did not take is sent again like one whose answer was lost.
                let sent = self.nats.jetstream.publish(subject.clone(), bytes.clone().into());
                drop(tokio::time::timeout(Duration::from_millis(300), sent).await);
                let until = tokio::time::Instant::now() + Duration::from_millis(300);
                while tokio::time::Instant::now() < until {
                    match self.answers.remove(&command.id) {
                        // Another answer is to a copy of an earlier command with this id.
                        Some((_, reply))
                            if reply != Reply::Busy && reply.is_to(command.fingerprint) =>
                        {
                            return reply;
                        }
                        Some(_) | None => {}
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        })
        .await
    }

    /// What the owner of the test event's shard says of its load, once it is as wanted.
    pub async fn load_when(&self, is_wanted: impl Fn(&AllocatorLoad) -> bool) -> AllocatorLoad {
        let subject = subject::load_allocator(shard());
        let mut words = self.nats.client.subscribe(subject).await.unwrap();
        within(async {
            loop {
                let word = words.next().await.unwrap();
                let load = codec::decode(&word.payload).unwrap();
                if is_wanted(&load) {
                    return load;
                }
            }
        })
        .await
    }

    /// Every batch of the test event's journal.
    pub async fn journal(&self) -> Vec<(u64, Batch)> {
        let shard = shard();
        let stream = subject::journal_stream(shard);
        let last = chassis::last_sequence(&self.nats, &stream).await.unwrap();
        let all = subject::journal_all(shard);
        let mut follower = Follower::start(self.nats.clone(), &stream, &all, StartAt::First);
        let (mut batches, mut read) = (Vec::new(), 0);
        while read < last {
            let message = within(follower.next()).await.unwrap();
            read = message.sequence;
            if message.subject == subject::journal(shard) {
                batches.push((read, codec::decode_checked(&message.payload).unwrap()));
            }
        }
        batches
    }

    pub async fn wait_for_outcome(&self, wanted: impl Fn(&Outcome) -> bool) {
        self.wait_for_batch(|batch| batch.outcomes.iter().any(&wanted)).await;
    }

    pub async fn wait_for_batch(&self, wanted: impl Fn(&Batch) -> bool) {
        within(async {
            while !self.journal().await.iter().any(|(_, batch)| wanted(batch)) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }

    pub async fn wait_for_checkpoint(&self) {
        within(async {
            loop {
                let count: i64 = sqlx::query_scalar("SELECT count(*) FROM checkpoint")
                    .fetch_one(&self.postgres)
                    .await
                    .unwrap();
                if 0 < count {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// Waits until the newest checkpoint includes the batch with this stream sequence.
    pub async fn wait_for_checkpoint_of(&self, sequence: u64) -> Newest {
        let newest = "SELECT base, sequence FROM checkpoint WHERE shard = $1 AND $2 <= sequence \
                      ORDER BY sequence DESC LIMIT 1";
        let shard = i16::from(shard().0);
        within(async {
            loop {
                let row = sqlx::query_as(newest).bind(shard).bind(i64::try_from(sequence).unwrap());
                if let Some((base, sequence)) = row.fetch_optional(&self.postgres).await.unwrap() {
                    return Newest { base, sequence };
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
    }

    /// Keeps everybody from reading tables until the end of the transaction.
    pub async fn withhold(&self, lock: &'static str) -> sqlx::Transaction<'static, sqlx::Postgres> {
        let mut transaction = self.postgres.begin().await.unwrap();
        let patient = "SET LOCAL idle_in_transaction_session_timeout = 0";
        for statement in [patient, lock] {
            sqlx::query(statement).execute(&mut *transaction).await.unwrap();
        }
        transaction
    }

    /// Changes a byte of the event in a checkpoint.
    pub async fn damage(&self, newest: &Newest) {
        let damage = "UPDATE checkpoint_part \
                      SET content = set_byte(content, 9, get_byte(content, 9) # 1) \
                      WHERE base = $1 AND part LIKE 'event/%'";
        let damaged = sqlx::query(damage).bind(newest.base).execute(&self.postgres).await.unwrap();
        assert_eq!(damaged.rows_affected(), 1);
    }

    /// Loses the archived answers around the one with this number.
    pub async fn lose_archived(&self, number: i64) {
        let delete = "DELETE FROM answer_archive \
                    WHERE shard = $1 AND first_number <= $2 AND $2 < next_number";
        let shard = i16::from(shard().0);
        let gone = sqlx::query(delete).bind(shard).bind(number).execute(&self.postgres).await;
        assert_eq!(gone.unwrap().rows_affected(), 1);
    }

    /// Drops the batches of the journal up to this one, and leaves the epoch records; returns how
    /// many there were.
    pub async fn trim_journal(&self, sequence: i64) -> u64 {
        let shard = shard();
        let stream = self.nats.jetstream.get_stream(subject::journal_stream(shard)).await.unwrap();
        let kept = u64::try_from(sequence).unwrap() + 1;
        let purge = stream.purge().filter(subject::journal(shard)).sequence(kept).await.unwrap();
        purge.purged
    }

    /// Settlement's consumer of the journal, which acknowledges what a test lets it.
    pub async fn settlement(&self) -> PullConsumer {
        let shard = shard();
        let name = subject::journal_stream(shard);
        // The stage makes it when it starts.
        let stream = within(async {
            loop {
                match self.nats.jetstream.get_stream(&name).await {
                    Ok(stream) => return stream,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
        let stream = stream.await;
        let config = pull::Config {
            durable_name: Some(subject::settlement_consumer(shard)),
            filter_subject: subject::journal(shard),
            ack_policy: AckPolicy::All,
            ..pull::Config::default()
        };
        stream.create_consumer(config).await.unwrap()
    }

    /// Acknowledges everything that is there.
    pub async fn acknowledge(&self, settlement: &PullConsumer) {
        let fetched = settlement.fetch().max_messages(10_000).messages().await.unwrap();
        let messages: Vec<_> = fetched.map(Result::unwrap).collect().await;
        messages.last().expect("something was journaled").double_ack().await.unwrap();
    }

    /// The sequence of the oldest checkpoint, and how many there are.
    pub async fn checkpoints(&self) -> (u64, i64) {
        let oldest = "SELECT min(sequence), count(*) FROM checkpoint WHERE shard = $1";
        let shard = i16::from(shard().0);
        let oldest = sqlx::query_as::<_, (i64, i64)>(oldest).bind(shard);
        let (oldest, count) = oldest.fetch_one(&self.postgres).await.unwrap();
        (u64::try_from(oldest).unwrap(), count)
    }

    /// As if another process had stored the newest checkpoint, at this time.
    pub async fn stored_by_another(&self, stored_at_ms: i64) {
        let stored = "UPDATE checkpoint SET stored_by = 'another', stored_at_ms = $2 \
                      WHERE shard = $1";
        let shard = i16::from(shard().0);
        let stored = sqlx::query(stored).bind(shard).bind(stored_at_ms);
        assert_eq!(stored.execute(&self.postgres).await.unwrap().rows_affected(), 1);
    }

    /// What a replica tells of the test event's shard: of the event `only`, or of all without one.
    pub async fn state(&self, only: &str) -> ShardState {
        let (shard, question) = (shard(), only.as_bytes().to_vec());
        let asked = chassis::ask_in_parts(&self.nats, subject::state(shard), question, PATIENCE);
        let answer = asked.await.unwrap().expect("a replica answers");
        sealed::unseal(&answer).expect("it is a state")
    }

    /// Waits until the first batch that is left is behind this one; returns it.
    pub async fn wait_for_trim_of(&self, sequence: u64) -> (u64, Batch) {
        within(async {
            loop {
                let first = self.journal().await.into_iter().next().expect("the newest stays");
                if sequence < first.0 {
                    return first;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await
    }

    /// Appends an epoch record as a contender that nobody else sees would; returns its sequence.
    pub async fn overtake(&self) -> u64 {
        let shard = shard();
        let record = chassis::EpochRecord { nonce: "usurper".into(), owner: "nobody".into() };
        let record = record.encode();
        let sent = self.nats.jetstream.publish(subject::journal_epoch(shard), record).await;
        sent.unwrap().await.unwrap().sequence
    }

    /// The sequence of the newest epoch record.
    pub async fn epoch(&self) -> u64 {
        let shard = shard();
        let stream = self.nats.jetstream.get_stream(subject::journal_stream(shard)).await.unwrap();
        let epoch = subject::journal_epoch(shard);
        stream.get_last_raw_message_by_subject(&epoch).await.unwrap().sequence
    }

    /// Waits until nothing asked before is under way, and forgets the answers nobody took.
    pub async fn settle(&self, fresh: &Command) {
        // Commands are answered in order, so repetitions of earlier ones were answered before this.
        self.ask(fresh).await;
        self.answers.clear();
    }
}

/// The newest checkpoint.
pub struct Newest {
    pub base: i64,
    pub sequence: i64,
}

async fn listen(mut heard: Subscriber, answers: Arc<DashMap<CommandId, Reply>>) {
    while let Some(message) = heard.next().await {
        let batch: ReplyBatch = codec::decode(&message.payload).unwrap();
        for (command, reply) in batch.replies {
            answers.insert(command, reply);
        }
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens in time")
}

pub fn held_seats(reply: &Reply) -> Vec<u32> {
    let Reply::Done { outcome, .. } = reply else { panic!("no answer: {reply:?}") };
    let OutcomeBody::SeatsHeld(held) = &outcome.body else { panic!("not held: {outcome:?}") };
    held.seats.iter().map(|seat| seat.seat.0).collect()
}

pub fn sequence(reply: &Reply) -> u64 {
    let Reply::Done { sequence, .. } = reply else { panic!("no answer: {reply:?}") };
    *sequence
}

pub fn refusal(reply: &Reply) -> &Refusal {
    let Reply::Done { outcome, .. } = reply else { panic!("no answer: {reply:?}") };
    let OutcomeBody::Refused(refusal) = &outcome.body else { panic!("not refused: {outcome:?}") };
    refusal
}

/// The test event's.
fn shard() -> ShardId {
    Shards::default().of(&event())
}

fn event() -> EventId {
    "EVT-TEST".parse().unwrap()
}

fn plan() -> SeatingPlan {
    let row = Row {
        label: "1".into(),
        seat_count: 40,
        first_number: 1,
        price_level: 0,
        accessible: 0,
        x_cm: 0,
        y_cm: 100,
        step_x_cm: 50,
        step_y_cm: 0,
    };
    let mut plan = SeatingPlan {
        id: "p-none".parse().unwrap(),
        sections: vec![Section { name: "A".into(), rows: vec![row] }],
        areas: vec![],
        focal_x_cm: 0,
        focal_y_cm: 0,
        pools: Vec::new(),
    };
    plan.id = plan.content_id();
    plan
}

fn listing(plan: &SeatingPlan, hold_ttl_ms: DurationMs) -> EventListing {
    let price = Money::new(4_000, Currency::EUR);
    EventListing {
        event: event(),
        plan: plan.id.clone(),
        name: "A test".into(),
        venue: "Bench".into(),
        city: "Here".into(),
        category: "Test".into(),
        starts_at: chassis::clock::now() + DurationMs(86_400_000),
        sale_starts_at: schema::UnixMillis(0),
        status: EventStatus::OnSale,
        price_levels: vec![PriceLevel { name: "All".into(), price }],
        places_total: plan.place_count(),
        hold_ttl_ms,
        hold_life_max_ms: DurationMs(1_800_000),
        account_places_max: 10,
        waiting_room: false,
        channels: Vec::new(),
        request_places_max: 10,
        terms: schema::Terms::default(),
    }
}
