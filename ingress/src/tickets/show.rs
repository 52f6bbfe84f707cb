//! Tickets as their holders see them, and as an entrance's scanner does.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use chassis::Problem;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use schema::{EventId, TicketId};
use serde::Serialize;
use utoipa::ToSchema;

use super::stored::{self, StoredTicket};
use crate::accounts::Caller;
use crate::app::App;
use crate::bookings::{PlaceNames, TicketBody, TicketStatus, money};
use crate::catalog::Catalog;
use crate::extract::json;
use crate::problems::{self, Answered};

/// Ends the path of a ticket's picture.
const SVG: &str = ".svg";

/// Side of the picture, in its own units; it can be shown at any size.
const PICTURE_SIDE: u32 = 320;

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldTicketBody {
    booking_id: String,
    event_id: String,
    #[serde(flatten)]
    ticket: TicketBody,
    /// When it was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_in_at: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct HeldTicketsBody {
    tickets: Vec<HeldTicketBody>,
}

/// Lists the tickets that one holds, bought or received, those of the newest bookings first: 1,000
/// at most.
#[utoipa::path(get, path = "/api/tickets", tag = "tickets", security(("bearer" = [])),
    responses((status = 200, body = HeldTicketsBody)))]
pub async fn tickets(State(app): State<Arc<App>>, caller: Caller) -> Answered {
    let found = stored::of_account(&app.postgres, caller.account).await;
    let found = found.map_err(|error| problems::store(&error))?;
    let tickets = found.iter().map(|ticket| body(&app.catalog, ticket)).collect();
    Ok(json(StatusCode::OK, &HeldTicketsBody { tickets }))
}

/// Shows a ticket that one holds; with `.svg` behind the id, the picture of its code.
///
/// The picture is a QR code of the letters of `code`, which an entrance checks without a network. A
/// ticket that opens no entrance any more has none.
#[utoipa::path(get, path = "/api/tickets/{ticketId}", tag = "tickets",
    security(("bearer" = [])), params(("ticketId" = String, Path)),
    responses((status = 200, content((HeldTicketBody = "application/json"),
        (String = "image/svg+xml"))), (status = 404, description = "TICKET_UNKNOWN"),
        (status = 409, description = "TICKET_VOID: of the picture")))]
pub async fn ticket(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Answered {
    let (id, is_picture) = name.strip_suffix(SVG).map_or((name.as_str(), false), |id| (id, true));
    let id: TicketId = id.parse().map_err(|_| unknown())?;
    let found = stored::find(&app.postgres, id).await.map_err(|error| problems::store(&error))?;
    let found = found.filter(|ticket| ticket.holder == caller.account).ok_or_else(unknown)?;
    if !is_picture {
        return Ok(json(StatusCode::OK, &body(&app.catalog, &found)));
    }
    if !found.is_valid {
        return Err(void());
    }
    Ok(picture(&found.code))
}

pub(super) fn unknown() -> Problem {
    Problem::new(404, "TICKET_UNKNOWN", "No such ticket", "your account holds no such ticket")
}

pub(super) fn void() -> Problem {
    Problem::new(409, "TICKET_VOID", "The ticket opens no entrance any more", "it was paid back")
}

fn body(catalog: &Catalog, ticket: &StoredTicket) -> HeldTicketBody {
    let listed = ticket.event_id.parse::<EventId>().ok().and_then(|event| catalog.find(&event));
    let plan = listed.as_ref().map(|listed| listed.plan.as_ref());
    HeldTicketBody {
        booking_id: ticket.id.order.to_string(),
        event_id: ticket.event_id.clone(),
        ticket: TicketBody {
            ticket_id: ticket.id.to_string(),
            place: PlaceNames::of(plan, ticket.seat, ticket.area),
            price_level: ticket.price_level,
            price: money(ticket.price, &ticket.currency),
            status: if ticket.is_valid { TicketStatus::Valid } else { TicketStatus::Void },
            code: ticket.is_valid.then(|| ticket.code.clone()),
        },
        checked_in_at: ticket.checked_in_at.map(schema::UnixMillis::to_rfc3339),
    }
}

/// Black on white with a quiet zone: what scanners read best, whatever the page around it is.
fn picture(code: &str) -> Response {
    let qr = QrCode::with_error_correction_level(code, EcLevel::M).expect("111 letters fit");
    let side = PICTURE_SIDE;
    let drawn = qr.render::<svg::Color<'_>>().min_dimensions(side, side).quiet_zone(true).build();
    ([(CONTENT_TYPE, "image/svg+xml")], drawn).into_response()
}

#[cfg(test)]
mod tests {
    use super::picture;
    use axum::body::to_bytes;

    /// The modules of a picture, as a scanner sees them: a dark square for each `M` of its path.
    fn modules(drawn: &str) -> (usize, Vec<bool>) {
        let width = drawn.split_once("width=\"").unwrap().1.split_once('"').unwrap().0;
        let side: usize = width.parse().unwrap();
        let mut dark = vec![false; side * side];
        for square in drawn.rsplit_once(" d=\"").unwrap().1.split('M').skip(1) {
            let numbers: Vec<usize> = square
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|number| number.parse().ok())
                .collect();
            let [left, top, width, height, ..] = numbers[..] else { panic!("{square}") };
            for line in top..top + height {
                dark[line * side + left..][..width].fill(true);
            }
        }
        (side, dark)
    }

    #[tokio::test]
    async fn a_scanner_reads_the_code_from_the_picture() {
        let code: String =
            ('a'..='z').chain('A'..='Z').chain('0'..='9').cycle().take(111).collect();
        let drawn = to_bytes(picture(&code).into_body(), 1 << 20).await.unwrap();
        let (side, dark) = modules(std::str::from_utf8(&drawn).unwrap());
        let shade = |x, y| if dark[y * side + x] { 0 } else { 255 };
        let mut seen = rqrr::PreparedImage::prepare_from_greyscale(side, side, shade);
        let grids = seen.detect_grids();
        assert_eq!(grids.len(), 1);
        assert_eq!(grids[0].decode().unwrap().1, code);
    }
}
