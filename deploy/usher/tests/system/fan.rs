//! A person with an account.

use crate::client::{Answer, Call, Client, Lost};
use crate::wait::{PATIENCE, pause};
use serde_json::{Value, json};
use std::time::Instant;

pub const PASSWORD: &str = "correct horse battery";

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub struct Fan {
    pub client: Client,
    pub account: String,
    pub token: String,
    pub refresh_token: String,
}

/// What a fan has bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    pub id: String,
    pub reservation: String,
    /// Seats, or areas for standing places.
    pub places: Vec<String>,
    pub tickets: Vec<String>,
}

impl Fan {
    /// Registers and logs in.
    pub async fn new(client: &Client, name: &str) -> Self {
        let email = format!("{name}@example.test");
        let body = json!({"email": email, "password": PASSWORD, "name": name});
        let made = client.ask_patiently(Call::post("/api/auth/register", &body)).await.expect(201);
        assert_eq!(made["email"], email.as_str());
        let fan = Self::login(client, &email, PASSWORD).await;
        assert_eq!(made["accountId"], fan.account.as_str());
        fan
    }

    pub async fn login(client: &Client, email: &str, password: &str) -> Self {
        let body = json!({"email": email, "password": password});
        let answer = client.ask_patiently(Call::post("/api/auth/login", &body)).await.expect(200);
        assert_eq!(answer["tokenType"], "Bearer");
        let token = text(&answer["token"]);
        let me = Call::get("/api/auth/me").header("authorization", &format!("Bearer {token}"));
        let me = client.ask_patiently(me).await.expect(200);
        let (account, refresh_token) = (text(&me["accountId"]), text(&answer["refreshToken"]));
        Self { client: client.clone(), account, token, refresh_token }
    }

    /// One of the demo logins.
    pub async fn demo(client: &Client, role: &str) -> Self {
        Self::login(client, &format!("{role}@usher.test"), "usher-demo").await
    }

    /// The call, with this person's token.
    pub fn signed(&self, call: Call) -> Call {
        call.header("authorization", &format!("Bearer {}", self.token))
    }

    pub async fn ask(&self, call: Call) -> Answer {
        self.client.ask_patiently(self.signed(call)).await
    }

    pub async fn get(&self, path: &str) -> Value {
        self.ask(Call::get(path)).await.expect(200)
    }

    pub async fn reserve(&self, body: &Value) -> Answer {
        self.ask(reserve(body, &fresh_key())).await
    }

    pub async fn reserve_with(&self, body: &Value, pass: &str) -> Answer {
        self.ask(reserve(body, &fresh_key()).header("admission-pass", pass)).await
    }

    /// Pays, and waits for the outcome as the contract says.
    pub async fn confirm(&self, reservation: &str, payment_token: &str) -> Answer {
        self.ask_until_final(confirm(reservation, payment_token)).await
    }

    /// Cancels a booking, and waits for the outcome as the contract says.
    pub async fn cancel(&self, booking: &str) -> Answer {
        self.ask_until_final(cancel(booking)).await
    }

    /// Cancels one ticket of a booking, likewise.
    pub async fn cancel_ticket(&self, booking: &str, ticket: &str) -> Answer {
        self.ask_until_final(cancel_ticket(booking, ticket)).await
    }

    /// Asks again while the answer is that there is none yet.
    pub async fn ask_until_final(&self, call: Call) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(call.clone()).await;
            if answer.status != 202 {
                return answer;
            }
            assert!(Instant::now() < deadline, "{call:?} is still answered {answer:?}");
            pause(answer.poll_after()).await;
        }
    }

    /// Reserves and pays.
    pub async fn buy(&self, body: &Value) -> Booking {
        let held = self.reserve(body).await.expect(201);
        let paid = self.confirm(&text(&held["reservationId"]), "tok_ok").await.expect(200);
        Booking::read(&paid)
    }

    pub async fn booking(&self, booking: &str) -> Value {
        self.get(&format!("/api/bookings/{booking}")).await
    }

    /// As [`Fan::signed`] and one try; `Lost` when the system is away.
    pub async fn send(&self, call: Call) -> Result<Answer, Lost> {
        self.client.send(self.signed(call)).await
    }

    pub async fn reservation_status(&self, reservation: &str) -> String {
        let path = format!("/api/bookings/reservations/{reservation}");
        text(&self.get(&path).await["status"])
    }
}

impl Booking {
    /// Reads a confirmed booking.
    pub fn read(body: &Value) -> Self {
        assert_eq!(body["status"], "CONFIRMED", "{body}");
        let tickets = body["tickets"].as_array().expect("a confirmed booking has tickets");
        let place = |ticket: &Value| match &ticket["seatId"] {
            Value::Null => text(&ticket["areaId"]),
            seat => text(seat),
        };
        for ticket in tickets {
            assert!(!text(&ticket["code"]).is_empty(), "{body}");
        }
        Self {
            id: text(&body["bookingId"]),
            reservation: text(&body["reservationId"]),
            places: tickets.iter().map(place).collect(),
            tickets: tickets.iter().map(|ticket| text(&ticket["ticketId"])).collect(),
        }
    }
}

pub fn reserve(body: &Value, key: &str) -> Call {
    Call::post("/api/bookings/reserve", body).header("idempotency-key", key)
}

pub fn confirm(reservation: &str, payment_token: &str) -> Call {
    let body = json!({"reservationId": reservation, "paymentMethod": "CREDIT_CARD",
        "paymentToken": payment_token});
    Call::post("/api/bookings/confirm", &body)
}

pub fn release(reservation: &str) -> Call {
    Call::delete(&format!("/api/bookings/reservations/{reservation}"))
}

pub fn cancel(booking: &str) -> Call {
    Call::post(&format!("/api/bookings/{booking}/cancel"), &json!({}))
}

pub fn cancel_ticket(booking: &str, ticket: &str) -> Call {
    Call::post(&format!("/api/bookings/{booking}/tickets/{ticket}/cancel"), &json!({}))
}

pub fn named(event: &str, seats: &[String]) -> Value {
    let seats: Vec<Value> = seats.iter().map(|seat| json!({"seatId": seat})).collect();
    json!({"eventId": event, "seats": seats})
}

pub fn best(event: &str, quantity: u32) -> Value {
    json!({"eventId": event, "bestAvailable": {"quantity": quantity}})
}

pub fn standing(event: &str, area: &str, quantity: u32) -> Value {
    json!({"eventId": event, "areas": [{"areaId": area, "quantity": quantity}]})
}

/// A key that nobody used before.
pub fn fresh_key() -> String {
    let bytes: [u8; 16] = chassis::keys::random_bytes();
    chassis::base64url::encode(&bytes)
}

/// Text that must be there.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("text expected: {value}")).to_owned()
}
