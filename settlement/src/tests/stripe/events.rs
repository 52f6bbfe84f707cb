//! What Stripe says has happened: real signatures, repetitions, lies, and what must not be in logs.

use super::{CARD, PRICE, REFUSED, SECRET, World, order};
use crate::stripe::sign;
use crate::testing::Deed;
use crate::tests::rig::{asked, eventually};
use bytes::Bytes;
use chassis::{clock, tasks};
use http::Response;
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use schema::{HoldId, ProviderEvent, ProviderEventAnswer, VerdictKind, subject};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

fn event(signature: &str, body: &str) -> ProviderEvent {
    let (provider, signature) = ("stripe".into(), signature.into());
    ProviderEvent { provider, signature, body: body.to_owned() }
}

async fn bring(world: &World, signature: &str, body: &str) -> ProviderEventAnswer {
    asked(&world.rig, subject::SETTLE_EVENT, &event(signature, body)).await
}

/// An event that is signed as Stripe would.
pub(super) fn signed(id: &str, kind: &str, object: &str) -> ProviderEvent {
    let body = format!(r#"{{"id": "{id}", "type": "{kind}", "data": {{"object": {object}}}}}"#);
    event(&sign(SECRET, clock::now().0 / 1_000, &body), &body)
}

async fn told(world: &World, id: &str, kind: &str, object: &str) -> ProviderEventAnswer {
    asked(&world.rig, subject::SETTLE_EVENT, &signed(id, kind, object)).await
}

pub(super) async fn intent_of(world: &World, hold: HoldId) -> String {
    let list = world.stripe.get("/v1/payment_intents?limit=1000").await;
    let intents = list["data"].as_array().unwrap();
    let of = intents.iter().find(|intent| intent["metadata"]["order"] == order(hold).as_str());
    of.unwrap()["id"].as_str().unwrap().to_owned()
}

fn fetches(world: &World) -> usize {
    world.proxy.passed().iter().filter(|call| call.deed == Deed::Fetch).count()
}

/// Signature and body of everything that is posted there.
async fn receiver() -> (String, Arc<Mutex<Vec<(String, String)>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let received: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let taken = Arc::clone(&received);
    tasks::spawn("test-receiver", async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let taken = Arc::clone(&taken);
            let take = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let taken = Arc::clone(&taken);
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes().to_vec();
                    let signature = head.headers["stripe-signature"].to_str().unwrap().to_owned();
                    taken.lock().unwrap().push((signature, String::from_utf8(body).unwrap()));
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
                }
            });
            tasks::spawn("test-receiver-connection", async move {
                http1::Builder::new().serve_connection(TokioIo::new(tcp), take).await.ok();
            });
        }
    });
    (address, received)
}

#[tokio::test]
async fn a_dispute_is_booked_as_soon_as_stripe_tells_of_it() {
    let mut world = World::start().await;
    let _stage = world.stage();
    let hold = world.pay(1, CARD, &[]).await;
    world.rig.wait_for(hold, "paid").await;
    world.rest().await;
    let intent = intent_of(&world, hold).await;
    let told_of = async |turn: &str, status: &str| {
        let dispute = |id: &str, of: &str| {
            serde_json::json!({"id": id, "object": "dispute", "amount": 1_500, "currency": "eur",
                "payment_intent": of, "status": status})
        };
        // The second is of a payment that is not ours.
        world.proxy.dispute(vec![dispute("dp_1", &intent), dispute("dp_2", "pi_other")]);
        for id in ["dp_1", "dp_2"] {
            let object = dispute(id, &intent).to_string();
            let event = format!("evt_{id}_{turn}");
            let answer = told(&world, &event, "charge.dispute.created", &object).await;
            assert_eq!(answer, ProviderEventAnswer::Taken);
        }
        let (state, booked): (String, i64) = sqlx::query_as(
            "SELECT c.state, coalesce((SELECT sum(amount) FROM ledger_entry
                 WHERE account = 'chargeback'), 0)::BIGINT FROM chargeback c",
        )
        .fetch_one(&world.rig.pool)
        .await
        .unwrap();
        (state, booked)
    };
    assert_eq!(told_of("a", "warning_needs_response").await, ("inquiry".to_owned(), 0));
    assert_eq!(told_of("b", "needs_response").await, ("taken".to_owned(), 1_500));
    assert_eq!(told_of("c", "under_review").await, ("taken".to_owned(), 1_500));
    assert_eq!(told_of("d", "won").await, ("won".to_owned(), 0));
    assert_eq!(told_of("e", "lost").await, ("won".to_owned(), 0), "what is over stays so");
}

#[tokio::test]
async fn events_as_stripe_signs_them_are_taken_once() {
    let mut world = World::start().await;
    let _stage = world.stage();
    let (url, received) = receiver().await;
    world.stripe.post("/_config/webhooks/test", &format!("url={url}&secret={SECRET}")).await;
    let (paid, refused) = (world.pay(1, CARD, &[]).await, world.pay(2, REFUSED, &[]).await);
    world.rig.wait_for(paid, "paid").await;
    world.rig.wait_for(refused, "declined").await;
    world.rest().await;
    eventually("two events", || async { received.lock().unwrap().len() == 2 }).await;
    let mut events = received.lock().unwrap().clone();
    // Out of order, and each many times.
    events.reverse();
    let before = fetches(&world);
    for turn in 0..100 {
        for (signature, body) in &events {
            let answer = bring(&world, signature, body).await;
            let first =
                if turn == 0 { ProviderEventAnswer::Taken } else { ProviderEventAnswer::Known };
            assert_eq!(answer, first);
        }
    }
    assert_eq!(fetches(&world) - before, 2, "each makes us ask once");
    assert_eq!(world.rig.count("SELECT count(*) FROM provider_event").await, 2);
    let (signature, body) = &events[0];
    let changed = body.replace("payment_intent", "payment_indent");
    assert_eq!(bring(&world, signature, &changed).await, ProviderEventAnswer::Forged);
    assert_eq!(bring(&world, "", body).await, ProviderEventAnswer::Forged);
    let sandbox = ProviderEvent {
        provider: "sandbox".into(),
        signature: signature.as_str().into(),
        body: body.clone(),
    };
    let answer: ProviderEventAnswer = asked(&world.rig, subject::SETTLE_EVENT, &sandbox).await;
    assert_eq!(answer, ProviderEventAnswer::ProviderUnknown);
    world.rest().await;
}

#[tokio::test]
async fn an_event_is_not_believed_but_makes_us_look() {
    let mut world = World::start().await;
    let _stage = world.stage();
    let (refused, paid) = (world.pay(1, REFUSED, &[]).await, world.pay(2, CARD, &[]).await);
    world.rig.wait_for(refused, "declined").await;
    world.rig.wait_for(paid, "paid").await;
    world.rest().await;
    let id = intent_of(&world, refused).await;
    let lie = format!(
        r#"{{"object": "payment_intent", "id": "{id}", "status": "succeeded", "amount": {PRICE}}}"#
    );
    let before = fetches(&world);
    let taken = ProviderEventAnswer::Taken;
    assert_eq!(told(&world, "evt_1", "payment_intent.succeeded", &lie).await, taken);
    let id = intent_of(&world, paid).await;
    let lie = format!(r#"{{"object": "charge", "payment_intent": "{id}", "refunded": true}}"#);
    assert_eq!(told(&world, "evt_2", "charge.refunded", &lie).await, taken);
    assert!(2 <= fetches(&world) - before);
    world.rest().await;
    assert_eq!(world.rig.state(refused).await, "declined");
    assert_eq!(world.rig.state(paid).await, "paid");
    assert_eq!(world.rig.owner.verdicts(refused), [(1, VerdictKind::Declined)]);
    assert_eq!(world.rig.owner.verdicts(paid), [(1, VerdictKind::Sold)]);
    assert_eq!(world.rig.count("SELECT count(*) FROM found_money").await, 0);
    // Before there is any order, about no payment, or nothing that can be read: taken, and no more.
    let early = r#"{"object": "payment_intent", "id": "pi_not_there_yet"}"#;
    let before = fetches(&world);
    assert_eq!(told(&world, "evt_3", "payment_intent.created", early).await, taken);
    assert_eq!(told(&world, "evt_4", "payout.paid", r#"{"object": "payout"}"#).await, taken);
    let nonsense = "nonsense";
    let signature = sign(SECRET, clock::now().0 / 1_000, nonsense);
    assert_eq!(bring(&world, &signature, nonsense).await, taken);
    assert_eq!(fetches(&world), before);
}

/// Everything that is logged, however little it matters; but for the bytes of each message, which
/// the client of NATS shows where somebody asks for just that.
const LOGGED: &str = "trace,async_nats=debug";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_log_holds_a_secret_or_a_card() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(LOGGED)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let mut world = World::start().await;
    let _stage = world.stage();
    let cut = [(Deed::Confirm, super::Fault::CutAfter, 4)];
    let holds = [world.pay(1, CARD, &cut).await, world.pay(2, REFUSED, &[]).await];
    world.rig.wait_for(holds[0], "paid").await;
    world.rig.wait_for(holds[1], "declined").await;
    let unknown = world.pay(3, "pm_no_such_card", &[]).await;
    world.rig.wait_for(unknown, "declined").await;
    told(&world, "evt_1", "x", r#"{"object": "payment_intent", "client_secret": "cs_1"}"#).await;
    world.rest().await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("order moved"), "everything is logged");
    for secret in ["sk_test_", "whsec_", "pm_card", "pm_no_such", "cs_1", "client_secret"] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}
