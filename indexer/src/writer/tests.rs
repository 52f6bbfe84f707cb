//! What survives a restart, and what makes the index anew.

use schema::search::{Answer, Query};
use schema::{Applied, EventId, ShardId, Shards};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Fed;
use crate::Error;
use crate::fixture::{Bench, batch, listing, no_targets, origins};
use crate::record::Record;
use crate::writer::Writer;

const ALPHA: &str = "A | Alpha | Hall | Oslo | Rock | 1 | 100 | 10";
const BETA: &str = "B | Beta | Hall | Rome | Rock | 2 | 200 | 20";

/// All documents, by event.
fn documents(bench: &Bench) -> Vec<Record> {
    let mut records = bench.writer.store.records().expect("reads");
    records.sort_by(|one, other| one.event.cmp(&other.event));
    records
}

fn feed_some(bench: &mut Bench) {
    bench.list(listing(ALPHA));
    bench.list(listing(BETA));
    bench.journal(&[("A", 7), ("B", 19), ("A", 6)]);
    bench.journal(&[("C", 3)]);
}

fn total(bench: &Bench) -> u64 {
    let query = Query { size: 10, ..Query::default() };
    let deadline = Instant::now() + Duration::from_mins(1);
    match bench.searches().search(&query, deadline).expect("searches") {
        Answer::Found(page) => page.total,
        Answer::Refused(why) => panic!("refused: {why}"),
    }
}

#[test]
fn a_restart_goes_on_from_the_commit_without_reading_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    feed_some(&mut bench);
    bench.writer.commit().expect("commits");
    let (committed, stored) = (bench.writer.positions.clone(), documents(&bench));
    // What comes after the commit is lost with the process, position and all.
    bench.journal(&[("A", 0)]);
    drop(bench);

    let mut bench = Bench::open(folder.path());
    assert_eq!(bench.writer.positions, committed);
    assert_eq!(documents(&bench), stored);
    assert_eq!(total(&bench), 2);
    assert_eq!((committed.catalog, committed.journals[0].read), (2, 2));
    // The memory was restored too: a listing alone keeps the free places that the journal told.
    let mut later = listing(ALPHA);
    later.name = "Alpha II".into();
    bench.list(later);
    bench.writer.commit().expect("commits");
    assert_eq!(documents(&bench)[0].free, Some(6));
}

#[test]
fn an_index_made_anew_equals_the_old_one() {
    let (folder, other) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    let mut grown = Bench::open(folder.path());
    feed_some(&mut grown);
    grown.writer.commit().expect("commits");
    for free in (0..6).rev() {
        grown.journal(&[("A", free), ("B", free + 10)]);
        grown.writer.commit().expect("commits");
    }
    let mut made = Bench::open(other.path());
    feed_some(&mut made);
    for free in (0..6).rev() {
        made.journal(&[("A", free), ("B", free + 10)]);
    }
    made.writer.commit().expect("commits");
    assert_eq!(documents(&grown), documents(&made));
    assert_eq!(grown.writer.positions, made.writer.positions);
    let query = Query { text: "alpa".into(), size: 10, ..Query::default() };
    let deadline = Instant::now() + Duration::from_mins(1);
    let found = |bench: &Bench| match bench.searches().search(&query, deadline).expect("finds") {
        Answer::Found(page) => (page.total, page.hits, page.facets),
        Answer::Refused(why) => panic!("refused: {why}"),
    };
    assert_eq!(found(&grown), found(&made));
}

#[test]
fn messages_that_come_again_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    feed_some(&mut bench);
    bench.writer.commit().expect("commits");
    let (positions, stored) = (bench.writer.positions.clone(), documents(&bench));
    let old = Fed::Journal {
        shard: ShardId(0),
        sequence: 1,
        batch: Some(batch(1, 1, &[("A", 7), ("B", 19), ("A", 9)])),
    };
    bench.writer.apply(old).expect("skips");
    let old = Fed::Catalog { sequence: 1, listing: Some(Box::new(listing(ALPHA))) };
    bench.writer.apply(old).expect("applies");
    bench.writer.commit().expect("commits");
    assert_eq!(bench.writer.positions, positions);
    assert_eq!(documents(&bench), stored);
}

#[test]
fn a_missing_batch_stops_the_writer_and_a_state_stands_for_a_trimmed_beginning() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let (shard, applied) = (ShardId(1), Applied { epoch: 30, number: 6, sequence: 40 });
    let frees = vec![("A".parse().expect("an id"), 6)];
    bench.writer.apply(Fed::State { shard, applied, frees }).expect("it is taken");
    assert_eq!(bench.writer.positions.journals[1].read, 40);
    let mut feed = |sequence, epoch, number| {
        let batch = Some(batch(epoch, number, &[("A", 5)]));
        bench.writer.apply(Fed::Journal { shard: ShardId(1), sequence, batch })
    };
    feed(41, 30, 7).expect("the journal begins here");
    feed(41, 30, 7).expect("a repetition is skipped");
    feed(42, 30, 8).expect("the next one");
    feed(44, 43, 1).expect("a new epoch");
    let gap = feed(46, 43, 3).expect_err("number 2 is missing");
    assert!(matches!(gap, Error::Gap { expected: 2, found: 3, .. }), "{gap:?}");
    assert!(gap.is_cured_by_rebuild());
}

/// Breaks a stored index in one way, and expects an empty one in its place.
fn check_made_anew(how: &str, breakage: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    feed_some(&mut bench);
    bench.writer.commit().expect("commits");
    drop(bench);
    breakage(&folder.path().join("index"));
    let mut bench = Bench::open(folder.path());
    assert_eq!(documents(&bench), [], "{how}");
    assert_eq!(bench.writer.positions.catalog, 0, "{how}");
    feed_some(&mut bench);
    bench.writer.commit().expect("commits");
    assert_eq!(documents(&bench).len(), 3, "{how}");
}

fn each_file(dir: &Path, extension: &str, change: impl Fn(&Path)) {
    let entries = fs::read_dir(dir).expect("a folder");
    let paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    let chosen: Vec<_> =
        paths.iter().filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    assert!(!chosen.is_empty(), "no .{extension} in {paths:?}");
    for path in chosen {
        change(path);
    }
}

#[test]
fn a_damaged_or_foreign_index_is_made_anew() {
    check_made_anew("deleted", |dir| fs::remove_dir_all(dir).expect("deletes"));
    check_made_anew("empty", |dir| {
        fs::remove_dir_all(dir).expect("deletes");
        fs::create_dir(dir).expect("makes");
    });
    check_made_anew("a file is missing", |dir| {
        each_file(dir, "store", |path| fs::remove_file(path).expect("deletes"));
    });
    check_made_anew("a file is cut", |dir| {
        each_file(dir, "term", |path| fs::write(path, b"cut").expect("writes"));
    });
    check_made_anew("a bit is flipped", |dir| {
        each_file(dir, "store", |path| {
            let mut bytes = fs::read(path).expect("reads");
            bytes[1] ^= 4;
            fs::remove_file(path).expect("deletes");
            fs::write(path, bytes).expect("writes");
        });
    });
    let change_meta = |from: &'static str, to: &'static str| {
        move |dir: &Path| {
            let path = dir.join("meta.json");
            let meta = fs::read_to_string(&path).expect("reads");
            assert!(meta.contains(from), "{from} is not in {meta}");
            fs::write(path, meta.replace(from, to)).expect("writes");
        }
    };
    check_made_anew("no json", change_meta("{", "<"));
    check_made_anew("another format", change_meta("\\\"format\\\":1", "\\\"format\\\":0"));
    check_made_anew("other fields", change_meta("\"seats_free\"", "\"seats_left\""));
    check_made_anew("other streams", change_meta("journal 2", "journal 2 made anew"));
}

#[test]
fn another_incarnation_of_the_catalogue_makes_the_index_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open_of(folder.path(), "made on Monday");
    feed_some(&mut bench);
    bench.writer.commit().expect("commits");
    drop(bench);
    assert_eq!(total(&Bench::open_of(folder.path(), "made on Monday")), 2);
    assert_eq!(total(&Bench::open_of(folder.path(), "made on Tuesday")), 0);
}

#[test]
fn the_writer_has_caught_up_when_a_commit_covers_every_stream() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut targets = no_targets();
    targets.catalog = 2;
    targets.journals[3] = 1;
    let open = |targets| Writer::open(folder.path(), Shards::default(), &origins("c"), targets);
    let mut writer = open(targets.clone()).expect("opens");
    let caught_up = writer.caught_up();
    writer.apply(Fed::Catalog { sequence: 2, listing: None }).expect("applies");
    writer.commit().expect("commits");
    assert!(!*caught_up.borrow());
    writer.apply(Fed::Journal { shard: ShardId(3), sequence: 1, batch: None }).expect("applies");
    assert!(!*caught_up.borrow(), "applied is not yet committed");
    writer.commit().expect("commits");
    assert!(*caught_up.borrow());
    drop(writer);
    let writer = open(targets).expect("opens");
    assert!(*writer.caught_up().borrow(), "a restart knows it from the payload");
}

#[test]
fn two_thousand_events_are_indexed_and_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    for number in 0..2_000 {
        let (city, at, price) = (number % 30, number % 200, 1_000 + number % 50);
        bench.list(listing(&format!(
            "E{number} | Game {number} of season | Park {city} | City {city} | Baseball | {at} | \
             {price} | 40000"
        )));
    }
    bench.writer.commit().expect("commits");
    assert_eq!(total(&bench), 2_000);
    let ids: Vec<EventId> = documents(&bench).into_iter().map(|record| record.event).collect();
    assert_eq!(ids.len(), 2_000);
}

#[test]
fn a_state_frees_the_events_of_its_shard_that_it_does_not_name_and_no_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let shards = Shards::default();
    let of_first = |yes: bool| move |event: &EventId| (shards.of(event) == ShardId(0)) == yes;
    let events = || (0..100).map(|number| format!("E{number}").parse::<EventId>().expect("valid"));
    let mine: Vec<EventId> = events().filter(of_first(true)).take(2).collect();
    let other = events().find(of_first(false)).expect("there are four shards");
    let all = [&mine[0], &mine[1], &other];
    for event in all {
        bench.list(listing(&format!("{event} | Alpha | Hall | Oslo | Rock | 1 | 100 | 10")));
    }
    bench.journal(&all.map(|event| (event.as_str(), 4)));
    let applied = Applied { sequence: 90, ..Applied::default() };
    let frees = vec![(mine[1].clone(), 7)];
    bench.writer.apply(Fed::State { shard: ShardId(0), applied, frees }).expect("applies");
    bench.writer.commit().expect("commits");
    let frees: BTreeMap<EventId, Option<u32>> =
        documents(&bench).into_iter().map(|record| (record.event, record.free)).collect();
    assert_eq!(all.map(|event| frees[event]), [None, Some(7), Some(4)]);
}
