//! The bytes of everything of this crate that is stored or sent: one value of each variant, with
//! numbers that differ from field to field, so that two fields of one type cannot change places
//! unseen.
//!
//! The bytes are in `golden.txt`, a line each: the name and the hex digits. What is written has
//! these bytes, and these bytes are read as the value. A line changes only together with
//! [`VERSION`](super::super::VERSION) or by a field added at the end with a default.

use super::super::{Error, decode, decode_checked, encode, encode_checked};
use super::hex;
use crate::admission::{
    AdmissionRecord, Beacon, Beacons, Draw, DrawMadeOf, GivenReport, HoldReason, LimitedBy,
    MachineClock, PassGivenBack, Release, RoomLife, RoomStatus, SeatsBand, Witnesses,
};
use crate::search::{
    Answer, FacetCount, Facets, Hit, Page, Query, Sort, SuggestQuery, Suggestions,
};
use crate::{
    AccountId, AllocatorLoad, Applied, Area, AreaIdx, Asked, Batch, BestAvailable, CancelAnswer,
    CancelBooking, CancelTicket, Channel, ChannelRow, CheckIn, CheckInAnswer, Command, CommandBody,
    CommandId, Condition, Currency, DurationMs, EndedHold, EnqueueKey, EventId, EventListing,
    EventState, EventStatus, FeePayer, Found, Held, HeldArea, HeldSeat, HoldId, HoldSeats,
    KillReason, LiveHold, MilliPercent, Money, OrderId, Outcome, OutcomeBody, OwnerKind, Pass,
    PassPlace, Payment, Phase, Pool, PreviousStatuses, PriceLevel, ProviderEvent,
    ProviderEventAnswer, QueueingMethod, Receipt, Refusal, Released, Reply, ReplyBatch, Reseat,
    ReturnedPart, RoomMode, RoomOptions, RoomSettings, Row, Scan, Scanned, SeatIdx, SeatingPlan,
    Section, SellAllotted, SettlementLoad, ShardId, ShardState, Standby, StartPayment, Terms,
    TicketId, TransferAnswer, TransferTicket, UnixMillis, Verdict, VerdictKind, Want,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Whether bytes are read as a value.
type Reads = Box<dyn Fn(&[u8]) -> bool>;

/// A value with its name in the file.
struct Sample {
    name: &'static str,
    bytes: Vec<u8>,
    /// Whether bytes are read as the value.
    reads: Reads,
}

fn sample<T>(name: &'static str, value: T) -> Sample
where
    T: Serialize + DeserializeOwned + PartialEq + 'static,
{
    let bytes = encode(&value);
    let reads = move |golden: &[u8]| decode::<T>(golden).is_ok_and(|read| read == value);
    Sample { name, bytes, reads: Box::new(reads) }
}

/// One sample of each variant. The match is exhaustive: a variant without a sample does not
/// compile.
macro_rules! variants {
    ($of:ident: $($variant:ident => $value:expr),+ $(,)?) => {{
        fn name(value: &$of) -> &'static str {
            match value {
                $($of::$variant { .. } => concat!(stringify!($of), ".", stringify!($variant)),)+
            }
        }
        vec![$({
            let value = $value;
            sample(name(&value), value)
        }),+]
    }};
}

fn samples() -> Vec<Sample> {
    let bus = [envelopes(), commands(), outcomes(), refusals(), replies()];
    let rest = [catalogue(), rooms(), settles(), searches(), loads()];
    bus.into_iter().chain(rest).flatten().collect()
}

#[test]
fn the_bytes_of_every_message_and_record_are_frozen() {
    let golden: BTreeMap<&str, &str> = include_str!("golden.txt")
        .lines()
        .map(|line| line.split_once(' ').expect("a name and hex digits"))
        .collect();
    assert_eq!(golden.len(), include_str!("golden.txt").lines().count(), "a name has two lines");
    let samples = samples();
    let names: BTreeMap<&str, &Sample> =
        samples.iter().map(|sample| (sample.name, sample)).collect();
    assert_eq!(names.len(), samples.len(), "two samples have one name");
    let wrong: Vec<String> = samples
        .iter()
        .filter(|sample| golden.get(sample.name) != Some(&hex(&sample.bytes).as_str()))
        .map(|sample| format!("{} {}", sample.name, hex(&sample.bytes)))
        .collect();
    assert!(wrong.is_empty(), "new or changed bytes:\n{}", wrong.join("\n"));
    for (name, digits) in golden {
        let sample = names.get(name).unwrap_or_else(|| panic!("{name} is written no more"));
        assert!((sample.reads)(&unhex(digits)), "{name} is read as another value");
    }
}

/// A listing as it was written before it had channels and a limit of a request.
const LISTING_OF_BEFORE: &str = "019fa6455654303031a3702d31a44e616d65a556656e7565a4436974\
    79a843617465676f7279cf000001a3185c506fcf000001a3185c5070\
    a74f4e5f53414c459192aa4c6f77657220626f776c92cd1194a34555\
    5271ce0001bd5006c3ce0001c138";

/// A listing as it was written before it had terms.
const LISTING_WITHOUT_TERMS: &str = "01dc0011a6455654303031a3702d31a44e616d65a556656e7565a443\
    697479a843617465676f7279cf000001a3185c506fcf000001a3185c\
    5070a74f4e5f53414c459192aa4c6f77657220626f776c92cd1194a3\
    45555271ce0001bd5006c3ce0001c1389008";

#[test]
fn a_field_that_is_not_there_yet_has_its_default() {
    let read: EventListing = decode(&unhex(LISTING_OF_BEFORE)).unwrap();
    assert_eq!(read, EventListing { request_places_max: 10, ..listing() });
    let read: EventListing = decode(&unhex(LISTING_WITHOUT_TERMS)).unwrap();
    assert_eq!(read, listing());
}

#[test]
fn a_checksum_is_the_last_four_bytes() {
    let bytes = encode_checked(&batch());
    let (body, checksum) = bytes.split_last_chunk::<4>().unwrap();
    assert_eq!(body, encode(&batch()));
    assert_eq!(hex(checksum), "1f9ffba7");
    assert_eq!(decode_checked::<Batch>(&bytes).unwrap(), batch());
    assert!(matches!(decode_checked::<Batch>(body), Err(Error::Checksum)));
}

fn unhex(digits: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn event() -> EventId {
    "EVT001".parse().unwrap()
}

fn place() -> PassPlace {
    PassPlace { epoch: 11, number: 1_200 }
}

fn held() -> Held {
    Held {
        hold: HoldId(21),
        account: AccountId(22),
        owner: OwnerKind::Fan,
        seats: vec![
            HeldSeat { seat: SeatIdx(23), generation: 24, price_level: 1, price: 5_000 },
            HeldSeat { seat: SeatIdx(300), generation: 70_000, price_level: 2, price: -1 },
        ],
        areas: vec![HeldArea { area: AreaIdx(25), quantity: 26, price_level: 3, price: 4_000 }],
        currency: Currency::USD,
        deadline: Some(UnixMillis(1_800_000_000_027)),
        pass: Some(place()),
    }
}

fn payment(trace: Option<&str>) -> Payment {
    Payment {
        held: held(),
        attempt: 31,
        method: "CREDIT_CARD".into(),
        token: "tok_ok".into(),
        payment_deadline: UnixMillis(1_800_000_000_032),
        trace: trace.map(Into::into),
    }
}

fn outcome() -> Outcome {
    let asked = Asked { command: CommandId(41), fingerprint: 42, account: AccountId(43) };
    let (event, body) = (event(), OutcomeBody::SeatsHeld(held()));
    Outcome { asked: Some(asked), event, free_after: 44, body }
}

fn expiry() -> Outcome {
    let body = OutcomeBody::HoldReleased { hold: HoldId(45), why: Released::Expired };
    Outcome { asked: None, event: event(), free_after: 46, body }
}

fn batch() -> Batch {
    let outcomes = vec![outcome(), expiry()];
    let time = UnixMillis(1_800_000_000_053);
    Batch { epoch: 51, number: 52, time, outcomes, previous: 0 }
}

fn shard_state() -> ShardState {
    let phases = [Phase::Held, Phase::Paying, Phase::Sold, Phase::Blocked];
    let hold = |(attempt, phase)| LiveHold { phase, attempt, held: held() };
    let holds = (81..).zip(phases).map(hold).collect();
    let spent = vec![place()];
    let ended = EndedHold {
        hold: HoldId(85),
        event: event(),
        account: AccountId(86),
        currency: Currency::EUR,
        why: Released::Refunded,
        at: UnixMillis(1_800_000_000_087),
    };
    ShardState {
        applied: Applied { epoch: 88, number: 89, sequence: 90 },
        time: Some(UnixMillis(1_800_000_000_091)),
        ago: DurationMs(92),
        events: vec![EventState { event: event(), version: 93, free: 94, holds, spent }],
        ended: vec![ended],
    }
}

fn envelopes() -> Vec<Sample> {
    let body = CommandBody::ReleaseHold { hold: HoldId(61) };
    let command = Command {
        id: CommandId(62),
        fingerprint: 63,
        event: event(),
        account: AccountId(64),
        deadline: UnixMillis(1_800_000_000_065),
        reply_to: "rep.x".into(),
        trace: Some("00-trace-01".into()),
        body,
    };
    let unknown = Command { trace: None, reply_to: "".into(), ..command.clone() };
    let reply = Reply::Done { sequence: 66, replayed: true, outcome: Box::new(outcome()) };
    let replies = vec![(CommandId(67), reply), (CommandId(68), Reply::TooLate)];
    vec![
        sample("Command", command),
        sample("Command-nobody-waits", unknown),
        sample("Batch", batch()),
        sample("Batch-after-another", Batch { previous: 50, ..batch() }),
        sample("ReplyBatch", ReplyBatch { time: UnixMillis(1_800_000_000_069), replies }),
        sample("ShardState", shard_state()),
        sample("Applied", Applied { epoch: 54, number: 55, sequence: 56 }),
    ]
}

fn conditions(plain: &HoldSeats) -> Vec<Sample> {
    let both = PreviousStatuses { free: true, set_aside: true };
    let guarded = HoldSeats { condition: Some(Condition::Previous(both)), ..plain.clone() };
    let guarded_return = CommandBody::ReturnAllotted {
        seats: vec![SeatIdx(5)],
        areas: vec![],
        previous: Some(PreviousStatuses { set_aside: false, ..both }),
    };
    let friends = Condition::Channel("FRIENDS".into());
    let of_channel = HoldSeats { condition: Some(friends), ..plain.clone() };
    let swap_in_channel = CommandBody::SwapSeats {
        hold: HoldId(95),
        want: Want::Seats(vec![SeatIdx(6)]),
        channel: Some("FRIENDS".into()),
    };
    vec![
        sample("HoldSeats-guarded", CommandBody::HoldSeats(guarded)),
        sample("ReturnAllotted-guarded", guarded_return),
        sample("HoldSeats-channel", CommandBody::HoldSeats(of_channel)),
        sample("SwapSeats-channel", swap_in_channel),
    ]
}

fn commands() -> Vec<Sample> {
    let expires_at = UnixMillis(1_800_000_000_071);
    let pass = Pass { place: place(), expires_at, account: Some(AccountId(72)) };
    let best =
        BestAvailable { quantity: 4, section: Some(73), price_level: Some(5), accessible: true };
    let seats = vec![SeatIdx(5), SeatIdx(600)];
    let hold_seats = HoldSeats {
        want: Want::Seats(seats.clone()),
        owner: OwnerKind::Allotment,
        pass: Some(pass),
        condition: None,
    };
    let conditions = conditions(&hold_seats);
    let start = StartPayment { hold: HoldId(74), method: "SEPA".into(), token: "tok".into() };
    let verdict = Verdict { hold: HoldId(75), attempt: 76, kind: VerdictKind::Sold };
    let areas = vec![(AreaIdx(77), 78)];
    let returned = ReturnedPart { hold: HoldId(97), seats: seats.clone(), areas: areas.clone() };
    let mut samples = variants!(CommandBody:
        HoldSeats => CommandBody::HoldSeats(hold_seats),
        ReleaseHold => CommandBody::ReleaseHold { hold: HoldId(79) },
        StartPayment => CommandBody::StartPayment(start),
        RecordVerdict => CommandBody::RecordVerdict(verdict),
        ReturnAllotted => CommandBody::ReturnAllotted {
            seats: seats.clone(),
            areas: areas.clone(),
            previous: None,
        },
        ExtendHold => CommandBody::ExtendHold { hold: HoldId(80) },
        SwapSeats => CommandBody::SwapSeats {
            hold: HoldId(94),
            want: Want::Seats(seats.clone()),
            channel: None,
        },
        Reseat => CommandBody::Reseat(Reseat { paid: held(), before: HoldId(96) }),
        ReduceSale => CommandBody::ReduceSale { part: 98, places: returned },
        SellAllotted => CommandBody::SellAllotted(sold(&seats, &areas)),
    );
    samples.extend(conditions);
    samples.extend(variants!(Want:
        Seats => Want::Seats(seats),
        BestAvailable => Want::BestAvailable(best),
        Areas => Want::Areas(areas),
    ));
    samples.extend(variants!(OwnerKind:
        Fan => OwnerKind::Fan,
        Allotment => OwnerKind::Allotment,
        Kill => OwnerKind::Kill(KillReason::Sightline),
        PartnerSale => OwnerKind::PartnerSale,
    ));
    samples.extend(variants!(KillReason:
        Production => KillReason::Production,
        Sightline => KillReason::Sightline,
        Camera => KillReason::Camera,
        Safety => KillReason::Safety,
        Defect => KillReason::Defect,
        House => KillReason::House,
        Other => KillReason::Other,
    ));
    samples.extend(variants!(VerdictKind:
        Declined => VerdictKind::Declined,
        Cancelled => VerdictKind::Cancelled,
        Sold => VerdictKind::Sold,
        Refunded => VerdictKind::Refunded,
    ));
    samples
}

fn sold(seats: &[SeatIdx], areas: &[(AreaIdx, u32)]) -> SellAllotted {
    SellAllotted {
        seats: seats.to_vec(),
        areas: areas.to_vec(),
        previous: Some(PreviousStatuses { free: true, set_aside: false }),
        buyer: "ana".into(),
    }
}

fn outcomes() -> Vec<Sample> {
    let deadline = UnixMillis(1_800_000_000_083);
    let part =
        ReturnedPart { hold: HoldId(84), seats: vec![SeatIdx(85)], areas: vec![(AreaIdx(86), 87)] };
    let (returned, sold) = (part.clone(), part.clone());
    let mut samples = variants!(OutcomeBody:
        SeatsHeld => OutcomeBody::SeatsHeld(held()),
        HoldReleased => OutcomeBody::HoldReleased { hold: HoldId(81), why: Released::ByOwner },
        PaymentStarted => OutcomeBody::PaymentStarted(payment(Some("00-trace-01"))),
        PaymentAwaited => OutcomeBody::PaymentAwaited(payment(None)),
        PaymentDeclined => OutcomeBody::PaymentDeclined {
            hold: HoldId(82),
            attempt: 88,
            deadline,
        },
        SeatsSold => OutcomeBody::SeatsSold { hold: HoldId(89), pass: Some(place()) },
        AllotmentReduced => OutcomeBody::AllotmentReduced { parts: vec![part] },
        DeadlinesMoved => OutcomeBody::DeadlinesMoved { by: DurationMs(90_000) },
        Refused => OutcomeBody::Refused(Refusal::SoldOut),
        Unchanged => OutcomeBody::Unchanged { hold: HoldId(91) },
        HoldExtended => OutcomeBody::HoldExtended { hold: HoldId(90), deadline },
        SeatsSwapped => OutcomeBody::SeatsSwapped(held()),
        SeatsUnchanged => OutcomeBody::SeatsUnchanged,
        Reseated => OutcomeBody::Reseated(payment(None)),
        SaleReduced => OutcomeBody::SaleReduced { part: 99, places: returned },
        AllottedSold => OutcomeBody::AllottedSold { parts: vec![sold], payment: payment(None) },
    );
    samples.extend(variants!(Released:
        ByOwner => Released::ByOwner,
        Expired => Released::Expired,
        PaymentCancelled => Released::PaymentCancelled,
        Refunded => Released::Refunded,
    ));
    samples
}

fn refusals() -> Vec<Sample> {
    variants!(Refusal:
        SeatTaken => Refusal::SeatTaken { seats: vec![SeatIdx(7), SeatIdx(800)] },
        NotEnoughSeats => Refusal::NotEnoughSeats,
        SoldOut => Refusal::SoldOut,
        EventUnknown => Refusal::EventUnknown,
        SeatUnknown => Refusal::SeatUnknown,
        RequestInvalid => Refusal::RequestInvalid,
        NotOnSale => Refusal::NotOnSale,
        PassExpired => Refusal::PassExpired,
        PassForeign => Refusal::PassForeign,
        PassInUse => Refusal::PassInUse,
        PassSpent => Refusal::PassSpent,
        LimitExceeded => Refusal::LimitExceeded,
        HoldUnknown => Refusal::HoldUnknown,
        HoldEnded => Refusal::HoldEnded,
        PaymentInProgress => Refusal::PaymentInProgress,
        AlreadySold => Refusal::AlreadySold,
        NotAllotted => Refusal::NotAllotted,
        Full => Refusal::Full,
        HoldAtLimit => Refusal::HoldAtLimit,
        StatusNotAllowed => Refusal::StatusNotAllowed { seats: vec![SeatIdx(9), SeatIdx(900)] },
        ChannelRequired => Refusal::ChannelRequired { seats: vec![SeatIdx(9), SeatIdx(900)] },
    )
}

fn replies() -> Vec<Sample> {
    variants!(Reply:
        Done => Reply::Done { sequence: 92, replayed: false, outcome: Box::new(outcome()) },
        Mismatch => Reply::Mismatch { asked: 93 },
        TooLate => Reply::TooLate,
        Busy => Reply::Busy,
    )
}

fn plan() -> SeatingPlan {
    let row = Row {
        label: "12".into(),
        seat_count: 20,
        first_number: 101,
        price_level: 4,
        accessible: 0b11,
        x_cm: -102,
        y_cm: 1_030,
        step_x_cm: 55,
        step_y_cm: -6,
    };
    let area = Area { id: "FLOOR".into(), name: "Floor".into(), capacity: 104, price_level: 5 };
    SeatingPlan {
        id: "p-1".parse().unwrap(),
        sections: vec![Section { name: "A".into(), rows: vec![row] }],
        areas: vec![area],
        focal_x_cm: 105,
        focal_y_cm: -106,
        pools: Vec::new(),
    }
}

fn listing() -> EventListing {
    let level = PriceLevel { name: "Lower bowl".into(), price: Money::new(4_500, Currency::EUR) };
    EventListing {
        event: event(),
        plan: "p-1".parse().unwrap(),
        name: "Name".into(),
        venue: "Venue".into(),
        city: "City".into(),
        category: "Category".into(),
        starts_at: UnixMillis(1_800_000_000_111),
        sale_starts_at: UnixMillis(1_800_000_000_112),
        status: EventStatus::OnSale,
        price_levels: vec![level],
        places_total: 113,
        hold_ttl_ms: DurationMs(114_000),
        hold_life_max_ms: DurationMs(115_000),
        account_places_max: 6,
        waiting_room: true,
        channels: Vec::new(),
        request_places_max: 8,
        terms: Terms::default(),
    }
}

fn terms() -> Terms {
    Terms {
        fee_fixed: 171,
        fee_share: MilliPercent(17_200),
        fee_payer: FeePayer::Buyer,
        promoter: Some(AccountId(173)),
        taxes: vec![MilliPercent(7_000), MilliPercent(19_000)],
    }
}

fn pools() -> Vec<Pool> {
    vec![Pool { id: "SOUTH".into(), capacity: 165, areas: vec![AreaIdx(166), AreaIdx(0)] }]
}

fn channels() -> Vec<Channel> {
    let row = ChannelRow { section: 161, row: 162, seats: 1 << 63 | 0b11 };
    let channel = Channel {
        key: "FRIENDS".into(),
        name: "Friends of the house".into(),
        code_hash: [163; 32],
        ends_at: Some(UnixMillis(1_800_000_000_164)),
        rows: vec![row],
    };
    let open = Channel { key: "CARD".into(), ends_at: None, ..channel.clone() };
    vec![channel, open]
}

fn catalogue() -> Vec<Sample> {
    let settings = RoomSettings {
        mode: RoomMode::PreQueue,
        admission_rate_per_minute: 121,
        active_max: 122,
        claim_window_seconds: 123,
        pass_ttl_seconds: 124,
        adaptive: true,
        opens_at: Some(UnixMillis(1_800_000_000_125)),
        options: RoomOptions::default(),
    };
    let mut samples = vec![
        sample("SeatingPlan", plan()),
        sample("SeatingPlan-pools", SeatingPlan { pools: pools(), ..plan() }),
        sample("EventListing", listing()),
        sample("EventListing-channels", EventListing { channels: channels(), ..listing() }),
        sample("EventListing-terms", EventListing { terms: terms(), ..listing() }),
        sample("RoomSettings", settings.clone()),
        sample("RoomSettings-options", RoomSettings { options: options(), ..settings }),
    ];
    samples.extend(variants!(EventStatus:
        OnSale => EventStatus::OnSale,
        Cancelled => EventStatus::Cancelled,
    ));
    samples.extend(variants!(RoomMode:
        Off => RoomMode::Off,
        PreQueue => RoomMode::PreQueue,
        Open => RoomMode::Open,
        Hold => RoomMode::Hold,
        Drain => RoomMode::Drain,
        Closed => RoomMode::Closed,
        Standby => RoomMode::Standby,
    ));
    samples.extend(variants!(EnqueueKey:
        EdDsa => EnqueueKey::EdDsa { public: [131; 32] },
        Hs256 => EnqueueKey::Hs256 { secret: vec![132; 32] },
    ));
    samples.extend(variants!(QueueingMethod:
        Fifo => QueueingMethod::Fifo,
        Random => QueueingMethod::Random,
        Passthrough => QueueingMethod::Passthrough,
        Reject => QueueingMethod::Reject,
    ));
    samples
}

fn options() -> RoomOptions {
    RoomOptions {
        queueing_method: QueueingMethod::Passthrough,
        queue_all: true,
        standby: Standby {
            joins_per_second: 126,
            window_seconds: 127,
            min_activation_seconds: 128,
            empty_seconds: 129,
        },
        login_required: true,
        enqueue_token_required: false,
        enqueue_key: Some(EnqueueKey::EdDsa { public: [130; 32] }),
        prequeue_from: Some(UnixMillis(131)),
    }
}

fn release() -> Release {
    Release {
        epoch: 131,
        cursor_before: 132,
        cursor: 133,
        called: 134,
        at: UnixMillis(1_800_000_000_135),
        claim_until: UnixMillis(1_800_000_000_136),
        pass_until: UnixMillis(1_800_000_000_137),
        skipped: vec![(138, 139)],
        late: vec![140],
        clock: Some(MachineClock { boot: 141, uptime: DurationMs(142) }),
        pace: Some(143),
    }
}

fn records() -> Vec<Sample> {
    let draw = Draw {
        base: 143,
        last: 144,
        seed: [145; 32],
        at: UnixMillis(1_800_000_000_146),
        made_of: None,
    };
    variants!(AdmissionRecord:
        EpochStarted => AdmissionRecord::EpochStarted {
            epoch: 147,
            given_to: 148,
            number_floor: 149,
            redis_run_id: "run".into(),
            at: UnixMillis(1_800_000_000_150),
        },
        MarkRaised => AdmissionRecord::MarkRaised { epoch: 151, number_max: 152 },
        Released => AdmissionRecord::Released(release()),
        GatherStarted => AdmissionRecord::GatherStarted { given_to: 153, base: 154 },
        Drawn => AdmissionRecord::Drawn(draw),
        Left => AdmissionRecord::Left { epoch: 155, numbers: vec![156, 157] },
        NumbersSeen => AdmissionRecord::NumbersSeen { epoch: 158, given_to: 159 },
        DoubtEnded => AdmissionRecord::DoubtEnded { epoch: 160, given_to: 161 },
        GivingClosed => AdmissionRecord::GivingClosed { epoch: 162, given_to: 163 },
        Committed => AdmissionRecord::Committed {
            base: 164,
            nonce: [165; 32],
            commitment: [166; 32],
            needs_beacon: true,
            witnesses: Vec::new(),
        },
        CohortClosed => AdmissionRecord::CohortClosed { base: 167, last: 168 },
        Rooted => AdmissionRecord::Rooted { base: 169, root: [170; 32] },
        StandbyChanged => AdmissionRecord::StandbyChanged {
            is_armed: true,
            at: UnixMillis(1_800_000_000_171),
        },
        SeatsGone => AdmissionRecord::SeatsGone { at: UnixMillis(1_800_000_000_172) },
        Drained => AdmissionRecord::Drained {
            epoch: 173,
            cutoff: Some(174),
            at: UnixMillis(1_800_000_000_175),
        },
        ClaimsClosed => AdmissionRecord::ClaimsClosed {
            epoch: 176,
            number: 177,
            claimed: vec![(177, 178)],
        },
    )
}

fn rooms() -> Vec<Sample> {
    let status = RoomStatus {
        event: event(),
        mode: RoomMode::Open,
        epoch: 171,
        cursor: 172,
        number_last: 173,
        live_ahead: 174,
        rate_per_minute: 175,
        limited_by: LimitedBy::Rate,
        seats_remaining: SeatsBand::Few,
        called_last_minute: 176,
        active: 177,
        at: UnixMillis(1_800_000_000_178),
        tick: DurationMs(179),
        check_in_horizon: 180,
        life: RoomLife::default(),
    };
    let report = GivenReport { giver: 182, epoch: 183, given_to: 184 };
    let mut samples = records();
    let life = RoomLife { is_armed: true, hold: Some(HoldReason::Operator) };
    let told = RoomStatus { life, ..status.clone() };
    samples.extend([sample("RoomStatus", status), sample("RoomStatus-life", told)]);
    samples.push(sample("GivenReport", report));
    let given_back = PassGivenBack { number: 185, at: UnixMillis(186) };
    samples.push(sample("PassGivenBack", given_back));
    samples.extend(draws());
    samples.extend(variants!(LimitedBy:
        Nothing => LimitedBy::Nothing,
        Rate => LimitedBy::Rate,
        Active => LimitedBy::Active,
        Seats => LimitedBy::Seats,
        Allocator => LimitedBy::Allocator,
        Settlement => LimitedBy::Settlement,
        Mode => LimitedBy::Mode,
        Recovery => LimitedBy::Recovery,
    ));
    samples.extend(variants!(HoldReason:
        Operator => HoldReason::Operator,
        RedisAway => HoldReason::RedisAway,
        NewEpoch => HoldReason::NewEpoch,
        NumbersInDoubt => HoldReason::NumbersInDoubt,
        SalesUnknown => HoldReason::SalesUnknown,
        LeaderSilent => HoldReason::LeaderSilent,
    ));
    samples.extend(variants!(SeatsBand:
        Many => SeatsBand::Many,
        Some => SeatsBand::Some,
        Few => SeatsBand::Few,
        None => SeatsBand::None,
        Unknown => SeatsBand::Unknown,
    ));
    samples
}

fn draws() -> Vec<Sample> {
    let beacon = "a beacon".into();
    let witnesses = Vec::new();
    let made_of = DrawMadeOf { root: [194; 32], secret: [195; 32], beacon, witnesses };
    let (seed, at) = ([198; 32], UnixMillis(1_800_000_000_199));
    let draw = Draw { base: 196, last: 197, seed, at, made_of: Some(made_of.clone()) };
    let mut samples = vec![sample("Draw", draw)];
    let committed = AdmissionRecord::Committed {
        base: 201,
        nonce: [202; 32],
        commitment: [203; 32],
        needs_beacon: false,
        witnesses: vec![[204; 32], [205; 32]],
    };
    let made_of = DrawMadeOf { witnesses: vec![[206; 32], [207; 32]], ..made_of };
    let (commitments, secrets) = (vec![[208; 32]], vec![[209; 32]]);
    samples.extend([
        sample("AdmissionRecord.Committed.witnessed", committed),
        sample("DrawMadeOf.witnessed", made_of),
        sample("Witnesses", Witnesses { commitments, root: [210; 32], secrets }),
    ]);
    let given = vec![Beacon { root: [200; 32], value: "a value".into() }];
    samples.push(sample("Beacons", Beacons { required: true, given }));
    samples
}

fn settles() -> Vec<Sample> {
    let cancel = CancelBooking { order: OrderId(191), account: AccountId(192) };
    let ticket = TicketId { order: OrderId(194), line: 195 };
    let back = CancelTicket { ticket, account: AccountId(196) };
    let mut samples = vec![sample("CancelBooking", cancel), sample("CancelTicket", back)];
    samples.extend(variants!(CancelAnswer:
        Refunded => CancelAnswer::Refunded { sequence: 193 },
        Underway => CancelAnswer::Underway,
        NotConfirmed => CancelAnswer::NotConfirmed,
        UnderReview => CancelAnswer::UnderReview,
        CheckedIn => CancelAnswer::CheckedIn,
        Transferred => CancelAnswer::Transferred,
        Disputed => CancelAnswer::Disputed,
        Unknown => CancelAnswer::Unknown,
        Busy => CancelAnswer::Busy,
    ));
    samples.extend(at_entrances());
    let event = ProviderEvent {
        provider: "provider".into(),
        signature: "signature".into(),
        body: "body".to_owned(),
    };
    samples.push(sample("ProviderEvent", event));
    samples.extend(variants!(ProviderEventAnswer:
        Taken => ProviderEventAnswer::Taken,
        Known => ProviderEventAnswer::Known,
        Forged => ProviderEventAnswer::Forged,
        ProviderUnknown => ProviderEventAnswer::ProviderUnknown,
        Busy => ProviderEventAnswer::Busy,
    ));
    samples
}

fn at_entrances() -> Vec<Sample> {
    let ticket = TicketId { order: OrderId(231), line: 232 };
    let at = UnixMillis(1_800_000_000_233);
    let scan = Scan { id: [234; 16], code: "code".into(), at };
    let account = AccountId(235);
    let check_in = CheckIn { event: event(), entrance: "Gate".into(), account, scans: vec![scan] };
    let (seat, area) = (Some(SeatIdx(236)), Some(AreaIdx(237)));
    let scanned = Scanned { ticket: Some(ticket), seat, area, found: Found::Admitted };
    let (from, to) = (AccountId(238), AccountId(239));
    let transfer = TransferTicket { ticket, from, to, receipt: None };
    let mut kept = transfer.clone();
    kept.receipt = Some(Receipt { key: [7; 32], attempt: [8; 16], status: 200, body: "{}".into() });
    let mut samples = vec![
        sample("CheckIn", check_in),
        sample("TransferTicket", transfer),
        sample("TransferTicket.receipt", kept),
    ];
    samples.extend(variants!(CheckInAnswer:
        Scanned => CheckInAnswer::Scanned(vec![scanned.clone()]),
        Busy => CheckInAnswer::Busy,
    ));
    samples.extend(variants!(Found:
        Admitted => Found::Admitted,
        Duplicate => Found::Duplicate { at, entrance: "Gate".into() },
        Void => Found::Void,
        OtherEvent => Found::OtherEvent,
        Forged => Found::Forged,
    ));
    samples.extend(variants!(TransferAnswer:
        Transferred => TransferAnswer::Transferred,
        CheckedIn => TransferAnswer::CheckedIn,
        Void => TransferAnswer::Void,
        TooOften => TransferAnswer::TooOften,
        Unknown => TransferAnswer::Unknown,
        Busy => TransferAnswer::Busy,
    ));
    samples
}

fn loads() -> Vec<Sample> {
    let allocator = AllocatorLoad { shard: ShardId(2), pending: 221, reply_p99: DurationMs(222) };
    let settlement = SettlementLoad {
        instance: "instance".into(),
        orders: 223,
        orders_max: 224,
        commit_wait: DurationMs(225),
        provider_down: false,
    };
    let down = SettlementLoad { provider_down: true, ..settlement.clone() };
    vec![
        sample("AllocatorLoad", allocator),
        sample("SettlementLoad", settlement),
        sample("SettlementLoad::provider_down", down),
    ]
}

fn page() -> Page {
    let hit = Hit {
        event_id: event(),
        name: "Name".into(),
        venue: "Venue".into(),
        city: "City".into(),
        category: "Category".into(),
        starts_at: UnixMillis(1_800_000_000_201),
        price_min: Money::new(202, Currency::USD),
        seats_free: 203,
        seats_total: 204,
    };
    let counted = |value: &str, count| vec![FacetCount { value: value.into(), count }];
    let facets = Facets { city: counted("City", 205), category: counted("Category", 206) };
    Page { total: 207, hits: vec![hit], facets, took_ms: 208 }
}

fn searches() -> Vec<Sample> {
    let query = Query {
        text: "text".into(),
        city: Some("City".into()),
        category: Some("Category".into()),
        from: Some(UnixMillis(1_800_000_000_211)),
        to: Some(UnixMillis(1_800_000_000_212)),
        price_max: Some(213),
        available: true,
        sort: Sort::Price,
        page: 214,
        size: 55,
    };
    let names = Suggestions { names: vec!["Name".into(), "Another".into()] };
    let mut samples = vec![
        sample("Query", query),
        sample("Query-of-all", Query::default()),
        sample("Answer.Found-page", Answer::Found(page())),
        sample("SuggestQuery", SuggestQuery { text: "na".into(), size: 9 }),
        sample("Answer.Found-suggestions", Answer::Found(names)),
        sample("Answer.Refused", Answer::<Page>::Refused("too deep".into())),
    ];
    samples.extend(variants!(Sort:
        Relevance => Sort::Relevance,
        Date => Sort::Date,
        Price => Sort::Price,
    ));
    samples
}
