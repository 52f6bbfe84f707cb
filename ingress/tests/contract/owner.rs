//! A test's own owner of all shards: holds what is asked unless it is taken, and journals before it
//! answers. Its journal's time is behind the wall clock, as after a step of that.

use chassis::{Follower, Nats, StartAt};
use schema::limits::{DECLINED_HOLD_LEFT_MIN, DECLINES_PROLONGED_MAX};
use schema::{
    AreaIdx, Asked, Batch, Command, CommandBody, CommandId, Currency, DurationMs, Held, HeldArea,
    HeldSeat, HoldId, HoldSeats, Outcome, OutcomeBody, OwnerKind, Payment, Refusal, Released,
    Reply, ReplyBatch, ReturnedPart, SeatIdx, SellAllotted, ShardId, Shards, StartPayment,
    UnixMillis, Verdict, VerdictKind, Want, codec, subject,
};
use std::collections::{BTreeMap, HashMap};

/// How long a hold lives.
pub const HOLD_MS: u64 = 600_000;

/// A hold with this seat is never released: `A-2-5`.
const ALWAYS_PAID_FOR: SeatIdx = SeatIdx(8);

/// In the event `EVT200` this seat, `A-1-1`, is for who names the channel `FRIENDS`.
const OF_FRIENDS: SeatIdx = SeatIdx(0);

const BEHIND_MS: u64 = 60_000;

fn journal_time() -> UnixMillis {
    UnixMillis(chassis::clock::now().0 - BEHIND_MS)
}

fn is_paid_for_always(held: &Held) -> bool {
    held.seats.iter().any(|held| held.seat == ALWAYS_PAID_FOR)
}

fn held_seat(seat: SeatIdx) -> HeldSeat {
    HeldSeat { seat, generation: 1, price_level: 0, price: 4_000 }
}

fn held_area((area, quantity): (AreaIdx, u32)) -> HeldArea {
    HeldArea { area, quantity, price_level: 0, price: 4_000 }
}

fn part(parts: &mut BTreeMap<HoldId, ReturnedPart>, hold: HoldId) -> &mut ReturnedPart {
    let empty = || ReturnedPart { hold, seats: Vec::new(), areas: Vec::new() };
    parts.entry(hold).or_insert_with(empty)
}

struct Owner {
    nats: Nats,
    /// Of each shard apart, as no owner knows what another one has answered.
    answers: HashMap<(ShardId, CommandId), (u64, u64, Outcome)>,
    taken: HashMap<(schema::EventId, SeatIdx), HoldId>,
    holds: HashMap<HoldId, Held>,
    batches: HashMap<ShardId, u64>,
}

/// Starts to answer commands.
pub fn start(nats: Nats) {
    chassis::tasks::spawn("test-owner", async move {
        let mut owner = Owner {
            nats: nats.clone(),
            answers: HashMap::new(),
            taken: HashMap::new(),
            holds: HashMap::new(),
            batches: HashMap::new(),
        };
        let all = subject::COMMANDS_ALL;
        let mut commands = Follower::start(nats, subject::COMMANDS, all, StartAt::First);
        while let Ok(message) = commands.next().await {
            for command in codec::decode_all(&message.payload).unwrap() {
                owner.hear(command).await;
            }
        }
    });
}

impl Owner {
    async fn hear(&mut self, command: Command) {
        let shard = Shards::default().of(&command.event);
        let reply = match self.answers.get(&(shard, command.id)) {
            Some((print, _, _)) if *print != command.fingerprint => {
                Reply::Mismatch { asked: command.fingerprint }
            }
            Some((_, sequence, outcome)) => Reply::Done {
                sequence: *sequence,
                replayed: true,
                outcome: Box::new(outcome.clone()),
            },
            // Only what asks for memory alone: this owner forgives everybody else for being late.
            None if command.deadline == UnixMillis(0) => Reply::TooLate,
            None => self.decide(&command).await,
        };
        let batch = ReplyBatch { time: journal_time(), replies: vec![(command.id, reply)] };
        let to = command.reply_to.to_string();
        self.nats.client.publish(to, codec::encode(&batch).into()).await.unwrap();
    }

    async fn decide(&mut self, command: &Command) -> Reply {
        let shard = Shards::default().of(&command.event);
        let body = match &command.body {
            CommandBody::HoldSeats(ask) => self.hold(command, ask),
            CommandBody::ReleaseHold { hold } => self.release(*hold),
            CommandBody::SwapSeats { hold, want, .. } => self.swap(command, *hold, want),
            CommandBody::StartPayment(start) => self.start_payment(start),
            CommandBody::SellAllotted(ask) => self.sell(command, ask),
            CommandBody::RecordVerdict(verdict) => self.hear_verdict(*verdict),
            other => panic!("this owner knows no {other:?}"),
        };
        let asked = Asked {
            command: command.id,
            fingerprint: command.fingerprint,
            account: command.account,
        };
        let event = command.event.clone();
        let outcome = Outcome { asked: Some(asked), event, free_after: 5, body };
        let sequence = self.journal(shard, outcome.clone()).await;
        let answer = (command.fingerprint, sequence, outcome.clone());
        self.answers.insert((shard, command.id), answer);
        if let OutcomeBody::AllottedSold { payment, .. } = &outcome.body
            && !is_paid_for_always(&payment.held)
        {
            let body = OutcomeBody::SeatsSold { hold: payment.held.hold, pass: None };
            self.journal(shard, Outcome { asked: None, body, ..outcome.clone() }).await;
        }
        Reply::Done { sequence, replayed: false, outcome: Box::new(outcome) }
    }

    async fn journal(&mut self, shard: ShardId, outcome: Outcome) -> u64 {
        let number = self.batches.entry(shard).or_insert(0);
        *number += 1;
        let batch = Batch {
            epoch: 1,
            number: *number,
            time: journal_time(),
            outcomes: vec![outcome],
            previous: 0,
        };
        let payload = codec::encode_checked(&batch).into();
        let ack = self.nats.jetstream.publish(subject::journal(shard), payload).await.unwrap();
        ack.await.unwrap().sequence
    }

    /// Standing places come from one allotment. Settlement has sold all at once, unless a seat of
    /// them is paid for always.
    fn sell(&mut self, command: &Command, ask: &SellAllotted) -> OutcomeBody {
        let mut parts: BTreeMap<HoldId, ReturnedPart> = BTreeMap::new();
        for seat in &ask.seats {
            let Some(hold) = self.allotment(command, |own| own.has_seat(*seat)) else {
                return OutcomeBody::Refused(Refusal::NotAllotted);
            };
            part(&mut parts, hold).seats.push(*seat);
        }
        for &(area, quantity) in &ask.areas {
            let has = |own: &HeldArea| own.area == area && quantity <= own.quantity;
            let Some(hold) = self.allotment(command, |held| held.areas.iter().any(has)) else {
                return OutcomeBody::Refused(Refusal::NotAllotted);
            };
            part(&mut parts, hold).areas.push((area, quantity));
        }
        let id = HoldId::compose(
            Shards::default().of(&command.event),
            chassis::clock::now(),
            command.id,
        );
        for part in parts.values() {
            let allotment = self.holds.get_mut(&part.hold).unwrap();
            allotment.seats.retain(|seat| !part.seats.contains(&seat.seat));
            for (area, quantity) in &part.areas {
                let mut areas = allotment.areas.iter_mut();
                areas.find(|own| own.area == *area).unwrap().quantity -= quantity;
            }
        }
        for seat in &ask.seats {
            self.taken.insert((command.event.clone(), *seat), id);
        }
        let held = Held {
            hold: id,
            account: command.account,
            owner: OwnerKind::PartnerSale,
            seats: ask.seats.iter().copied().map(held_seat).collect(),
            areas: ask.areas.iter().copied().map(held_area).collect(),
            currency: Currency::EUR,
            deadline: Some(UnixMillis(journal_time().0 + HOLD_MS)),
            pass: None,
        };
        self.holds.insert(id, held.clone());
        OutcomeBody::AllottedSold {
            parts: parts.into_values().collect(),
            payment: Payment {
                held,
                attempt: 1,
                method: schema::PARTNER_SALE.into(),
                token: ask.buyer.clone(),
                payment_deadline: UnixMillis(journal_time().0 + HOLD_MS),
                trace: None,
            },
        }
    }

    /// An allotment of whoever asks.
    fn allotment(&self, command: &Command, has: impl Fn(&Held) -> bool) -> Option<HoldId> {
        let mut holds = self.holds.values().filter(|held| held.owner == OwnerKind::Allotment);
        let own = holds.find(|held| held.account == command.account && has(held));
        own.map(|held| held.hold)
    }

    fn hold(&mut self, command: &Command, ask: &HoldSeats) -> OutcomeBody {
        let seats = match &ask.want {
            Want::Seats(seats) => seats.clone(),
            Want::BestAvailable(best) => (0..best.quantity.into()).map(SeatIdx).collect(),
            Want::Areas(_) => vec![],
        };
        let areas = if let Want::Areas(areas) = &ask.want { areas.clone() } else { vec![] };
        let of_channel = command.event.as_str() == "EVT200" && seats.contains(&OF_FRIENDS);
        if of_channel && ask.channel() != Some("FRIENDS") {
            return OutcomeBody::Refused(Refusal::ChannelRequired { seats: vec![OF_FRIENDS] });
        }
        let key = |seat: &SeatIdx| (command.event.clone(), *seat);
        let may_stay = ask.previous().is_some_and(|previous| previous.set_aside);
        let is_own = |seat: &SeatIdx| {
            let hold = self.taken.get(&key(seat)).filter(|_| may_stay);
            hold.is_some_and(|hold| self.holds[hold].account == command.account)
        };
        let seats: Vec<SeatIdx> = seats.into_iter().filter(|seat| !is_own(seat)).collect();
        if seats.is_empty() && areas.is_empty() {
            return OutcomeBody::SeatsUnchanged;
        }
        let taken: Vec<SeatIdx> =
            seats.iter().filter(|seat| self.taken.contains_key(&key(seat))).copied().collect();
        if !taken.is_empty() {
            return OutcomeBody::Refused(Refusal::SeatTaken { seats: taken });
        }
        let shard = Shards::default().of(&command.event);
        let hold = HoldId::compose(shard, chassis::clock::now(), command.id);
        for seat in &seats {
            self.taken.insert(key(seat), hold);
        }
        let deadline = UnixMillis(journal_time().0 + HOLD_MS);
        let made = Held {
            hold,
            account: command.account,
            owner: ask.owner,
            seats: seats.iter().copied().map(held_seat).collect(),
            areas: areas.iter().copied().map(held_area).collect(),
            currency: Currency::EUR,
            deadline: (ask.owner == OwnerKind::Fan).then_some(deadline),
            pass: ask.pass.map(|pass| pass.place),
        };
        self.holds.insert(hold, made.clone());
        OutcomeBody::SeatsHeld(made)
    }

    fn start_payment(&self, start: &StartPayment) -> OutcomeBody {
        let Some(held) = self.holds.get(&start.hold).cloned() else {
            return OutcomeBody::Refused(Refusal::HoldEnded);
        };
        OutcomeBody::PaymentStarted(Payment {
            held,
            attempt: 1,
            method: start.method.clone(),
            token: start.token.clone(),
            payment_deadline: UnixMillis(journal_time().0 + HOLD_MS),
            trace: None,
        })
    }

    /// A declined hold is one whose own deadline has passed while it was paid.
    fn hear_verdict(&mut self, verdict: Verdict) -> OutcomeBody {
        let Verdict { hold, attempt, kind } = verdict;
        match kind {
            VerdictKind::Declined => {
                let prolongs = attempt <= DECLINES_PROLONGED_MAX;
                let left = if prolongs { DECLINED_HOLD_LEFT_MIN } else { DurationMs(0) };
                OutcomeBody::PaymentDeclined { hold, attempt, deadline: journal_time() + left }
            }
            VerdictKind::Cancelled => {
                self.holds.remove(&hold);
                OutcomeBody::HoldReleased { hold, why: Released::PaymentCancelled }
            }
            VerdictKind::Sold => OutcomeBody::SeatsSold { hold, pass: None },
            VerdictKind::Refunded => panic!("this owner hears of no refund"),
        }
    }

    /// Named seats only.
    fn swap(&mut self, command: &Command, hold: HoldId, want: &Want) -> OutcomeBody {
        let Want::Seats(seats) = want else { panic!("this owner swaps named seats") };
        let key = |seat: &SeatIdx| (command.event.clone(), *seat);
        let others = |seat: &&SeatIdx| self.taken.get(&key(seat)).is_some_and(|is| *is != hold);
        let taken: Vec<SeatIdx> = seats.iter().filter(others).copied().collect();
        if !taken.is_empty() {
            return OutcomeBody::Refused(Refusal::SeatTaken { seats: taken });
        }
        let before = self.holds[&hold].clone();
        if before.seats.iter().map(|held| held.seat).eq(seats.iter().copied()) {
            return OutcomeBody::Unchanged { hold };
        }
        self.taken.retain(|_, owner| *owner != hold);
        self.taken.extend(seats.iter().map(|seat| (key(seat), hold)));
        let after = Held { seats: seats.iter().copied().map(held_seat).collect(), ..before };
        self.holds.insert(hold, after.clone());
        OutcomeBody::SeatsSwapped(after)
    }

    fn release(&mut self, hold: HoldId) -> OutcomeBody {
        if self.holds.get(&hold).is_some_and(is_paid_for_always) {
            return OutcomeBody::Refused(Refusal::PaymentInProgress);
        }
        if self.holds.remove(&hold).is_none() {
            return OutcomeBody::Unchanged { hold };
        }
        self.taken.retain(|_, owner| *owner != hold);
        OutcomeBody::HoldReleased { hold, why: Released::ByOwner }
    }
}
