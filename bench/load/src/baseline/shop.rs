//! The HTTP side of the shops, as far as buyers who are measured need it.

use super::contract::{self, AccountsInput, ConfirmInput, ImportInput, ReserveInput, problem};
use super::conventional::Conventional;
use super::hall::Hall;
use super::postgres_only::{Choice, PostgresOnly};
use super::store::{self, Held, Paid, Payment, Wish};
use super::tokens::Tokens;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::json;
use sqlx::PgPool;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, PoisonError, RwLock};
use uuid::Uuid;

/// Largest body: an import of sixteen large plans.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Most seats of a request.
const SEATS_MAX: usize = 10;

pub enum Store {
    Conventional(Conventional),
    PostgresOnly(PostgresOnly),
}

pub struct Shop {
    store: Store,
    tokens: Tokens,
    halls: RwLock<Halls>,
}

#[derive(Default)]
struct Halls {
    by_event: HashMap<String, Arc<Hall>>,
    /// By their numbers, from 0.
    all: Vec<Arc<Hall>>,
}

/// An answer that is not the wished one.
struct Refused(Box<Response>);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

pub fn router(store: Store) -> Router {
    let shop = Shop { store, tokens: Tokens::new(), halls: RwLock::default() };
    Router::new()
        .route("/api/auth/login", post(log_in))
        .route("/bench/accounts", post(accounts))
        .route("/api/admin/events/import", post(import))
        .route("/api/events/{event}", get(event))
        .route("/api/bookings/reserve", post(reserve))
        .route("/api/bookings/confirm", post(confirm))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(shop))
}

/// Anybody is let in: logins are not what is measured.
async fn log_in(State(shop): State<Arc<Shop>>) -> Result<Response, Refused> {
    let token = shop.tokens.issue(Uuid::now_v7()).map_err(|error| failed(&error))?;
    Ok(Json(json!({"token": token, "tokenType": "Bearer"})).into_response())
}

async fn accounts(State(shop): State<Arc<Shop>>, body: Bytes) -> Result<Response, Refused> {
    let AccountsInput { count } = read(&body)?;
    let mut accounts = Vec::new();
    for _ in 0..count {
        let account = Uuid::now_v7();
        let token = shop.tokens.issue(account).map_err(|error| failed(&error))?;
        accounts.push(json!({"accountId": account, "token": token}));
    }
    Ok(Json(json!({"accounts": accounts})).into_response())
}

async fn import(State(shop): State<Arc<Shop>>, body: Bytes) -> Result<Response, Refused> {
    let ImportInput { events } = read(&body)?;
    for event in events {
        let number = shop.halls.read().unwrap_or_else(PoisonError::into_inner).all.len();
        let number = i32::try_from(number).expect("a few events");
        let hall = Hall::new(number, event).map_err(|error| invalid(&format!("{error:#}")))?;
        let stored = store::put_on_sale(shop.pool(), &hall).await;
        stored.map_err(|error| failed(&error.into()))?;
        let hall = Arc::new(hall);
        let mut halls = shop.halls.write().unwrap_or_else(PoisonError::into_inner);
        halls.by_event.insert(hall.event.clone(), Arc::clone(&hall));
        halls.all.push(hall);
    }
    store::analyze(shop.pool()).await.map_err(|error| failed(&error.into()))?;
    Ok(Json(json!({"events": []})).into_response())
}

async fn event(
    State(shop): State<Arc<Shop>>,
    Path(event): Path<String>,
) -> Result<Response, Refused> {
    let hall = shop.hall(&event)?;
    let shown = json!({"eventId": event, "seatsTotal": hall.seat_count, "waitingRoom": false});
    Ok(Json(shown).into_response())
}

async fn reserve(
    State(shop): State<Arc<Shop>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let account = shop.caller(&headers)?;
    let input: ReserveInput = read(&body)?;
    let hall = shop.hall(&input.event_id)?;
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let now = store::now_ms();
    let wish = Wish {
        id: Uuid::now_v7(),
        account,
        key,
        fingerprint: fingerprint(&body),
        now,
        expires_at: now + hall.hold_ttl_ms,
    };
    let held = shop.hold(&wish, &hall, choice(&input, &hall, &wish)?).await?;
    Ok(match held {
        Held::Fresh { seats } => {
            contract::reservation(&hall, wish.id, &seats, now, wish.expires_at)
        }
        Held::Replayed { id, seats, expires_at } => {
            let answer = contract::reservation(&hall, id, &seats, now, expires_at);
            ([("idempotency-replayed", "true")], answer).into_response()
        }
        Held::Mismatch => problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "IDEMPOTENCY_MISMATCH",
            "the key was used for another request",
        ),
        Held::Taken => problem(StatusCode::CONFLICT, "SEAT_TAKEN", "a seat is taken"),
    })
}

async fn confirm(
    State(shop): State<Arc<Shop>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let account = shop.caller(&headers)?;
    let input: ConfirmInput = read(&body)?;
    let payment = Payment {
        id: input.reservation_id,
        account,
        method: input.payment_method,
        token: input.payment_token.unwrap_or_else(|| "tok_ok".to_owned()),
        now: store::now_ms(),
    };
    let paid = match &shop.store {
        Store::Conventional(store) => store.pay(&payment).await,
        Store::PostgresOnly(store) => store.pay(&payment).await,
    };
    Ok(match paid.map_err(|error| failed(&error))? {
        Paid::Sold { event_no, seats, codes } => {
            let hall = shop.hall_of(event_no);
            contract::booking(&hall, payment.id, &seats, &codes, payment.now)
        }
        Paid::Unknown => problem(StatusCode::NOT_FOUND, "RESERVATION_UNKNOWN", "no such hold"),
        Paid::Expired => problem(StatusCode::GONE, "RESERVATION_EXPIRED", "the hold has ended"),
    })
}

/// Which seats a request asks for, in ascending order.
fn choice(input: &ReserveInput, hall: &Hall, wish: &Wish) -> Result<Choice, Refused> {
    match (&input.seats, &input.best_available) {
        (Some(seats), None) if (1..=SEATS_MAX).contains(&seats.len()) => {
            let found = seats.iter().map(|seat| hall.find(&seat.seat_id));
            let found: Option<Vec<i32>> = found.collect();
            let mut seats = found.ok_or_else(|| {
                refused(StatusCode::UNPROCESSABLE_ENTITY, "SEAT_UNKNOWN", "no such seat")
            })?;
            seats.sort_unstable();
            seats.dedup();
            Ok(Choice::Named(seats))
        }
        (None, Some(best)) if (1..=SEATS_MAX).contains(&best.quantity.into()) => {
            // Spread, so that not everybody asks for the same seat.
            let from = wish.id.as_u128() % u128::from(hall.seat_count.unsigned_abs().max(1));
            let from = i32::try_from(from).expect("below the count of seats");
            Ok(Choice::Best { from, count: best.quantity.into() })
        }
        _ => Err(invalid("ask for one to ten seats by name, or for the best")),
    }
}

impl Shop {
    fn pool(&self) -> &PgPool {
        match &self.store {
            Store::Conventional(store) => store.pool(),
            Store::PostgresOnly(store) => store.pool(),
        }
    }

    async fn hold(&self, wish: &Wish, hall: &Hall, choice: Choice) -> Result<Held, Refused> {
        let held = match (&self.store, choice) {
            (Store::Conventional(store), Choice::Named(seats)) => {
                store.hold(wish, hall, seats).await
            }
            (Store::Conventional(_), Choice::Best { .. }) => {
                return Err(invalid("a lock for each seat needs the seats by name"));
            }
            (Store::PostgresOnly(store), choice) => store.hold(wish, hall, choice).await,
        };
        held.map_err(|error| failed(&error))
    }

    fn caller(&self, headers: &HeaderMap) -> Result<Uuid, Refused> {
        let account = self.tokens.account(headers);
        account.ok_or_else(|| refused(StatusCode::UNAUTHORIZED, "LOGIN_REQUIRED", "log in first"))
    }

    fn hall(&self, event: &str) -> Result<Arc<Hall>, Refused> {
        let halls = self.halls.read().unwrap_or_else(PoisonError::into_inner);
        let hall = halls.by_event.get(event).cloned();
        hall.ok_or_else(|| refused(StatusCode::NOT_FOUND, "EVENT_UNKNOWN", "no such event"))
    }

    fn hall_of(&self, number: i32) -> Arc<Hall> {
        let halls = self.halls.read().unwrap_or_else(PoisonError::into_inner);
        let number = usize::try_from(number).expect("events are counted from 0");
        Arc::clone(&halls.all[number])
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| invalid(&error.to_string()))
}

fn invalid(detail: &str) -> Refused {
    refused(StatusCode::UNPROCESSABLE_ENTITY, "REQUEST_INVALID", detail)
}

fn failed(error: &anyhow::Error) -> Refused {
    let detail = format!("{error:#}");
    refused(StatusCode::SERVICE_UNAVAILABLE, "BUSY", &detail)
}

fn refused(status: StatusCode, code: &str, detail: &str) -> Refused {
    Refused(Box::new(problem(status, code, detail)))
}

fn fingerprint(body: &[u8]) -> i64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish().cast_signed()
}
