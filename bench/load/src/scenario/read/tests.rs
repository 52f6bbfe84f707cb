//! Scenarios that are read, and some that are refused.

use super::read;

const TEXT: &str = r#"
name = "test"
about = "A test."
seconds_max = 20
accounts = 5

[events.EVT001.room]
mode = "open"

[people.fans]
kind = "fan"
count = 1000
event = "EVT001"
arrivals = { shape = "spike", seconds = 5.0 }

[people.fans.habits]
no_show = 0.4
named = 0.2

[quick]
seconds_max = 10

[quick.people.fans]
count = 10

[quick.people.fans.habits]
named = 0.5
"#;

/// Why the scenario is refused, after this part of it was replaced.
fn refused(part: &str, other: &str) -> String {
    assert!(TEXT.contains(part), "{part}");
    let error = read(&TEXT.replacen(part, other, 1), false).unwrap_err();
    format!("{error:#}")
}

#[test]
fn the_quick_table_lies_over_the_rest_and_leaves_what_it_does_not_name() {
    let (whole, quick) = (read(TEXT, false).unwrap(), read(TEXT, true).unwrap());
    assert_eq!((whole.seconds_max, whole.people["fans"].count), (20, 1_000));
    assert_eq!((quick.seconds_max, quick.people["fans"].count), (10, 10));
    assert_eq!(whole.people["fans"].arrivals, quick.people["fans"].arrivals);
    let (whole, quick) = (&whole.people["fans"].habits, &quick.people["fans"].habits);
    assert_eq!((whole.no_show, whole.named), (0.4, 0.2));
    assert_eq!((quick.no_show, quick.named), (0.4, 0.5));
}

#[test]
fn the_quick_table_takes_out_what_it_calls_false() {
    let text = TEXT.replacen("[quick]\n", "[expect]\nsold_min = 5\n\n[quick]\n", 1);
    let text = text + "\n[quick.expect]\nsold_min = false\n";
    assert_eq!(read(&text, false).unwrap().expect.sold_min, Some(5));
    assert_eq!(read(&text, true).unwrap().expect.sold_min, None);
}

#[test]
fn what_makes_no_sense_is_refused_with_the_place_and_the_reason() {
    for (part, other, says) in [
        ("no_show = 0.4", "no_show = 1.4", "people fans: habits.no_show is a share from 0 to 1"),
        ("no_show = 0.4", "now_show = 0.4", "unknown field `now_show`"),
        ("event = \"EVT001\"", "event = \"EVT9\"", "no event \"EVT9\", only EVT001"),
        ("seconds_max = 20", "seconds_max = 0", "seconds_max is 1 to 7,200"),
        ("kind = \"fan\"", "kind = \"fun\"", "unknown variant `fun`"),
        ("kind = \"fan\"", "kind = \"shopper\"", "a shopper needs habits.acts"),
        ("named = 0.2", "look_ms = [5, 1]", "habits.look_ms goes from 5 down to 1"),
        ("count = 1000", "count = 9000000", "there are 9000000 people"),
        ("count = 1000", "count = 0", "there is nobody"),
        ("seconds = 5.0", "seconds = 5.0, rate = \"0x\"", "a rate is \"0.1x\" to \"100x\""),
        (
            "mode = \"open\"\n",
            "mode = \"open\"\n[door]\nconnections = 600\nsources = 2\n",
            "600 connections need 3 sources",
        ),
        (
            "mode = \"open\"\n",
            "mode = \"open\"\n[door]\nconnections = 600\nsources = 255\n",
            "sources are at most 253",
        ),
        ("accounts = 5", "accounts = 0", "those who buy need accounts"),
        (
            "mode = \"open\"\n",
            "mode = \"open\"\n[expect.p99_ms]\nflying = 1.0\n",
            "nobody does \"flying\"",
        ),
        (
            "named = 0.2",
            "named = 0.2\n[expect.beside]\nfans = \"others\"",
            "expect.beside: there are no people \"others\"",
        ),
        (
            "named = 0.2",
            "named = 0.2\n[expect.booked_min]\nfans = 0.5",
            "expect.booked_min: the machine is not probed for bookings of \"fans\"",
        ),
        (
            "[events.EVT001.room]\nmode = \"open\"",
            "[events.EVT001]\n[events.LONGSTNAME.make]\nsections = 1\nrows = 1\nseats = 1",
            "the name of an event that is made has at most 9 letters",
        ),
        ("named = 0.5", "named = 5", "with [quick]"),
    ] {
        let refused = refused(part, other);
        assert!(refused.contains(says), "{other}: {refused}");
    }
}

#[test]
fn events_that_are_made_have_a_name_of_the_run_and_others_keep_theirs() {
    let made = "[events.HALL]\ncopies = 10000\nmake = { sections = 1, rows = 1, seats = 1 }\n";
    let steered = "[[operator]]\nevent = \"HALL\"\nroom = { mode = \"open\" }\n";
    let crowd = "[people.others]\nkind = \"fan\"\ncount = 1\nevent = \"HALL\"\n\
                 arrivals = { shape = \"steady\", seconds = 1.0 }\n";
    let text = TEXT.replacen("[quick]\n", &format!("{made}{crowd}{steered}[quick]\n"), 1);
    let mut scenario = read(&text, false).unwrap();
    scenario.name_events("M1A2B3C4");
    assert_eq!(scenario.events.keys().collect::<Vec<_>>(), ["EVT001", "HALL-M1A2B3C4"]);
    assert_eq!(scenario.people["fans"].event, "EVT001");
    assert_eq!(scenario.people["others"].event, "HALL-M1A2B3C4");
    assert_eq!(scenario.operator[0].event, "HALL-M1A2B3C4");
    assert_eq!(scenario.main_event(), Some("EVT001"));
    // The longest name there may be is still an event's.
    let longest = format!("NINELETTR-{}-10000", "M1A2B3C4");
    assert!(longest.parse::<schema::EventId>().is_ok());
}
