//! Against a pretix of a few lines that answers as the documentation of its API says.

use super::pretix;
use crate::cli;
use crate::results::Results;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const SEATS: usize = 120;
const ROW: usize = 12;

#[derive(Default)]
struct State {
    /// Seats that others have bought since the seats were listed.
    snatched: BTreeSet<String>,
    sold: BTreeSet<String>,
    party_sizes: Vec<usize>,
    /// Orders that are still to be told to come later.
    too_many: u32,
    seatless: bool,
}

/// A running fake; ends when dropped.
struct Fake {
    url: String,
    state: Arc<Mutex<State>>,
    _accepting: JoinSet<()>,
}

impl Fake {
    async fn start(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(state));
        let mut accepting = JoinSet::new();
        let shared = Arc::clone(&state);
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                let http = hyper::server::conn::http1::Builder::new();
                connections.spawn(async move {
                    drop(http.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Self { url, state, _accepting: accepting }
    }

    fn options(&self, folder: &tempfile::TempDir) -> cli::Pretix {
        cli::Pretix {
            url: self.url.clone(),
            token: "secret".to_owned(),
            organizer: "o".to_owned(),
            event: "e".to_owned(),
            item: None,
            connections: 3,
            seconds: 30,
            seats_max: 4_000,
            out: Some(folder.path().join("results")),
        }
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let state = &mut *state.lock().unwrap();
    let known = head.headers.get("authorization").is_some_and(|token| token == "Token secret");
    let (status, answer) = match head.uri.path() {
        _ if !known => (401, json!({"detail": "Invalid token."})),
        "/api/v1/organizers/o/events/e/seats/" => (200, seats(state, head.uri.query().unwrap())),
        "/api/v1/organizers/o/events/e/orders/" => {
            order(state, &serde_json::from_slice(&body).unwrap())
        }
        _ => (404, json!({"detail": "Not found."})),
    };
    let answer = Response::builder().status(status).body(Full::new(answer.to_string().into()));
    Ok(answer.unwrap())
}

/// A page; the house's first seat is blocked.
fn seats(state: &State, query: &str) -> Value {
    let page: usize = query.strip_prefix("page_size=50&page=").unwrap().parse().unwrap();
    let all = if state.seatless { 0 } else { SEATS };
    let range = (page - 1) * 50..(page * 50).min(all);
    let next = (range.end < all).then(|| format!("http://x/?page={}", page + 1));
    let seat = |seat: usize| {
        json!({
            "id": seat, "subevent": null, "zone_name": "A", "row_name": (seat / ROW).to_string(),
            "row_label": null, "seat_number": seat.to_string(), "seat_label": null,
            "seat_guid": format!("A-{seat}"), "product": 5, "blocked": seat == 0,
            "orderposition": null, "cartposition": null, "voucher": null,
        })
    };
    json!({"count": all, "next": next, "previous": null,
        "results": range.map(seat).collect::<Vec<_>>()})
}

fn order(state: &mut State, order: &Value) -> (u16, Value) {
    if 0 < state.too_many {
        state.too_many -= 1;
        return (429, json!({"detail": "Request was throttled."}));
    }
    assert_eq!((&order["status"], &order["payment_provider"]), (&json!("p"), &json!("manual")));
    let positions = order["positions"].as_array().unwrap();
    let seats = positions.iter().filter_map(|position| position["seat"].as_str());
    let seats = seats.map(str::to_owned).collect::<Vec<_>>();
    assert!(positions.iter().all(|position| position["item"] == 5));
    assert!(seats.len() == if state.seatless { 0 } else { positions.len() });
    let taken = |seat: &String| state.snatched.contains(seat) || state.sold.contains(seat);
    if seats.iter().any(taken) {
        let blame = |seat: &String| {
            let text = format!("The selected seat \"{seat}\" is not available.");
            if taken(seat) { json!({"seat": [text]}) } else { json!({}) }
        };
        return (400, json!({"positions": seats.iter().map(blame).collect::<Vec<_>>()}));
    }
    state.party_sizes.push(positions.len());
    state.sold.extend(seats);
    (201, json!({"code": format!("C{}", state.party_sizes.len()), "status": "p"}))
}

fn figures(folder: &tempfile::TempDir) -> impl Fn(&str) -> u64 {
    let text = std::fs::read_to_string(folder.path().join("results/results.json")).unwrap();
    let results: Results = serde_json::from_str(&text).unwrap();
    assert_eq!(results.scenario, "pretix");
    move |name| format!("{:.0}", results.figures[name].value).parse().unwrap()
}

#[tokio::test]
async fn a_house_sells_out_and_refusals_and_orders_are_counted() {
    let snatched = ["A-30", "A-31", "A-75"].map(str::to_owned).into();
    let fake = Fake::start(State { snatched, too_many: 2, ..State::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    pretix(&fake.options(&folder)).await.unwrap();
    let figure = figures(&folder);
    let state = fake.state.lock().unwrap();
    assert!(!state.sold.contains("A-0"), "the blocked seat");
    assert!((90..=116).contains(&state.sold.len()), "{}", state.sold.len());
    assert_eq!(figure("places_sold"), u64::try_from(state.sold.len()).unwrap());
    assert_eq!(figure("orders"), u64::try_from(state.party_sizes.len()).unwrap());
    assert!((2..=3).contains(&figure("refusals")));
    assert_eq!(figure("errors"), 2, "told to come later, and came again");
    assert!((1..=6).all(|size| size == 5 || size == 6 || state.party_sizes.contains(&size)));
}

#[tokio::test]
async fn an_event_without_seats_sells_its_item() {
    let fake = Fake::start(State { seatless: true, ..State::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let mut options = fake.options(&folder);
    let error = pretix(&options).await.unwrap_err();
    assert!(error.to_string().contains("--item"), "{error:#}");
    (options.item, options.seats_max) = (Some(5), 100);
    pretix(&options).await.unwrap();
    assert_eq!(figures(&folder)("places_sold"), 100);
}

#[tokio::test]
async fn a_wrong_token_is_told_and_measures_nothing() {
    let fake = Fake::start(State::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let mut options = fake.options(&folder);
    options.token = "wrong".to_owned();
    let error = pretix(&options).await.unwrap_err();
    assert!(format!("{error:#}").contains("Invalid token"), "{error:#}");
}
