//! A shard's answers are compared where all of its events are audited.

use super::{Stored, Trial};
use allocator::{
    AnswerView, AnsweredIds, AnswersView, CheckpointView, IdsView, Numbered, OwnerView,
};
use schema::{
    AccountId, Applied, Asked, Batch, CommandId, EventId, HoldId, Outcome, OutcomeBody, ShardId,
    UnixMillis, codec, subject,
};
use std::collections::BTreeMap;
use std::sync::Arc;

const SHARD: ShardId = ShardId(2);
const COMMAND: CommandId = CommandId(9);

fn event() -> EventId {
    "EVT002".parse().unwrap()
}

/// One command was answered, in the first batch.
fn batch() -> Batch {
    let asked = Some(Asked { command: COMMAND, fingerprint: 3, account: AccountId(4) });
    let body = OutcomeBody::Unchanged { hold: HoldId(5) };
    let outcomes = vec![Outcome { asked, event: event(), free_after: 0, body }];
    Batch { epoch: 1, number: 1, time: UnixMillis(7), outcomes, previous: 0 }
}

fn remembered() -> Numbered<AnswerView> {
    let batch = batch();
    let entries = AnswerView::of(batch.time, &batch.outcomes[0]).into_iter().collect();
    Numbered { from: 0, entries }
}

/// What is said of the owner's memory of answers and of the checkpoint's.
fn found(
    only: Option<EventId>,
    owner: Numbered<AnswerView>,
    checkpoint: Numbered<AnswerView>,
) -> Vec<String> {
    let applied = Applied { epoch: 1, number: 1, sequence: 2 };
    let view = Some(CheckpointView { applied, events: vec![], answers: checkpoint });
    let stored = Some(Stored { sequence: 2, view });
    let mut trial = Trial::new(SHARD, 2, only, stored, Arc::new(BTreeMap::new()));
    let sum = IdsView::hash(AnsweredIds::id(COMMAND), 0);
    let ids = vec![IdsView { first: 0, last: 0, count: 1, sum }];
    let answers = Some(AnswersView { remembered: owner, ids });
    trial.listen(OwnerView { epoch: 1, batch: 1, events: vec![], answers });
    trial.take(1, &subject::journal_epoch(SHARD), b"");
    trial.take(2, &subject::journal(SHARD), &codec::encode_checked(&batch()));
    trial.end();
    trial.differences.into_iter().collect()
}

#[test]
fn an_answer_that_differs_in_either_is_found_and_only_by_who_audits_the_shard() {
    let other = || {
        let mut other = remembered();
        other.entries[0].checksum ^= 1;
        other
    };
    let says = |place: &str| {
        format!("CMD-1 shard 2: the answer to {COMMAND} is another {place} than in the journal")
    };
    assert_eq!(found(None, remembered(), remembered()), Vec::<String>::new());
    assert_eq!(found(None, other(), remembered()), [says("to the owner")]);
    assert_eq!(found(None, remembered(), other()), [says("in the checkpoint")]);
    let none = "CMD-1 shard 2: 0 answers in the checkpoint and 1 in the journal";
    assert_eq!(found(None, remembered(), Numbered::default()), [none]);
    assert_eq!(found(Some(event()), other(), other()), Vec::<String>::new());
}
