//! `usher explain seat`: what became of one seat, from the journal alone.

use crate::cli::{Explain, ExplainSeat};
use crate::{config, output, shards};
use anyhow::{Context as _, bail};
use chassis::{Nats, Stored};
use schema::history::{SeatHistory, SeatTurn, What};
use schema::{
    AccountId, EventId, EventListing, OwnerKind, PlanId, PlanIndex, Released, SeatIdx, SeatingPlan,
    ShardId, codec, subject,
};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

/// How long the servers may take to be there, and the reading of a stream may stand still.
const CONNECT_WAIT_MS: u64 = 5_000;
const READ_WAIT: Duration = Duration::from_secs(10);

pub async fn explain(explain: Explain) -> anyhow::Result<ExitCode> {
    let Explain::Seat(asked) = explain;
    let mut config = config::load_for(asked.target.config.as_deref(), &asked.target.data)?;
    chassis::telemetry::init(&config.log)?;
    config.nats.connect_wait_ms = CONNECT_WAIT_MS;
    let nats = Nats::connect(&config.nats, "usher explain").await?;
    let shards = shards::of_system(&nats).await?;
    let seat = find(&nats, &asked).await?;
    let shard = shards.of(&asked.event);
    let history = read(&nats, &asked.event, seat, shard).await?;
    if let Some(from) = history.kept_from() {
        output::line(&format!("the journal is kept from {from} on, what was before is not told"));
    }
    if 0 < history.omitted() {
        output::line(&format!("{} older turns are left out", history.omitted()));
    }
    for turn in history.turns() {
        output::line(&sentence(turn));
    }
    if history.turns().len() == 0 {
        let nothing = match history.kept_from() {
            Some(_) => "nothing is told since then of",
            None => "nobody ever had",
        };
        output::line(&format!("{nothing} {} of {}", asked.seat, asked.event));
    }
    Ok(ExitCode::SUCCESS)
}

/// The seat's position in the plan that the catalogue has for the event.
async fn find(nats: &Nats, asked: &ExplainSeat) -> anyhow::Result<SeatIdx> {
    let (stream, all) = (subject::CATALOG, subject::CATALOG_ALL);
    let mut stored = Stored::open(nats, stream, all, READ_WAIT).await?;
    let mut plans: BTreeMap<PlanId, SeatingPlan> = BTreeMap::new();
    let mut plan_of_event = None;
    while let Some(message) = stored.next().await.context("read the catalogue")? {
        if message.subject.starts_with(subject::CATALOG_PLAN_PREFIX) {
            let plan: SeatingPlan = codec::decode(&message.payload).context("read a plan")?;
            plans.insert(plan.id.clone(), plan);
        } else if message.subject == subject::catalog_event(&asked.event) {
            let listing: EventListing =
                codec::decode(&message.payload).context("read a listing")?;
            plan_of_event = Some(listing.plan);
        }
    }
    let Some(plan) = plan_of_event.and_then(|plan| plans.remove(&plan)) else {
        bail!("event {} is not in the catalogue", asked.event);
    };
    let seat = PlanIndex::new(plan).seat(&asked.seat);
    seat.with_context(|| format!("event {} has no seat {}", asked.event, asked.seat))
}

async fn read(
    nats: &Nats,
    event: &EventId,
    seat: SeatIdx,
    shard: ShardId,
) -> anyhow::Result<SeatHistory> {
    let (stream, all) = (subject::journal_stream(shard), subject::journal_all(shard));
    let mut stored = Stored::open(nats, &stream, &all, READ_WAIT).await?;
    let mut history = SeatHistory::new(event.clone(), seat, shard);
    while let Some(message) = stored.next().await.context("read the journal")? {
        history.take(message.sequence, &message.subject, &message.payload)?;
    }
    Ok(history)
}

fn sentence(turn: &SeatTurn) -> String {
    let what = match &turn.what {
        What::Held { by, until, price } => {
            let (amount, currency) = (price.amount, price.currency);
            let until = until.map_or_else(String::new, |until| format!(" until {until}"));
            let by = match by {
                OwnerKind::Fan => "held".to_owned(),
                OwnerKind::Allotment => "allotted".to_owned(),
                OwnerKind::Kill(reason) => format!("blocked ({})", reason.name()),
                OwnerKind::PartnerSale => "being sold by a partner".to_owned(),
            };
            format!("{by}{until} for {amount} minor units of {currency}")
        }
        What::PaymentStarted { attempt } => format!("payment {attempt} started"),
        What::Reseated { before, price } => {
            let (amount, currency) = (price.amount, price.currency);
            let before = before.map_or_else(String::new, |before| format!(" of {before}"));
            format!("set aside for late money{before}, {amount} minor units of {currency}")
        }
        What::PaymentDeclined { attempt, until } => {
            format!("payment {attempt} declined, held until {until}")
        }
        What::Prolonged { until } => format!("held until {until}, by the length of an outage"),
        What::Extended { until } => format!("held until {until}, as its owner asked"),
        What::Sold => "sold".to_owned(),
        What::Released(why) => {
            let why = match why {
                Released::ByOwner => "given up by its owner",
                Released::Expired => "its deadline passed",
                Released::PaymentCancelled => "its payment was cancelled",
                Released::Refunded => "it was refunded",
            };
            format!("released: {why}")
        }
        What::Returned => "given back by its partner".to_owned(),
        What::SwappedAway => "released: its owner took other places instead".to_owned(),
        What::Refused { code, count, last, accounts } => {
            let accounts: Vec<String> = accounts.iter().map(AccountId::to_string).collect();
            let first = accounts.join(", ");
            format!("refused {count} times until {last} ({code}), first to {first}")
        }
    };
    let SeatTurn { at, sequence, hold, account, .. } = turn;
    let whose = match (hold, account) {
        (Some(hold), Some(account)) => format!("{hold} of {account}, "),
        _ => String::new(),
    };
    format!("{at} {what} ({whose}message {sequence})")
}
