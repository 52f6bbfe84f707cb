//! The owner of the seats, as far as settlement sees one: announces payments, answers verdicts.

use chassis::{Nats, clock, tasks};
use futures_util::StreamExt;
use schema::{
    Asked, Batch, Command, CommandBody, CommandId, EventId, Held, HeldSeat, HoldId, LATE_MONEY,
    Outcome, OutcomeBody, Payment, Refusal, Released, Reseat, ReturnedPart, SeatIdx, ShardId,
    Verdict, VerdictKind, codec, limits, subject,
};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, Clone)]
pub(super) struct Owner {
    nats: Nats,
    numbers: Arc<AtomicU64>,
    pub heard: Arc<Mutex<Heard>>,
}

#[derive(Debug, Default)]
pub(super) struct Heard {
    answered: HashSet<CommandId>,
    /// The verdicts on each hold, in their order, repetitions left out.
    pub verdicts: HashMap<HoldId, Vec<(u32, VerdictKind)>>,
    /// The traces of these verdicts.
    pub traces: Vec<Option<String>>,
    /// Commands that came again.
    pub repeated: u32,
    /// Whether verdicts are answered at all.
    pub deaf: bool,
    /// Whether verdicts are refused.
    pub refuses: bool,
    /// The seats that are there for late money; without it there are none.
    pub late_seats: Option<Vec<u32>>,
    /// What was asked for late money, repetitions left out.
    pub reseats: Vec<Reseat>,
    /// The parts that went back, repetitions left out.
    pub parts: Vec<(u32, ReturnedPart)>,
}

impl Owner {
    pub(super) async fn start(nats: Nats) -> Self {
        let owner = Self { nats, numbers: Arc::default(), heard: Arc::default() };
        let commands = owner.nats.client.subscribe(subject::COMMANDS_ALL).await.unwrap();
        tasks::spawn("test-owner", owner.clone().answer(commands));
        owner
    }

    /// Journals a payment as started, or as awaited when `again`.
    pub(super) async fn announce(&self, event: &EventId, payment: Payment, again: bool) {
        let shard = payment.held.hold.shard();
        let body = if again {
            OutcomeBody::PaymentAwaited(payment)
        } else {
            OutcomeBody::PaymentStarted(payment)
        };
        self.journal(shard, event.clone(), None, body).await;
    }

    /// Journals that a partner has sold these places, of no allotment.
    pub(super) async fn announce_sale(&self, event: &EventId, payment: Payment) {
        let shard = payment.held.hold.shard();
        let body = OutcomeBody::AllottedSold { parts: vec![], payment };
        self.journal(shard, event.clone(), None, body).await;
    }

    pub(super) async fn release(&self, event: &EventId, hold: HoldId, why: Released) {
        let body = OutcomeBody::HoldReleased { hold, why };
        self.journal(hold.shard(), event.clone(), None, body).await;
    }

    pub(super) fn verdicts(&self, hold: HoldId) -> Vec<(u32, VerdictKind)> {
        self.heard.lock().unwrap().verdicts.get(&hold).cloned().unwrap_or_default()
    }

    async fn answer(self, mut commands: async_nats::Subscriber) {
        while let Some(message) = commands.next().await {
            for command in codec::decode_all::<Command>(&message.payload).unwrap() {
                self.take(command).await;
            }
        }
    }

    async fn take(&self, command: Command) {
        if let CommandBody::Reseat(ask) = &command.body {
            let Some(body) = self.reseat(command.id, ask) else { return };
            let asked = Some(Asked::by(&command));
            return self.journal(ask.paid.hold.shard(), command.event, asked, body).await;
        }
        if let CommandBody::ReduceSale { part, places } = &command.body {
            let Some(body) = self.reduce(command.id, *part, places) else { return };
            let asked = Some(Asked::by(&command));
            return self.journal(places.hold.shard(), command.event, asked, body).await;
        }
        let CommandBody::RecordVerdict(verdict) = command.body else { return };
        let body = {
            let mut heard = self.heard.lock().unwrap();
            if heard.deaf {
                return;
            }
            if !heard.answered.insert(command.id) {
                heard.repeated += 1;
                return;
            }
            let told = heard.verdicts.entry(verdict.hold).or_default();
            told.push((verdict.attempt, verdict.kind));
            heard.traces.push(command.trace.map(Into::into));
            let refused = OutcomeBody::Refused(Refusal::HoldUnknown);
            if heard.refuses { refused } else { outcome_of(verdict) }
        };
        let asked = Asked {
            command: command.id,
            fingerprint: command.fingerprint,
            account: command.account,
        };
        self.journal(verdict.hold.shard(), command.event, Some(asked), body).await;
    }

    fn reduce(&self, command: CommandId, part: u32, places: &ReturnedPart) -> Option<OutcomeBody> {
        let mut heard = self.heard.lock().unwrap();
        if heard.deaf {
            return None;
        }
        if !heard.answered.insert(command) {
            heard.repeated += 1;
            return None;
        }
        let told = heard.verdicts.get(&places.hold).cloned().unwrap_or_default();
        let has = |wanted| told.iter().any(|(_, kind)| *kind == wanted);
        assert!(has(VerdictKind::Sold), "a part of what is not sold: {places:?}");
        if has(VerdictKind::Refunded) {
            return Some(OutcomeBody::Unchanged { hold: places.hold });
        }
        heard.parts.push((part, places.clone()));
        let refused = OutcomeBody::Refused(Refusal::RequestInvalid);
        let places = places.clone();
        Some(if heard.refuses { refused } else { OutcomeBody::SaleReduced { part, places } })
    }

    fn reseat(&self, command: CommandId, ask: &Reseat) -> Option<OutcomeBody> {
        let mut heard = self.heard.lock().unwrap();
        if heard.deaf {
            return None;
        }
        if !heard.answered.insert(command) {
            heard.repeated += 1;
            return None;
        }
        heard.reseats.push(ask.clone());
        let Some(seats) = &heard.late_seats else {
            return Some(OutcomeBody::Refused(Refusal::NotEnoughSeats));
        };
        let given = seats.iter().zip(&ask.paid.seats);
        let seats = given.map(|(&seat, paid)| HeldSeat { seat: SeatIdx(seat), ..*paid }).collect();
        let payment = Payment {
            method: LATE_MONEY.into(),
            token: ask.before.to_string().into(),
            ..payment(Held { seats, ..ask.paid.clone() }, 1, "", 60_000)
        };
        Some(OutcomeBody::Reseated(payment))
    }

    async fn journal(
        &self,
        shard: ShardId,
        event: EventId,
        asked: Option<Asked>,
        body: OutcomeBody,
    ) {
        // Relaxed: only has to differ.
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let outcomes = vec![Outcome { asked, event, free_after: 0, body }];
        let batch = Batch { epoch: 1, number, time: clock::now(), outcomes, previous: 0 };
        let bytes = codec::encode_checked(&batch);
        for _ in 0..100 {
            let publish = async {
                let subject = subject::journal(shard);
                self.nats.jetstream.publish(subject, bytes.clone().into()).await?.await
            };
            if publish.await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the journal takes nothing");
    }
}

fn outcome_of(verdict: Verdict) -> OutcomeBody {
    let Verdict { hold, attempt, kind } = verdict;
    match kind {
        VerdictKind::Declined => {
            let deadline = clock::now() + limits::DECLINED_HOLD_LEFT_MIN;
            OutcomeBody::PaymentDeclined { hold, attempt, deadline }
        }
        VerdictKind::Cancelled => {
            OutcomeBody::HoldReleased { hold, why: Released::PaymentCancelled }
        }
        VerdictKind::Sold => OutcomeBody::SeatsSold { hold, pass: None },
        VerdictKind::Refunded => OutcomeBody::HoldReleased { hold, why: Released::Refunded },
    }
}

pub(super) fn payment(held: Held, attempt: u32, token: &str, wait_ms: u64) -> Payment {
    Payment {
        held,
        attempt,
        method: "CREDIT_CARD".into(),
        token: token.into(),
        payment_deadline: clock::now() + schema::DurationMs(wait_ms),
        trace: None,
    }
}
