//! A small seller in this process, honest or with one fault.

use crate::wire::Door;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Seats of a row.
pub const ROW: usize = 20;

/// What is wrong with the seller, once in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Gives a seat that is sold to the next who wants the best.
    SellsTwice,
    /// Forgets a booking that it has confirmed.
    LosesBooking,
    /// Calls seats taken that nobody ever had.
    RefusesNamedSeats,
    /// Says that there are no neighbours in an almost empty hall.
    RefusesNeighbours,
    /// Sells a seat and shows it as free.
    ShowsSoldSeatAsFree,
    /// Takes a token or a pass that it never gave to whoever shows it.
    LetsAnybodyIn,
    /// Declines a card that is good.
    DeclinesGoodCard,
    /// Does not take the money for a reservation, and has no reason.
    RefusesPayment,
    /// Calls a pass spent that it has just given.
    RefusesOwnPass,
    /// Refuses places for a reason that nobody knows.
    RefusesByUnknownCode,
}

#[derive(Debug)]
pub struct Seller {
    fault: Fault,
    pub has_erred: bool,
    /// Whose each seat is.
    owners: Vec<Option<u64>>,
    /// Who ever had it.
    known: Vec<bool>,
    holds: HashMap<u64, Vec<usize>>,
    sold: HashMap<u64, bool>,
    next: u64,
    /// Its event has a waiting room, which calls everybody at once.
    pub has_room: bool,
    places_in_line: u64,
}

/// What somebody shows with a question; empty where they show nothing.
#[derive(Debug)]
struct Papers<'a> {
    account: &'a str,
    token: &'a str,
    pass: &'a str,
}

impl Seller {
    pub fn new(fault: Fault, rows: usize) -> Arc<Mutex<Self>> {
        let (owners, known) = (vec![None; rows * ROW], vec![false; rows * ROW]);
        Arc::new(Mutex::new(Self {
            fault,
            has_erred: false,
            owners,
            known,
            holds: HashMap::new(),
            sold: HashMap::new(),
            next: 0,
            has_room: false,
            places_in_line: 0,
        }))
    }

    /// Errs now if it has this fault and the time for it has come.
    fn errs(&mut self, fault: Fault) -> bool {
        let now = self.fault == fault && !self.has_erred && 10 < self.next;
        self.has_erred |= now;
        now
    }

    fn answer(
        &mut self,
        (method, path): (&str, &str),
        compact: bool,
        papers: &Papers<'_>,
        body: &Value,
    ) -> (u16, Vec<u8>) {
        let name = path.rsplit('/').next().unwrap_or_default();
        let (status, body) = match (method, name) {
            (_, name) if path.starts_with("/api/queue/") => self.line(name, papers),
            ("GET", "EVT001") => (200, json!({"waitingRoom": self.has_room})),
            ("POST", "accounts") => (200, accounts(body)),
            ("POST", "login") => (200, json!({"token": "operator"})),
            ("GET", "seats") if compact => return (200, self.compact()),
            ("GET", "seats") => (200, self.map()),
            ("POST", "reserve") => self.reserve(papers, body),
            ("POST", "confirm")
                if body["paymentToken"] == "tok_ok" && self.errs(Fault::DeclinesGoodCard) =>
            {
                (402, json!({"code": "PAYMENT_DECLINED"}))
            }
            ("POST", "confirm") if self.errs(Fault::RefusesPayment) => {
                (409, json!({"code": "SEAT_TAKEN"}))
            }
            ("POST", "confirm") => {
                let id = number(body["reservationId"].as_str().unwrap_or_default());
                self.sold.insert(id, true);
                (200, self.booking(id))
            }
            ("POST", "cancel") => {
                let id = number(path.rsplit('/').nth(1).unwrap_or_default());
                self.free(id);
                self.sold.insert(id, false);
                (200, self.booking(id))
            }
            ("DELETE", name) => {
                self.free(number(name));
                (200, json!({"status": "RELEASED"}))
            }
            ("GET", name) if path.starts_with("/api/bookings/") => {
                let is_lost = self.errs(Fault::LosesBooking);
                let code = json!({"code": "BOOKING_UNKNOWN"});
                if is_lost { (404, code) } else { (200, self.booking(number(name))) }
            }
            _ => (200, json!({})),
        };
        (status, body.to_string().into_bytes())
    }

    fn line(&mut self, name: &str, papers: &Papers<'_>) -> (u16, Value) {
        if name == "join" {
            self.places_in_line += 1;
            let number = self.places_in_line;
            let token = format!("place{number}");
            return (
                201,
                json!({"token": token, "state": "queued", "number": number,
                "pollAfterMs": 10}),
            );
        }
        let number = papers.token.strip_prefix("place").and_then(|number| number.parse().ok());
        let is_place = number.is_some_and(|number| (1..=self.places_in_line).contains(&number));
        if !is_place && !self.errs(Fault::LetsAnybodyIn) {
            return (401, json!({"code": "TOKEN_INVALID"}));
        }
        match name {
            "claim" => (200, json!({"pass": format!("pass.{}", papers.account)})),
            _ => (
                200,
                json!({"state": "ready", "number": number, "pollAfterMs": 10,
                "sellOutLikelihood": null, "position": null, "estimatedWaitSeconds": null}),
            ),
        }
    }

    /// Why somebody with these papers is not let in.
    fn lack(&mut self, papers: &Papers<'_>) -> Option<&'static str> {
        let is_own = papers.pass == format!("pass.{}", papers.account);
        if is_own && self.errs(Fault::RefusesOwnPass) {
            return Some("PASS_SPENT");
        }
        let is_foreign = !papers.pass.is_empty() && !is_own;
        (is_foreign && !self.errs(Fault::LetsAnybodyIn)).then_some("PASS_FOREIGN")
    }

    fn reserve(&mut self, papers: &Papers<'_>, body: &Value) -> (u16, Value) {
        if let Some(lack) = self.lack(papers) {
            return (403, json!({"code": lack}));
        }
        if self.errs(Fault::RefusesByUnknownCode) {
            return (409, json!({"code": "NOT_TODAY"}));
        }
        let wanted = match body["seats"].as_array() {
            Some(seats) => self.named(seats),
            None => self.any(body["bestAvailable"]["quantity"].as_u64().unwrap_or(1)),
        };
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(problem) => return (409, problem),
        };
        self.next += 1;
        let id = self.next;
        for &seat in &wanted {
            (self.owners[seat], self.known[seat]) = (Some(id), true);
        }
        let seats: Vec<Value> =
            wanted.iter().map(|seat| json!({"seatId": seat_id(*seat)})).collect();
        self.holds.insert(id, wanted);
        let name = format!("r{id}");
        (201, json!({"reservationId": name, "expiresInMs": 600_000, "seats": seats, "areas": []}))
    }

    fn named(&mut self, seats: &[Value]) -> Result<Vec<usize>, Value> {
        let seat = |seat: &Value| self.index(seat["seatId"].as_str().unwrap_or_default());
        let seats: Vec<usize> = seats.iter().map(seat).collect();
        let is_taken = |seat: &&usize| self.owners[**seat].is_some();
        let mut taken: Vec<usize> = seats.iter().filter(is_taken).copied().collect();
        let unknown = seats.iter().all(|seat| !self.known[*seat]);
        if unknown && self.errs(Fault::RefusesNamedSeats) {
            taken.clone_from(&seats);
        }
        if taken.is_empty() {
            return Ok(seats);
        }
        let taken: Vec<String> = taken.into_iter().map(seat_id).collect();
        Err(json!({"code": "SEAT_TAKEN", "seatIds": taken}))
    }

    fn any(&mut self, quantity: u64) -> Result<Vec<usize>, Value> {
        let best = self.best(usize::try_from(quantity).unwrap());
        best.filter(|_| !self.errs(Fault::RefusesNeighbours)).ok_or_else(|| {
            let sold_out = self.owners.iter().all(Option::is_some);
            json!({"code": if sold_out { "SOLD_OUT" } else { "NOT_ENOUGH_SEATS" }})
        })
    }

    /// The first free neighbours.
    fn best(&mut self, quantity: usize) -> Option<Vec<usize>> {
        let sold = self.sold.iter().find(|(_, sold)| **sold).map(|(id, _)| *id);
        if let Some(sold) = sold
            && self.errs(Fault::SellsTwice)
        {
            return Some(self.holds[&sold].clone());
        }
        let starts = (0..self.owners.len()).filter(|at| at % ROW + quantity <= ROW);
        let mut runs = starts.map(|first| first..first + quantity);
        let run = runs.find(|run| self.owners[run.clone()].iter().all(Option::is_none));
        run.map(Iterator::collect)
    }

    fn free(&mut self, id: u64) {
        for owner in &mut self.owners {
            *owner = owner.filter(|owner| *owner != id);
        }
    }

    fn booking(&self, id: u64) -> Value {
        let status = if self.sold.get(&id) == Some(&true) { "CONFIRMED" } else { "REFUNDED" };
        let seats = self.holds.get(&id).map_or(&[][..], Vec::as_slice).iter();
        let tickets: Vec<Value> = seats.map(|seat| json!({"seatId": seat_id(*seat)})).collect();
        let (booking, reservation) = (format!("b{id}"), format!("r{id}"));
        json!({"bookingId": booking, "reservationId": reservation, "status": status,
               "tickets": tickets})
    }

    fn is_sold(&self, seat: usize) -> bool {
        self.owners[seat].is_some_and(|id| self.sold.get(&id) == Some(&true))
    }

    fn map(&mut self) -> Value {
        let mut rows = Vec::new();
        for row in 0..self.owners.len() / ROW {
            let mut seats = Vec::new();
            for at in row * ROW..(row + 1) * ROW {
                let free = self.owners[at].is_none()
                    || (self.is_sold(at) && self.errs(Fault::ShowsSoldSeatAsFree));
                let status = match self.is_sold(at) {
                    _ if free => "free",
                    true => "sold",
                    false => "held",
                };
                seats.push(json!({"seatId": seat_id(at), "status": status, "accessible": false}));
            }
            rows.push(json!({"row": (row + 1).to_string(), "seats": seats}));
        }
        json!({"version": 1, "sections": [{"section": "A", "rows": rows}], "areas": []})
    }

    fn compact(&self) -> Vec<u8> {
        let mut bytes = vec![0; 18];
        for four in self.owners.chunks(4) {
            let byte = four.iter().enumerate();
            bytes
                .push(byte.fold(0, |byte, (at, seat)| byte | u8::from(seat.is_some()) << (2 * at)));
        }
        bytes
    }

    fn index(&self, id: &str) -> usize {
        (0..self.owners.len()).find(|seat| seat_id(*seat) == id).unwrap()
    }
}

/// As the door of a bench makes them, in bulk.
fn accounts(wanted: &Value) -> Value {
    let count = wanted["count"].as_u64().unwrap_or_default();
    let made: Vec<Value> = (0..count).map(|number| json!({"token": number.to_string()})).collect();
    json!({"accounts": made})
}

fn seat_id(seat: usize) -> String {
    format!("A-{}-{}", seat / ROW + 1, seat % ROW + 1)
}

/// Of `r7` and `b7`.
fn number(name: &str) -> u64 {
    name[1..].parse().unwrap()
}

/// Serves until `tasks` is dropped; returns its address.
pub async fn serve(tasks: &mut JoinSet<()>, seller: Arc<Mutex<Seller>>) -> Door {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = Door::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let seller = Arc::clone(&seller);
            let service = service_fn(move |request| respond(Arc::clone(&seller), request));
            connections.spawn(async move {
                let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                drop(served.await);
            });
        }
    });
    door
}

async fn respond(
    seller: Arc<Mutex<Seller>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let header = |name: &str| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    let compact = header("accept") == "application/octet-stream";
    let papers = Papers {
        account: header("authorization").trim_start_matches("Bearer "),
        token: header("waiting-room-token"),
        pass: header("admission-pass"),
    };
    let asked = (parts.method.as_str(), parts.uri.path());
    let (status, body) = seller.lock().unwrap().answer(asked, compact, &papers, &body);
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status.try_into().unwrap();
    Ok(response)
}
