//! All or nothing: the operations of one event in one command.

use axum::body::Body;
use chassis::Problem;
use futures_util::StreamExt;
use schema::PreviousStatuses;
use schema::limits::OPERATION_PLACES_MAX;
use serde_json::{Value, json};

use super::buyer::Buyer;
use super::items::{Format, items};
use super::operation::{Op, Operation, ResultLine};
use super::perform::{answered, command, without_answer};
use super::sale;
use crate::accounts::Caller;
use crate::app::App;
use crate::asks::{Ask, Domain, Key, fingerprint};
use crate::catalog::Listed;
use crate::places::Places;
use crate::problems;

/// Most operations that are put together: each has at least one place.
const OPERATIONS_MAX: usize = 4_096;

/// Reads all operations, carries them out as one, and returns their results and whether they were
/// given before.
pub async fn perform(
    app: &App,
    caller: &Caller,
    body: Body,
    format: Format,
) -> Result<(Vec<ResultLine>, bool), Problem> {
    let (operations, values) = read(body, format).await?;
    let listed = operations[0].event().and_then(|event| app.catalog.find(&event));
    let listed = listed.ok_or_else(problems::event_unknown)?;
    let (op, places, previous) = together(&operations, &listed)?;
    let buyer = buyer_of(&operations)?;
    // The refs together are the key: the same set gives the same result, however the lines were
    // cut.
    let refs: Vec<&str> = operations.iter().map(|operation| operation.r#ref.as_str()).collect();
    let key = Key::of_client(&json!(refs).to_string());
    let values = Value::Array(values);
    let ask = Ask {
        command: key.command(Domain::Partner, caller.account),
        fingerprint: fingerprint("POST", "/api/partners/allocations", &values, caller.account),
        event: listed.listing.event.clone(),
        account: caller.account,
        body: command(op, places, previous, buyer),
    };
    let answer = app.asks.ask(ask).await;
    let committed = match &answer {
        Ok(answer) => sale::committed(app, caller, answer).await,
        Err(_) => Ok(()),
    };
    let result = |operation: &Operation| match (&answer, committed) {
        (Ok(_), Err(unsold)) => unsold.line(&operation.r#ref),
        (Ok(answer), Ok(())) => {
            let own = operation.resolve(&listed.plan).map(|places| places.seats);
            let mut line =
                answered(&operation.r#ref, answer, &listed.plan, &own.clone().unwrap_or_default());
            if line.status == "ok" {
                line.seat_ids = own.ok().filter(|own| !own.is_empty()).map(|own| {
                    let id = |seat| listed.plan.place(seat).expect("resolved").seat_id().into();
                    own.into_iter().map(id).collect()
                });
            }
            line
        }
        (Err(unanswered), _) => without_answer(&operation.r#ref, *unanswered),
    };
    let replayed = answer.as_ref().is_ok_and(|answer| answer.replayed);
    Ok((operations.iter().map(result).collect(), replayed))
}

async fn read(body: Body, format: Format) -> Result<(Vec<Operation>, Vec<Value>), Problem> {
    let (mut operations, mut values) = (Vec::new(), Vec::new());
    let mut items = std::pin::pin!(items(body, format));
    while let Some(item) = items.next().await {
        let number = operations.len() + 1;
        let value = item.map_err(|_| refused(&format!("operation {number} cannot be read")))?;
        let operation = Operation::read(&value).map_err(|line| {
            let code = line.code.unwrap_or_default();
            refused(&format!("operation {number} is refused: {code}"))
        })?;
        operations.push(operation);
        values.push(value);
        if OPERATIONS_MAX < operations.len() {
            return Err(refused("at most 4,096 operations"));
        }
    }
    if operations.is_empty() {
        return Err(refused("there is no operation"));
    }
    Ok((operations, values))
}

/// One kind, all places, and the guard that all operations have.
type Together = (Op, Places, Option<PreviousStatuses>);

fn together(operations: &[Operation], listed: &Listed) -> Result<Together, Problem> {
    let (op, event) = (operations[0].op, &operations[0].event_id);
    let mut all = Places::default();
    let mut guards = Vec::new();
    for operation in operations {
        if operation.op != op || operation.event_id != *event {
            return Err(refused("all operations are of one kind and of one event"));
        }
        let faulty = |code: &str| refused(&format!("operation {:?}: {code}", operation.r#ref));
        let places = operation.resolve(&listed.plan).map_err(faulty)?;
        guards.push(operation.guard(&places).map_err(faulty)?);
        all.seats.extend(places.seats);
        for (area, quantity) in places.areas {
            match all.areas.iter_mut().find(|(known, _)| *known == area) {
                Some((_, sum)) => *sum = sum.saturating_add(quantity),
                None => all.areas.push((area, quantity)),
            }
        }
    }
    let seats = all.seats.len();
    all.seats.sort_unstable();
    all.seats.dedup();
    let standing = all.areas.iter().map(|(_, quantity)| u64::from(*quantity)).sum::<u64>();
    let count = u64::try_from(seats).unwrap_or(u64::MAX).saturating_add(standing);
    if all.seats.len() < seats || u64::from(OPERATION_PLACES_MAX) < count {
        return Err(refused("a seat is named twice, or there are more than 4,096 places"));
    }
    if op == Op::Allocate && !all.seats.is_empty() && !all.areas.is_empty() {
        return Err(refused("seats and standing places need requests of their own"));
    }
    // One command has one guard: each operation's own statuses would be lost in it.
    let previous = guards[0];
    if guards.iter().any(|guard| *guard != previous) {
        return Err(refused("all operations have the same allowedPreviousStatuses"));
    }
    Ok((op, all, previous))
}

/// Whom all operations name, or those that name somebody: a booking has one buyer.
fn buyer_of(operations: &[Operation]) -> Result<Option<&Buyer>, Problem> {
    let mut buyers = operations.iter().filter_map(|operation| operation.buyer.as_ref());
    let first = buyers.next();
    if buyers.any(|buyer| Some(buyer) != first) {
        return Err(refused("all operations that name a buyer name the same one"));
    }
    Ok(first)
}

fn refused(detail: &str) -> Problem {
    Problem::new(422, "ATOMIC_REFUSED", "These operations cannot be one", detail)
}
