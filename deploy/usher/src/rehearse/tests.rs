//! Tests of what is asked and what is printed.

use super::{lines, recorded, rehearsal, spread};
use crate::cli::{Cli, Command, Rehearse};
use clap::Parser as _;
use schema::DurationMs;
use std::io::Write as _;

fn asked(options: &str) -> Result<Rehearse, String> {
    let words = ["usher", "rehearse"].into_iter().chain(options.split_whitespace());
    match Cli::try_parse_from(words).map_err(|error| error.to_string())?.command {
        Command::Rehearse(asked) => Ok(asked),
        other => Err(format!("{other:?}")),
    }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[test]
fn a_sale_is_described_in_words_of_people() {
    let asked = asked(
        "--fans 100000 --arrive-over 120s --seats 20000 --basket 2.3 --checkout 1m --no-show 0.2 \
         --rate 500 --active-max 5000 --adaptive --opens-after 90s --orders-per-minute 800 \
         --seed 3",
    );
    let sale = rehearsal(&asked.unwrap()).unwrap();
    assert_eq!((sale.joins.len(), sale.joins.iter().sum::<u32>()), (120, 100_000));
    assert_eq!((sale.basket_milli, sale.no_show_milli, sale.seed), (2_300, 200, 3));
    assert_eq!((sale.checkout, sale.opens_after), (DurationMs(60_000), DurationMs(90_000)));
    let settings = &sale.settings;
    assert_eq!((settings.admission_rate_per_minute, settings.active_max), (500, 5_000));
    assert!(settings.adaptive && sale.orders_per_minute == Some(800));
}

#[test]
fn what_is_no_share_no_span_and_no_number_is_refused() {
    for wrong in [
        "--no-show -0.1",
        "--no-show half",
        "--basket 2.3456",
        "--basket .",
        "--checkout 90",
        "--checkout s",
        "--checkout 99999999999999999999s",
        "--fans 1.5",
        "--demand joins.csv --fans 7",
    ] {
        assert!(asked(wrong).is_err(), "{wrong}");
    }
    for wrong in ["--claim-window 1500ms", "--fans 5000001", "--arrive-over 50h"] {
        assert!(rehearsal(&asked(wrong).unwrap()).is_err(), "{wrong}");
    }
    for wrong in ["--rate 0", "--no-show 1.5", "--basket 11", "--seats 0"] {
        let sale = rehearsal(&asked(wrong).unwrap()).unwrap();
        assert!(waiting_room::rehearse(&sale).is_err(), "{wrong}");
    }
}

#[test]
fn a_demand_is_read_with_its_gaps_and_refused_out_of_order() {
    let read = |text: &str| recorded(file(text).path());
    assert_eq!(read("second,joins\n0,5\n3,7\n").unwrap(), [5, 0, 0, 7]);
    assert_eq!(read("second,joins\n").unwrap(), [] as [u32; 0]);
    for wrong in [
        "second,joins\n1,5\n1,5\n",
        "second,joins\n2,5\n1,5\n",
        "second,joins\n1,-5\n",
        "second,joins\n1,many\n",
        "second,joins\n400000,5\n",
        "time,joins\n1,5\n",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
    assert_eq!(spread(10, 3_000).unwrap(), [3, 3, 4]);
    assert_eq!(spread(10, 0).unwrap(), [10]);
}

#[test]
fn each_minute_is_a_line_and_the_end_says_when_it_was_sold_out() {
    let asked = asked("--fans 300 --arrive-over 10s --seats 100 --rate 60 --checkout 20s").unwrap();
    let course = waiting_room::rehearse(&rehearsal(&asked).unwrap()).unwrap();
    let printed = lines(&asked, &course);
    assert_eq!(printed.len(), 1 + course.minutes.len() + 3);
    assert!(printed[1].ends_with("rate"), "{}", printed[1]);
    let columns: Vec<usize> = printed[..2].iter().map(|line| line.split("  ").count()).collect();
    assert!(columns.iter().all(|columns| 9 < *columns), "{printed:?}");
    let sold = &printed[course.minutes.len() + 1];
    assert!(sold.starts_with("100 of 100 seats sold within "), "{sold}");
}
