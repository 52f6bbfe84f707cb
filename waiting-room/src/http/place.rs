//! A fan's place as a token proves it, and what is said about it.

use super::{App, problems};
use crate::metrics;
use crate::room::{Outlook, Room, View};
use crate::seal::{Opened, TokenRefusal};
use crate::store::{Blessed, Fault, Marks};
use chassis::Problem;
use http::HeaderMap;
use schema::{DurationMs, UnixMillis};
use serde::Serialize;
use utoipa::ToSchema;
use waiting_room_core::{
    Ceilings, Demand, Ending, Known, LAPSE_MARGIN, POLLS, Standing, State, Terms, Token, Wait,
    outlook as sell_out,
};

/// One place in so many is followed from what a poll tells it.
const POLLS_TOLD: u64 = 64;

/// What is said about a place.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlaceBody {
    /// `prequeued`, `queued`, `ready`, `admitted`, `expired` or `completed`.
    state: &'static str,
    /// The number in line; null until a pre-queue is drawn.
    number: Option<u64>,
    /// Live people ahead, plus one; only while the place waits.
    position: Option<u64>,
    /// Null while nothing is known, and while a loss of Redis leaves a doubt before the place.
    estimated_wait_seconds: Option<WaitBody>,
    /// That all is sold before the place's turn: `low`, `medium` or `high`; null while nothing is
    /// known, and when the place does not wait.
    sell_out_likelihood: Option<&'static str>,
    /// No place is free now. Who stays in line is called when some come back.
    sold_out: bool,
    /// `cancelled` or `closed`: nobody is called any more.
    ended: Option<&'static str>,
    /// How the way of this place has ended: `bought`, `given-back`, `abandoned`, `not-claimed`,
    /// `pass-ended` or `event-cancelled`.
    end: Option<&'static str>,
    pub poll_after_ms: u64,
    /// How long the claim is open; only when ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_within_ms: Option<u64>,
    /// `late` for a place that was passed over while its fan was away, and waits beside the line:
    /// it has no position and no wait, and keeps its turn by asking as it is told to.
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<&'static str>,
}

/// Half of the people wait less than the first, nine of ten less than the second.
#[derive(Debug, Serialize, ToSchema)]
struct WaitBody {
    p50: u64,
    p90: u64,
}

impl WaitBody {
    fn wait(&self) -> Wait {
        Wait { p50: self.p50, p90: self.p90 }
    }
}

impl PlaceBody {
    /// The number, and the wait, if it is told any.
    pub(super) fn told(&self) -> Option<(u64, Wait)> {
        self.number.zip(self.estimated_wait_seconds.as_ref().map(WaitBody::wait))
    }

    /// Adds the body as JSON to `text`, byte by byte as `serde_json` would, in a quarter of the
    /// time: nearly all that a waiting crowd is told are these few numbers and known words.
    pub(super) fn write(&self, text: &mut Vec<u8>) {
        text.push(b'{');
        self.write_members(text);
        text.push(b'}');
    }

    /// The members without the braces.
    pub(super) fn write_members(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(b"\"state\":\"");
        text.extend_from_slice(self.state.as_bytes());
        text.extend_from_slice(b"\",\"number\":");
        write_number(text, self.number);
        text.extend_from_slice(b",\"position\":");
        write_number(text, self.position);
        text.extend_from_slice(b",\"estimatedWaitSeconds\":");
        match &self.estimated_wait_seconds {
            None => text.extend_from_slice(b"null"),
            Some(WaitBody { p50, p90 }) => {
                text.extend_from_slice(b"{\"p50\":");
                write_number(text, Some(*p50));
                text.extend_from_slice(b",\"p90\":");
                write_number(text, Some(*p90));
                text.push(b'}');
            }
        }
        text.extend_from_slice(b",\"sellOutLikelihood\":");
        write_word(text, self.sell_out_likelihood);
        text.extend_from_slice(b",\"soldOut\":");
        text.extend_from_slice(if self.sold_out { b"true" } else { b"false" });
        text.extend_from_slice(b",\"ended\":");
        write_word(text, self.ended);
        text.extend_from_slice(b",\"end\":");
        write_word(text, self.end);
        text.extend_from_slice(b",\"pollAfterMs\":");
        write_number(text, Some(self.poll_after_ms));
        if let Some(within) = self.claim_within_ms {
            text.extend_from_slice(b",\"claimWithinMs\":");
            write_number(text, Some(within));
        }
        if let Some(lane) = self.lane {
            text.extend_from_slice(b",\"lane\":");
            write_word(text, Some(lane));
        }
    }
}

fn write_number(text: &mut Vec<u8>, number: Option<u64>) {
    let Some(mut rest) = number else { return text.extend_from_slice(b"null") };
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[at..]);
}

/// The words are ours: they have nothing in them that would have to be escaped.
fn write_word(text: &mut Vec<u8>, word: Option<&'static str>) {
    let Some(word) = word else { return text.extend_from_slice(b"null") };
    text.push(b'"');
    text.extend_from_slice(word.as_bytes());
    text.push(b'"');
}

/// The token of a request, checked.
pub(super) fn opened(
    app: &App,
    room: &Room,
    headers: &HeaderMap,
    now: UnixMillis,
) -> Result<Opened, Problem> {
    let token = headers.get("waiting-room-token").ok_or_else(problems::token_missing)?;
    let text = token.to_str().unwrap_or_default();
    let opened = app.sealer.open(text, &room.event).and_then(|opened| {
        let has_lapsed = room.has_lapsed(&opened.token, now);
        if has_lapsed { Err(TokenRefusal::Expired) } else { Ok(opened) }
    });
    opened.map_err(|refusal| {
        metrics::refused("token");
        problems::token(refusal)
    })
}

/// Lets a claim or a leave of the place ask Redis, or have something signed, as often as it may
/// poll; counted beside polls, which tell when to claim.
pub(super) fn guard_act(app: &App, room: &Room, place: &Opened) -> Result<(), Problem> {
    room.acts.pass(place.token.number, app.uptime_ms()).map_err(too_often)
}

pub(super) fn too_often(wait: DurationMs) -> Problem {
    metrics::refused("rate");
    problems::too_soon(wait)
}

/// A place that waits in line, or before the draw of its pre-queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    /// The number in line; `None` before the draw.
    number: Option<u64>,
}

/// `None` for a place that has been called, left, or is over: what is true of it may have to be
/// asked of Redis.
pub(super) fn waiting(room: &Room, view: &View, place: &Opened) -> Option<Waiting> {
    let number = room.line_number(&place.token);
    let is_waiting = number.is_none_or(|number| view.positions.cursor < number);
    is_waiting.then_some(Waiting { number })
}

impl Waiting {
    /// Whoever asks is there: near the front that is a check-in. Where the front is not known now
    /// it is one anywhere.
    pub(super) fn note_presence(self, room: &Room, view: &View) {
        if let Some(number) = self.number.filter(|&number| !view.is_far(Some(number))) {
            room.check_in(number);
        }
    }

    /// Describes the place, at the cost of no call to Redis.
    pub(super) fn describe(
        self,
        room: &Room,
        view: &View,
        place: &Opened,
        now: UnixMillis,
    ) -> PlaceBody {
        let standing = self.number.map(|_| Standing::Waiting);
        body(room, view, place, Stand { number: self.number, standing, claimed: false }, now)
    }
}

/// Whoever asks is there: near the front that is a check-in, and a skipped one comes back.
pub(super) fn note_presence(room: &Room, token: &Token) {
    let Some(number) = room.line_number(token) else { return };
    let standing = room.ledger().standing(number);
    match standing {
        Standing::Waiting => Waiting { number: Some(number) }.note_presence(room, &room.view()),
        Standing::Skipped => room.come_back(number),
        Standing::Called(_) | Standing::Left | Standing::Over => {}
    }
}

/// Whether the place was claimed or given up. Only places that have been called ask Redis, and only
/// until they hear that they are claimed.
pub(super) async fn marks(room: &Room, blessed: &Blessed, number: u64) -> Result<Marks, Fault> {
    if room.claimed().contains(number) {
        return Ok(Marks { claimed: true, left: false });
    }
    let marks = room.store.marks(blessed, number).await?;
    if marks.claimed {
        room.claimed().insert(number);
    }
    Ok(marks)
}

/// Describes a place. A place ahead of the cursor costs no call to Redis.
pub(super) async fn describe(room: &Room, place: &Opened, now: UnixMillis) -> PlaceBody {
    let view = room.view();
    if let Some(waiting) = waiting(room, &view, place) {
        return waiting.describe(room, &view, place, now);
    }
    let number = room.line_number(&place.token);
    let (standing, claimed) = match number {
        None => (None, false),
        Some(number) => {
            // Behind a pointer: most who are described wait.
            let (standing, claimed) = Box::pin(standing(room, number, now)).await;
            (Some(standing), claimed)
        }
    };
    body(room, &view, place, Stand { number, standing, claimed }, now)
}

/// Whether the place has come to its end.
pub(super) async fn is_over(room: &Room, token: &Token, now: UnixMillis) -> bool {
    let Some(number) = room.line_number(token) else { return false };
    let (standing, claimed) = standing(room, number, now).await;
    let completed = room.has_completed(number);
    let known = Known { standing: Some(standing), claimed, completed, is_over: false, now };
    matches!(known.state(), State::Completed | State::Abandoned | State::Expired)
}

/// How a place stands.
#[derive(Debug, Clone, Copy)]
struct Stand {
    /// Both `None` before the draw.
    number: Option<u64>,
    standing: Option<Standing>,
    claimed: bool,
}

fn body(room: &Room, view: &View, place: &Opened, stand: Stand, now: UnixMillis) -> PlaceBody {
    let Stand { number, standing, claimed } = stand;
    let completed = number.is_some_and(|number| view.has_completed(room, number));
    let outlook = view.outlook;
    let is_over = outlook.ended == Some(Ending::Cancelled);
    let state = Known { standing, claimed, completed, is_over, now }.state();
    let is_queued = state == State::Queued;
    let is_late = is_queued && standing == Some(Standing::Skipped);
    let waiting = number.filter(|_| is_queued && !is_late);
    let before = waiting.map(|number| before(room, view, number));
    let ahead = before.map(|(ahead, _)| ahead);
    let lapse = view.poll_ceilings.longest() + LAPSE_MARGIN;
    let wait = outlook
        .paces
        .zip(before)
        .and_then(|(paces, (ahead, doubt_ahead))| paces.wait(ahead, doubt_ahead, lapse));
    // Before the draw, and where nobody is called any more, everybody is as far as everybody else;
    // so is in the late lane, where nobody's rank is known here, and whose way has ended. Who has
    // claimed may need the pass again, and asks soon.
    let has_ended = matches!(state, State::Completed | State::Expired | State::Abandoned);
    let is_far = number.is_none() || outlook.ended.is_some() || is_late || has_ended;
    let distance = if is_far { u64::MAX } else { ahead.unwrap_or(0) };
    // Those who must check in, and those who have been called, come soon however long the line is.
    let far = waits(standing) && view.is_far(number);
    // Whose way has ended misses nothing, however short the time to claim is.
    let near = if has_ended { POLLS.ceiling } else { view.poll_ceilings.near };
    let ceilings = Ceilings { near, ..view.poll_ceilings };
    // Who has heard nothing at the join, as where nobody was called yet, is told by a poll.
    if let (Some(number), Some(wait)) = (waiting.filter(|n| n.is_multiple_of(POLLS_TOLD)), wait) {
        room.note_told(number, wait);
    }
    PlaceBody {
        state: told_name(state),
        number,
        position: ahead.map(|ahead| ahead + 1),
        estimated_wait_seconds: wait.map(|wait| WaitBody { p50: wait.p50, p90: wait.p90 }),
        sell_out_likelihood: ahead.and_then(|ahead| likelihood(&outlook, ahead)),
        sold_out: outlook.free == Some(0),
        ended: outlook.ended.map(Ending::name),
        end: end(state, view.has_seats, claimed, is_over),
        poll_after_ms: POLLS
            .poll_after(distance, view.rate_per_minute, ceilings, far, place.jitter)
            .0,
        claim_within_ms: match (state, standing) {
            (State::Ready, Some(Standing::Called(terms))) => Some(terms.claim_until.since(now).0),
            _ => None,
        },
        lane: is_late.then_some("late"),
    }
}

/// Whether the place waits in line, or before the draw of its pre-queue.
fn waits(standing: Option<Standing>) -> bool {
    standing.is_none_or(|standing| standing == Standing::Waiting)
}

/// How likely it is that nothing is left at the turn of a place with `ahead` people before it.
fn likelihood(outlook: &Outlook, ahead: u64) -> Option<&'static str> {
    let people = ahead.saturating_add(outlook.without_seats);
    let (baskets, basket_max) = (outlook.baskets, outlook.basket_max);
    let likely = sell_out(outlook.free?, Demand { people, baskets, basket_max })?;
    Some(likely.name())
}

/// The state as `me` tells it, which has six of them: who gave a called place up has no place any
/// more, like those who did not come.
fn told_name(state: State) -> &'static str {
    match state {
        State::Abandoned => State::Expired.name(),
        state => state.name(),
    }
}

/// How the way of a place has ended.
fn end(state: State, has_seats: bool, claimed: bool, is_over: bool) -> Option<&'static str> {
    match state {
        State::Completed if has_seats => Some("bought"),
        State::Completed => Some("given-back"),
        State::Abandoned => Some("abandoned"),
        State::Expired if claimed => Some("pass-ended"),
        State::Expired if is_over => Some("event-cancelled"),
        State::Expired => Some("not-claimed"),
        State::Prequeued | State::Queued | State::Ready | State::Admitted => None,
    }
}

/// How the place stands, and whether it was claimed.
async fn standing(room: &Room, number: u64, now: UnixMillis) -> (Standing, bool) {
    let (blessed, standing) = room.standing(number);
    let Standing::Called(terms) = standing else { return (standing, false) };
    if let Some(claimed) = terms.counted {
        return (standing, claimed);
    }
    match marks(room, &blessed, number).await {
        Ok(Marks { claimed: false, left: true }) => (Standing::Left, false),
        Ok(marks) => (standing, marks.claimed),
        // While Redis is away nobody can say whether a place was claimed in time, so nobody hears
        // that it has expired.
        Err(_) => {
            let claim_until = terms.claim_until.max((now + DurationMs(1)).min(terms.pass_until));
            (Standing::Called(Terms { claim_until, ..terms }), false)
        }
    }
}

/// How many live people are ahead, and how many before the first doubt, if one stands before the
/// place.
fn before(room: &Room, view: &View, number: u64) -> (u64, Option<u64>) {
    room.want_index();
    let ahead = |number| view.positions.ahead(&view.index, number);
    (ahead(number), view.positions.doubt_before(number).map(ahead))
}

#[cfg(test)]
mod tests {
    use super::{PlaceBody, WaitBody};

    #[test]
    fn a_place_is_written_as_its_schema_says() {
        let sparse = PlaceBody {
            state: "prequeued",
            number: None,
            position: None,
            estimated_wait_seconds: None,
            sell_out_likelihood: None,
            sold_out: false,
            ended: None,
            end: None,
            poll_after_ms: 0,
            claim_within_ms: None,
            lane: None,
        };
        let full = PlaceBody {
            state: "ready",
            number: Some(u64::MAX),
            position: Some(1_000_010),
            estimated_wait_seconds: Some(WaitBody { p50: 9, p90: 100 }),
            sell_out_likelihood: Some("medium"),
            sold_out: true,
            ended: Some("cancelled"),
            end: Some("not-claimed"),
            poll_after_ms: 30_000,
            claim_within_ms: Some(1),
            lane: Some("late"),
        };
        for body in [sparse, full] {
            let mut text = Vec::new();
            body.write(&mut text);
            let text = String::from_utf8(text).unwrap();
            assert_eq!(text, serde_json::to_string(&body).unwrap());
        }
    }
}
