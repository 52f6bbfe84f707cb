//! What is told of journals that are long, trimmed, or created anew.

use super::{READ_WAIT, read, read_bookmark, write_bookmark};
use async_nats::jetstream::stream::Config;
use chassis::{Nats, Problem, TestServers, Which};
use schema::history::{SeatHistory, SeatTurn};
use schema::{
    AccountId, Batch, Currency, EventId, Held, HeldSeat, HoldId, Outcome, OutcomeBody, OwnerKind,
    Released, SeatIdx, ShardId, UnixMillis, codec, subject,
};
use std::ops::RangeInclusive;
use std::time::Duration;

const SEAT: SeatIdx = SeatIdx(3);
const SHARD: ShardId = ShardId(1);

/// The batches of a whole journal.
const ALL: RangeInclusive<u64> = 1..=6;

fn event() -> EventId {
    "EVT001".parse().unwrap()
}

fn new() -> SeatHistory {
    SeatHistory::new(event(), SEAT, SHARD)
}

/// A seat is held in each odd batch and let go in the next one.
fn batch(number: u64, time: UnixMillis) -> Batch {
    let seat = HeldSeat { seat: SEAT, generation: 1, price_level: 0, price: 4_000 };
    let body = if number % 2 == 1 {
        OutcomeBody::SeatsHeld(Held {
            hold: HoldId(number.into()),
            account: AccountId(7),
            owner: OwnerKind::Fan,
            seats: vec![seat],
            areas: vec![],
            currency: Currency::EUR,
            deadline: Some(time),
            pass: None,
        })
    } else {
        OutcomeBody::HoldReleased { hold: HoldId((number - 1).into()), why: Released::ByOwner }
    };
    let outcome = Outcome { asked: None, event: event(), free_after: 0, body };
    // The epoch record comes before the first.
    let previous = if number == 1 { 0 } else { number };
    Batch { epoch: 1, number, time, outcomes: vec![outcome], previous }
}

/// A journal on a server of its own.
struct Journal {
    nats: Nats,
    _server: TestServers,
}

impl Journal {
    async fn start() -> Self {
        let server = TestServers::with(&[Which::Nats]).await;
        let journal = Self { nats: server.nats().await, _server: server };
        journal.create().await;
        journal
    }

    async fn create(&self) {
        let (name, all) = (subject::journal_stream(SHARD), subject::journal_all(SHARD));
        let config = Config { name, subjects: vec![all], ..Config::default() };
        self.nats.jetstream.create_stream(config).await.unwrap();
        self.publish(subject::journal_epoch(SHARD), b"an epoch record".to_vec()).await;
    }

    async fn append(&self, numbers: RangeInclusive<u64>, begun: UnixMillis) {
        for number in numbers {
            let batch = batch(number, UnixMillis(begun.0 + number));
            self.publish(subject::journal(SHARD), codec::encode_checked(&batch)).await;
        }
    }

    async fn publish(&self, subject: String, payload: Vec<u8>) {
        let ack = self.nats.jetstream.publish(subject, payload.into()).await.unwrap();
        ack.await.unwrap();
    }

    /// One answer, to who asks with `after`; with what comes next where it is not the whole.
    async fn page(
        &self,
        after: Option<&str>,
        wait: Duration,
    ) -> Result<(SeatHistory, Option<String>), Problem> {
        let begun = after.map_or_else(new, |after| {
            let bookmark = read_bookmark(after).unwrap();
            SeatHistory::resume(event(), SEAT, SHARD, bookmark).unwrap()
        });
        let (history, is_whole) = read(&self.nats, begun, SHARD, wait).await?;
        let next = (!is_whole).then(|| write_bookmark(&history.bookmark()));
        Ok((history, next))
    }

    /// The status and code of a refusal to go on behind `after`.
    async fn refused(&self, after: &str) -> (u16, &'static str) {
        let problem = self.page(Some(after), READ_WAIT).await.expect_err("nothing is told");
        (problem.status, problem.code)
    }
}

fn turns(history: &SeatHistory) -> Vec<SeatTurn> {
    history.turns().cloned().collect()
}

#[test]
fn a_bookmark_survives_the_way_through_an_address_and_nothing_else_is_one() {
    let bookmark = new().bookmark();
    let text = write_bookmark(&bookmark);
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    assert_eq!(read_bookmark(&text), Some(bookmark));
    for wrong in ["", "AAAA", "?", &text[1..]] {
        assert_eq!(read_bookmark(wrong), None, "{wrong}");
    }
}

#[tokio::test]
async fn answers_that_are_cut_off_tell_together_what_one_tells() {
    let journal = Journal::start().await;
    journal.append(ALL, UnixMillis(1_000)).await;
    let (whole, next) = journal.page(None, READ_WAIT).await.unwrap();
    assert_eq!((whole.turns().len(), next), (6, None));
    let (mut told, mut count, mut after) = (Vec::new(), 0, None);
    loop {
        // The shortest answers: a batch each.
        let (part, next) = journal.page(after.as_deref(), Duration::ZERO).await.unwrap();
        told.extend(turns(&part));
        count += 1;
        let Some(next) = next else { break };
        after = Some(next);
    }
    assert_eq!((told, count), (turns(&whole), 7));
}

#[tokio::test]
async fn who_goes_on_where_the_journal_was_trimmed_is_sent_to_its_beginning() {
    let journal = Journal::start().await;
    journal.append(ALL, UnixMillis(1_000)).await;
    let (_, next) = journal.page(None, Duration::ZERO).await.unwrap();
    let next = next.expect("it goes on");
    let stream = journal.nats.jetstream.get_stream(subject::journal_stream(SHARD)).await.unwrap();
    stream.purge().filter(subject::journal(SHARD)).sequence(5).await.unwrap();
    assert_eq!(journal.refused(&next).await, (410, "HISTORY_GONE"));
    let (history, next) = journal.page(None, READ_WAIT).await.unwrap();
    assert_eq!((history.kept_from(), next), (Some(UnixMillis(1_004)), None));
}

#[tokio::test]
async fn a_bookmark_of_a_journal_that_was_created_anew_is_told_so_however_long_the_new_one_is() {
    let journal = Journal::start().await;
    journal.append(ALL, UnixMillis(1_000)).await;
    let (whole, _) = journal.page(None, READ_WAIT).await.unwrap();
    let after = write_bookmark(&whole.bookmark());
    journal.nats.jetstream.delete_stream(subject::journal_stream(SHARD)).await.unwrap();
    journal.create().await;
    for numbers in [1..=2, 3..=6, 7..=8] {
        journal.append(numbers, UnixMillis(9_000)).await;
        assert_eq!(journal.refused(&after).await, (410, "HISTORY_GONE"));
    }
}
