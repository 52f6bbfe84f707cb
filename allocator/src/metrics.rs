//! What the allocator counts.

use allocator_core::{Contention, Decision, Tally};
use metrics::{Label, counter, gauge, histogram};
use schema::{AllocatorLoad, Batch, OutcomeBody, ShardId, Shards};
use std::time::Duration;

fn labels(shard: ShardId) -> Vec<Label> {
    vec![Label::new("shard", shard.to_string())]
}

/// Puts the counters on the page before they count, so that an alarm sees the step from zero.
pub(crate) fn declare(shards: Shards) {
    for shard in shards.all() {
        for name in [
            "usher_allocator_intake_restarts_total",
            "usher_allocator_undecodable_total",
            "usher_allocator_deposed_total",
            "usher_allocator_handed_over_total",
            "usher_allocator_checkpoint_failures_total",
            "usher_allocator_archive_failures_total",
            "usher_allocator_trimmed_batches_total",
            "usher_allocator_trim_failures_total",
        ] {
            counter!(name, labels(shard)).increment(0);
        }
        seats_chosen(shard, Tally::default());
    }
}

pub(crate) fn command_decided(shard: ShardId, decision: &Decision) {
    let answer = match decision {
        Decision::Fresh(outcome) => match &outcome.body {
            OutcomeBody::Refused(refusal) => refusal.code().code,
            OutcomeBody::Unchanged { .. } => "unchanged",
            _ => "done",
        },
        Decision::Known(_) => "known",
        Decision::Archived { .. } => "archived",
        Decision::Mismatch => "mismatch",
        Decision::TooLate => "too_late",
        Decision::NotYet => "not_yet",
    };
    let labels = [("shard", shard.to_string()), ("answer", answer.to_owned())];
    counter!("usher_allocator_commands_total", &labels).increment(1);
}

/// What the choices of a batch have cost.
pub(crate) fn seats_chosen(shard: ShardId, tally: Tally) {
    let counts = [
        ("usher_allocator_singles_stranded_total", tally.singles_stranded),
        ("usher_allocator_parties_split_total", tally.parties_split),
    ];
    for (name, count) in counts {
        counter!(name, labels(shard)).increment(count.into());
    }
    let Contention { helped, retried, waited } = tally.claims_met;
    for (how, count) in [("helped", helped), ("retried", retried), ("waited", waited)] {
        let labels = [("shard", shard.to_string()), ("how", how.to_owned())];
        counter!("usher_allocator_claims_met_total", &labels).increment(count);
    }
}

/// What the owner of a shard keeps for the life of its events: beyond its limits it refuses.
pub(crate) fn kept(shard: ShardId, (holds, passes): (usize, u32)) {
    let holds = u32::try_from(holds).expect("holds_max fits into 32 bits");
    gauge!("usher_allocator_holds", labels(shard)).set(holds);
    gauge!("usher_allocator_passes", labels(shard)).set(passes);
}

pub(crate) fn batch_journaled(shard: ShardId, batch: &Batch, bytes: usize, took: Duration) {
    let outcomes = u32::try_from(batch.outcomes.len()).expect("a batch is bounded");
    let bytes = u32::try_from(bytes).expect("a message is bounded");
    histogram!("usher_allocator_batch_outcomes", labels(shard)).record(outcomes);
    histogram!("usher_allocator_batch_bytes", labels(shard)).record(bytes);
    histogram!("usher_allocator_append_seconds", labels(shard)).record(took);
}

pub(crate) fn intake_restarted(shard: ShardId) {
    counter!("usher_allocator_intake_restarts_total", labels(shard)).increment(1);
}

pub(crate) fn command_undecodable(shard: ShardId) {
    counter!("usher_allocator_undecodable_total", labels(shard)).increment(1);
}

pub(crate) fn load_told(load: &AllocatorLoad) {
    let p99 = Duration::from(load.reply_p99).as_secs_f64();
    gauge!("usher_allocator_pending_commands", labels(load.shard)).set(load.pending);
    gauge!("usher_allocator_reply_p99_seconds", labels(load.shard)).set(p99);
}

pub(crate) fn shard_owned(shard: ShardId, owned: bool) {
    gauge!("usher_allocator_owned", labels(shard)).set(f64::from(u8::from(owned)));
    if !owned {
        // Another process tells what it keeps from now on.
        kept(shard, (0, 0));
    }
}

pub(crate) fn shard_deposed(shard: ShardId) {
    counter!("usher_allocator_deposed_total", labels(shard)).increment(1);
}

/// The shard was given to the process that it prefers.
pub(crate) fn shard_handed_over(shard: ShardId) {
    counter!("usher_allocator_handed_over_total", labels(shard)).increment(1);
}

pub(crate) fn shard_recovered(shard: ShardId, took: Duration) {
    histogram!("usher_allocator_recovery_seconds", labels(shard)).record(took);
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is read by eye; 2^53 messages are far")]
pub(crate) fn replica_applied(shard: ShardId, sequence: u64) {
    gauge!("usher_allocator_replica_sequence", labels(shard)).set(sequence as f64);
}

pub(crate) fn checkpoint_stored(shard: ShardId, bytes: usize, took: Duration) {
    let bytes = u32::try_from(bytes).expect("a checkpoint is bounded");
    histogram!("usher_allocator_checkpoint_bytes", labels(shard)).record(bytes);
    histogram!("usher_allocator_checkpoint_seconds", labels(shard)).record(took);
}

/// Somebody has repeated a command whose answer had left the memory.
pub(crate) fn answer_recalled(shard: ShardId, found: bool) {
    let labels = [("shard", shard.to_string()), ("found", found.to_string())];
    counter!("usher_allocator_recalls_total", &labels).increment(1);
}

pub(crate) fn archive_failed(shard: ShardId) {
    counter!("usher_allocator_archive_failures_total", labels(shard)).increment(1);
}

pub(crate) fn journal_trimmed(shard: ShardId, batches: u64) {
    counter!("usher_allocator_trimmed_batches_total", labels(shard)).increment(batches);
}

pub(crate) fn trim_failed(shard: ShardId) {
    counter!("usher_allocator_trim_failures_total", labels(shard)).increment(1);
}

pub(crate) fn checkpoint_failed(shard: ShardId) {
    counter!("usher_allocator_checkpoint_failures_total", labels(shard)).increment(1);
}

#[cfg(test)]
mod tests {
    use super::{declare, seats_chosen};
    use allocator_core::{Contention, Tally};
    use chassis::Shutdown;
    use schema::{ShardId, Shards};

    #[tokio::test]
    async fn the_page_shows_what_choices_have_cost_a_shard_from_zero_on() {
        let page = chassis::metrics::install(&Shutdown::new()).unwrap();
        let shows = |metric: &str, shard: u8, count: u32| {
            let line = format!("usher_allocator_{metric}_total{{shard=\"{shard}\"}} {count}\n");
            assert!(page.render().contains(&line), "{line} is not in\n{}", page.render());
        };
        declare(Shards::default());
        shows("singles_stranded", 2, 0);
        let claims_met = Contention { helped: 5, retried: 6, waited: 0 };
        seats_chosen(ShardId(2), Tally { singles_stranded: 3, parties_split: 1, claims_met });
        seats_chosen(ShardId(2), Tally { singles_stranded: 1, ..Tally::default() });
        shows("singles_stranded", 2, 4);
        shows("parties_split", 2, 1);
        shows("parties_split", 1, 0);
        for (how, count) in [("helped", 5), ("retried", 6), ("waited", 0)] {
            let line = format!("claims_met_total{{shard=\"2\",how=\"{how}\"}} {count}\n");
            assert!(page.render().contains(&line), "{line} is not in\n{}", page.render());
        }
    }
}
