//! The payment provider goes away for a minute in the middle of a sale, and comes back.

use crate::auditor::{assert_sold, audit_all, check_ledger, postgres, reconcile};
use crate::catalogue::list_with_short_holds;
use crate::client::{Answer, Call, Client};
use crate::crowd::accounts;
use crate::fan::{Booking, Fan, best, confirm, fresh_key, reserve, text};
use crate::process::free_port;
use crate::room::{Place, shown_to_operators};
use crate::seats::SeatMap;
use crate::system::System;
use crate::up::{Reach, Up};
use crate::wait::{pause, until, until_equal};
use chassis::metrics::NAME_PREFIX;
use futures_util::future::join_all;
use hyper::Method;
use schema::DurationMs;
use serde_json::{Value, json};
use settlement::testing::{AtStripe, LocalStripe, Network, Proxy};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

/// Where seats are sold, and the event with the room.
const SHOP: &str = "OUTAGE";
const ROOM: &str = "EVT001";

const CARD: &str = "pm_card_visa";
const REFUSED: &str = "pm_card_chargeCustomerFail";

/// How long nobody listens, and how long nobody answers then.
const REFUSED_FOR: Duration = Duration::from_secs(30);
const SILENT_FOR: Duration = Duration::from_secs(30);

/// Shorter than the outage: what nobody pays ends meanwhile, and what is being paid does not.
const HOLD_TTL: DurationMs = DurationMs(15_000);

const FANS: usize = 8;

/// What somebody who holds a seat does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Pays,
    /// The first card is refused.
    PaysAtTheSecondTry,
    Leaves,
}

/// A hold, and what its buyer has heard.
#[derive(Debug, Clone)]
struct Wish {
    fan: Fan,
    mood: Mood,
    reservation: String,
    seat: String,
    /// The last card that was named.
    card: &'static str,
    /// Whether the last answer was that it is not known yet.
    is_pending: bool,
    booking: Option<Booking>,
}

impl Wish {
    fn id(&self) -> String {
        self.reservation.replacen("r-", "b-", 1)
    }

    /// Asks for its payment once.
    async fn pay(&mut self, card: &'static str) -> Answer {
        self.card = card;
        let answer = self.fan.send(confirm(&self.reservation, card)).await.expect("it is there");
        self.is_pending = answer.status == 202;
        match (answer.status, answer.code().as_str()) {
            (200, _) => {
                let booking = Booking::read(&answer.json());
                assert_eq!(booking.places, [self.seat.as_str()]);
                assert_eq!(booking.id, self.id());
                self.booking = Some(booking);
            }
            (202, _) => {
                let told = answer.json();
                assert_eq!(
                    (&told["status"], &told["bookingId"]),
                    (&json!("PENDING"), &json!(self.id()))
                );
            }
            (402, "PAYMENT_DECLINED") => assert_eq!(card, REFUSED, "a good card is never refused"),
            // Nobody was asked: the same once more.
            (503, code) => {
                assert_eq!((code.is_empty(), &answer.json()["retryable"]), (false, &json!(true)));
            }
            _ => panic!("{answer:?}"),
        }
        answer
    }
}

/// A sale that goes on whatever happens.
struct Shop {
    wishes: Arc<Mutex<Vec<Wish>>>,
    closing: Arc<AtomicBool>,
    buyers: JoinSet<()>,
}

impl Shop {
    fn open(fans: &[Fan]) -> Self {
        let (wishes, closing) = (Arc::<Mutex<Vec<Wish>>>::default(), Arc::<AtomicBool>::default());
        let mut buyers = JoinSet::new();
        for (number, fan) in fans.iter().cloned().enumerate() {
            let (wishes, closing) = (Arc::clone(&wishes), Arc::clone(&closing));
            buyers.spawn(async move {
                for round in number.. {
                    if closing.load(Ordering::SeqCst) {
                        return;
                    }
                    let wish = buy_one(&fan, round).await;
                    wishes.lock().unwrap().push(wish);
                }
            });
        }
        Self { wishes, closing, buyers }
    }

    fn wishes(&self) -> Vec<Wish> {
        self.wishes.lock().unwrap().clone()
    }

    /// Waits until so many more have heard that they have bought.
    async fn sells(&self, more: usize) {
        let sold = || self.wishes().iter().filter(|wish| wish.booking.is_some()).count();
        let goal = sold() + more;
        until(&format!("{goal} bookings"), async || (goal <= sold()).then_some(())).await;
    }

    async fn close(mut self) -> Vec<Wish> {
        self.closing.store(true, Ordering::SeqCst);
        while let Some(done) = self.buyers.join_next().await {
            done.expect("a buyer met what the contract allows");
        }
        self.wishes()
    }
}

/// Holds a seat, and pays for it as far as there are answers.
async fn buy_one(fan: &Fan, round: usize) -> Wish {
    let mood = match round % 8 {
        3 => Mood::PaysAtTheSecondTry,
        6 => Mood::Leaves,
        _ => Mood::Pays,
    };
    // Seats are given whether anybody can pay or not.
    let held = fan.ask(reserve(&best(SHOP, 1), &fresh_key())).await.expect(201);
    let (reservation, seat) = (text(&held["reservationId"]), text(&held["seats"][0]["seatId"]));
    let (fan, is_pending, booking) = (fan.clone(), false, None);
    let mut wish = Wish { fan, mood, reservation, seat, card: "", is_pending, booking };
    let first = match mood {
        Mood::Leaves => return wish,
        Mood::PaysAtTheSecondTry => REFUSED,
        Mood::Pays => CARD,
    };
    loop {
        let card = if wish.card.is_empty() { first } else { wish.card };
        let answer = wish.pay(card).await;
        match answer.status {
            503 => pause(answer.poll_after()).await,
            402 => wish.card = CARD,
            _ => return wish,
        }
    }
}

/// Starts a system that takes money with Stripe, over a network of the test's own.
async fn start(stripe: &LocalStripe) -> (Up, Proxy) {
    let proxy = Proxy::start_at(stripe, free_port()).await;
    let mut up = Up::prepare();
    let settings = [
        ("PROVIDER", "stripe"),
        ("STRIPE__SECRET_KEY", "sk_test_12345"),
        ("STRIPE__API_BASE", &proxy.base),
        ("STRIPE__WEBHOOK_SECRETS", r#"["whsec_1"]"#),
    ];
    let settings =
        settings.map(|(name, value)| (format!("USHER__SETTLEMENT__{name}"), value.to_owned()));
    up.variables.extend(settings);
    up.start_again().await;
    (up, proxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_away_for_a_minute_loses_no_order_and_keeps_no_seat() {
    let stripe = LocalStripe::start().await;
    let (up, proxy) = start(&stripe).await;
    let reach = up.reach();
    let client = &reach.client;
    list_with_short_holds(&reach, "EVT002", SHOP, HOLD_TTL).await;
    let fans = accounts(client, FANS, "outage").await;
    let operator = Fan::demo(client, "operator").await;
    let path = format!("/api/admin/events/{ROOM}/admission");
    let change = json!({"admissionRatePerMinute": 300});
    let change = Call::new(Method::PATCH, &path).json(&change).header("if-match", "*");
    assert_eq!(operator.ask(change).await.expect(200)["adaptive"], false);
    let away = Away { up: &up, client, operator: &operator };
    away.calls(300, "rate", 0).await;
    let returned = Fan::new(client, "returns").await;
    let given = buy_elsewhere(&returned).await;

    let shop = Shop::open(&fans);
    shop.sells(20).await;
    proxy.set(Network::Refused);
    let ((), ()) = tokio::join!(pause(REFUSED_FOR), away.calls(15, "settlement", 1));
    proxy.set(Network::Silent);
    let ((), ()) = tokio::join!(pause(SILENT_FOR), cancelled_meanwhile(&returned, &given));
    what_waits_is_kept_and_what_does_not_is_free(client, &shop.wishes()).await;
    proxy.set(Network::Open);
    let ((), ()) = tokio::join!(shop.sells(20), away.calls(300, "rate", 0));

    let wishes = shop.close().await;
    let pending = wishes.iter().filter(|wish| wish.is_pending).count();
    let bookings = everybody_hears_the_end(wishes).await;
    eprintln!("{} bookings, {pending} of them were pending for a while", bookings.len());
    until_equal("no seat to be held", 0, async || SeatMap::of(client, SHOP).await.count("held"))
        .await;
    until_equal("the refund", json!("REFUNDED"), async || {
        returned.booking(&given.id).await["status"].clone()
    })
    .await;
    everything_agrees(&reach, &up, &stripe, &bookings, &given).await;
}

/// How the room and the operators' metrics tell of the outage.
struct Away<'a> {
    up: &'a Up,
    client: &'a Client,
    operator: &'a Fan,
}

impl Away<'_> {
    /// Waits until the room calls so many a minute because of that, and the metric is so.
    async fn calls(&self, per_minute: u64, limited_by: &str, open: u32) {
        // Who does not ask any more is gone after a while: nobody waits behind those.
        join_all((0..200).map(|_| Place::join(self.client, ROOM))).await;
        shown_to_operators(self.operator, ROOM, |room| {
            room["limitedBy"] == limited_by && room["allowedPerMinute"] == per_minute
        })
        .await;
        let status = self.client.get(&format!("/api/queue/{ROOM}/status")).await;
        assert_eq!(status["mode"], "open", "{status}");
        let pages = Client::new(&format!("http://127.0.0.1:{}", self.up.metrics_port));
        let name = format!("{NAME_PREFIX}settlement_provider_open");
        let line = format!("{name}{{provider=\"stripe\"}} {open}");
        until(&line, async || {
            let page = pages.ask(Call::get("/metrics")).await.body;
            let page = String::from_utf8_lossy(&page).into_owned();
            page.lines().any(|at| at == line).then_some(())
        })
        .await;
    }
}

/// A booking in another event.
async fn buy_elsewhere(fan: &Fan) -> Booking {
    let held = fan.reserve(&best("EVT002", 1)).await.expect(201);
    let paid = fan.confirm(&text(&held["reservationId"]), CARD).await.expect(200);
    Booking::read(&paid)
}

/// Cancels what was bought before: it is under way, and nobody says that the money is back.
async fn cancelled_meanwhile(fan: &Fan, booking: &Booking) {
    let call = Call::post(&format!("/api/bookings/{}/cancel", booking.id), &json!({}));
    let answer = fan.ask(call).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_ne!(answer.json()["status"], "REFUNDED", "{answer:?}");
    assert_eq!(SeatMap::of(&fan.client, "EVT002").await.status(&booking.places[0]), "sold");
}

/// Before the provider is back: who was told to wait has the seat still, and the holds of those who
/// do not pay end as ever.
async fn what_waits_is_kept_and_what_does_not_is_free(client: &Client, wishes: &[Wish]) {
    let waiting: Vec<&Wish> = wishes.iter().filter(|wish| wish.is_pending).collect();
    assert!(FANS < waiting.len(), "{} wait", waiting.len());
    for wish in &waiting {
        let shown = wish.fan.booking(&wish.id()).await;
        assert_eq!((&shown["status"], &shown["declined"]), (&json!("PENDING"), &json!(false)));
    }
    let map = SeatMap::of(client, SHOP).await;
    for wish in &waiting {
        assert_eq!(map.status(&wish.seat), "held", "{wish:?}");
    }
    let left = wishes.iter().filter(|wish| wish.mood == Mood::Leaves);
    let ended = left.map(|wish| wish.fan.reservation_status(&wish.reservation));
    let ended = join_all(ended).await;
    assert!(ended.iter().any(|status| status == "EXPIRED"), "{ended:?}");
    for wish in wishes {
        if let Some(booking) = &wish.booking {
            assert_eq!(Booking::read(&wish.fan.booking(&booking.id).await), *booking);
        }
    }
}

/// Waits until no booking is open any more; returns those that were bought.
async fn everybody_hears_the_end(wishes: Vec<Wish>) -> Vec<(Fan, Booking)> {
    let mut bought = Vec::new();
    for mut wish in wishes {
        if wish.mood == Mood::Leaves {
            let status = async || wish.fan.reservation_status(&wish.reservation).await;
            until_equal("the hold to end", "EXPIRED".to_owned(), status).await;
            continue;
        }
        let shown = until("a booking to come to its end", async || {
            let shown = wish.fan.booking(&wish.id()).await;
            (shown["status"] != "PENDING" || shown["declined"] == true).then_some(shown)
        })
        .await;
        if shown["declined"] == true && shown["status"] == "PENDING" {
            assert_eq!((wish.card, &wish.booking), (REFUSED, &None), "{shown}");
            // The hold lives on for a while, and takes another card.
            let answer = wish.fan.confirm(&wish.reservation, CARD).await;
            match (answer.status, answer.code().as_str()) {
                (200, _) => wish.booking = Some(Booking::read(&answer.json())),
                (410, "RESERVATION_EXPIRED") => continue,
                _ => panic!("{answer:?}"),
            }
        }
        let last = Booking::read(&wish.fan.booking(&wish.id()).await);
        if let Some(first) = &wish.booking {
            assert_eq!(last, *first, "what was called confirmed stays so");
        }
        assert_eq!(last.places, [wish.seat]);
        bought.push((wish.fan, last));
    }
    bought
}

/// Seats, orders, the ledger, and the provider's own list.
async fn everything_agrees(
    reach: &Reach,
    up: &Up,
    stripe: &LocalStripe,
    bookings: &[(Fan, Booking)],
    given: &Booking,
) {
    let pool = postgres(reach).await;
    until_equal("everything to come to rest", 0, async || {
        let query = "SELECT (SELECT count(*) FROM orders WHERE todo OR state IN
                ('open', 'paying', 'cancelling', 'refunding', 'review_needed'))
            + (SELECT count(*) FROM outbox WHERE done_at IS NULL)
            + (SELECT count(*) FROM found_money WHERE outcome IS NULL)";
        sqlx::query_scalar::<_, i64>(query).fetch_one(&pool).await.unwrap()
    })
    .await;
    until_equal("no payment to be open", 0, async || {
        let open = |money: &AtStripe| money.intents - money.cancelled - money.charges;
        stripe.money().await.values().map(open).sum::<usize>()
    })
    .await;
    let mut totals: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for (fan, booking) in bookings {
        let shown: Value = fan.booking(&booking.id).await;
        totals.insert(booking.id.clone(), (shown["total"]["amount"].as_i64().unwrap(), 0));
    }
    for (order, money) in stripe.money().await {
        let AtStripe { charges, taken, returned, set_aside, .. } = money;
        assert_eq!(set_aside, 0, "{order}: {money:?}");
        match totals.remove(&order) {
            Some(paid) => assert_eq!((charges, taken, returned), (1, paid.0, paid.1), "{order}"),
            None if order == given.id => assert_eq!((charges, returned), (1, taken), "{order}"),
            None => assert_eq!(charges, 0, "{order} is not confirmed: {money:?}"),
        }
    }
    assert!(totals.is_empty(), "confirmed, and not paid: {totals:?}");
    let sold: Vec<Booking> = bookings.iter().map(|(_, booking)| booking.clone()).collect();
    assert_sold(reach, SHOP, &sold).await;
    let variables = [&reach.variables[..], &up.variables[..]].concat();
    let (code, printed) = check_ledger(&variables).await;
    assert!(code == 0 && printed.ends_with(", 0 differences"), "{printed}");
    let (code, printed) = audit_all(&variables).await;
    assert!(code == 0 && printed.ends_with(" 0 differences"), "{printed}");
    let (code, printed) = reconcile(&variables).await;
    assert!(printed.contains("reconciled with stripe, 0 differences"), "{printed}");
    assert!(code == 0 && printed.ends_with("compared the books, 0 differences"), "{printed}");
}
