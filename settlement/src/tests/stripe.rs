//! Settlement with Stripe's adapter against somebody else's Stripe, over a network that cuts,
//! delays and repeats.

mod events;
mod keys;
pub(super) mod killed;

use super::entrance::ticket;
use super::owner::payment;
use super::part;
use super::rig::{ACCOUNT, PATIENT, Point, Rig, Stage, asked, eventually};
use crate::testing::{AtStripe, Deed, Fault, LocalStripe, Network, Proxy};
use crate::{Config, Cursor, Failure, NewPayment, Provider, Sandbox, Stripe, StripeConfig, Verb};
use chassis::config::Secret;
use chassis::metrics::NAME_PREFIX;
use futures_util::StreamExt;
use schema::{
    CancelAnswer, CancelBooking, Currency, HoldId, Money, OrderId, SettlementLoad, VerdictKind,
    codec, subject,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CARD: &str = "pm_card_visa";
const REFUSED: &str = "pm_card_chargeCustomerFail";
const SECRET: &str = "whsec_test_1";
const PRICE: i64 = 5_000;
const DEEDS: [Deed; 4] = [Deed::Create, Deed::Confirm, Deed::Capture, Deed::Fetch];

struct World {
    rig: Rig,
    stripe: LocalStripe,
    proxy: Proxy,
}

pub(super) fn config(base: &str) -> StripeConfig {
    StripeConfig {
        secret_key: Secret::new("sk_test_12345"),
        api_base: base.to_owned(),
        webhook_secrets: vec![Secret::new("whsec_other"), Secret::new(SECRET)],
        ..StripeConfig::default()
    }
}

impl World {
    async fn start() -> Self {
        let stripe = LocalStripe::start().await;
        let proxy = Proxy::start(&stripe).await;
        Self { rig: Rig::start().await, stripe, proxy }
    }

    /// A settlement process that takes money with Stripe, and knows the sandbox from before.
    fn stage(&self) -> Stage {
        self.stage_with(|stripe| stripe)
    }

    fn stage_with(&self, set: impl FnOnce(Stripe) -> Stripe) -> Stage {
        let stripe = config(&self.proxy.base);
        let change = |config: &mut Config| config.stripe = stripe.clone();
        let made = Arc::new(set(Stripe::new(&stripe).unwrap()));
        self.rig.stage_at(move |pool| vec![made, Arc::new(Sandbox::start(pool))], change)
    }

    /// Plans faults for an order before it is announced.
    async fn pay(&mut self, seat: u32, token: &str, faults: &[(Deed, Fault, u32)]) -> HoldId {
        self.pay_within(seat, token, faults, PATIENT).await
    }

    async fn pay_within(
        &mut self,
        seat: u32,
        token: &str,
        faults: &[(Deed, Fault, u32)],
        wait_ms: u64,
    ) -> HoldId {
        self.pay_for(&[seat], token, faults, wait_ms).await
    }

    async fn pay_for(
        &mut self,
        seats: &[u32],
        token: &str,
        faults: &[(Deed, Fault, u32)],
        wait_ms: u64,
    ) -> HoldId {
        let places = self.rig.hold(seats, 0);
        let hold = places.hold;
        for (deed, fault, times) in faults {
            self.proxy.plan(&order(hold), *deed, *fault, *times);
        }
        let payment = payment(places, 1, token, wait_ms);
        self.rig.owner.announce(&self.rig.event, payment, false).await;
        hold
    }

    async fn money(&self, hold: HoldId) -> AtStripe {
        self.stripe.money().await.remove(&order(hold)).unwrap_or_default()
    }

    async fn cancel(&self, hold: HoldId) {
        let wanted = CancelBooking { order: OrderId::from(hold), account: ACCOUNT };
        eventually("a refund", || async {
            let answer: CancelAnswer = asked(&self.rig, subject::SETTLE_CANCEL, &wanted).await;
            matches!(answer, CancelAnswer::Refunded { .. })
        })
        .await;
    }

    async fn rest(&self) {
        self.rig.rest().await;
        self.rig.assert_clean().await;
        assert_eq!(self.proxy.mismatched(), [""; 0], "a key is of one thing");
    }
}

fn order(hold: HoldId) -> String {
    OrderId::from(hold).to_string()
}

#[tokio::test]
async fn a_card_is_charged_once_and_what_was_paid_comes_back_once() {
    let mut world = World::start().await;
    let _stage = world.stage();
    let hold = world.pay(1, CARD, &[]).await;
    world.rig.wait_for(hold, "paid").await;
    world.rest().await;
    let paid = AtStripe { intents: 1, charges: 1, taken: PRICE, ..AtStripe::default() };
    assert_eq!(world.money(hold).await, paid);
    world.cancel(hold).await;
    world.cancel(hold).await;
    world.rest().await;
    assert_eq!(world.money(hold).await, AtStripe { returned: PRICE, ..paid });
    assert_eq!(
        world.rig.owner.verdicts(hold),
        [(1, VerdictKind::Sold), (1, VerdictKind::Refunded)]
    );
    let refunds = world.stripe.get("/v1/refunds?limit=10").await;
    assert_eq!(refunds["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refused_card_leaves_nothing_that_could_still_be_paid() {
    let mut world = World::start().await;
    let _stage = world.stage();
    let authentication = world.stripe.card_with_authentication().await;
    let cut = |deed| (deed, Fault::CutAfter, 1);
    let refused = [
        world.pay(1, REFUSED, &[]).await,
        world.pay(2, &authentication, &[]).await,
        world.pay(3, REFUSED, &[cut(Deed::Confirm)]).await,
        world.pay(4, REFUSED, &[cut(Deed::Cancel)]).await,
        world.pay(5, REFUSED, &[(Deed::Cancel, Fault::CutBefore, 4)]).await,
        world.pay(6, REFUSED, &[(Deed::Cancel, Fault::Status(500), 5)]).await,
    ];
    for hold in refused {
        world.rig.wait_for(hold, "declined").await;
        // Not only in the end: before anybody hears of it.
        let closed = AtStripe { intents: 1, cancelled: 1, ..AtStripe::default() };
        assert_eq!(world.money(hold).await, closed);
    }
    // What is no card of Stripe's is refused before there is any payment.
    let nonsense = world.pay(7, "tok_ok", &[]).await;
    world.rig.wait_for(nonsense, "declined").await;
    assert_eq!(world.money(nonsense).await, AtStripe::default());
    world.rest().await;
    for hold in refused {
        assert_eq!(world.rig.owner.verdicts(hold), [(1, VerdictKind::Declined)]);
    }
    let count = async |reason: &str| {
        let query = "SELECT count(*) FROM booking_view WHERE decline_reason = $1";
        let row = sqlx::query_as::<_, (i64,)>(query).bind(reason).fetch_one(&world.rig.pool).await;
        row.unwrap().0
    };
    assert_eq!((count("card declined").await, count("authentication required").await), (5, 1));
}

#[tokio::test]
async fn a_payment_that_stripe_does_not_create_is_counted_unless_its_card_is_why() {
    let metrics = chassis::metrics::install(&chassis::Shutdown::new()).unwrap();
    let mut world = World::start().await;
    let _stage = world.stage();
    let assert_counted = |count: u32| {
        let what = "settlement_provider_refusals_total{what=\"create\"}";
        let (line, page) = (format!("{NAME_PREFIX}{what} {count}"), metrics.render());
        assert!(page.contains(&line), "{line} is not in {page}");
    };
    let card = world.pay(1, CARD, &[(Deed::Create, Fault::Says(402), 1)]).await;
    world.rig.wait_for(card, "declined").await;
    assert_counted(0);
    let account = world.pay(2, CARD, &[(Deed::Create, Fault::Says(400), 1)]).await;
    let nonsense = world.pay(3, "tok_ok", &[]).await;
    for hold in [account, nonsense] {
        world.rig.wait_for(hold, "declined").await;
    }
    assert_counted(2);
    world.rest().await;
}

#[tokio::test]
async fn whatever_the_network_does_a_payment_is_charged_exactly_once() {
    let mut world = World::start().await;
    let _stage = world.stage();
    let faults = [
        Fault::Delay(Duration::from_millis(300)),
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::Repeat,
        Fault::Status(429),
        Fault::Status(500),
        Fault::StatusAfter(503),
    ];
    let mut holds = Vec::new();
    // Three tries are one call: four times is more than that.
    for times in [1, 4] {
        for deed in DEEDS {
            for fault in faults {
                let seat = u32::try_from(holds.len()).unwrap();
                // A payment is fetched only when something else went wrong before.
                let before = (Deed::Confirm, Fault::CutAfter, 3);
                let planned = [(deed, fault, times), before];
                let faults = if deed == Deed::Fetch { &planned[..] } else { &planned[..1] };
                holds.push(world.pay(seat, CARD, faults).await);
            }
        }
    }
    for &hold in &holds {
        world.rig.wait_for(hold, "paid").await;
    }
    world.rest().await;
    let money = world.stripe.money().await;
    for &hold in &holds {
        let AtStripe { charges, taken, returned, .. } = money[&order(hold)];
        assert_eq!((charges, taken, returned), (1, PRICE, 0), "{hold}: {money:?}");
        assert_eq!(world.rig.owner.verdicts(hold), [(1, VerdictKind::Sold)]);
    }
    // All tries of a creation say the same key, but for the minute, and each creation its own.
    let mut keys = std::collections::BTreeMap::new();
    for call in world.proxy.passed() {
        match call.deed {
            Deed::Create => {
                let key = call.key.expect("what could be done twice has a key");
                let (key, minute) = key.rsplit_once('/').unwrap();
                assert!(minute.bytes().all(|byte| byte.is_ascii_digit()), "{minute}");
                let known = keys.entry(call.order.unwrap()).or_insert_with(|| key.to_owned());
                assert_eq!(known, key);
            }
            Deed::Confirm | Deed::Capture | Deed::Cancel | Deed::Fetch => {
                assert_eq!(call.key, None);
            }
            Deed::Refund | Deed::List | Deed::ListOn | Deed::Dispute => {}
        }
    }
    let unique: std::collections::BTreeSet<&String> = keys.values().collect();
    assert_eq!(unique.len(), keys.len(), "no two things share a key");
}

#[tokio::test]
async fn whatever_the_network_does_a_refund_is_made_exactly_once() {
    let mut world = World::start().await;
    let _stage = world.stage();
    let faults = [Fault::CutBefore, Fault::CutAfter, Fault::Status(429), Fault::StatusAfter(500)];
    let mut holds = Vec::new();
    for times in [1, 4] {
        for fault in faults {
            let seat = u32::try_from(holds.len()).unwrap();
            holds.push(world.pay(seat, CARD, &[(Deed::Refund, fault, times)]).await);
        }
    }
    for &hold in &holds {
        world.rig.wait_for(hold, "paid").await;
    }
    futures_util::future::join_all(holds.iter().map(|&hold| world.cancel(hold))).await;
    world.rest().await;
    let money = world.stripe.money().await;
    for hold in holds {
        let AtStripe { charges, taken, returned, .. } = money[&order(hold)];
        assert_eq!((charges, taken, returned), (1, PRICE, PRICE), "{hold}");
    }
}

#[tokio::test]
async fn whatever_the_network_does_a_ticket_is_paid_back_exactly_once_and_so_is_the_rest() {
    let mut world = World::start().await;
    let _stage = world.stage();
    let faults = [Fault::CutBefore, Fault::CutAfter, Fault::Status(429), Fault::StatusAfter(500)];
    let mut holds = Vec::new();
    for times in [1, 4] {
        for fault in faults {
            let first = 3 * u32::try_from(holds.len()).unwrap();
            let planned = [(Deed::Refund, fault, times)];
            let seats = [first, first + 1, first + 2];
            holds.push(world.pay_for(&seats, CARD, &planned, PATIENT).await);
        }
    }
    for &hold in &holds {
        world.rig.wait_for(hold, "paid").await;
    }
    for (line, returned) in [(1, PRICE), (0, 2 * PRICE)] {
        let asked = holds.iter().map(|&hold| {
            let rig = &world.rig;
            eventually("a ticket to be paid back", move || async move {
                let answer = part::ask(rig, ticket(hold, line), ACCOUNT).await;
                matches!(answer, CancelAnswer::Refunded { .. })
            })
        });
        futures_util::future::join_all(asked).await;
        world.rest().await;
        let money = world.stripe.money().await;
        assert!(holds.iter().all(|&hold| money[&order(hold)].returned == returned), "{money:?}");
    }
    futures_util::future::join_all(holds.iter().map(|&hold| world.cancel(hold))).await;
    world.rest().await;
    let money = world.stripe.money().await;
    for hold in holds {
        let AtStripe { charges, taken, returned, .. } = money[&order(hold)];
        assert_eq!((charges, taken, returned), (1, 3 * PRICE, 3 * PRICE), "{hold}");
    }
}

#[tokio::test]
async fn a_refund_that_is_refused_is_an_answer_and_goes_once_it_is_allowed() {
    let mut world = World::start().await;
    let _stage = world.stage();
    let refused = [(Deed::Refund, Fault::Status(402), 3)];
    let hold = world.pay(1, CARD, &refused).await;
    world.rig.wait_for(hold, "paid").await;
    world.rest().await;
    let intent = events::intent_of(&world, hold).await;
    let stripe = Stripe::new(&config(&world.proxy.base)).unwrap();
    // A breaker would take silence for an outage, and hold everybody up.
    let give_back = async || Provider::give_back(&stripe, &intent, 2_000).await;
    assert_eq!(give_back().await, Ok(0));
    eventually("it to be allowed", || async { give_back().await == Ok(2_000) }).await;
    assert_eq!(give_back().await, Ok(2_000), "again");
    let keys = world.proxy.passed().into_iter().filter(|call| call.deed == Deed::Refund);
    let keys: Vec<String> = keys.map(|call| call.key.unwrap()).collect();
    let first = format!("{intent}/refund/{PRICE}-2000");
    assert!(keys.iter().all(|key| key.starts_with(&first)) && keys.contains(&first), "{keys:?}");
    // A key that was refused is refused for a day, so there is another one, save as an hour begins.
    let is_hour_young = chassis::clock::now().0 % 3_600_000 < 120_000;
    assert!(is_hour_young || keys.iter().any(|key| *key != first), "{keys:?}");
    assert_eq!(world.money(hold).await.returned, 2_000);
}

#[tokio::test]
async fn a_ticket_whose_refund_is_refused_stays_on_its_way_and_is_void_only_with_its_money_back() {
    let mut world = World::start().await;
    let _stage = world.stage();
    let refused = [(Deed::Refund, Fault::Status(402), 4)];
    let hold = world.pay_for(&[1, 2], CARD, &refused, PATIENT).await;
    world.rig.wait_for(hold, "paid").await;
    world.rest().await;
    eventually("the ticket to be void", || async {
        part::ask(&world.rig, ticket(hold, 0), ACCOUNT).await;
        world.rig.count("SELECT count(*) FROM ticket WHERE state = 'void'").await == 1
    })
    .await;
    assert_eq!(world.money(hold).await.returned, PRICE);
    let tries = world.proxy.passed().iter().filter(|call| call.deed == Deed::Refund).count();
    assert!(4 < tries, "{tries} tries");
    world.rest().await;
}

#[tokio::test]
async fn of_what_was_given_back_in_part_elsewhere_only_the_rest_goes_back() {
    let mut world = World::start().await;
    let _stage = world.stage();
    let hold = world.pay(1, CARD, &[]).await;
    world.rig.wait_for(hold, "paid").await;
    world.rest().await;
    let form = format!("payment_intent={}&amount=2000", events::intent_of(&world, hold).await);
    world.stripe.post("/v1/refunds", &form).await;
    world.cancel(hold).await;
    world.rest().await;
    let AtStripe { charges, taken, returned, .. } = world.money(hold).await;
    assert_eq!((charges, taken, returned), (1, PRICE, PRICE));
}

#[tokio::test]
async fn a_payment_that_is_not_paid_by_its_deadline_is_never_paid() {
    let mut world = World::start().await;
    let _stage = world.stage();
    let slow = Fault::Delay(Duration::from_millis(1_500));
    let unheard = [(Deed::Create, Fault::CutBefore, 20)];
    let late = world.pay_within(1, CARD, &unheard, 700).await;
    let unsure = world.pay_within(2, CARD, &[(Deed::Confirm, slow, 9)], 700).await;
    world.rig.wait_for(late, "cancelled").await;
    eventually("an end", || async {
        ["cancelled", "paid"].contains(&world.rig.state(unsure).await.as_str())
    })
    .await;
    world.rest().await;
    assert_eq!(world.money(late).await.charges, 0);
    let is_paid = world.rig.state(unsure).await == "paid";
    assert_eq!(world.money(unsure).await.charges, usize::from(is_paid));
}

#[tokio::test]
async fn no_money_is_set_aside_for_a_payment_before_its_id_is_stored() {
    let mut world = World::start().await;
    world.rig.refuse("payment_attempt").await;
    let _stage = world.stage();
    let hold = world.pay(1, CARD, &[]).await;
    world.rig.refused_twice().await;
    let intents = world.stripe.get("/v1/payment_intents?limit=10").await;
    for intent in intents["data"].as_array().unwrap() {
        assert_eq!(intent["status"], "requires_confirmation", "{intent}");
    }
    world.rig.take_again().await;
    world.rig.wait_for(hold, "paid").await;
    world.rest().await;
    let AtStripe { charges, taken, .. } = world.money(hold).await;
    assert_eq!((charges, taken), (1, PRICE));
}

/// An outage in mid-sale: no paid order is lost, no seat is stuck, nobody is charged twice, and the
/// provider is left alone meanwhile.
#[tokio::test]
async fn a_provider_that_is_down_for_a_while_loses_nothing_and_keeps_nothing() {
    const BUYERS: u32 = 40;
    let mut world = World::start().await;
    let _stage = world.stage();
    let nats = world.rig.servers.nats().await;
    let mut loads = nats.client.subscribe(subject::LOAD_SETTLEMENT).await.unwrap();
    let mut told = async |is_down: bool| loop {
        let load: SettlementLoad = codec::decode(&loads.next().await.unwrap().payload).unwrap();
        if load.provider_down == is_down {
            return;
        }
    };
    let (mut patient, mut hasty) = (Vec::new(), Vec::new());
    for seat in 0..BUYERS {
        if seat == BUYERS / 4 {
            world.rig.wait_for(patient[0], "paid").await;
            world.proxy.set(Network::Cut);
        }
        if seat % 4 == 3 {
            hasty.push(world.pay_within(seat, CARD, &[], 1_500).await);
        } else {
            patient.push(world.pay(seat, CARD, &[]).await);
        }
    }
    told(true).await;
    // What was under way when it was noticed ends.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (began, before) = (Instant::now(), world.proxy.passed().len());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let asked = world.proxy.passed().len() - before;
    // A call a second, of three tries.
    let most = 3 * usize::try_from(began.elapsed().as_secs() + 2).unwrap();
    assert!((1..=most).contains(&asked), "{asked} calls during the outage");
    world.proxy.set(Network::Open);
    told(false).await;
    for &hold in &patient {
        world.rig.wait_for(hold, "paid").await;
    }
    for &hold in &hasty {
        eventually("an end", || async {
            ["cancelled", "paid"].contains(&world.rig.state(hold).await.as_str())
        })
        .await;
    }
    world.rest().await;
    let money = world.stripe.money().await;
    for &hold in patient.iter().chain(&hasty) {
        let is_paid = world.rig.state(hold).await == "paid";
        let money = money.get(&order(hold)).cloned().unwrap_or_default();
        assert_eq!(money.charges, usize::from(is_paid), "{hold}: {money:?}");
    }
    let cancelled = world.rig.count("SELECT count(*) FROM orders WHERE state = 'cancelled'").await;
    assert!(0 < cancelled, "some could not wait");
    let tickets = world.rig.count("SELECT count(*) FROM ticket").await;
    assert_eq!(tickets + cancelled, i64::from(BUYERS));
}

#[tokio::test]
async fn an_order_is_paid_back_by_whom_it_was_paid_at() {
    let mut world = World::start().await;
    let sandbox = world.rig.stage(Point::Never);
    let before = world.rig.pay(&[1], "tok_ok").await;
    world.rig.wait_for(before, "paid").await;
    world.rest().await;
    drop(sandbox);
    let _stage = world.stage();
    let after = world.pay(2, CARD, &[]).await;
    world.rig.wait_for(after, "paid").await;
    world.cancel(before).await;
    world.cancel(after).await;
    world.rest().await;
    let returned = "SELECT count(*) FROM sandbox.payment WHERE state = 'refunded'";
    assert_eq!(world.rig.count(returned).await, 1);
    assert_eq!(world.money(after).await.returned, PRICE);
}

#[tokio::test]
async fn what_costs_nothing_asks_nobody() {
    let mut world = World::start().await;
    let _stage = world.stage();
    let mut holds = Vec::new();
    for (seat, wait_ms) in [(1, PATIENT), (2, PATIENT), (3, 0)] {
        let mut places = world.rig.hold(&[seat], 0);
        places.seats[0].price = 0;
        holds.push(places.hold);
        let payment = payment(places, 1, "free", wait_ms);
        world.rig.owner.announce(&world.rig.event, payment, false).await;
    }
    world.rig.wait_for(holds[0], "paid").await;
    world.rig.wait_for(holds[1], "paid").await;
    world.cancel(holds[1]).await;
    world.rest().await;
    assert_eq!(world.stripe.money().await.len(), 0);
}

#[tokio::test]
async fn payments_of_others_in_the_same_account_are_left_alone() {
    let world = World::start().await;
    let create = async |form: &str| {
        let form = format!("amount=700&currency=eur&payment_method={CARD}&confirm=true{form}");
        world.stripe.post("/v1/payment_intents", &form).await
    };
    create("").await;
    create("&metadata[order]=nonsense&metadata[system]=usher").await;
    let order = order(HoldId(7));
    create(&format!("&metadata[order]={order}&metadata[system]=another")).await;
    let ours = create(&format!("&metadata[order]={order}&metadata[system]=usher")).await;
    let stripe = Stripe::new(&config(&world.proxy.base)).unwrap();
    let mut after = Cursor { created_at: schema::UnixMillis(0), id: String::new() };
    let page = Provider::list(&stripe, &after).await.unwrap();
    assert_eq!((page.payments.len(), page.next), (1, None));
    let payment = &page.payments[0];
    assert_eq!((payment.id.as_str(), payment.amount.amount), (ours["id"].as_str().unwrap(), 700));
    assert_eq!(payment.seen, settlement_core::Seen::Captured);
    for _ in 0..210 {
        let form =
            format!("amount=700&currency=eur&metadata[order]={order}&metadata[system]=usher");
        world.stripe.post("/v1/payment_intents", &form).await;
    }
    let (mut pages, mut found) = (0, 0);
    loop {
        let page = Provider::list(&stripe, &after).await.unwrap();
        (pages, found) = (pages + 1, found + page.payments.len());
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!((pages, found), (3, 211));
    let later = chassis::clock::now() + schema::DurationMs(60_000);
    let later = Cursor { created_at: later, id: String::new() };
    assert_eq!(Provider::list(&stripe, &later).await.unwrap().payments, []);
}

#[tokio::test]
async fn a_payment_that_stripe_does_not_know_is_unlike_an_answer_of_somebody_else() {
    let world = World::start().await;
    let stripe = Stripe::new(&config(&world.proxy.base)).unwrap();
    let fetch = async |stripe: &Stripe| Provider::act(stripe, "pi_none", Verb::Fetch).await;
    assert!(matches!(fetch(&stripe).await, Err(Failure::Rejected { .. })));
    assert!(matches!(
        Provider::act(&stripe, "pi_/../refunds", Verb::Cancel).await,
        Err(Failure::Rejected { .. })
    ));
    assert_eq!(world.proxy.passed().len(), 1, "what is no id goes nowhere");
    // A web server that knows none of our paths.
    let other = config(&Proxy::stranger().await);
    let elsewhere = Stripe::new(&other).unwrap();
    assert!(matches!(fetch(&elsewhere).await, Err(Failure::Unknown { .. })));
    let new = NewPayment {
        order: OrderId(7),
        attempt: 1,
        total: Money::new(PRICE, Currency::EUR),
        token: CARD.to_owned(),
    };
    assert!(matches!(Provider::create(&elsewhere, &new).await, Err(Failure::Unknown { .. })));
}

#[tokio::test]
async fn a_key_that_stripe_does_not_take_declines_nobody() {
    let mut world = World::start().await;
    let mut stripe = config(&world.proxy.base);
    // Too short for localstripe to take it for a key.
    stripe.secret_key = Secret::new("sk_");
    let made = Arc::new(Stripe::new(&stripe).unwrap());
    let stage = world.rig.stage_at(move |_| vec![made], |_| ());
    let hold = world.pay(1, CARD, &[]).await;
    eventually("some calls", || async { 3 < world.proxy.passed().len() }).await;
    assert_eq!(world.rig.state(hold).await, "paying");
    drop(stage);
    let _stage = world.stage();
    world.rig.wait_for(hold, "paid").await;
    world.rest().await;
}
