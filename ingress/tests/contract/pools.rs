//! Standing areas that share a capacity, from the event's creation to the seat map.

use ingress::Role;
use serde_json::{Value, json};

use crate::owner;
use crate::rig::{Rig, event};

fn pooled(capacity: u32, areas: &[&str]) -> Value {
    let mut event = event("EVT100");
    let west = json!({"areaId": "WEST", "name": "West", "capacity": 8, "priceLevel": 0});
    event["plan"]["areas"].as_array_mut().unwrap().push(west);
    event["plan"]["pools"] = json!([{"poolId": "ALL", "capacity": capacity, "areas": areas}]);
    event
}

#[tokio::test]
async fn areas_of_a_pool_show_what_the_pool_has_left() {
    let rig = Rig::start().await;
    owner::start(rig.nats.clone());
    let operator = rig.login("operator", &[Role::Operator]).await;
    let create = async |body: Value| rig.http.post("/api/admin/events", &operator, body).await;
    for faulty in [pooled(19, &["FLOOR", "WEST"]), pooled(29, &["FLOOR", "WEST"])] {
        let refused = create(faulty).await;
        assert_eq!(refused.problem(), (422, "REQUEST_INVALID".to_owned()));
        assert!(refused.text.contains("20 to 28"), "{refused:?}");
    }
    let unknown = create(pooled(20, &["FLOOR", "EAST"])).await;
    assert_eq!(unknown.problem(), (422, "REQUEST_INVALID".to_owned()));
    let made = create(pooled(22, &["FLOOR", "WEST"])).await;
    assert_eq!((made.status, &made.json()["seatsTotal"]), (201, &json!(9 + 22)), "{made:?}");

    let fan = rig.login("fan", &[Role::Fan]).await;
    let areas = json!([{"areaId": "FLOOR", "quantity": 9}, {"areaId": "WEST", "quantity": 1}]);
    for _ in 0..2 {
        let want = json!({"eventId": "EVT100", "areas": areas});
        let held = rig.http.post("/api/bookings/reserve", &fan, want).await;
        assert_eq!(held.status, 201, "{held:?}");
    }
    let map = rig.http.get("/api/events/EVT100/seats", "").await.json();
    let free = |area: usize| map["areas"][area]["free"].as_u64().unwrap();
    assert_eq!([free(0), free(1)], [2, 2], "of 2 and 6 in the areas");
    let pool = json!({"poolId": "ALL", "capacity": 22, "free": 2, "areas": ["FLOOR", "WEST"]});
    assert_eq!(map["pools"], json!([pool]));

    rig.event(&operator, "EVT101").await;
    let map = rig.http.get("/api/events/EVT101/seats", "").await.json();
    assert!(map.get("pools").is_none());
    let mut repooled = pooled(23, &["FLOOR", "WEST"]);
    repooled["eventId"] = json!("EVT100");
    let path = "/api/admin/events/EVT100";
    let fixed = rig.http.json("PUT", path, &operator, &[], repooled).await;
    assert_eq!(fixed.problem(), (409, "PLAN_FIXED".to_owned()), "pools are a part of the plan");
}
