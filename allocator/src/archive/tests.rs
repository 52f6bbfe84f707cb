//! Answers that need several transactions.

use super::{ARCHIVE_ROW_ANSWERS_MAX, Archive, ROWS_AT_ONCE};
use allocator_core::{Answer, AnsweredIds, Limits, Numbered, Shard, Snapshot};
use chassis::{TestServers, Which};
use schema::{AccountId, Asked, CommandId, Outcome, OutcomeBody, ShardId, UnixMillis};

const SHARD: ShardId = ShardId(2);

fn command(number: u64) -> CommandId {
    CommandId(u128::from(number + 1))
}

/// A shard that remembers so many answers.
fn shard(count: u64) -> Shard {
    let at = UnixMillis(1_000);
    let answer = |number| {
        let asked = Asked { command: command(number), fingerprint: 1, account: AccountId(1) };
        let (event, body) = ("EVT1".parse().unwrap(), OutcomeBody::SeatsUnchanged);
        Answer { at, outcome: Outcome { asked: Some(asked), event, free_after: 0, body } }
    };
    let snapshot = Snapshot {
        shard: SHARD,
        time: at,
        events: vec![],
        ended: Numbered::default(),
        answers: Numbered { from: 0, entries: (0..count).map(answer).collect() },
        answered: AnsweredIds::default(),
    };
    Shard::restore(Limits::default(), snapshot)
}

#[tokio::test(flavor = "multi_thread")]
async fn more_answers_than_a_transaction_takes_are_archived_in_turns_and_none_is_left_out() {
    let servers = TestServers::with(&[Which::Postgres]).await;
    let pool = servers.postgres().await;
    chassis::migrate(&pool).await.unwrap();
    let archive = Archive { pool, shard: SHARD, incarnation_ms: 5 };
    let at_once = u64::try_from(ROWS_AT_ONCE * ARCHIVE_ROW_ANSWERS_MAX).unwrap();
    let count = 2 * at_once + 5;
    let shard = shard(count);
    for stored in [at_once, 2 * at_once] {
        assert_eq!(archive.store(&shard).await.unwrap(), Some(stored));
        assert_eq!(archive.whole_to(0).await.unwrap(), stored);
        assert_eq!(archive.ids_of(0..count).await.unwrap(), None, "the rest is not there yet");
    }
    for _ in 0..2 {
        assert_eq!(archive.store(&shard).await.unwrap(), Some(count));
    }
    let ids = archive.ids_of(0..count).await.unwrap().expect("all are archived");
    for number in [0, at_once - 1, at_once, 2 * at_once, count - 1] {
        assert_eq!(ids.find(command(number)), Some(number));
        let found = archive.find(number, command(number)).await.expect("it is archived");
        assert_eq!(found.outcome.asked.unwrap().command, command(number));
    }
    assert_eq!(archive.find(at_once, command(0)).await, None, "another's answer");
}
