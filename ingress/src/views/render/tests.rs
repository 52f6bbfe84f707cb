//! Both forms say the same.

use super::{MAGIC, Renderings, SeatsForm, delta, render, stamp};
use crate::testing::plan;
use crate::views::seats::{Delta, SeatStatus, Snapshot};
use schema::{Area, AreaIdx, Channel, ChannelRow, PlanIndex, Pool, SeatIdx, UnixMillis};
use serde_json::{Value, json};

fn snapshot() -> Snapshot {
    let mut seats = vec![SeatStatus::Free; 6];
    seats[1] = SeatStatus::Held;
    seats[4] = SeatStatus::Sold;
    seats[5] = SeatStatus::Blocked;
    Snapshot { version: 77, seats, areas_taken: vec![3] }
}

#[test]
fn the_json_form_names_every_seat_with_its_status() {
    let rendered = render(&plan(), &[], &snapshot(), SeatsForm::Json);
    let map: Value = serde_json::from_slice(&rendered.body).unwrap();
    assert_eq!(map["version"], 77);
    let rows = map["sections"][0]["rows"].as_array().unwrap();
    let seat = json!({
        "seatId": "A-1-2", "status": "held", "priceLevel": 0, "x": 50, "y": 0, "accessible": false,
    });
    assert_eq!(rows[0]["seats"][1], seat);
    let statuses = |row: usize| -> Vec<&str> {
        let seats = rows[row]["seats"].as_array().unwrap();
        seats.iter().map(|seat| seat["status"].as_str().unwrap()).collect()
    };
    assert_eq!(statuses(0), ["free", "held", "free", "free"]);
    assert_eq!(statuses(1), ["sold", "blocked", "free", "free", "free"], "beyond the view: free");
    let area = json!({
        "areaId": "FLOOR", "name": "Floor", "capacity": 20, "free": 17, "priceLevel": 1,
    });
    assert_eq!(map["areas"], json!([area]));
}

#[test]
fn the_compact_form_packs_two_bits_a_seat() {
    let rendered = render(&plan(), &[], &snapshot(), SeatsForm::Compact);
    let mut wanted = MAGIC.to_vec();
    wanted.extend([0, 0, 0, 0, 0, 0, 0, 77, 0, 0, 0, 9, 0, 1]);
    wanted.extend([0b0000_0100, 0b0000_1110, 0]);
    wanted.extend([0, 0, 0, 17]);
    assert_eq!(rendered.body, wanted);
}

#[test]
fn a_delta_names_seats_and_what_is_left_of_areas() {
    let change = Delta {
        version: 78,
        seats: vec![(SeatIdx(4), SeatStatus::Free)],
        areas: vec![AreaIdx(0), AreaIdx(0)],
        areas_taken: vec![4],
    };
    let text: Value = serde_json::from_str(&delta(&plan(), &change)).unwrap();
    let wanted = json!({"version": 78, "changes": [["A-2-1", "free"]], "areas": [["FLOOR", 16]]});
    assert_eq!(text, wanted);
}

#[test]
fn only_the_newest_rendering_of_an_event_is_kept() {
    let renderings = Renderings::default();
    let event = |number: u32| format!("EVT{number}").parse().unwrap();
    let mut map = render(&plan(), &[], &snapshot(), SeatsForm::Json);
    renderings.keep(event(1), map.clone());
    assert!(renderings.find(&event(1), (77, 0), SeatsForm::Json).is_some());
    assert!(renderings.find(&event(1), (77, 0), SeatsForm::Compact).is_none());
    map.version = 78;
    renderings.keep(event(1), map.clone());
    assert!(renderings.find(&event(1), (77, 0), SeatsForm::Json).is_none());
    for number in 2..=17 {
        renderings.keep(event(number), map.clone());
    }
    assert!(renderings.find(&event(1), (78, 0), SeatsForm::Json).is_none(), "made room");
}

#[test]
fn channels_are_shown_without_their_codes_and_change_the_stamp() {
    let channel = Channel {
        key: "F".into(),
        name: "Friends".into(),
        code_hash: [7; 32],
        ends_at: Some(UnixMillis(0)),
        rows: vec![
            ChannelRow { section: 0, row: 0, seats: 0b1111 },
            ChannelRow { section: 0, row: 1, seats: 0b1_1010 },
        ],
    };
    let channels = [channel.clone()];
    let rendered = render(&plan(), &channels, &snapshot(), SeatsForm::Json);
    let map: Value = serde_json::from_slice(&rendered.body).unwrap();
    let place =
        |row: &str, from: u32, to: u32| json!({"section": "A", "row": row, "from": from, "to": to});
    let shown = json!([{
        "key": "F", "name": "Friends", "endsAt": "1970-01-01T00:00:00.000Z",
        "places": [place("1", 1, 4), place("2", 2, 2), place("2", 4, 5)],
    }]);
    assert_eq!(map["channels"], shown);
    let none = render(&plan(), &[], &snapshot(), SeatsForm::Json);
    assert!(serde_json::from_slice::<Value>(&none.body).unwrap().get("channels").is_none());
    let stamp = |channel: Channel| stamp(&[channel], SeatsForm::Json);
    let other = [
        Channel { ends_at: None, ..channel.clone() },
        Channel { name: "Fans".into(), ..channel.clone() },
        Channel { rows: channel.rows[1..].to_vec(), ..channel.clone() },
    ];
    for other in other {
        assert_ne!(stamp(other), rendered.stamp);
    }
    let recoded = Channel { code_hash: [8; 32], ..channel.clone() };
    assert_eq!(stamp(recoded), rendered.stamp, "a code cannot be tried on it");
    let compact = render(&plan(), &channels, &snapshot(), SeatsForm::Compact);
    assert_eq!(compact, render(&plan(), &[], &snapshot(), SeatsForm::Compact));
}

#[test]
fn what_is_left_of_areas_is_what_is_left_of_their_pool() {
    let mut pooled = plan().plan;
    for id in ["EAST", "WEST"] {
        let area = Area { id: id.into(), name: id.into(), capacity: 10, price_level: 1 };
        pooled.areas.push(area);
    }
    let areas = vec![AreaIdx(0), AreaIdx(2)];
    pooled.pools = vec![Pool { id: "SOUTH".into(), capacity: 22, areas }];
    assert_eq!(pooled.validate(), Ok(()));
    let pooled = PlanIndex::new(pooled);
    let taken = Snapshot { areas_taken: vec![15, 2], ..snapshot() };
    let map = render(&pooled, &[], &taken, SeatsForm::Json);
    let map: Value = serde_json::from_slice(&map.body).unwrap();
    let free = |at: usize| map["areas"][at]["free"].as_u64().unwrap();
    assert_eq!([free(0), free(1), free(2)], [5, 8, 7]);
    let pool = json!({"poolId": "SOUTH", "capacity": 22, "free": 7, "areas": ["FLOOR", "WEST"]});
    assert_eq!(map["pools"], json!([pool]));
    let compact = render(&pooled, &[], &taken, SeatsForm::Compact);
    assert!(compact.body.ends_with(&[0, 0, 0, 5, 0, 0, 0, 8, 0, 0, 0, 7]));
    let change =
        Delta { version: 78, seats: vec![], areas: vec![AreaIdx(0)], areas_taken: vec![16, 2, 1] };
    let text: Value = serde_json::from_str(&delta(&pooled, &change)).unwrap();
    assert_eq!(text["areas"], json!([["FLOOR", 4], ["WEST", 5]]), "FLOOR's places are WEST's too");
}
