//! The digest sees each map by itself: comparing two says nothing of a map that it leaves out.

use super::world::{World, small_limits};
use crate::answers::Answer;
use crate::ended::Ended;
use crate::sale::{PassUse, Sale};
use crate::{IdsView, SeatState, SeatWord, Shard};
use schema::{
    AccountId, Asked, CommandId, DurationMs, HoldId, Outcome, OutcomeBody, PassPlace, Released,
    SeatIdx, UnixMillis,
};
use std::collections::HashSet;

#[test]
fn a_change_of_any_map_changes_the_digest() {
    let mut world = World::pooled(6, small_limits());
    let event = world.event().clone();
    let shard = &mut world.owner;
    let (account, hold, at) = (AccountId(9), HoldId(9), UnixMillis(10_000));
    let mut digests = HashSet::from([shard.digest()]);
    let mut differs = |map: &str, shard: &mut Shard| {
        assert!(digests.insert(shard.digest()), "a change of {map}");
    };
    let sale = |shard: &mut Shard, change: &mut dyn FnMut(&mut Sale)| {
        change(shard.catalogue.events[0].sale());
    };
    sale(shard, &mut |sale| {
        let taken = SeatWord { state: SeatState::Held, slot: 3, generation: 1 };
        sale.map.restore(SeatIdx(2), taken);
    });
    differs("seats", shard);
    sale(shard, &mut |sale| sale.counts.held += 1);
    differs("counts", shard);
    sale(shard, &mut |sale| sale.areas[1].held += 1);
    differs("areas", shard);
    sale(shard, &mut |sale| sale.pools[0].held += 1);
    differs("pools", shard);
    sale(shard, &mut |sale| {
        sale.accounts.insert(account, 1);
    });
    differs("limits", shard);
    sale(shard, &mut |sale| {
        let pass = PassUse { account, hold: None, spent: false };
        sale.passes.insert(PassPlace { epoch: 1, number: 1 }, pass);
    });
    differs("passes", shard);
    sale(shard, &mut |sale| {
        sale.passes.values_mut().for_each(|pass| pass.spent = true);
    });
    differs("whether a pass is spent", shard);
    sale(shard, &mut |sale| {
        sale.blocked.insert(5);
    });
    differs("allotments", shard);
    shard.deadlines.change(4, hold, None, Some(at));
    differs("deadlines", shard);
    shard.deadlines.change(4, hold, Some(at), Some(at + DurationMs(1)));
    differs("when a deadline is", shard);
    shard.ended.push(Ended { hold, event: event.clone(), account, why: Released::Expired, at });
    differs("ended holds", shard);
    let asked = Some(Asked { command: CommandId(7), account, fingerprint: 7 });
    let body = OutcomeBody::Unchanged { hold };
    let outcome = Outcome { asked, event, free_after: 0, body };
    shard.answers.push(Answer { at, outcome });
    differs("answers", shard);
    let limits = small_limits();
    shard.answers.forget(at + limits.answer_memory + DurationMs(1), &limits);
    differs("what is known of forgotten answers", shard);
    (shard.time, shard.pass_count) = (at, 0);
    differs("the time", shard);
}

#[test]
fn an_auditor_is_shown_areas_pools_passes_and_answered_commands() {
    let mut world = World::pooled(6, small_limits());
    let shard = &mut world.owner;
    let sale = shard.catalogue.events[0].sale();
    let place = |number| PassPlace { epoch: 1, number };
    let used = |spent| PassUse { account: AccountId(9), hold: None, spent };
    sale.passes.extend([(place(2), used(true)), (place(1), used(false))]);
    sale.areas[1].held = 1;
    sale.pools[0].sold = 2;
    let (areas, pools) = (sale.areas.clone(), sale.pools.clone());
    let shown = shard.inspect(None).remove(0);
    let counts = shown.counts.unwrap();
    assert_eq!((counts.areas, counts.pools), (areas, pools));
    let passes = vec![(place(1), used(false)), (place(2), used(true))];
    assert_eq!(shown.passes, passes);
    let kept = shard.snapshot().events.remove(0).inspect().unwrap();
    assert_eq!((kept.counts, kept.passes), (None, passes));

    let asked = Asked { command: CommandId(7), fingerprint: 1, account: AccountId(9) };
    let (event, body) = (world.listed().0.event, OutcomeBody::SeatsUnchanged);
    let outcome = Outcome { asked: Some(asked), event, free_after: 0, body };
    let shard = &mut world.owner;
    shard.answers.push(Answer { at: UnixMillis(10_000), outcome });
    let sum = IdsView::hash(7, 0);
    assert_eq!(shard.inspect_ids(), [IdsView { first: 0, last: 0, count: 1, sum }]);
    assert_ne!(sum, IdsView::hash(7, 1));
}
