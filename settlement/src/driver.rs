//! Drives one order: asks the core for the next step, carries it out, looks again.
//!
//! Any number of drivers may work on one order, in any processes, and each may stop anywhere: every
//! step is repeatable, and the database and the provider refuse what does not fit any more.

use crate::area::Areas;
use crate::config::{Config, ORDER_PAUSE_FIRST, ORDER_PAUSE_MAX, TURNS_WITHOUT_NEWS_MAX};
use crate::error::Error;
use crate::guarded::Guarded;
use crate::metrics;
use crate::order::{Order, Part};
use crate::provider::{Failure, GIVE_BACK, NewPayment, Provider, Verb};
use crate::store::{Binding, Capture, Lease, Moving, Parts, Refund, Sale, Store};
use crate::terms::TermsBook;
use crate::ticket::ticket_code;
use crate::verdict::Verdicts;
use chassis::clock;
use chassis::keys::Ed25519Key;
use chassis::{Backoff, Pause, Shutdown};
use schema::{InvariantId, VerdictKind};
use settlement_core::{
    PartRecord, Payer, Seen, State, Step, Trigger, VerdictRecord, next, on_part_refund,
};
use std::sync::Arc;

/// Why a sale comes to a review that has broken on SEAT-1's last guard, as the database words it.
const SEAT_TAKEN: &str = "a seat belongs to another order";

/// What every driver shares.
#[derive(Debug)]
pub(crate) struct Context {
    pub config: Config,
    pub store: Store,
    /// Who takes the money of new orders.
    pub provider: Arc<Guarded>,
    /// Who has taken money before, and is asked about it still.
    pub others: Vec<Arc<Guarded>>,
    pub ticket_key: Ed25519Key,
    pub areas: Areas,
    pub terms: TermsBook,
    pub verdicts: Verdicts,
    pub lease: Lease,
    pub shutdown: Shutdown,
}

impl Context {
    /// Who has the payments of that provider's name.
    pub(crate) fn provider_named(&self, name: &str) -> Option<&Arc<Guarded>> {
        std::iter::once(&self.provider).chain(&self.others).find(|one| one.name() == name)
    }
}

/// What a step came to.
enum Turn {
    /// The provider said how the payment is.
    Seen(Seen),
    /// The order is where the step should bring it.
    Moved,
    /// Somebody else moved the order, or nothing is known: read it again after a pause.
    Reload,
    /// As `Reload`, but the order itself is known: only ask the provider again.
    Later,
    Done,
}

/// Works on an order until nothing is left to do, the process ends, or somebody who moved it has
/// `brought` it here again: the next turn is theirs, under their trace.
pub(crate) async fn drive(context: &Context, mut order: Order, brought: impl Fn() -> bool) {
    tracing::debug!(order = %order.id, attempt = order.attempt, from = %order.state, "order begun");
    let mut seen = order.untouched.then_some(Seen::Created);
    let mut backoff = Backoff::new(ORDER_PAUSE_FIRST, ORDER_PAUSE_MAX, None);
    let mut without_news = 0;
    loop {
        let step = next(&order.facts(), seen.as_ref(), clock::now());
        if step == Step::Rest {
            return;
        }
        let is_sale = matches!(step, Step::Sell { .. });
        let turn = perform(context, &mut order, step).await;
        match turn {
            Ok(Turn::Done) => return,
            Ok(Turn::Moved) => {
                backoff.reset();
                without_news = 0;
            }
            // A verb that changed nothing would be repeated at once without the pause.
            Ok(Turn::Seen(now)) if seen.as_ref() != Some(&now) => seen = Some(now),
            Ok(Turn::Seen(_) | Turn::Later) => {
                seen = None;
                without_news += 1;
                // Its lease lapses, and then a sweep brings it again.
                if TURNS_WITHOUT_NEWS_MAX <= without_news && order.keeps_nobody_waiting() {
                    return;
                }
                if backoff.pause(&context.shutdown).await != Pause::Elapsed {
                    return;
                }
            }
            Ok(Turn::Reload) | Err(_) => {
                let is_unheard = is_sale && turn.is_err();
                if let Err(error) = turn {
                    tracing::warn!(order = %order.id, error = %chassis::telemetry::chain(&error),
                        "order waits");
                }
                seen = None;
                match reload(context, &order, &mut backoff, &brought).await {
                    Some(now) => order = now,
                    None => return,
                }
                // Its commit may have been made, and have come to a review.
                if is_unheard && let Some(reason) = &order.review {
                    unsold(&order, reason);
                }
            }
        }
    }
}

/// Reads the order again, after a pause, until the database answers. `None` when the process ends
/// or the order was brought.
async fn reload(
    context: &Context,
    order: &Order,
    backoff: &mut Backoff,
    brought: impl Fn() -> bool,
) -> Option<Order> {
    while backoff.pause(&context.shutdown).await == Pause::Elapsed && !brought() {
        match context.store.load(&[order.id]).await {
            Ok(mut found) => return found.pop(),
            Err(error) => {
                tracing::warn!(order = %order.id, error = %chassis::telemetry::chain(&error),
                    "order not read");
            }
        }
    }
    None
}

async fn perform(context: &Context, order: &mut Order, step: Step) -> Result<Turn, Error> {
    let moving = |trigger| Moving::by(order, trigger);
    match step {
        Step::Rest => Ok(Turn::Done),
        Step::Wait => Ok(Turn::Later),
        Step::Create => create(context, order).await,
        Step::Fetch => act(context, order, Verb::Fetch).await,
        Step::Authorise => act(context, order, Verb::Authorise).await,
        Step::CancelPayment => act(context, order, Verb::Cancel).await,
        Step::Capture => act(context, order, Verb::Capture).await,
        Step::RefundPayment => act(context, order, Verb::Refund).await,
        Step::Sell { charged } => sell(context, order, charged).await,
        Step::RecordCapture => record(context, order, false).await,
        Step::RecordReturn => record(context, order, true).await,
        Step::FinishRefund => finish_refund(context, order).await,
        Step::RefundPart => refund_part(context, order).await,
        Step::GiveUp => make_move(context, order, moving(Trigger::GiveUp)).await,
        Step::Decline { reason } => {
            let moving = moving(Trigger::Decline).because(reason).payment_ended();
            make_move(context, order, moving).await
        }
        Step::FinishCancel => {
            make_move(context, order, moving(Trigger::MoneyBack).payment_ended()).await
        }
        Step::Review { reason } => {
            alarm(order, reason);
            make_move(context, order, moving(Trigger::Review).because(reason)).await
        }
        Step::CloseReview => {
            let mut moving = Moving::close_review(order);
            if !order.sold {
                moving = moving.payment_ended().ending_hold();
            }
            make_move(context, order, moving).await?;
            Ok(Turn::Done)
        }
    }
}

async fn create(context: &Context, order: &mut Order) -> Result<Turn, Error> {
    let new = NewPayment {
        order: order.id,
        attempt: order.attempt,
        total: order.total,
        token: order.token.clone(),
    };
    let created = ask(context, "create", context.provider.create(&new)).await;
    let payment = match created {
        Ok(payment) => payment,
        Err(Failure::Unknown { .. }) => return Ok(Turn::Later),
        Err(Failure::Rejected { why, .. }) => {
            return make_move(context, order, Moving::by(order, Trigger::Decline).because(why))
                .await;
        }
    };
    let binding = Binding { order: order.id, attempt: order.attempt, payment: payment.id.clone() };
    // ORD-2: only an id that is stored is ever authorised, so a payment that nobody knows charges
    // nothing.
    let Some(stored) = context.store.bind(binding).await? else { return Ok(Turn::Reload) };
    let is_ours = stored == payment.id;
    order.payment = Some(stored);
    // An id of somebody else's may be of another provider: that is stored beside it.
    Ok(if is_ours { Turn::Seen(payment.seen) } else { Turn::Reload })
}

/// The payment's id, and who has it.
fn payment_of<'a>(context: &'a Context, order: &'a Order) -> Option<(&'a str, &'a Arc<Guarded>)> {
    let id = order.payment.as_deref().expect("the core asks for a verb only when the id is stored");
    let name = order.provider.as_deref().unwrap_or_else(|| context.provider.name());
    let provider = context.provider_named(name);
    if provider.is_none() {
        tracing::error!(order = %order.id, name, "the order's payment provider is not configured");
    }
    Some((id, provider?))
}

async fn act(context: &Context, order: &mut Order, verb: Verb) -> Result<Turn, Error> {
    let Some((id, provider)) = payment_of(context, order) else { return Ok(Turn::Later) };
    match ask(context, verb.as_str(), provider.act(id, verb)).await {
        Ok(seen) => Ok(Turn::Seen(seen)),
        Err(Failure::Unknown { .. }) => Ok(Turn::Later),
        // No rule can mend that: what became of the money is for a person to find out. The places
        // are not, and nothing was sold.
        Err(Failure::Rejected { why, .. }) if order.state == State::ReviewNeeded => {
            tracing::error!(order = %order.id, why, "the provider refuses its own payment");
            let moving = Moving::close_review(order);
            let moving = if order.sold { moving } else { moving.ending_hold() };
            make_move(context, order, moving).await?;
            Ok(Turn::Done)
        }
        Err(Failure::Rejected { why, .. }) => {
            alarm(order, &why);
            make_move(context, order, Moving::by(order, Trigger::Review).because(why)).await
        }
    }
}

/// Waits for the provider; no answer before the process ends is an unknown outcome.
async fn ask<T>(
    context: &Context,
    what: &'static str,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    // A call may be dropped anywhere: what it did is asked of the provider again.
    tokio::select! {
        answer = answer => answer,
        () = context.shutdown.begun() => {
            Err(Failure::Unknown { what, why: "the process ends".to_owned() })
        }
    }
}

async fn sell(context: &Context, order: &mut Order, charged: bool) -> Result<Turn, Error> {
    context.areas.ensure(&order.event, &order.areas).await?;
    let mut codes = Vec::with_capacity(usize::from(order.line_count));
    for ticket in order.tickets() {
        codes.push(ticket_code(&context.ticket_key, &order.event, ticket, 0));
        // A signature takes 20 us: a partner's thousand would hold up everybody else on this
        // thread.
        if codes.len() % 16 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let posting = context.terms.sale_of(order).await?;
    let (id, attempt) = (order.id, order.attempt);
    let sale = Sale { order: id, attempt, posting, charged, codes };
    let (state, review) = context.store.sell(sale).await?;
    if let Some(reason) = review {
        unsold(order, &reason);
    }
    if state != State::Paid {
        return Ok(Turn::Reload);
    }
    order.sold = true;
    moved(order, State::Paid);
    context.verdicts.send(record_of(order, VerdictKind::Sold));
    Ok(Turn::Moved)
}

/// A sale has come to a review: the database did not make its places live.
fn unsold(order: &Order, reason: &str) {
    if reason != SEAT_TAKEN {
        return alarm(order, reason);
    }
    chassis::metrics::invariant_broken(InvariantId::Seat1);
    alarm(order, InvariantId::Seat1.says());
}

async fn record(context: &Context, order: &mut Order, returned: bool) -> Result<Turn, Error> {
    let capture = Capture { order: order.id, total: order.total, returned };
    let state = context.store.capture(capture).await?;
    order.captured = true;
    Ok(if state == order.state { Turn::Moved } else { Turn::Reload })
}

async fn finish_refund(context: &Context, order: &mut Order) -> Result<Turn, Error> {
    let refund = Refund { order: order.id, attempt: order.attempt, captured: order.captured };
    let state = context.store.refund(refund).await?;
    if state != State::Refunded {
        return Ok(Turn::Reload);
    }
    moved(order, state);
    context.verdicts.send(record_of(order, VerdictKind::Refunded));
    Ok(Turn::Moved)
}

/// Gives the money of a ticket back. `None` once the provider has. What went back before is not
/// given again, whoever comes here however often.
async fn give_back(
    context: &Context,
    order: &mut Order,
    part: Part,
) -> Result<Option<Turn>, Error> {
    let Some((id, provider)) = payment_of(context, order) else { return Ok(Some(Turn::Later)) };
    let due = order.back_behind(part);
    match ask(context, GIVE_BACK, provider.give_back(id, due)).await {
        Ok(back) if due <= back => Ok(None),
        Ok(_) | Err(Failure::Unknown { .. }) => Ok(Some(Turn::Later)),
        Err(Failure::Rejected { why, .. }) => {
            alarm(order, &why);
            let moving = Moving::by(order, Trigger::Review).because(why);
            make_move(context, order, moving).await.map(Some)
        }
    }
}

/// Gives the open part's money back if a provider has it, then books the part.
async fn refund_part(context: &Context, order: &mut Order) -> Result<Turn, Error> {
    let part = order.part.expect("the core asks for it only when one is open");
    if order.payer == Payer::Fan
        && let Some(turn) = give_back(context, order, part).await?
    {
        return Ok(turn);
    }
    let parts = Parts(&context.store.pool);
    let Some(left) = parts.left(order.id, &part).await? else { return Ok(Turn::Reload) };
    let ticket = context.terms.ticket_of(order, part, &left).await?;
    if !parts.finish(order.id, &part, &on_part_refund(&ticket)).await? {
        return Ok(Turn::Reload);
    }
    metrics::ticket_refunded();
    tracing::debug!(order = %order.id, line = part.line, "ticket paid back");
    (order.part, order.gone) = (None, [&order.gone[..], &[part.line]].concat());
    let (event, part, place) = (order.event.clone(), part.number, part.place);
    context.verdicts.reduce(&PartRecord { order: order.id, event, part, place }).await;
    Ok(Turn::Moved)
}

async fn make_move(context: &Context, order: &mut Order, moving: Moving) -> Result<Turn, Error> {
    let (to, verdict) = (moving.to(), moving.verdict());
    let state = context.store.make_move(moving).await?;
    if state != to {
        return Ok(Turn::Reload);
    }
    moved(order, to);
    if let Some(kind) = verdict {
        context.verdicts.send(record_of(order, kind));
    }
    Ok(Turn::Moved)
}

fn moved(order: &mut Order, to: State) {
    metrics::order_moved(to);
    tracing::debug!(order = %order.id, from = %order.state, %to, "order moved");
    order.state = to;
}

fn record_of(order: &Order, kind: VerdictKind) -> VerdictRecord {
    let event = order.event.clone();
    VerdictRecord { order: order.id, event, attempt: order.attempt, kind, round: 0 }
}

fn alarm(order: &Order, reason: &str) {
    metrics::review_needed();
    tracing::error!(order = %order.id, event = %order.event, reason, "order needs a review");
}
