//! Carries an operation out: one command, its answer, one result.

use std::sync::Arc;
use std::time::Duration;

use chassis::{Backoff, Pause};
use schema::{
    CommandBody, Condition, HoldSeats, OrderId, OutcomeBody, OwnerKind, PlanIndex,
    PreviousStatuses, Refusal, SeatIdx, SellAllotted, Want,
};
use serde_json::Value;

use super::buyer::Buyer;
use super::operation::{Op, Operation, ResultLine};
use super::sale;
use crate::accounts::Caller;
use crate::app::App;
use crate::asks::{Answer, Ask, Domain, Key, Sent, Unanswered, fingerprint};
use crate::metrics;
use crate::places::Places;

/// An operation on its way.
pub enum Pending {
    /// It needed no owner.
    Known(ResultLine),
    Sent(Box<Asked>),
}

/// A command that was sent, with what its answer is read by.
pub struct Asked {
    reference: String,
    plan: Arc<PlanIndex>,
    /// The seats that the operation names.
    named: Vec<SeatIdx>,
    ask: Ask,
    first: Result<Sent, Unanswered>,
}

/// How often an owner that gives no answer is asked again, and the waits between.
const AGAIN_MAX: u32 = 5;
const AGAIN_FIRST: Duration = Duration::from_millis(50);
const AGAIN_WAIT_MAX: Duration = Duration::from_secs(1);

/// Reads an operation and sends its command. Commands leave in the order of these calls.
pub async fn begin(app: &App, caller: &Caller, value: &Value) -> Pending {
    match prepare(app, caller, value) {
        Err(line) => Pending::Known(line),
        Ok(prepared) => Pending::Sent(Box::new(prepared.send(app).await)),
    }
}

/// Waits for an operation's result.
pub async fn finish(app: &App, caller: &Caller, pending: Pending) -> ResultLine {
    let line = match pending {
        Pending::Known(line) => line,
        Pending::Sent(asked) => asked.result(app, caller).await,
    };
    metrics::partner_operation(line.status);
    line
}

/// A command that is ready to be sent.
struct Prepared {
    reference: String,
    plan: Arc<PlanIndex>,
    named: Vec<SeatIdx>,
    ask: Ask,
}

fn prepare(app: &App, caller: &Caller, value: &Value) -> Result<Prepared, ResultLine> {
    let operation = Operation::read(value)?;
    let reference = operation.r#ref.clone();
    let invalid = |code| ResultLine::invalid(Some(&reference), code);
    let listed = operation.event().and_then(|event| app.catalog.find(&event));
    let listed = listed.ok_or_else(|| invalid("EVENT_UNKNOWN"))?;
    let places = operation.resolve(&listed.plan).map_err(invalid)?;
    let key = Key::of_client(&operation.r#ref);
    let previous = operation.guard(&places).map_err(invalid)?;
    let named = places.seats.clone();
    let ask = Ask {
        command: key.command(Domain::Partner, caller.account),
        fingerprint: fingerprint("POST", "/api/partners/allocations", value, caller.account),
        event: listed.listing.event.clone(),
        account: caller.account,
        body: command(operation.op, places, previous, operation.buyer.as_ref()),
    };
    Ok(Prepared { reference, plan: listed.plan, named, ask })
}

/// The command of one operation, or of many of one kind put together.
pub(super) fn command(
    op: Op,
    places: Places,
    previous: Option<PreviousStatuses>,
    buyer: Option<&Buyer>,
) -> CommandBody {
    let Places { seats, areas } = places;
    match op {
        Op::Release => CommandBody::ReturnAllotted { seats, areas, previous },
        Op::Sell => {
            let buyer = buyer.map(Buyer::write).unwrap_or_default().into();
            CommandBody::SellAllotted(SellAllotted { seats, areas, previous, buyer })
        }
        Op::Allocate => {
            let want = if seats.is_empty() { Want::Areas(areas) } else { Want::Seats(seats) };
            let (owner, condition) = (OwnerKind::Allotment, previous.map(Condition::Previous));
            CommandBody::HoldSeats(HoldSeats { want, owner, pass: None, condition })
        }
    }
}

impl Prepared {
    async fn send(self, app: &App) -> Asked {
        let Self { reference, plan, named, ask } = self;
        let first = app.asks.send(ask.clone()).await;
        Asked { reference, plan, named, ask, first }
    }
}

impl Asked {
    async fn result(self, app: &App, caller: &Caller) -> ResultLine {
        let Self { reference, plan, named, ask, first } = self;
        let mut answer = match first {
            Ok(sent) => sent.answer().await,
            Err(unanswered) => Err(unanswered),
        };
        let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_WAIT_MAX, Some(AGAIN_MAX));
        // The id makes a repetition harmless; also the same `ref` twice in a row hears one answer.
        while matches!(answer, Err(unanswered) if unanswered != Unanswered::Mismatch)
            && backoff.pause(&app.shutdown).await == Pause::Elapsed
        {
            answer = app.asks.ask(ask.clone()).await;
        }
        match answer {
            Ok(answer) => match sale::committed(app, caller, &answer).await {
                Ok(()) => answered(&reference, &answer, &plan, &named),
                Err(unsold) => unsold.line(&reference),
            },
            Err(unanswered) => without_answer(&reference, unanswered),
        }
    }
}

pub(super) fn without_answer(reference: &str, unanswered: Unanswered) -> ResultLine {
    let retryable = |code| ResultLine { retryable: true, ..ResultLine::refused(reference, code) };
    match unanswered {
        Unanswered::Mismatch => ResultLine::invalid(Some(reference), "IDEMPOTENCY_MISMATCH"),
        Unanswered::InFlight => retryable("IDEMPOTENCY_IN_FLIGHT"),
        Unanswered::Busy => retryable("BUSY"),
        Unanswered::TimedOut | Unanswered::TooLate => retryable("NO_ANSWER"),
    }
}

/// `named` are the seats of the operation: all of them are as it makes them when it is `ok`.
pub(super) fn answered(
    reference: &str,
    answer: &Answer,
    plan: &PlanIndex,
    named: &[SeatIdx],
) -> ResultLine {
    match &answer.outcome.body {
        OutcomeBody::SeatsHeld(_)
        | OutcomeBody::AllotmentReduced { .. }
        | OutcomeBody::SeatsUnchanged => ResultLine::ok(reference, seat_ids(plan, named)),
        OutcomeBody::AllottedSold { payment, .. } => {
            let booking_id = Some(OrderId::from(payment.held.hold).to_string());
            ResultLine { booking_id, ..ResultLine::ok(reference, seat_ids(plan, named)) }
        }
        OutcomeBody::Refused(refusal) => {
            let code = refusal.code();
            let seat_ids = match refusal {
                Refusal::SeatTaken { seats } | Refusal::StatusNotAllowed { seats } => {
                    seat_ids(plan, seats)
                }
                _ => None,
            };
            let retryable = code.retryable;
            ResultLine { retryable, seat_ids, ..ResultLine::refused(reference, code.code) }
        }
        _ => panic!("an owner answers a partner's command with one of these"),
    }
}

fn seat_ids(plan: &PlanIndex, seats: &[SeatIdx]) -> Option<Vec<String>> {
    let ids = seats.iter().filter_map(|seat| Some(plan.place(*seat)?.seat_id().to_string()));
    (!seats.is_empty()).then(|| ids.collect())
}
