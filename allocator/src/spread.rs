//! Shards spread over the processes that are here: an owner hands over what another is to have, and
//! a contender leaves it what is free.
//!
//! Epochs alone keep two owners apart. This only decides who tries first, so a wrong or an old idea
//! of who is here costs a little time, and a shard is never left without an owner.

use crate::owner::LEASE_BEAT_MS;
use crate::stage::Deps;
use allocator_core::{preferred, successor};
use chassis::{Backoff, Nats, Pause, PresenceSpec, Present, Shutdown, tasks};
use schema::{ShardId, subject};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long a process may be silent before shards are shared out without it.
///
/// Longer than a lease's silence: shards that it had are free by then, and one that a busy machine
/// holds up for a moment keeps its part.
const PRESENCE_SILENCE_MS: u64 = 2_000;

/// How long the same processes must have been here before an owner hands a shard over.
///
/// All have heard of each other by then, so that two do not move a shard to two places; and one
/// that comes and goes moves nothing.
const SETTLING: Duration = Duration::from_secs(2);

/// How long a free shard is left to the process that is to have it: it hears of it at the same
/// time, and needs milliseconds. Buyers wait this much longer when it does not take it.
const COURTESY: Duration = Duration::from_millis(LEASE_BEAT_MS);

/// How long an owner keeps a shard that it has handed over and got again from the same process:
/// that one could not take it or keep it then, and may not be able to now.
const HAND_OVER_REST: Duration = Duration::from_secs(10);

/// To whom a shard was handed over the last time, and until when that is not done again.
#[derive(Debug)]
pub(crate) struct HandedOver {
    pub to: String,
    rests_until: Instant,
}

/// What one shard's owner or contender knows of the others.
pub(crate) struct Spread {
    shard: ShardId,
    instance: String,
    present: watch::Receiver<Present>,
}

impl Spread {
    pub(crate) fn new(shard: ShardId, instance: &str, present: watch::Receiver<Present>) -> Self {
        Self { shard, instance: instance.to_owned(), present }
    }

    /// How long this process leaves the free shard to others; `before` is the owner before.
    pub(crate) fn courtesy(&self, before: Option<&str>) -> Duration {
        let present = self.present.borrow();
        match successor(&present.names, self.shard, before) {
            Some(name) if name != self.instance => COURTESY,
            _ => Duration::ZERO,
        }
    }

    /// Waits until the shard is to be handed over, and returns to whom; `before` is what this
    /// returned the last time. Cancel-safe.
    pub(crate) async fn better_owner(&self, before: Option<&HandedOver>) -> HandedOver {
        let mut present = self.present.clone();
        loop {
            let better = self.better(&present.borrow_and_update(), before);
            let now = Instant::now();
            let due = better.as_ref().map_or(now, |(_, due)| *due);
            if let Some((to, _)) = better
                && due <= now
            {
                return HandedOver { to, rests_until: now + HAND_OVER_REST };
            }
            // Cancel-safe: a time, and a watch.
            tokio::select! {
                () = sleep_until(due), if now < due => {}
                changed = present.changed() => if changed.is_err() {
                    // Shards are not spread, or the process ends.
                    std::future::pending::<()>().await;
                },
            }
        }
    }

    /// Another process that is to have this shard, and from when on.
    fn better(&self, present: &Present, before: Option<&HandedOver>) -> Option<(String, Instant)> {
        let settled = present.since? + SETTLING;
        let name = preferred(&present.names, self.shard)?;
        let again = before.filter(|before| before.to == name);
        let due = again.map_or(settled, |before| settled.max(before.rests_until));
        (name != self.instance).then(|| (name.to_owned(), due))
    }
}

/// Says that this process is here, and tells who else is; where shards are not `spread`, nobody.
///
/// It is one of those who are shared out to as soon as its replicas, which tell their positions,
/// have read their journals to the end.
pub(crate) fn attend(
    spread: bool,
    deps: &Deps,
    positions: Vec<watch::Receiver<u64>>,
) -> watch::Receiver<Present> {
    if !spread {
        let (_, nobody) = watch::channel(Present::default());
        return nobody;
    }
    let (ready, is_ready) = watch::channel(false);
    let (nats, stop) = (deps.nats.clone(), deps.shutdown.clone());
    tasks::spawn("allocator-catch-up", catch_up(nats, positions, ready, stop));
    let spec = PresenceSpec {
        bucket: subject::LEASES.into(),
        key: subject::allocator_presence(&deps.instance),
        keys: subject::allocator_presence("*"),
        beat_ms: LEASE_BEAT_MS,
        silence_ms: PRESENCE_SILENCE_MS,
    };
    chassis::attend(deps.nats.clone(), &spec, &deps.instance, is_ready, &deps.shutdown)
}

/// Says `ready` when each replica has reached what was its journal's end when it was looked at.
async fn catch_up(
    nats: Nats,
    positions: Vec<watch::Receiver<u64>>,
    ready: watch::Sender<bool>,
    stop: Shutdown,
) {
    for (shard, mut position) in (0..).map(ShardId).zip(positions) {
        let stream = subject::journal_stream(shard);
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1), None);
        let end = loop {
            match chassis::last_sequence(&nats, &stream).await {
                Ok(end) => break end,
                // It is not made yet, or NATS is away.
                Err(error) => tracing::debug!(%error, "the journal's end is not known yet"),
            }
            if backoff.pause(&stop).await != Pause::Elapsed {
                return;
            }
        };
        if position.wait_for(|position| end <= *position).await.is_err() {
            // The replica has ended, and the stage with it.
            return;
        }
    }
    ready.send_replace(true);
    // The sign of readiness lasts as long as the process.
    stop.closing().await;
}

#[cfg(test)]
mod tests {
    use super::{COURTESY, HAND_OVER_REST, SETTLING, Spread};
    use chassis::Present;
    use schema::ShardId;
    use std::time::Duration;
    use tokio::sync::watch;
    use tokio::time::{Instant, sleep, timeout};

    /// Long enough for everything that is bound to happen by itself.
    const LONG: Duration = Duration::from_hours(1);

    fn here(names: &[&str]) -> Present {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Present { names, since: Some(Instant::now()) }
    }

    fn spread(shard: u8, instance: &str) -> (watch::Sender<Present>, Spread) {
        let (tell, present) = watch::channel(Present::default());
        (tell, Spread::new(ShardId(shard), instance, present))
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_hands_over_when_the_one_that_is_to_have_the_shard_has_been_here_for_a_while()
    {
        let (tell, spread) = spread(1, "a");
        assert!(timeout(LONG, spread.better_owner(None)).await.is_err(), "nobody else is known");
        tell.send_replace(here(&["a"]));
        assert!(timeout(LONG, spread.better_owner(None)).await.is_err(), "it is alone");
        let begun = Instant::now();
        tell.send_replace(here(&["a", "b"]));
        assert_eq!(spread.better_owner(None).await.to, "b");
        assert!(SETTLING <= begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_moves_to_who_comes_and_goes_nor_while_nats_is_away() {
        let (tell, spread) = spread(1, "a");
        for _ in 0..10 {
            tell.send_replace(here(&["a", "b"]));
            assert!(timeout(SETTLING / 2, spread.better_owner(None)).await.is_err());
            tell.send_replace(here(&["a"]));
            assert!(timeout(SETTLING / 2, spread.better_owner(None)).await.is_err());
        }
        tell.send_replace(Present { since: None, ..here(&["a", "b"]) });
        assert!(timeout(LONG, spread.better_owner(None)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_that_gets_the_shard_back_does_not_hand_it_to_the_same_one_for_a_while() {
        let (tell, spread) = spread(1, "a");
        tell.send_replace(here(&["a", "b"]));
        sleep(SETTLING).await;
        let begun = Instant::now();
        let before = spread.better_owner(None).await;
        assert!(begun.elapsed() < HAND_OVER_REST);
        // The other one did not take it.
        assert_eq!(spread.better_owner(Some(&before)).await.to, "b");
        assert!(HAND_OVER_REST <= begun.elapsed());
        // Another one may.
        tell.send_replace(here(&["a", "c"]));
        let begun = Instant::now();
        let before = spread.better_owner(Some(&before)).await;
        assert_eq!(before.to, "c");
        assert!(begun.elapsed() < HAND_OVER_REST);
    }

    #[tokio::test]
    async fn a_free_shard_is_left_to_the_one_that_is_to_have_it_and_to_nobody_who_has_ended() {
        let (tell, spread) = spread(1, "c");
        assert_eq!(spread.courtesy(None), Duration::ZERO, "nobody is known");
        tell.send_replace(here(&["a", "b", "c"]));
        assert_eq!(spread.courtesy(Some("a")), COURTESY, "b is to have it");
        assert_eq!(spread.courtesy(Some("b")), Duration::ZERO, "b had it, and c is next");
        tell.send_replace(here(&["c"]));
        assert_eq!(spread.courtesy(Some("c")), Duration::ZERO, "c is alone");
    }
}
