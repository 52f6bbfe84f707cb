//! Scripts: listings and free places, then questions with their answers.

use schema::search::{Answer, HIT_DEPTH_MAX, Page, Query, Sort, SuggestQuery};
use schema::{EventStatus, search};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::Searches;
use crate::Error;
use crate::fixture::{Bench, day, listing};

const GAMES: &str = "
  list BOS1 | Boston Red Sox vs New York Yankees | Fenway Park | Boston | Ball | 5 | 3000 | 100
  list BOS2 | Boston Red Sox vs Cincinnati Reds | Fenway Park | Boston | Ball | 3 | 2500 | 100
  list NYA1 | New York Yankees vs Boston Red Sox | Yankee Stadium | New York | Ball | 9 | 4000 | 100
  list CIN1 | Cincinnati Reds vs Milwaukee Brewers | Ball Park | Cincinnati | Ball | 3 | 1500 | 100
  list OPE1 | Die Zauberflöte | Opéra Garnier | Paris | Opera | 7 | 9000 | 50
  list OPE2 | Carmen | Opéra Garnier | Paris | Opera | 8 | 9000 | 50
  list BOS3 | Boston Symphony: Carmen Suite | Symphony Hall | Boston | Concert | 1 | 2500 | 80
";

/// Runs a script. A line is `list ...`, `free ID COUNT`, `cancel ID`, or a question `... =>
/// answer`.
#[track_caller]
fn check(script: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    let mut listings = Vec::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some((question, expected)) = line.split_once("=>") {
            bench.writer.commit().expect("commits");
            let found = ask(&bench.searches(), question.trim());
            assert_eq!(found.trim(), expected.trim(), "{question}");
            continue;
        }
        let (word, rest) = line.split_once(' ').expect("a word and more");
        match word {
            "list" => {
                listings.push(listing(rest));
                bench.list(listing(rest));
            }
            "free" => {
                let (event, count) = rest.split_once(' ').expect("an event and a count");
                bench.journal(&[(event, count.parse().expect("a count"))]);
            }
            "cancel" => {
                let mut listing = listings.iter().find(|one| one.event.as_str() == rest).cloned();
                let mut listing = listing.take().expect("listed before");
                listing.status = EventStatus::Cancelled;
                bench.list(listing);
            }
            _ => panic!("not a step: {line}"),
        }
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

fn ask(searches: &Searches, question: &str) -> String {
    let (verb, rest) = question.split_once(' ').unwrap_or((question, ""));
    match verb {
        "find" => match searches.search(&query(rest), soon()).expect("searches") {
            Answer::Found(page) => show_ids(&page),
            Answer::Refused(why) => format!("refused: {why}"),
        },
        "facets" => match searches.search(&query(rest), soon()).expect("searches") {
            Answer::Found(page) => show_facets(&page),
            Answer::Refused(why) => format!("refused: {why}"),
        },
        "suggest" => {
            let query = SuggestQuery { text: rest.into(), size: 3 };
            match searches.suggest(&query, soon()).expect("searches") {
                Answer::Found(found) => found.names.join(" / "),
                Answer::Refused(why) => format!("refused: {why}"),
            }
        }
        _ => panic!("not a question: {question}"),
    }
}

/// Reads `text; key=value; flag`.
fn query(text: &str) -> Query {
    let mut query = Query { size: 20, ..Query::default() };
    let mut parts = text.split(';').map(str::trim);
    query.text = parts.next().expect("split gives one").into();
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        match key {
            "city" => query.city = Some(value.into()),
            "category" => query.category = Some(value.into()),
            "from" => query.from = Some(day(value.parse().expect("a day"))),
            "to" => query.to = Some(day(value.parse().expect("a day"))),
            "price" => query.price_max = Some(value.parse().expect("a price")),
            "page" => query.page = value.parse().expect("a number"),
            "size" => query.size = value.parse().expect("a number"),
            "available" => query.available = true,
            "by-date" => query.sort = Sort::Date,
            "by-price" => query.sort = Sort::Price,
            _ => panic!("not a part: {part}"),
        }
    }
    query
}

fn show_ids(page: &Page) -> String {
    let mut shown = String::new();
    for hit in &page.hits {
        write!(shown, "{} ", hit.event_id).expect("memory");
    }
    shown + &format!("of {}", page.total)
}

fn show_facets(page: &Page) -> String {
    let show = |facet: &[search::FacetCount]| {
        let values = facet.iter().map(|one| format!("{} {}", one.value, one.count));
        values.collect::<Vec<_>>().join(", ")
    };
    format!("{} | {}", show(&page.facets.city), show(&page.facets.category))
}

fn check_games(script: &str) {
    check(&format!("{GAMES}{script}"));
}

#[test]
fn words_are_found_in_every_text_field_whatever_their_case_and_accents() {
    check_games(
        "find fenway              => BOS2 BOS1 of 2
         find FENWAY red          => BOS2 BOS1 of 2
         find paris               => OPE1 OPE2 of 2
         find opera garnier       => OPE1 OPE2 of 2
         find zauberflote         => OPE1 of 1
         find ZAUBERFLÖTE         => OPE1 of 1
         find the yankees at new york => BOS1 NYA1 of 2
         find fenway paris        => of 0",
    );
}

#[test]
fn the_last_word_may_be_unfinished_and_the_others_may_not() {
    check_games(
        "find yank                => BOS1 NYA1 of 2
         find red so              => BOS2 BOS1 NYA1 of 3
         find z                   => OPE1 of 1
         find fenw red            => of 0",
    );
}

#[test]
fn typos_are_found() {
    check_games(
        "find yankes              => BOS1 NYA1 of 2
         find ynakees             => BOS1 NYA1 of 2
         find bostn red sox       => BOS2 BOS1 NYA1 of 3
         find milwuakee brewrs    => CIN1 of 1
         find zauberflöhte        => OPE1 of 1
         find cincinati yankees   => of 0
         find zauberfl0te         => of 0",
    );
}

#[test]
fn what_is_right_stands_before_what_begins_so_and_that_before_typos() {
    check(
        "list A | Metalica tribute | Hall | Oslo | Rock | 1 | 100 | 10
         list B | Metallicana      | Hall | Oslo | Rock | 2 | 100 | 10
         list C | Metallica        | Hall | Oslo | Rock | 3 | 100 | 10
         list D | Some band        | Metallica Hall | Oslo | Rock | 0 | 100 | 10
         find metallica            => C D B A of 4
         find metallica; by-date   => D B C of 3
         find metalika; by-date    => D A B C of 4",
    );
}

#[test]
fn filters_narrow_down_and_ranges_are_half_open() {
    check_games(
        "find ; city=Boston       => BOS3 BOS2 BOS1 of 3
         find ; city=boston       => BOS3 BOS2 BOS1 of 3
         find ; city=Bost         => of 0
         find carmen; category=Opera => OPE2 of 1
         find ; from=7            => OPE1 OPE2 NYA1 of 3
         find ; to=3              => BOS3 of 1
         find ; from=3; to=5      => BOS2 CIN1 of 2
         find ; from=5; to=3      => of 0
         find ; price=2500        => BOS3 BOS2 CIN1 of 3
         find ; price=-1          => of 0
         find red sox; city=Boston; price=2600 => BOS2 of 1",
    );
}

#[test]
fn availability_follows_the_journal_and_a_cancelled_event_has_none() {
    check(
        "list A | Alpha | Hall | Oslo | Rock | 1 | 100 | 10
         list B | Beta  | Hall | Oslo | Rock | 2 | 100 | 10
         find ; available          => A B of 2
         free A 0
         find ; available          => B of 1
         find                      => A B of 2
         free A 3
         find ; available          => A B of 2
         cancel B
         find ; available          => A of 1
         find beta                 => B of 1",
    );
}

#[test]
fn an_event_without_a_listing_is_not_found_until_it_has_one() {
    check(
        "free A 4
         find                      => of 0
         facets                    => |
         list A | Alpha | Hall | Oslo | Rock | 1 | 100 | 10
         find                      => A of 1
         free A 0
         find ; available          => of 0",
    );
}

#[test]
fn facets_count_all_matches_not_only_those_of_the_page() {
    check_games(
        "facets ; size=1; to=8    => Boston 3, Cincinnati 1, Paris 1 | Ball 3, Concert 1, Opera 1
         facets ; size=0; from=5  => Paris 2, Boston 1, New York 1 | Ball 2, Opera 2
         facets carmen; by-date   => Boston 1, Paris 1 | Concert 1, Opera 1
         facets nothing at all    => |",
    );
}

#[test]
fn sorting_is_stable_and_pages_neither_repeat_nor_miss_an_event() {
    check_games(
        "find ; by-date           => BOS3 BOS2 CIN1 BOS1 OPE1 OPE2 NYA1 of 7
         find ; by-price          => CIN1 BOS3 BOS2 BOS1 NYA1 OPE1 OPE2 of 7
         find                     => BOS3 BOS2 CIN1 BOS1 OPE1 OPE2 NYA1 of 7
         find ; by-date; size=3   => BOS3 BOS2 CIN1 of 7
         find ; by-date; size=3; page=1 => BOS1 OPE1 OPE2 of 7
         find ; by-date; size=3; page=2 => NYA1 of 7
         find ; by-date; size=3; page=3 => of 7",
    );
}

#[test]
fn a_changed_event_keeps_its_place_in_the_order() {
    check(
        "list A | Same | Hall | Oslo | Rock | 1 | 100 | 10
         list B | Same | Hall | Oslo | Rock | 1 | 100 | 10
         list C | Same | Hall | Oslo | Rock | 1 | 100 | 10
         find same                 => A B C of 3
         free A 9
         find same                 => A B C of 3
         free B 9
         find same; by-price       => A B C of 3",
    );
}

#[test]
fn questions_beyond_the_limits_are_refused() {
    let long = "x".repeat(search::TEXT_BYTES_MAX + 1);
    check(&format!(
        "find ; size=100; page=99  => of 0
         find ; size=100; page=100 => refused: page times size must be below 10000
         find ; size=101           => refused: size must be at most 100
         find ; size=0; page=4000000000 => refused: page times size must be below 10000
         find {long}               => refused: text must have at most 200 bytes
         find ; city={long}        => refused: text must have at most 200 bytes
         suggest {long}            => refused: text must have at most 200 bytes"
    ));
    assert_eq!(HIT_DEPTH_MAX, 10_000);
}

#[test]
fn suggestions_are_distinct_names_the_most_played_first() {
    check(
        "list A | Hamilton | Hall | Oslo | Musical | 1 | 100 | 10
         list B | Hamilton | Hall | Rome | Musical | 2 | 100 | 10
         list C | Hamlet   | Hall | Oslo | Drama   | 1 | 100 | 10
         list D | Carmen   | Hamburg Hall | Hamburg | Opera | 1 | 100 | 10
         suggest ha                => Hamilton / Hamlet
         suggest hamlet            => Hamlet
         suggest hamleto           => Hamlet
         suggest car               => Carmen
         suggest                   =>
         suggest ?                 =>",
    );
}

#[test]
fn hostile_text_neither_panics_nor_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    for line in GAMES.lines().filter_map(|line| line.trim().strip_prefix("list ")) {
        bench.list(listing(line));
    }
    bench.writer.commit().expect("commits");
    let searches = bench.searches();
    let mut texts: Vec<String> = [
        "\0",
        "\u{202e}",
        "'; DROP TABLE",
        "*",
        "*^2",
        "name:/x/",
        "\"",
        "((((",
        "[a TO",
        "AND OR",
        "-",
        "+-!(){}[]^\"~*?:\\/",
        "🎉🎉",
        "\u{301}\u{301}",
        "İstanbul",
        "ß",
        "ﬃ",
        "日本 公演",
    ]
    .map(str::to_owned)
    .into();
    texts.push("a ".repeat(100));
    texts.push("abcd ".repeat(40));
    texts.push("abcdefgh ".repeat(22));
    texts.push("é".repeat(100));
    texts.push("z".repeat(200));
    texts.push("\u{10ffff}".repeat(50));
    for text in texts {
        let base = Query { text: text.as_str().into(), size: 10, ..Query::default() };
        let narrowed =
            Query { city: Some(text.as_str().into()), category: Some("".into()), ..base.clone() };
        for query in [base, narrowed] {
            let found = searches.search(&query, soon()).expect("searches");
            assert!(matches!(found, Answer::Found(_)), "{text:?}");
        }
        let completion = SuggestQuery { text: text.as_str().into(), size: 10 };
        searches.suggest(&completion, soon()).expect("searches");
    }
}

#[test]
fn a_search_ends_at_its_deadline() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    bench.list(listing("A | Alpha | Hall | Oslo | Rock | 1 | 100 | 10"));
    bench.writer.commit().expect("commits");
    let late = bench.searches().search(&query("alpha"), Instant::now());
    assert!(matches!(late, Err(Error::TooSlow)), "{late:?}");
}
