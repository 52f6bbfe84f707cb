//! The allocator on real servers: what it answers, what it journals, and what survives a kill.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure message")]

mod bench;

use bench::{ANSWERS_MAX, Bench, HOLD_TTL, held_seats, refusal, sequence};
use chassis::Which;
use futures_util::future::join_all;
use schema::{
    Batch, Command, DurationMs, LiveHold, Outcome, OutcomeBody, Refusal, Reply, ShardState,
    UnixMillis,
};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_in_the_journal_before_it_is_answered_and_a_repetition_hears_the_same() {
    let bench = Bench::start().await;
    let command = Bench::hold(1, &[4, 5]);
    let Reply::Done { sequence, replayed: false, outcome } = bench.ask(&command).await else {
        panic!("the first answer is fresh");
    };
    let journaled = bench.journal().await;
    assert!(
        journaled.iter().any(|(at, batch)| *at == sequence && batch.outcomes.contains(&outcome))
    );
    let Reply::Done { replayed: true, outcome: again, .. } = bench.ask(&command).await else {
        panic!("the second answer is a repetition");
    };
    assert_eq!(again, outcome);
    let mut other = command.clone();
    other.fingerprint += 1;
    assert_eq!(bench.ask(&other).await, Reply::Mismatch { asked: other.fingerprint });
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_says_how_much_it_has_to_do_and_how_soon_it_answers() {
    let bench = Bench::start().await;
    assert_eq!(bench.load_when(|load| load.reply_p99 == DurationMs(0)).await.pending, 0);
    bench.ask(&Bench::hold(1, &[4, 5])).await;
    let load = bench.load_when(|load| load.reply_p99 != DurationMs(0)).await;
    assert!(load.reply_p99 < DurationMs(2_000), "{load:?}");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_is_taken_is_refused_by_name_and_nothing_is_held() {
    let bench = Bench::start().await;
    assert_eq!(held_seats(&bench.ask(&Bench::hold(1, &[4, 5])).await), [4, 5]);
    let refused = bench.ask(&Bench::hold(2, &[3, 4])).await;
    assert_eq!(*refusal(&refused), Refusal::SeatTaken { seats: vec![schema::SeatIdx(4)] });
    assert_eq!(held_seats(&bench.ask(&Bench::hold(3, &[3])).await), [3]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_nats_loses_no_answer_and_no_command_is_done_twice() {
    let bench = Bench::start().await;
    let mut answers = Vec::new();
    for round in 0..3_u128 {
        let commands: Vec<_> =
            (0..20).map(|n| Bench::hold(round * 100 + n, &[u32::try_from(n).unwrap()])).collect();
        let asked = commands.iter().map(|command| bench.ask(command));
        let killed = async {
            if round == 1 {
                bench.servers.kill(Which::Nats).await;
                bench.servers.restart(Which::Nats).await;
            }
        };
        let (replies, ()) = tokio::join!(futures_util::future::join_all(asked), killed);
        answers.extend(commands.into_iter().zip(replies));
    }
    for (command, first) in &answers {
        let (Reply::Done { outcome, .. }, Reply::Done { outcome: again, .. }) =
            (first, bench.ask(command).await)
        else {
            panic!("every command is answered");
        };
        assert_eq!(*outcome, again);
    }
    let mut outcomes: Vec<_> = bench.journal().await;
    let decided: Vec<_> = outcomes
        .drain(..)
        .flat_map(|(_, batch)| batch.outcomes)
        .filter_map(|outcome| Some(outcome.asked?.command))
        .collect();
    let mut once = decided.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), decided.len(), "a command was decided twice");
    assert_eq!(once.len(), answers.len());
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposed_owner_answers_nobody_and_its_successor_knows_all_it_answered() {
    let bench = Bench::start().await;
    let before = Bench::hold(1, &[4]);
    assert_eq!(held_seats(&bench.ask(&before).await), [4]);
    bench.overtake().await;
    // The append of this hold meets the fence; the next owner decides it.
    let after = bench.ask(&Bench::hold(2, &[4, 5])).await;
    assert!(matches!(refusal(&after), Refusal::SeatTaken { .. }));
    let epochs: Vec<u64> = bench.journal().await.iter().map(|(_, batch)| batch.epoch).collect();
    assert!(epochs.is_sorted(), "{epochs:?}");
    assert!(epochs.first() < epochs.last(), "the successor has an epoch of its own");
    assert!(matches!(bench.ask(&before).await, Reply::Done { replayed: true, .. }));
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposed_owner_is_silent_also_where_there_is_nothing_new_to_decide() {
    let bench = Bench::start().await;
    let known = Bench::hold(1, &[4]);
    bench.ask(&known).await;
    let mut mismatch = known.clone();
    mismatch.fingerprint += 1;
    let mut late = Bench::hold(2, &[5]);
    late.deadline = UnixMillis(1);
    for (round, command) in (10..).zip([known, mismatch, late]) {
        bench.settle(&Bench::hold(round.into(), &[round])).await;
        // The owner does not see this, and goes on to beat: only the fence can stop it.
        let usurped = bench.overtake().await;
        let reply = bench.ask(&command).await;
        assert!(usurped < bench.epoch().await, "FENCE-1: a deposed owner answered {reply:?}");
        if let Reply::Done { sequence, .. } = reply {
            assert!(usurped < sequence, "FENCE-1: answered behind an append of an old epoch");
        }
    }
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_is_handed_over_while_its_journal_is_full_serves_when_there_is_room() {
    let mut bench = Bench::with_holds_of(DurationMs(600_000)).await;
    let before = Bench::hold(1, &[4]);
    bench.ask(&before).await;
    let first = bench.start_another().await;
    bench.fill_journal().await;
    let after = Bench::hold(2, &[4, 5]);
    let early = tokio::time::timeout(SOME_TURNS, bench.ask(&after)).await;
    assert!(early.is_err(), "answered without a journal: {early:?}");
    first.end().await;
    let early = tokio::time::timeout(SOME_TURNS, bench.ask(&after)).await;
    assert!(early.is_err(), "answered without a journal: {early:?}");
    bench.make_room().await;
    let refused = bench.ask(&after).await;
    assert!(matches!(refusal(&refused), Refusal::SeatTaken { seats } if seats.len() == 1));
    assert!(matches!(bench.ask(&before).await, Reply::Done { replayed: true, .. }));
    let journal = bench.journal().await;
    let outcomes = journal.iter().flat_map(|(_, batch)| &batch.outcomes);
    let asked = outcomes.filter_map(|outcome| outcome.asked).map(|asked| asked.command);
    assert_eq!(asked.collect::<Vec<_>>(), [before.id, after.id], "each was decided once");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_stage_knows_holds_and_answers_with_and_without_a_checkpoint() {
    let mut bench = Bench::start().await;
    let command = Bench::hold(1, &[4]);
    bench.ask(&command).await;
    bench.restart().await;
    assert!(matches!(bench.ask(&command).await, Reply::Done { replayed: true, .. }));
    bench.wait_for_checkpoint().await;
    bench.ask(&Bench::hold(2, &[5])).await;
    bench.restart().await;
    let refused = bench.ask(&Bench::hold(3, &[4, 5])).await;
    assert!(matches!(refusal(&refused), Refusal::SeatTaken { seats } if seats.len() == 2));
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_has_left_the_memory_is_told_again_and_never_given_anew() {
    let mut bench = Bench::with_holds_of(DurationMs(60_000)).await;
    let command = Bench::hold(1, &[4]);
    let Reply::Done { outcome: first, .. } = bench.ask(&command).await else { panic!() };
    bench.ask(&Bench::release(2, &first)).await;
    // The seat is free again: whoever decides the command anew gives it a second time.
    let others = (0..2 * u128::from(ANSWERS_MAX)).map(|n| Bench::hold(1_000 + n, &[5]));
    let others: Vec<_> = others.collect();
    join_all(others.iter().map(|other| bench.ask(other))).await;
    let archived = sequence(&bench.ask(&Bench::hold(3, &[5])).await);
    for round in 0..2 {
        let Reply::Done { outcome, replayed: true, .. } = bench.ask(&command).await else {
            panic!("round {round}: the answer is a repetition");
        };
        assert_eq!(outcome, first, "round {round}");
        let other = Command { fingerprint: command.fingerprint + 1, ..command.clone() };
        assert_eq!(bench.ask(&other).await, Reply::Mismatch { asked: other.fingerprint });
        // Once more from what is kept alone.
        let kept = bench.wait_for_checkpoint_of(archived).await;
        bench.trim_journal(kept.sequence).await;
        bench.restart().await;
    }
    let held = |outcome: &Outcome| matches!(outcome.body, OutcomeBody::SeatsHeld(_));
    let batches = bench.journal().await;
    let again = batches.iter().flat_map(|(_, batch)| &batch.outcomes);
    assert!(!again.filter(|outcome| outcome.asked == first.asked).any(held), "CMD-1");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_answer_was_never_archived_is_not_decided_again_after_a_start() {
    // In the midst of the answers that have left the memory, and not of the first row of them.
    a_command_of_a_lost_row_is_not_decided_again(1_500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_is_one_of_the_first_that_were_answered() {
    a_command_of_a_lost_row_is_not_decided_again(10).await;
}

async fn a_command_of_a_lost_row_is_not_decided_again(lost: i64) {
    let mut bench = Bench::with_holds_of(DurationMs(60_000)).await;
    let asked = (0..2 * u128::from(ANSWERS_MAX)).map(|n| Bench::hold(1_000 + n, &[5]));
    let asked: Vec<_> = asked.collect();
    join_all(asked.iter().map(|command| bench.ask(command))).await;
    let newest = sequence(&bench.ask(&Bench::hold(3, &[5])).await);
    bench.wait_for_checkpoint_of(newest).await;
    bench.lose_archived(lost).await;
    let batches = bench.journal().await;
    let outcomes = batches.iter().flat_map(|(_, batch)| &batch.outcomes);
    let forgotten =
        outcomes.filter_map(|outcome| outcome.asked).nth(usize::try_from(lost).unwrap());
    let forgotten = forgotten.expect("more were asked").command;
    let repeated = asked.iter().find(|command| command.id == forgotten).expect("it was asked here");
    bench.restart().await;
    let answer = tokio::time::timeout(Duration::from_secs(2), bench.ask(repeated)).await;
    assert!(answer.is_err(), "CMD-1: decided again: {answer:?}");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_checkpoint_is_survived_by_the_one_of_the_base_before() {
    let mut bench = Bench::with_holds_of(DurationMs(60_000)).await;
    let command = Bench::hold(1, &[4]);
    let held = sequence(&bench.ask(&command).await);
    let old = bench.wait_for_checkpoint_of(held).await;
    // What it includes is nowhere else now, and no owner is deposed by that.
    assert!(0 < bench.trim_journal(old.sequence).await);
    assert!(matches!(bench.ask(&command).await, Reply::Done { replayed: true, .. }));
    bench.restart().await;
    let held = sequence(&bench.ask(&Bench::hold(2, &[5])).await);
    let new = bench.wait_for_checkpoint_of(held).await;
    assert_ne!(old.base, new.base, "a process begins a base of its own");
    bench.damage(&new).await;
    bench.restart().await;
    assert!(matches!(bench.ask(&command).await, Reply::Done { replayed: true, .. }));
    let refused = bench.ask(&Bench::hold(3, &[4, 5])).await;
    assert!(matches!(refusal(&refused), Refusal::SeatTaken { seats } if seats.len() == 2));
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_checkpoints_that_it_cannot_read_and_does_not_take_them_for_none() {
    a_start_waits_for("LOCK TABLE checkpoint, checkpoint_part").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_it_take_answers_that_it_cannot_read_for_lost_ones() {
    a_start_waits_for("LOCK TABLE answer_archive").await;
}

async fn a_start_waits_for(lock: &'static str) {
    let mut bench = Bench::with_holds_of(DurationMs(60_000)).await;
    let command = Bench::hold(1, &[4]);
    let held = sequence(&bench.ask(&command).await);
    let kept = bench.wait_for_checkpoint_of(held).await;
    assert!(0 < bench.trim_journal(kept.sequence).await, "the checkpoint alone knows the hold");
    bench.end().await;
    let withheld = bench.withhold(lock).await;
    let health = bench.begin();
    let other = Bench::hold(2, &[4]);
    let early = tokio::time::timeout(SOME_TURNS, bench.ask(&other)).await;
    assert!(early.is_err(), "answered from nothing: {early:?}");
    withheld.rollback().await.unwrap();
    Bench::ready(&health).await;
    assert!(matches!(bench.ask(&command).await, Reply::Done { replayed: true, .. }));
    let refused = bench.ask(&Bench::hold(3, &[4])).await;
    assert!(matches!(refusal(&refused), Refusal::SeatTaken { seats } if seats.len() == 1));
    bench.stop().await;
}

/// Longer than the trimmer of these tests lets pass between two turns, a few times over.
const SOME_TURNS: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_left_to_the_process_that_stores_them_until_it_is_silent() {
    let bench = Bench::with_holds_of(DurationMs(60_000)).await;
    let first = sequence(&bench.ask(&Bench::hold(1, &[4])).await);
    bench.wait_for_checkpoint_of(first).await;
    // Young for the whole test.
    bench.stored_by_another(i64::MAX).await;
    let second = sequence(&bench.ask(&Bench::hold(2, &[5])).await);
    tokio::time::sleep(SOME_TURNS).await;
    assert_eq!(bench.checkpoints().await.1, 1);
    assert!(bench.checkpoints().await.0 < second, "the other one's turn");
    bench.stored_by_another(0).await;
    bench.wait_for_checkpoint_of(second).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_trimmed_behind_checkpoints_and_settlement_and_a_replica_tells_the_rest() {
    let (hold_ttl, keep) = (DurationMs(60_000), DurationMs(1_000));
    let mut bench = Bench::with_journal_kept_for(hold_ttl, keep).await;
    let settlement = bench.settlement().await;
    let command = Bench::hold(1, &[4]);
    let first = sequence(&bench.ask(&command).await);
    bench.wait_for_checkpoint_of(first).await;
    bench.acknowledge(&settlement).await;
    tokio::time::sleep(SOME_TURNS).await;
    assert_eq!(bench.journal().await[0].0, first, "there is one checkpoint: it may be damaged");
    bench.restart().await;
    let second = sequence(&bench.ask(&Bench::hold(2, &[5])).await);
    bench.wait_for_checkpoint_of(second).await;
    let (older, 2) = bench.checkpoints().await else { panic!("a process begins a base") };
    let epoch = bench.epoch().await;
    let (begins, batch) = bench.wait_for_trim_of(first).await;
    assert!(batch.previous <= older, "the older checkpoint leads on to {begins}");
    assert!(first <= batch.previous, "whoever begins here sees that something is gone");

    let third = sequence(&bench.ask(&Bench::hold(3, &[6])).await);
    bench.wait_for_checkpoint_of(third).await;
    assert!(matches!(bench.ask(&command).await, Reply::Done { replayed: true, .. }));
    assert_eq!(bench.epoch().await, epoch, "nobody was deposed");
    let told = bench.state("").await;
    assert!(told.reaches(&batch, begins));
    bench.restart().await;
    assert!(matches!(bench.ask(&command).await, Reply::Done { replayed: true, .. }));
    let refused = bench.ask(&Bench::hold(4, &[4, 5, 6])).await;
    assert!(matches!(refusal(&refused), Refusal::SeatTaken { seats } if seats.len() == 3));
    let again = bench.state("").await;
    assert_eq!(places(&told), places(&again));
    assert_eq!(places(&again), [(37, vec![vec![4], vec![5], vec![6]])]);
    let alone = bench.state(again.events[0].event.as_str()).await;
    assert_eq!(alone.events, again.events);
    assert_eq!(bench.state("another").await.events, []);
    bench.stop().await;
}

/// The free places of each event and the seats of its holds.
fn places(state: &ShardState) -> Vec<(u32, Vec<Vec<u32>>)> {
    let seats = |hold: &LiveHold| hold.held.seats.iter().map(|seat| seat.seat.0).collect();
    let events = state.events.iter();
    events.map(|event| (event.free, event.holds.iter().map(seats).collect())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_settlement_has_not_acknowledged_is_not_trimmed() {
    let (hold_ttl, keep) = (DurationMs(60_000), DurationMs(1_000));
    let mut bench = Bench::with_journal_kept_for(hold_ttl, keep).await;
    let settlement = bench.settlement().await;
    let first = sequence(&bench.ask(&Bench::hold(1, &[4])).await);
    for id in 2..4 {
        bench.wait_for_checkpoint_of(first).await;
        bench.restart().await;
        let held = sequence(&bench.ask(&Bench::hold(id, &[5 + u32::try_from(id).unwrap()])).await);
        bench.wait_for_checkpoint_of(held).await;
    }
    tokio::time::sleep(SOME_TURNS).await;
    assert_eq!(bench.journal().await[0].0, first);
    bench.acknowledge(&settlement).await;
    bench.wait_for_trim_of(first).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_outlives_an_outage_by_its_length_and_journal_time_is_the_walls_again() {
    let mut bench = Bench::start().await;
    bench.ask(&Bench::hold(1, &[4])).await;
    bench.restart_after_outage(HOLD_TTL + DurationMs(100)).await;
    let refused = bench.ask(&Bench::hold(2, &[4])).await;
    assert!(matches!(refusal(&refused), Refusal::SeatTaken { .. }));
    let journal = bench.journal().await;
    let (_, last) = journal.last().expect("two holds were journaled");
    assert!(chassis::clock::now().since(last.time).0 < 1_500, "the journal is behind");
    let moved = |outcome: &Outcome| matches!(outcome.body, OutcomeBody::DeadlinesMoved { .. });
    assert!(journal.iter().any(|(_, batch)| batch.outcomes.iter().any(moved)));
    bench
        .wait_for_outcome(|outcome| matches!(outcome.body, OutcomeBody::HoldReleased { .. }))
        .await;
    bench.stop().await;
}

/// Longer than an owner lets its journal be silent while a deadline runs.
const QUIET: DurationMs = DurationMs(1_000);

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_outlives_an_outage_and_not_the_quiet_before_it() {
    // Long enough to be there after the quiet, on any machine.
    let mut bench = Bench::with_holds_of(DurationMs(20_000)).await;
    bench.ask(&Bench::hold(1, &[4])).await;
    let (_, held) = bench.journal().await.pop().expect("a hold was journaled");
    // Nobody asks anything, so it is the owner itself that tells the journal the time.
    bench.wait_for_batch(|batch| held.time + QUIET <= batch.time).await;
    bench.restart_after_outage(DurationMs(2_000)).await;
    bench
        .wait_for_outcome(|outcome| matches!(outcome.body, OutcomeBody::DeadlinesMoved { .. }))
        .await;
    let journal: Vec<Batch> = bench.journal().await.into_iter().map(|(_, batch)| batch).collect();
    let moved = |batch: &Batch| match batch.outcomes.first()?.body {
        OutcomeBody::DeadlinesMoved { by } => Some(by),
        _ => None,
    };
    let at = journal.iter().position(|batch| moved(batch).is_some()).expect("just waited for");
    let (last, resumed, by) = (&journal[at - 1], &journal[at], moved(&journal[at]).unwrap());
    assert!(held.time + QUIET <= last.time, "the quiet counts as a part of the outage");
    let outage = resumed.time.since(last.time);
    assert!(by <= outage, "an outage of {outage:?} moved the deadline by {by:?}");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unpaid_hold_is_free_again_after_its_deadline() {
    let bench = Bench::start().await;
    bench.ask(&Bench::hold(1, &[4])).await;
    bench
        .wait_for_outcome(|outcome| matches!(outcome.body, OutcomeBody::HoldReleased { .. }))
        .await;
    assert_eq!(held_seats(&bench.ask(&Bench::hold(2, &[4])).await), [4]);
    bench.stop().await;
}
