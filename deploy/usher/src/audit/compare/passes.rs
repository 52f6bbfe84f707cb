//! LINE-4: who has used which place of a waiting room, and whether it is spent.

use crate::audit::journal::EventBooks;
use allocator::PassUse;
use schema::{EventId, InvariantId, PassPlace};
use std::collections::{BTreeMap, BTreeSet};

pub fn differences(
    event: &EventId,
    place: &str,
    books: &EventBooks,
    passes: &[(PassPlace, PassUse)],
) -> Vec<String> {
    let known: BTreeMap<PassPlace, PassUse> = passes.iter().copied().collect();
    let named: BTreeSet<&PassPlace> = known.keys().chain(books.passes.keys()).collect();
    let differing = named.into_iter().filter(|pass| known.get(pass) != books.passes.get(pass));
    let line = |pass: &PassPlace| {
        let (theirs, journal) = (show(known.get(pass)), show(books.passes.get(pass)));
        let PassPlace { epoch, number } = pass;
        let what =
            format!("pass {epoch}.{number} is {theirs} {place} and {journal} in the journal");
        format!("{} {event}: {what}", InvariantId::Line4)
    };
    differing.map(line).collect()
}

fn show(used: Option<&PassUse>) -> String {
    let Some(PassUse { account, hold, spent }) = used else { return "nobody's".to_owned() };
    let hold = hold.map_or_else(|| "no hold".to_owned(), |hold| hold.to_string());
    let spent = if *spent { "spent" } else { "not spent" };
    format!("{account}'s ({hold}, {spent})")
}
