//! Random interleavings of all that can happen to orders, on the real database.
//!
//! What happens follows from a seed; how it interleaves does not, so a seed that fails once need
//! not fail again.

use super::owner::payment;
use super::reconcile::age;
use super::rig::{ACCOUNT, PATIENT, Rig, Stage, eventually};
use crate::provider::{Cursor, Failure, NewPayment, Page, Payment, Provider, Verb};
use crate::store::FoundMoney;
use crate::{Sandbox, reconcile, reconcile_once};
use futures_util::future::BoxFuture;
use schema::{
    CancelBooking, CancelTicket, Held, OrderId, Released, TicketId, VerdictKind, codec, subject,
};
use settlement_core::Seen;
use sqlx::PgPool;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const STEPS: usize = 90;

/// Short enough to end in mid-payment, in milliseconds.
const HURRIED: u64 = 700;

/// A sequence of numbers that follows from its seed: `SplitMix64`.
#[derive(Debug)]
struct Dice(AtomicU64);

impl Dice {
    /// A number below `bound`.
    fn below(&self, bound: u64) -> u64 {
        // Relaxed: only has to differ.
        let mut x = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % bound
    }
}

/// A sandbox whose answers get lost, before or after it has done what it was asked for.
#[derive(Debug)]
struct Storm {
    sandbox: Sandbox,
    dice: Arc<Dice>,
    calm: Arc<AtomicBool>,
}

impl Storm {
    async fn pass(&self, what: &'static str) -> Result<(), Failure> {
        // Relaxed: sooner or later is soon enough.
        if self.calm.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.dice.below(10) {
            0 => Err(Failure::Unknown { what, why: "lost on the way".to_owned() }),
            1 | 2 => {
                tokio::time::sleep(Duration::from_millis(self.dice.below(120))).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Provider for Storm {
    fn name(&self) -> &'static str {
        self.sandbox.name()
    }

    /// Half of the payments go the long way, on which only the provider makes ids.
    fn id_ahead(&self, new: &NewPayment) -> Option<String> {
        if new.order.0.is_multiple_of(2) { self.sandbox.id_ahead(new) } else { None }
    }

    fn create<'a>(&'a self, new: &'a NewPayment) -> BoxFuture<'a, Result<Payment, Failure>> {
        Box::pin(async move {
            self.pass("create").await?;
            let created = self.sandbox.create(new).await?;
            self.pass("create").await?;
            Ok(created)
        })
    }

    fn act<'a>(&'a self, id: &'a str, verb: Verb) -> BoxFuture<'a, Result<Seen, Failure>> {
        Box::pin(async move {
            self.pass(verb.as_str()).await?;
            let seen = self.sandbox.act(id, verb).await?;
            self.pass(verb.as_str()).await?;
            Ok(seen)
        })
    }

    fn give_back<'a>(&'a self, id: &'a str, back: i64) -> BoxFuture<'a, Result<i64, Failure>> {
        Box::pin(async move {
            self.pass("give back").await?;
            let given = self.sandbox.give_back(id, back).await?;
            self.pass("give back").await?;
            Ok(given)
        })
    }

    fn list<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Page, Failure>> {
        self.sandbox.list(after)
    }
}

/// A hold whose payment was announced.
#[derive(Debug, Clone)]
struct Paying {
    held: Held,
    attempt: u32,
    token: &'static str,
    /// It ended, as its owner has journaled.
    over: bool,
}

struct World {
    rig: Rig,
    dice: Arc<Dice>,
    calm: Arc<AtomicBool>,
    stages: Vec<Stage>,
    holds: Vec<Paying>,
    next_seat: u32,
    /// Payments that ended without money and were taken after all.
    late: BTreeSet<String>,
}

impl World {
    async fn start(seed: u64) -> Self {
        let mut world = Self {
            rig: Rig::start().await,
            dice: Arc::new(Dice(AtomicU64::new(seed))),
            calm: Arc::default(),
            stages: Vec::new(),
            holds: Vec::new(),
            next_seat: 0,
            late: BTreeSet::new(),
        };
        world.stages = vec![world.stage(), world.stage()];
        world
    }

    fn stage(&self) -> Stage {
        let (dice, calm) = (Arc::clone(&self.dice), Arc::clone(&self.calm));
        let storm = move |pool: &PgPool| -> Vec<Arc<dyn Provider>> {
            vec![Arc::new(Storm { sandbox: Sandbox::start(pool), dice, calm })]
        };
        self.rig.stage_at(storm, |_| ())
    }

    fn one(&self) -> Option<usize> {
        let count = u64::try_from(self.holds.len()).unwrap();
        (0 < count).then(|| usize::try_from(self.dice.below(count)).unwrap())
    }

    async fn step(&mut self) {
        match self.dice.below(22) {
            0..=7 => self.pay().await,
            8..=10 => self.announce_again().await,
            11..=13 => self.other_card_or_end().await,
            14..=16 => self.cancel().await,
            17 => {
                // Dies wherever it is; another one starts.
                let dying = usize::try_from(self.dice.below(2)).unwrap();
                self.stages[dying] = self.stage();
            }
            18 => {
                let mut heard = self.rig.owner.heard.lock().unwrap();
                heard.deaf = !heard.deaf;
            }
            19 | 20 => self.money_comes_late().await,
            _ => tokio::time::sleep(Duration::from_millis(self.dice.below(150))).await,
        }
    }

    async fn pay(&mut self) {
        let first = self.next_seat;
        let seats: Vec<u32> =
            (first..=first + u32::try_from(self.dice.below(3)).unwrap()).collect();
        self.next_seat += u32::try_from(seats.len()).unwrap();
        let token = match self.dice.below(10) {
            0..=5 => "tok_ok",
            6 | 7 => "tok_declined",
            8 => "tok_slow",
            _ => "tok_lost",
        };
        let held = self.rig.hold(&seats, 0);
        self.holds.push(Paying { held, attempt: 1, token, over: false });
        self.announce(self.holds.len() - 1, false).await;
    }

    async fn announce(&self, at: usize, again: bool) {
        let Paying { held, attempt, token, .. } = self.holds[at].clone();
        let wait = if self.dice.below(3) == 0 { HURRIED } else { PATIENT };
        self.rig.owner.announce(&self.rig.event, payment(held, attempt, token, wait), again).await;
    }

    /// As the owner does when it has heard no verdict for long.
    async fn announce_again(&mut self) {
        let Some(at) = self.one() else { return };
        if !self.holds[at].over {
            self.announce(at, true).await;
        }
    }

    /// After a decline the fan tries another card, or the hold ends.
    async fn other_card_or_end(&mut self) {
        let Some(at) = self.one() else { return };
        let Paying { held, attempt, over, .. } = self.holds[at].clone();
        let declined = (attempt, VerdictKind::Declined);
        if over || self.rig.owner.verdicts(held.hold).last() != Some(&declined) {
            return;
        }
        if self.dice.below(3) == 0 {
            self.holds[at].over = true;
            self.rig.owner.release(&self.rig.event, held.hold, Released::Expired).await;
            return;
        }
        self.holds[at].attempt += 1;
        self.holds[at].token = if self.dice.below(2) == 0 { "tok_ok" } else { "tok_declined" };
        self.announce(at, false).await;
    }

    /// A fan asks for the money back, of all or of one ticket, and does not wait for the answer.
    async fn cancel(&mut self) {
        let Some(at) = self.one() else { return };
        let order = OrderId::from(self.holds[at].held.hold);
        let (subject, wanted) = match u16::try_from(self.dice.below(6)).unwrap() {
            0 | 1 => {
                let whole = CancelBooking { order, account: ACCOUNT };
                (subject::SETTLE_CANCEL, codec::encode(&whole))
            }
            line => {
                let ticket = TicketId { order, line: line - 2 };
                let one = CancelTicket { ticket, account: ACCOUNT };
                (subject::SETTLE_CANCEL_TICKET, codec::encode(&one))
            }
        };
        let nats = self.rig.servers.nats().await;
        let asked = nats.client.request(subject, wanted.into());
        // Whoever heard it may have died since, and there may be nobody now.
        drop(tokio::time::timeout(Duration::from_millis(60), asked).await);
    }

    /// What ended without money at the provider is paid after all, and it may say so, or not.
    async fn money_comes_late(&mut self) {
        let taken = "UPDATE sandbox.payment SET state = 'captured'
            WHERE payment_id = (SELECT payment_id FROM sandbox.payment
                WHERE state IN ('cancelled', 'declined') ORDER BY created_at DESC LIMIT 1)
                AND state IN ('cancelled', 'declined') RETURNING payment_id";
        let taken = sqlx::query_scalar(taken).fetch_optional(&self.rig.pool).await.unwrap();
        let Some(id): Option<String> = taken else { return };
        let sandbox = Sandbox::start(&self.rig.pool);
        let money = FoundMoney { pool: &self.rig.pool, provider: sandbox.name() };
        let is_said = self.dice.below(2) == 0;
        let known = money.payment(&id).await.unwrap();
        self.late.insert(id);
        if let Some((payment, false)) = known.filter(|_| is_said) {
            reconcile::look_at(money, &sandbox, payment).await.unwrap();
        }
    }

    /// The provider answers again, the owner hears, and everything comes to its end.
    async fn settle(&mut self) {
        // Relaxed: as above.
        self.calm.store(true, Ordering::Relaxed);
        self.rig.owner.heard.lock().unwrap().deaf = false;
        for at in 0..self.holds.len() {
            let hold = self.holds[at].held.hold;
            let what = format!("a verdict on {hold}");
            eventually(&what, || async { !self.rig.owner.verdicts(hold).is_empty() }).await;
        }
        self.rig.rest().await;
    }

    async fn judge(&self, seed: u64) {
        let sandbox = Sandbox::start(&self.rig.pool);
        age(&self.rig).await;
        let what = format!("seed {seed}: what came late to find its end");
        eventually(&what, || async {
            reconcile_once(&self.rig.pool, &sandbox).await.whole().unwrap().is_empty()
        })
        .await;
        self.rig.rest().await;
        self.rig.assert_clean().await;
        // What was created and never heard of is found too, and voided.
        let found = sqlx::query_scalar("SELECT provider_id FROM found_money WHERE taken");
        let found: BTreeSet<String> =
            found.fetch_all(&self.rig.pool).await.unwrap().into_iter().collect();
        assert!(found.is_subset(&self.late), "seed {seed}: {found:?} of {:?}", self.late);
        for Paying { held, attempt, .. } in &self.holds {
            // ORD-2: an attempt that is tried again is the same payment.
            let made = "SELECT count(*) FROM sandbox.payment WHERE order_ref = $1";
            let made = sqlx::query_scalar(made).bind(OrderId::from(held.hold).to_string());
            let made: i64 = made.fetch_one(&self.rig.pool).await.unwrap();
            let attempts = i64::from(*attempt);
            assert!(made <= attempts, "seed {seed}, {}: {made} of {attempts}", held.hold);
            let verdicts = self.rig.owner.verdicts(held.hold);
            assert!(is_a_life(&verdicts), "seed {seed}, {}: {verdicts:?}", held.hold);
            let state = self.rig.state(held.hold).await;
            let expected: &[&str] = match end_of(&verdicts) {
                Some(VerdictKind::Sold) => &["paid"],
                Some(VerdictKind::Refunded) => &["refunded"],
                Some(VerdictKind::Cancelled) => &["cancelled"],
                Some(VerdictKind::Declined) => &["declined", "cancelled"],
                None => &[],
            };
            assert!(expected.contains(&&*state), "seed {seed}, {}: {state}", held.hold);
        }
        let sold = self.rig.count("SELECT count(*) FROM orders WHERE sold_at IS NOT NULL").await;
        assert!(0 < sold, "seed {seed} sold nothing");
    }
}

/// Whether these are verdicts on one hold. The owner may hear them in any order, and one again when
/// it has announced the payment again. ORD-1: what was sold is not cancelled, and is sold once.
fn is_a_life(verdicts: &[(u32, VerdictKind)]) -> bool {
    let ends = verdicts.iter().filter(|(_, kind)| *kind != VerdictKind::Declined);
    let Some((attempt, end)) = ends.clone().next() else { return true };
    let is_cancelled = *end == VerdictKind::Cancelled;
    ends.clone().all(|(a, k)| a == attempt && (*k == VerdictKind::Cancelled) == is_cancelled)
        && verdicts.iter().all(|(a, kind)| *kind != VerdictKind::Declined || a < attempt)
}

#[test]
fn a_life_has_no_sale_beside_a_cancellation_and_none_of_two_attempts() {
    use VerdictKind::{Cancelled, Declined, Refunded, Sold};
    assert!(is_a_life(&[(1, Declined), (2, Declined), (2, Declined), (3, Sold), (3, Refunded)]));
    assert!(is_a_life(&[(1, Refunded), (1, Sold)]), "in any order");
    for wrong in [
        [(1, Cancelled), (1, Sold)],
        [(1, Sold), (1, Cancelled)],
        [(1, Sold), (2, Sold)],
        [(1, Sold), (1, Declined)],
        [(2, Declined), (1, Sold)],
    ] {
        assert!(!is_a_life(&wrong), "{wrong:?}");
    }
}

/// What stands in the end, whatever was heard when.
fn end_of(verdicts: &[(u32, VerdictKind)]) -> Option<VerdictKind> {
    use VerdictKind::{Cancelled, Declined, Refunded, Sold};
    let has = |wanted: &VerdictKind| verdicts.iter().any(|(_, kind)| kind == wanted);
    [Refunded, Sold, Cancelled, Declined].into_iter().find(has)
}

async fn play(seeds: [u64; 2]) {
    for seed in seeds {
        let mut world = World::start(seed).await;
        for _ in 0..STEPS {
            world.step().await;
        }
        // A slow machine may not have come to its first declined payment yet.
        for _ in 0..100 {
            world.money_comes_late().await;
            if !world.late.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            world.step().await;
        }
        assert!(!world.late.is_empty(), "seed {seed}: no money came late");
        world.settle().await;
        world.judge(seed).await;
    }
}

#[tokio::test]
async fn whatever_comes_in_whatever_order_money_tickets_and_seats_add_up() {
    play([0, 1]).await;
}

#[tokio::test]
async fn in_other_orders_they_add_up_too() {
    play([2, 3]).await;
}

#[tokio::test]
async fn and_in_still_other_ones() {
    play([4, 5]).await;
}
