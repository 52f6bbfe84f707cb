//! What answers say to people: only the fields that somebody acts on, read without a copy.

use crate::fan::{News, PlaceState, Status};
use crate::record::Deed;
use serde::Deserialize;
use std::time::Duration;

/// An answer as news, with the code of a problem or what is wrong with it; empty for a success.
pub fn read<'a>(deed: Deed, status: u16, body: &'a [u8]) -> (News<'a>, &'a str) {
    if !(200..300).contains(&status) {
        let code = serde_json::from_slice::<Problem<'a>>(body).map_or("", |problem| problem.code);
        return (News::Refused { status, code }, code);
    }
    match success(deed, body) {
        Ok(news) => (news, ""),
        Err(_) => (News::Lost, "UNREADABLE"),
    }
}

fn success<'a>(deed: Deed, body: &'a [u8]) -> serde_json::Result<News<'a>> {
    Ok(match deed {
        Deed::Join => {
            let joined: Joined<'a> = serde_json::from_slice(body)?;
            let poll_after = Duration::from_millis(joined.poll_after_ms);
            News::Joined { token: joined.token, number: joined.number, poll_after }
        }
        Deed::Me => serde_json::from_slice::<Place<'_>>(body)?.news(),
        Deed::Status => News::Status(serde_json::from_slice::<RoomStatus<'_>>(body)?.read()),
        Deed::Claim => News::Pass(serde_json::from_slice::<Claimed<'a>>(body)?.pass),
        Deed::Seats => News::Seats(body),
        Deed::Reserve => {
            let reserved: Reserved<'a> = serde_json::from_slice(body)?;
            let expires_in = Duration::from_millis(reserved.expires_in_ms.unwrap_or(0));
            News::Reserved { reservation: reserved.reservation_id, expires_in }
        }
        Deed::Confirm | Deed::Booking => serde_json::from_slice::<Booking<'a>>(body)?.news(),
        Deed::Allocate => {
            let allotted: Allotted<'a> = serde_json::from_slice(body)?;
            match allotted.status {
                "ok" => News::Fine,
                _ => News::Refused { status: 409, code: allotted.code.unwrap_or("") },
            }
        }
        Deed::Leave | Deed::Event | Deed::Search | Deed::Release | Deed::Cancel | Deed::Steer => {
            News::Fine
        }
    })
}

#[derive(Deserialize)]
struct Problem<'a> {
    #[serde(default)]
    code: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Joined<'a> {
    token: &'a str,
    number: Option<u64>,
    poll_after_ms: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place<'a> {
    state: &'a str,
    #[serde(default)]
    sold_out: bool,
    poll_after_ms: u64,
}

impl Place<'_> {
    fn news<'a>(&self) -> News<'a> {
        let state = match self.state {
            "ready" | "admitted" => PlaceState::Called,
            "expired" | "completed" => PlaceState::Over,
            _ => PlaceState::Waiting,
        };
        let sold_out = self.sold_out;
        News::Place { state, sold_out, poll_after: Duration::from_millis(self.poll_after_ms) }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoomStatus<'a> {
    mode: &'a str,
    cursor: u64,
    admission_rate_per_minute: u64,
    seats_remaining_band: &'a str,
    poll_policy: PollPolicy,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PollPolicy {
    floor_ms: u64,
    ceiling_ms: u64,
    divisor: u64,
}

impl RoomStatus<'_> {
    fn read(&self) -> Status {
        Status {
            cursor: self.cursor,
            rate_per_minute: self.admission_rate_per_minute,
            sold_out: self.seats_remaining_band == "none",
            closed: matches!(self.mode, "closed" | "off"),
            floor: Duration::from_millis(self.poll_policy.floor_ms),
            ceiling: Duration::from_millis(self.poll_policy.ceiling_ms),
            divisor: self.poll_policy.divisor,
        }
    }
}

#[derive(Deserialize)]
struct Claimed<'a> {
    pass: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reserved<'a> {
    reservation_id: &'a str,
    expires_in_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Booking<'a> {
    #[serde(rename = "bookingId")]
    id: &'a str,
    status: &'a str,
    #[serde(default = "second")]
    poll_after_ms: u64,
}

fn second() -> u64 {
    1_000
}

impl<'a> Booking<'a> {
    fn news(&self) -> News<'a> {
        match self.status {
            "CONFIRMED" => News::Confirmed { booking: self.id },
            "PENDING" => News::Pending {
                booking: self.id,
                poll_after: Duration::from_millis(self.poll_after_ms),
            },
            _ => News::Fine,
        }
    }
}

#[derive(Deserialize)]
struct Allotted<'a> {
    status: &'a str,
    code: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::fan::{News, PlaceState};
    use crate::record::Deed;
    use std::time::Duration;

    #[test]
    fn answers_are_read_as_the_contract_writes_them() {
        let joined = br#"{"token":"abc","state":"queued","number":7,"position":1,
            "estimatedWaitSeconds":null,"sellOutLikelihood":null,"pollAfterMs":2000}"#;
        let poll_after = Duration::from_secs(2);
        let wanted = News::Joined { token: "abc", number: Some(7), poll_after };
        assert_eq!(read(Deed::Join, 201, joined), (wanted, ""));
        let place = br#"{"state":"queued","number":7,"position":null,
            "estimatedWaitSeconds":{"p50":1,"p90":2},"sellOutLikelihood":"high","soldOut":true,
            "pollAfterMs":2000}"#;
        let wanted = News::Place { state: PlaceState::Waiting, sold_out: true, poll_after };
        assert_eq!(read(Deed::Me, 200, place).0, wanted);
        let booking = br#"{"bookingId":"b","reservationId":"r","status":"CONFIRMED","tickets":[]}"#;
        assert_eq!(read(Deed::Confirm, 200, booking).0, News::Confirmed { booking: "b" });
        let pending = br#"{"status":"PENDING","bookingId":"b","pollAfterMs":2000}"#;
        let wanted = News::Pending { booking: "b", poll_after };
        assert_eq!(read(Deed::Confirm, 202, pending).0, wanted);
    }

    #[test]
    fn a_refusal_has_its_code_and_nonsense_is_no_answer() {
        let problem = br#"{"type":"about:blank","status":409,"code":"SEAT_TAKEN"}"#;
        let (news, code) = read(Deed::Reserve, 409, problem);
        assert_eq!((news, code), (News::Refused { status: 409, code: "SEAT_TAKEN" }, "SEAT_TAKEN"));
        assert_eq!(read(Deed::Reserve, 502, b"<html>").1, "");
        assert_eq!(read(Deed::Reserve, 201, b"{}"), (News::Lost, "UNREADABLE"));
    }
}
