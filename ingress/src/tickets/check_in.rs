//! Scans at the entrances of an event.

use std::sync::Arc;

use axum::extract::State;
use chassis::keys::sha256;
use http::StatusCode;
use schema::codec::MESSAGE_BYTES_MAX;
use schema::{
    AccountId, CheckIn, CheckInAnswer, EventId, Found, PlanIndex, Scan, Scanned, TITLE_BYTES_MAX,
    UnixMillis, subject,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::accounts::Steward;
use crate::app::App;
use crate::bookings::PlaceNames;
use crate::extract::{Json, json};
use crate::problems::{self, Answered};
use crate::settle;

/// Most scans in one request: some minutes of an entrance without a network.
pub const SCANS_MAX: usize = 1_000;

/// Longest id that an entrance may give a scan, and longest code that is looked at.
const SCAN_ID_BYTES_MAX: usize = 64;
const CODE_BYTES_MAX: usize = 200;

/// Longest time of a scan that the bound of a request allows for: nanoseconds and an offset.
const SCANNED_AT_BYTES_MAX: usize = 35;

/// What a byte of text takes in JSON at most: written as `\u0000`.
const ESCAPED_BYTES: usize = 6;

/// The names of a scan's fields, its brackets and quotes, and as much again to indent them.
const SCAN_FRAME_BYTES: usize = 128;

/// Longest request: [`SCANS_MAX`] of the longest scans, in whatever way they are written, and the
/// event and the entrance before them. A smaller one would refuse what the fields allow; a larger
/// one would be read in vain.
pub const CHECK_IN_BYTES_MAX: usize = SCANS_MAX
    * (SCAN_FRAME_BYTES
        + SCANNED_AT_BYTES_MAX
        + ESCAPED_BYTES * (SCAN_ID_BYTES_MAX + CODE_BYTES_MAX))
    + 2 * ESCAPED_BYTES * TITLE_BYTES_MAX;

// What settlement is asked has of each scan the code, and less than 64 bytes of all the rest.
const _: () = assert!(SCANS_MAX * (CODE_BYTES_MAX + 64) < MESSAGE_BYTES_MAX);

/// Separates these digests from any others.
const DOMAIN: &[u8] = b"usher scan 1";

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckInInput {
    event_id: String,
    /// Its name, shown to whoever scans the ticket again.
    entrance: String,
    /// 1 to 1,000. A request of all of them at their longest is taken: up to 1.7 MB.
    scans: Vec<ScanInput>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanInput {
    /// Chosen by the scanner, 1 to 64 bytes: a scan that comes again with the same id hears the
    /// same. Unique among all scanners that share a login, as a UUID is: of two that both number
    /// their scans from 1 at one entrance, the second could let a copied ticket in as a repetition.
    scan_id: String,
    /// What the ticket's picture says.
    code: String,
    /// When it was scanned, if not now.
    scanned_at: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckInBody {
    /// How many of the scans let somebody in.
    admitted: usize,
    /// In the order of the scans.
    results: Vec<ScannedBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScannedBody {
    scan_id: String,
    /// `ADMITTED`, `DUPLICATE`, `VOID`, `OTHER_EVENT` or `FORGED`.
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket_id: Option<String>,
    #[serde(flatten)]
    place: PlaceNames,
    /// Of `DUPLICATE`: when and where the ticket was let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_scan_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_entrance: Option<String>,
}

/// Lets in who holds a valid ticket, once. Repeating it by the same login is harmless: scans have
/// ids. Another login's scan of the same id is a scan of its own.
///
/// Gates without a network check codes by the key `ticket` of `/.well-known/jwks.json` and send
/// their scans later, in one request or many. Of scans of one ticket, that counts which is stored
/// first, and within a request the earliest.
#[utoipa::path(post, path = "/api/checkin", tag = "tickets", security(("bearer" = [])),
    request_body = CheckInInput,
    responses((status = 200, body = CheckInBody), (status = 403, description = "ROLE_REQUIRED"),
        (status = 404, description = "EVENT_UNKNOWN"),
        (status = 413, description = "BODY_TOO_LARGE: above what 1,000 scans can take"),
        (status = 503, description = "SETTLEMENT_UNAVAILABLE")))]
pub async fn check_in(
    State(app): State<Arc<App>>,
    Steward(caller): Steward,
    Json { value, .. }: Json<CheckInInput>,
) -> Answered {
    let event: EventId = value.event_id.parse().map_err(|_| problems::event_unknown())?;
    let listed = app.catalog.find(&event).ok_or_else(problems::event_unknown)?;
    let now = chassis::clock::now();
    let scans = checked(&value, caller.account, now).map_err(problems::invalid)?;
    let entrance = value.entrance.trim().into();
    let wanted = CheckIn { event, entrance, account: caller.account, scans };
    let scanned = match settle::ask(&app, subject::SETTLE_CHECKIN, &wanted).await? {
        CheckInAnswer::Scanned(scanned) => scanned,
        CheckInAnswer::Busy => return Err(settle::unavailable()),
    };
    let results: Vec<ScannedBody> = value
        .scans
        .into_iter()
        .zip(&scanned)
        .map(|(scan, found)| ScannedBody::of(scan.scan_id, found, &listed.plan))
        .collect();
    let admitted = scanned.iter().filter(|scanned| scanned.found == Found::Admitted).count();
    Ok(json(StatusCode::OK, &CheckInBody { admitted, results }))
}

/// The scans as settlement takes them. A scan of the future is one of now: entrances have clocks of
/// their own.
fn checked(input: &CheckInInput, scanner: AccountId, now: UnixMillis) -> Result<Vec<Scan>, String> {
    let entrance = input.entrance.trim();
    if !(1..=TITLE_BYTES_MAX).contains(&entrance.len()) || entrance.chars().any(char::is_control) {
        return Err(format!("entrance has 1 to {TITLE_BYTES_MAX} bytes of plain text"));
    }
    if !(1..=SCANS_MAX).contains(&input.scans.len()) {
        return Err(format!("scans has 1 to {SCANS_MAX} entries"));
    }
    let scan = |(place, scan): (usize, &ScanInput)| {
        if !(1..=SCAN_ID_BYTES_MAX).contains(&scan.scan_id.len()) {
            return Err(format!("scans[{place}].scanId has 1 to {SCAN_ID_BYTES_MAX} bytes"));
        }
        let at = match &scan.scanned_at {
            None => now,
            Some(text) => UnixMillis::parse_rfc3339(text)
                .ok_or_else(|| format!("scans[{place}].scannedAt is no time of RFC 3339"))?,
        };
        // What is longer than any code is as unknown as no code.
        let code = if CODE_BYTES_MAX < scan.code.len() { "" } else { scan.code.trim() };
        let id = scan_id(input, entrance, scanner, &scan.scan_id);
        Ok(Scan { id, code: code.into(), at: at.min(now) })
    };
    input.scans.iter().enumerate().map(scan).collect()
}

/// Scanners choose their ids without knowing of each other: only who shares a login has to.
fn scan_id(input: &CheckInInput, entrance: &str, scanner: AccountId, id: &str) -> [u8; 16] {
    let digest = sha256(&[
        DOMAIN,
        &scanner.0.to_be_bytes(),
        input.event_id.as_bytes(),
        b"\n",
        entrance.as_bytes(),
        b"\n",
        id.as_bytes(),
    ]);
    digest[..16].try_into().expect("16 of 32 bytes")
}

impl ScannedBody {
    fn of(scan_id: String, scanned: &Scanned, plan: &PlanIndex) -> Self {
        let (first_scan_at, first_entrance) = match &scanned.found {
            Found::Duplicate { at, entrance } => {
                (Some(at.to_rfc3339()), Some(entrance.to_string()))
            }
            _ => (None, None),
        };
        Self {
            scan_id,
            result: match scanned.found {
                Found::Admitted => "ADMITTED",
                Found::Duplicate { .. } => "DUPLICATE",
                Found::Void => "VOID",
                Found::OtherEvent => "OTHER_EVENT",
                Found::Forged => "FORGED",
            },
            ticket_id: scanned.ticket.map(|ticket| ticket.to_string()),
            place: PlaceNames::of(Some(plan), scanned.seat, scanned.area),
            first_scan_at,
            first_entrance,
        }
    }
}
