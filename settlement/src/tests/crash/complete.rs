//! Whether processes are killed at every call there is: read from the sources, so that who adds a
//! call hears of it here.

use crate::tests::stripe::killed;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Calls at which no process is killed, and why.
const ELSEWHERE: [(&str, &str); 11] = [
    ("act on sandbox payments", "within a provider's calls"),
    ("list sandbox payments", "within a provider's call"),
    ("list sandbox disputes", "within a provider's call"),
    ("give sandbox money back", "within a provider's call"),
    ("read orders on their way", "reads, to compare"),
    ("ask a replica", "reads, to compare"),
    ("begin a check of the ledger", "reads, for an operator"),
    ("read the ledger", "reads, for an operator"),
    ("list reviews", "reads, for an operator"),
    ("prepare the streams", "at the start, when nothing was taken"),
    ("read leases", "at the end, and leases end by themselves"),
];

/// Sources whose awaits are all within one call: of a provider, or of an operator's tool.
const WITHIN_CALLS: [&str; 6] =
    ["audit.rs", "books.rs", "error.rs", "ledger.rs", "sandbox.rs", "seats.rs"];

/// Awaits that leave the process for nothing: clocks, queues, switches, and futures made elsewhere.
const IN_MEMORY: [&str; 16] = [
    "all",
    "asked",
    "collect",
    "get",
    "join_all",
    "next",
    "pause",
    "recv_many",
    "sleep",
    "submit",
    "submit_all",
    "taken",
    "tell_every",
    "timeout",
    "traced",
    "yield_now",
];

/// Awaits in a block that is handed to a named call as a whole.
const IN_A_BLOCK: [&str; 5] = [
    "finish",
    "get_last_raw_message_by_subject",
    "get_or_create_consumer",
    "get_stream_no_info",
    "opening",
];

/// Awaits at the start, when nothing was taken.
const AT_THE_START: [&str; 3] = ["announce", "ensure_stream", "queue_subscribe"];

/// What clients of servers call theirs. One of these names is ours where it stands here with its
/// file, and so often.
const OF_CLIENTS: [&str; 12] = [
    "ack",
    "acquire",
    "begin",
    "commit",
    "execute",
    "fetch",
    "fetch_all",
    "fetch_one",
    "fetch_optional",
    "publish",
    "request",
    "send",
];
const OURS: [(&str, &str, usize); 5] = [
    ("cancel.rs", "begin", 2),
    ("reconcile.rs", "begin", 1),
    ("store.rs", "commit", 3),
    ("stripe.rs", "fetch", 5),
    ("verdict.rs", "send", 1),
];

/// The sources of the stage without tests and comments, by their names.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            if name.starts_with("test") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            sources.insert(name, lines.collect::<Vec<_>>().join("\n"));
        }
    }
    sources
}

/// The names that calls are given in a source: the texts behind `in_time(`, `outside(` and so on.
fn names(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for call in [
        "in_time(",
        "outside(",
        "name: ",
        "Call::read(what, ",
        "within(AUDIT_WAIT, ",
        "within(LEDGER_WAIT, ",
        "within(wait, ",
        "let what = ",
        "(what, shard) = (",
    ] {
        for (at, _) in text.match_indices(call) {
            let behind = text[at + call.len()..].trim_start();
            if let Some(rest) = behind.strip_prefix('"') {
                names.insert(rest.split_once('"').unwrap().0.to_owned());
            }
        }
    }
    names
}

/// The name of what is awaited, for each `.await`.
fn awaited(text: &str) -> Vec<String> {
    let before = |(at, _)| -> String {
        let mut left = text[..at].trim_end();
        let mut depth = 0;
        while left.ends_with(')') || 0 < depth {
            depth += i32::from(left.ends_with(')'));
            depth -= i32::from(left.ends_with('('));
            left = &left[..left.len() - left.chars().next_back().unwrap().len_utf8()];
            if depth == 0 {
                break;
            }
        }
        if left.ends_with('>') {
            left = &left[..left.rfind("::<").unwrap()];
        }
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        left[left.trim_end_matches(is_name).len()..].to_owned()
    };
    text.match_indices(".await").map(before).collect()
}

#[test]
fn a_process_is_killed_at_every_call_there_is() {
    let sources = sources();
    let mut there: BTreeSet<String> = sources.values().flat_map(|text| names(text)).collect();
    let asked =
        ["fetch", "authorise", "capture", "cancel", "refund", "give back", "list", "list disputes"];
    there.extend(asked.map(str::to_owned));
    let killed = [
        &super::TO_TICKETS[..],
        &super::FROM_TICKETS,
        &super::TAKEN_OVER,
        &[super::IN_WORK, super::UNHEARD, super::DECLINED, super::DECLINED_ENDED],
        &super::FORGOTTEN,
        &super::GIVEN_UP.map(|(what, _)| what),
        &super::REFUNDED,
        &super::PAID_BACK_ALONE,
        &super::FOUND,
        &super::DISPUTED,
        &[super::FOUND_UNTAKEN, super::GIVEN_BEFORE, super::REFUSED],
        &super::RESEATED,
        &super::TOLD,
        &super::TOLD_OTHERWISE,
        &super::GIVEN,
        &super::SCANNED,
        &super::beside::COMPARED,
        &super::beside::REVIEWED,
        &killed::CHARGED,
        &killed::CLOSED,
        &killed::REFUNDED.map(|(what, _)| what),
        &killed::TOLD,
        &killed::LISTED,
        &killed::UNTOLD,
        &ELSEWHERE.map(|(what, _)| what),
    ];
    let killed: BTreeSet<String> = killed.concat().into_iter().map(str::to_owned).collect();
    let missing: Vec<&String> = there.difference(&killed).collect();
    assert!(missing.is_empty(), "add them to a table of crash.rs: {missing:?}");
    let gone: Vec<&String> = killed.difference(&there).collect();
    assert!(gone.is_empty(), "the sources have no such calls: {gone:?}");
}

#[test]
fn every_await_is_in_a_named_call_or_leaves_the_process_for_nothing() {
    let sources = sources();
    let is_there = |within: &&str| sources.keys().any(|file| file.starts_with(*within));
    assert!(WITHIN_CALLS.iter().all(is_there), "a source of {WITHIN_CALLS:?} is gone");
    let is_whole = |file: &str| !WITHIN_CALLS.iter().any(|within| file.starts_with(within));
    let ours: BTreeSet<&str> = sources
        .values()
        .flat_map(|text| text.split("async fn ").skip(1))
        .map(|rest| rest.split(['(', '<']).next().unwrap())
        .collect();
    let known = [&IN_MEMORY[..], &IN_A_BLOCK, &AT_THE_START, &["outside"]].concat();
    let mut of_clients: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let mut awaits = 0;
    for (file, text) in sources.iter().filter(|(file, _)| is_whole(file)) {
        for name in awaited(text) {
            awaits += 1;
            if OF_CLIENTS.contains(&name.as_str()) {
                *of_clients.entry((file.as_str(), name)).or_default() += 1;
                continue;
            }
            let is_known = ours.contains(name.as_str()) || known.contains(&name.as_str());
            assert!(is_known, "{file} awaits `{name}`: wait for it in `outside`");
        }
    }
    assert!(100 < awaits, "{awaits} are all that were read");
    let ours: BTreeMap<(&str, String), usize> =
        OURS.iter().map(|&(file, name, count)| ((file, name.to_owned()), count)).collect();
    assert_eq!(of_clients, ours, "wait for clients in `outside`");
}

#[test]
fn what_is_awaited_is_read_from_any_spelling() {
    let text = "a(b).await; x.y\n  .z(c(d), \"e\")\n  .await?; f.g::<H<I>>(j).await; k.await";
    assert_eq!(awaited(text), ["a", "z", "g", "k"]);
}
