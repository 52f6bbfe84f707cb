//! Scripts: what a shard decides, line by line.
//!
//! A line is `who asks what => answer`; `at T` moves the clock to second T and ticks, `late tick
//! T` moves the clock only. After each line a follower that applies the outcomes, and a shard
//! restored from its snapshot, must equal the owner.

mod channels;
mod digests;
mod guards;
mod model;
mod parts;
mod pools;
mod reseats;
mod scripts;
mod sells;
mod swaps;
mod world;

use crate::Tally;
use crate::shard::Decision;
use schema::{
    AreaIdx, BestAvailable, Command, CommandBody, Condition, DurationMs, Held, HoldId, HoldSeats,
    Outcome, OutcomeBody, OwnerKind, Pass, PassPlace, PreviousStatuses, ReturnedPart, StartPayment,
    UnixMillis, Verdict, VerdictKind, Want,
};
use schema::{CommandId, SeatIdx};
use std::collections::BTreeMap;
use std::fmt::Write;
use world::World;

/// The holds of a script by their labels.
type Labels = BTreeMap<String, HoldId>;

pub(crate) fn check(script: &str) {
    check_in(World::new(world::small_limits()), script);
}

fn check_in(mut world: World, script: &str) {
    let mut labels = Labels::new();
    let mut last: Option<Command> = None;
    for (number, line) in (1_u32..).zip(script.lines().map(str::trim)) {
        let (ask, expected) = line.split_once("=>").expect("a line is `ask => answer`");
        let words: Vec<&str> = ask.split_whitespace().collect();
        let answer = match words[..] {
            ["at", seconds] => {
                world.now = UnixMillis(seconds.parse::<u64>().unwrap() * 1_000);
                show_all(&world.tick(), &labels)
            }
            ["late", "tick", seconds] => {
                world.now = UnixMillis(seconds.parse::<u64>().unwrap() * 1_000);
                "nothing yet".to_owned()
            }
            ["resume", seconds, "after", outage] => {
                world.now = UnixMillis(seconds.parse::<u64>().unwrap() * 1_000);
                let by = DurationMs(outage.parse::<u64>().unwrap() * 1_000);
                format!("{} events moved", world.resume(by))
            }
            ["counts"] => world.counts(),
            ["tally"] => {
                let Tally { singles_stranded, parties_split, .. } = world.owner.take_tally();
                format!("{singles_stranded} stranded {parties_split} split")
            }
            ["again"] => show(&world.decide(last.as_ref().unwrap()), &labels),
            ["again", "differently"] => {
                let mut command = last.clone().unwrap();
                command.fingerprint += 1;
                show(&world.decide(&command), &labels)
            }
            ["channel", key, "keeps", ..] => {
                let seats: Vec<u32> =
                    words[3..].iter().map_while(|word| word.parse().ok()).collect();
                let until = behind::<u64>(&words, "until");
                world.keep(&[(
                    key,
                    seats.as_slice(),
                    until.map(|seconds| UnixMillis(seconds * 1_000)),
                )]);
                "kept".to_owned()
            }
            ["no", "channel"] => {
                world.keep(&[]);
                "nothing kept".to_owned()
            }
            ["cancelled"] => world.cancel_event(),
            _ => {
                let command = parse(&words, number, &world, &labels);
                let decision = world.decide(&command);
                if let (Some(held), true) = (held_by(&decision), words[1].ends_with('s')) {
                    labels.insert(words[2].to_owned(), held);
                }
                last = Some(command);
                show(&decision, &labels)
            }
        };
        assert_eq!(answer, expected.trim(), "line {number}: {line}");
    }
}

fn held_by(decision: &Decision) -> Option<HoldId> {
    match decision {
        Decision::Fresh(Outcome { body: OutcomeBody::SeatsHeld(held), .. }) => Some(held.hold),
        Decision::Fresh(Outcome {
            body: OutcomeBody::Reseated(payment) | OutcomeBody::AllottedSold { payment, .. },
            ..
        }) => Some(payment.held.hold),
        _ => None,
    }
}

fn parse(words: &[&str], number: u32, world: &World, labels: &Labels) -> Command {
    let label = |at: usize| labels.get(words[at]).copied().unwrap_or(HoldId(7));
    let owner = |verb: &str| match verb {
        "holds" => OwnerKind::Fan,
        "allots" => OwnerKind::Allotment,
        _ => OwnerKind::Kill(schema::KillReason::Other),
    };
    let body = match (words[0], words[1]) {
        (_, verb @ ("holds" | "allots" | "kills")) => CommandBody::HoldSeats(HoldSeats {
            want: want(&words[3..]),
            owner: owner(verb),
            pass: pass(words),
            condition: condition(words),
        }),
        (_, "reseats") => reseats::ask(words, number, world, labels),
        (_, "sells") => sells::ask(words),
        (_, "reduces") => {
            let (seats, areas) = match want(&words[4..]) {
                Want::Areas(areas) => (vec![], areas),
                Want::Seats(seats) => (seats, vec![]),
                Want::BestAvailable(_) => panic!("nothing best goes back"),
            };
            let places = ReturnedPart { hold: label(2), seats, areas };
            CommandBody::ReduceSale { part: words[3].parse().unwrap(), places }
        }
        (_, "releases") => CommandBody::ReleaseHold { hold: label(2) },
        (_, "extends") => CommandBody::ExtendHold { hold: label(2) },
        (_, "swaps") => CommandBody::SwapSeats {
            hold: label(2),
            want: want(&words[3..]),
            channel: behind::<String>(words, "code").map(Into::into),
        },
        (_, "pays") => CommandBody::StartPayment(StartPayment {
            hold: label(2),
            method: "CREDIT_CARD".into(),
            token: "tok_ok".into(),
        }),
        (_, "verdict") => CommandBody::RecordVerdict(Verdict {
            hold: label(2),
            kind: match words[3] {
                "declined" => VerdictKind::Declined,
                "cancelled" => VerdictKind::Cancelled,
                "sold" => VerdictKind::Sold,
                _ => VerdictKind::Refunded,
            },
            attempt: words[4].parse().unwrap(),
        }),
        (_, "returns") => match want(&words[2..]) {
            Want::Areas(areas) => {
                let previous = previous(words);
                CommandBody::ReturnAllotted { seats: vec![], areas, previous }
            }
            Want::Seats(seats) => {
                let previous = previous(words);
                CommandBody::ReturnAllotted { seats, areas: vec![], previous }
            }
            Want::BestAvailable(_) => panic!("nothing best is returned"),
        },
        _ => panic!("no such line: {words:?}"),
    };
    let late = words.contains(&"late");
    let mut command = world.command(CommandId(u128::from(number)), words[0], body);
    command.deadline = if late { UnixMillis(world.now.0 - 1) } else { command.deadline };
    command.trace = behind::<String>(words, "traced").map(Into::into);
    if words.contains(&"elsewhere") {
        command.event = "OTHER".parse().unwrap();
    }
    command
}

/// The number behind a word.
fn behind<T: std::str::FromStr>(words: &[&str], word: &str) -> Option<T> {
    let at = words.iter().position(|&found| found == word)?;
    words.get(at + 1)?.parse().ok()
}

fn want(words: &[&str]) -> Want {
    if let Some(quantity) = behind(words, "best") {
        return Want::BestAvailable(BestAvailable {
            quantity,
            section: behind(words, "section"),
            price_level: behind(words, "level"),
            accessible: words.contains(&"accessible"),
        });
    }
    let numbers =
        |words: &[&str]| -> Vec<u32> { words.iter().map_while(|word| word.parse().ok()).collect() };
    if words.first() == Some(&"area") {
        let area = |pair: &[u32]| (AreaIdx(u16::try_from(pair[0]).unwrap()), pair[1]);
        return Want::Areas(numbers(&words[1..]).chunks(2).map(area).collect());
    }
    if let ["seats", "0", "to", last, ..] = words {
        return Want::Seats((0..=last.parse().unwrap()).map(SeatIdx).collect());
    }
    Want::Seats(numbers(words).into_iter().map(SeatIdx).collect())
}

fn pass(words: &[&str]) -> Option<Pass> {
    let number = behind(words, "pass")?;
    let expires_at = UnixMillis(behind::<u64>(words, "expires").unwrap_or(100_000) * 1_000);
    let owner =
        words.iter().position(|&word| word == "for").map(|at| world::account(words[at + 1]));
    Some(Pass { place: PassPlace { epoch: 1, number }, expires_at, account: owner })
}

/// `among free own`: the statuses in which seats may be found.
fn condition(words: &[&str]) -> Option<Condition> {
    let channel = behind::<String>(words, "code").map(|key| Condition::Channel(key.into()));
    previous(words).map(Condition::Previous).or(channel)
}

fn previous(words: &[&str]) -> Option<PreviousStatuses> {
    let at = words.iter().position(|&word| word == "among")?;
    let has = |status| words[at..].contains(&status);
    Some(PreviousStatuses { free: has("free"), set_aside: has("own") })
}

fn show(decision: &Decision, labels: &Labels) -> String {
    match decision {
        Decision::Fresh(outcome) => show_all(std::slice::from_ref(outcome), labels),
        Decision::Known(outcome) => {
            format!("known {}", show_all(std::slice::from_ref(outcome), labels))
        }
        other => format!("{other:?}"),
    }
}

fn show_all(outcomes: &[Outcome], labels: &Labels) -> String {
    let shown: Vec<String> =
        outcomes.iter().map(|outcome| show_body(&outcome.body, labels)).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

fn show_body(body: &OutcomeBody, labels: &Labels) -> String {
    let name = |hold: &HoldId| {
        let label = labels.iter().find(|(_, known)| *known == hold);
        label.map_or("?", |(label, _)| label.as_str()).to_owned()
    };
    let seconds = |at: UnixMillis| at.0 / 1_000;
    match body {
        OutcomeBody::SeatsHeld(held) => format!("held{}", show_places(held)),
        OutcomeBody::SeatsSwapped(held) => {
            format!("{} has{}", name(&held.hold), show_places(held))
        }
        OutcomeBody::Reseated(payment) => format!("reseated{}", show_places(&payment.held)),
        OutcomeBody::HoldReleased { hold, why } => format!("{} {why:?}", name(hold)),
        OutcomeBody::PaymentStarted(payment) => {
            let end = seconds(payment.payment_deadline);
            let trace = payment.trace.as_ref().map(|trace| format!(" traced {trace}"));
            let (hold, trace) = (name(&payment.held.hold), trace.unwrap_or_default());
            format!("{hold} paying {} until {end}{trace}", payment.attempt)
        }
        OutcomeBody::PaymentAwaited(payment) => {
            format!("{} awaited {}", name(&payment.held.hold), payment.attempt)
        }
        OutcomeBody::PaymentDeclined { hold, attempt, deadline } => {
            format!("{} declined {attempt} until {}", name(hold), seconds(*deadline))
        }
        OutcomeBody::HoldExtended { hold, deadline } => {
            format!("{} extended until {}", name(hold), seconds(*deadline))
        }
        OutcomeBody::SeatsSold { hold, .. } => format!("{} sold", name(hold)),
        OutcomeBody::AllotmentReduced { parts } => {
            let shown = |part: &ReturnedPart| {
                format!("{} reduced by {}", name(&part.hold), show_part(part))
            };
            parts.iter().map(shown).collect::<Vec<_>>().join(" and ")
        }
        OutcomeBody::AllottedSold { parts, payment } => {
            let from =
                |part: &ReturnedPart| format!(" {} of {}", show_part(part), name(&part.hold));
            let from: Vec<_> = parts.iter().map(from).collect();
            format!("sells{} from{}", show_places(&payment.held), from.join(" and"))
        }
        OutcomeBody::SaleReduced { part, places } => {
            format!("{} loses {} by part {part}", name(&places.hold), show_part(places))
        }
        OutcomeBody::Refused(schema::Refusal::SeatTaken { seats }) => {
            let seats: Vec<_> = seats.iter().map(|seat| seat.0.to_string()).collect();
            format!("taken {}", seats.join(" "))
        }
        OutcomeBody::Refused(schema::Refusal::StatusNotAllowed { seats }) => {
            let seats: Vec<_> = seats.iter().map(|seat| seat.0.to_string()).collect();
            format!("not allowed {}", seats.join(" "))
        }
        OutcomeBody::Refused(schema::Refusal::ChannelRequired { seats }) => {
            let seats: Vec<_> = seats.iter().map(|seat| seat.0.to_string()).collect();
            format!("needs a code {}", seats.join(" "))
        }
        OutcomeBody::Refused(refusal) => format!("{refusal:?}"),
        OutcomeBody::Unchanged { .. } => "unchanged".to_owned(),
        OutcomeBody::SeatsUnchanged => "all so".to_owned(),
        OutcomeBody::DeadlinesMoved { by } => format!("moved by {}", by.0 / 1_000),
    }
}

fn show_part(part: &ReturnedPart) -> String {
    let seats = part.seats.iter().map(|seat| seat.0.to_string());
    let areas = part.areas.iter().map(|(area, count)| format!("{}x{count}", area.0));
    seats.chain(areas).collect::<Vec<_>>().join(" ")
}

fn show_places(held: &Held) -> String {
    let mut text = String::new();
    held.seats.iter().for_each(|seat| write!(text, " {}", seat.seat.0).unwrap());
    for area in &held.areas {
        write!(text, " {}x{}", area.area.0, area.quantity).unwrap();
    }
    if let Some(deadline) = held.deadline {
        write!(text, " until {}", deadline.0 / 1_000).unwrap();
    }
    text
}
