//! A room in front of somebody else's site: rooms alone, a real nginx with the example's file, and
//! a site that knows nothing of it.

use crate::client::{Answer, Call, Client};
use crate::nginx::Nginx;
use crate::room::Place;
use crate::rooms_only::RoomsOnly;
use crate::site::{PAGE, Site};
use crate::wait::{pause, until};
use chassis::keys::KeyFolder;
use hyper::Method;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rustix::process::Signal;
use schema::admission::PassClaims;
use schema::{PassPlace, UnixMillis};
use serde_json::{Value, json};

const EVENT: &str = "EVT001";
const OTHER: &str = "EVT002";

/// All of it.
struct Gate {
    rooms: RoomsOnly,
    site: Site,
    /// A client of nginx.
    front: Client,
    _nginx: Nginx,
}

impl Gate {
    async fn start() -> Self {
        let rooms = RoomsOnly::start().await;
        for event in [EVENT, OTHER] {
            assert_eq!(rooms.put_room(event, "A shop").await.status, 201);
        }
        let site = Site::start().await;
        let nginx = Nginx::start(rooms.address, site.address).await;
        let front = Client::new(&format!("http://127.0.0.1:{}", nginx.port));
        let gate = Self { rooms, site, front, _nginx: nginx };
        until("the new rooms to open", async || {
            let path = format!("/api/queue/{OTHER}/status");
            let answer = gate.front.ask(Call::get(&path)).await;
            (answer.status == 200).then_some(())
        })
        .await;
        gate
    }

    /// Asks the site for a page through nginx.
    async fn page(&self, add: impl FnOnce(Call) -> Call) -> Answer {
        self.front.ask(add(Call::get("/shop?size=2&colour=red"))).await
    }

    /// Whether somebody with this pass comes in by cookie and by header; both must agree.
    async fn lets_in(&self, pass: &str) -> bool {
        let cookie = format!("theme=dark; admission_pass={pass}");
        let by_cookie = self.page(|call| call.header("cookie", &cookie)).await;
        let by_header = self.page(|call| call.header("admission-pass", pass)).await;
        assert_eq!(by_cookie.status, by_header.status, "{by_cookie:?} {by_header:?}");
        match by_cookie.status {
            200 => assert_eq!(
                (&by_cookie.body[..], &by_header.body[..]),
                (PAGE.as_bytes(), PAGE.as_bytes())
            ),
            302 => {}
            _ => panic!("{by_cookie:?}"),
        }
        let came = self.site.take_seen().len();
        assert_eq!(came, if by_cookie.status == 200 { 2 } else { 0 });
        came != 0
    }

    /// Waits in line behind nginx, as the room's page does; returns the pass and its cookie.
    async fn pass(&self, event: &str) -> (String, String) {
        let (place, pass) = Place::pass(&self.front, event).await;
        let again = self.front.ask(place.claim().json(&json!({"cookie": true}))).await;
        let cookie = again.header("set-cookie").to_owned();
        assert_eq!(again.expect(200)["pass"], pass.as_str());
        (pass, cookie)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_nginx_a_site_is_seen_with_a_pass_and_by_nobody_else() {
    let mut gate = Gate::start().await;
    Box::pin(who_has_no_pass_is_sent_to_the_room(&gate)).await;
    let pass = Box::pin(who_was_called_comes_in(&gate)).await;
    Box::pin(no_other_pass_opens_the_gate(&gate, &pass)).await;
    Box::pin(a_pass_that_is_given_back_opens_nothing_and_lets_the_next_in(&gate)).await;
    Box::pin(a_room_that_is_off_lets_everybody_in(&gate)).await;
    Box::pin(a_pass_that_has_ended_opens_nothing(&gate)).await;
    Box::pin(the_keys_alone_tell_a_pass(&gate, &pass)).await;
    Box::pin(without_usher_nobody_comes_in(&mut gate, &pass)).await;
}

async fn who_has_no_pass_is_sent_to_the_room(gate: &Gate) {
    let answer = gate.page(|call| call).await;
    let room = format!("/web/room.html?event={EVENT}#/shop?size=2&colour=red");
    assert_eq!((answer.status, answer.header("location")), (302, room.as_str()));
    let page = gate.front.ask(Call::get(room.split('#').next().unwrap())).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    for file in ["/web/room.js", "/web/queue.js", "/web/api.js", "/web/style.css"] {
        assert_eq!(gate.front.ask(Call::get(file)).await.status, 200, "{file}");
    }
    let program = gate.front.ask(Call::get("/api/stock")).await;
    let room = format!("/api/queue/{EVENT}");
    assert_eq!((program.status, program.header("waiting-room")), (401, room.as_str()));
    // Whoever asks the gate itself hears nothing, and cannot choose the event.
    for path in ["/_admission", "/api/queue/authz", "/api/queue/authz?eventId=EVT002"] {
        assert_eq!(gate.front.ask(Call::get(path)).await.status, 404, "{path}");
    }
    assert!(!gate.lets_in("").await);
    assert_eq!(gate.site.take_seen(), [""; 0]);
}

async fn who_was_called_comes_in(gate: &Gate) -> String {
    let (pass, cookie) = gate.pass(EVENT).await;
    assert!(gate.lets_in(&pass).await);
    let (pair, attributes) = cookie.split_once("; ").expect("a cookie has attributes");
    assert_eq!(pair, format!("__Host-admission_pass-{EVENT}={pass}"));
    for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age="] {
        assert!(attributes.contains(attribute), "{cookie}");
    }
    // The site hears from nginx whose pass it is, and not from the fan.
    let call = |call: Call| call.header("cookie", pair).header("admission-place", "EVT001 9-9");
    assert_eq!(gate.page(call).await.status, 200);
    let seen = gate.site.take_seen();
    assert!(seen[0].contains("\r\nadmission-place: evt001 1-1\r\n"), "{seen:?}");
    assert_eq!(seen[0].matches("admission-place").count(), 1, "{seen:?}");
    // By any method.
    let post = Call::post("/api/stock", &json!({"some": "body"})).header("cookie", pair);
    assert_eq!(gate.front.ask(post).await.status, 200);
    let head = Call::new(Method::HEAD, "/shop").header("cookie", pair);
    assert_eq!(gate.front.ask(head).await.status, 200);
    let seen = gate.site.take_seen();
    assert!(seen[0].starts_with("post /api/stock http/1.1\r\n"), "{seen:?}");
    assert!(seen[0].ends_with("\r\n\r\n{\"some\":\"body\"}"), "{seen:?}");
    pass
}

async fn no_other_pass_opens_the_gate(gate: &Gate, pass: &str) {
    let (foreign, _) = gate.pass(OTHER).await;
    let direct = |event: &str, pass: &str| {
        let call = Call::get(&format!("/api/queue/authz?eventId={event}"));
        gate.rooms.client.ask(call.header("admission-pass", pass))
    };
    assert_eq!(direct(OTHER, &foreign).await.status, 204, "it is good where it belongs");
    assert_eq!(direct(EVENT, &foreign).await.status, 401);
    let (head, signature) = pass.rsplit_once('.').unwrap();
    let (header, claims) = head.split_once('.').unwrap();
    let none = chassis::base64url::encode(br#"{"alg":"none"}"#);
    let other_end = if signature.ends_with('A') { "Q" } else { "A" };
    let flipped = format!("{}{other_end}", &pass[..pass.len() - 1]);
    let mut forged = vec![
        ("another event's", foreign),
        ("another signature", flipped),
        ("no signature", format!("{head}.")),
        ("no algorithm", format!("{none}.{claims}.")),
        ("of no token at all", format!("{header}.{claims}.{claims}")),
        ("an account's token", gate.rooms.operator.clone()),
    ];
    forged.push(("another key's", signed_by_a_stranger(pass)));
    for (what, pass) in forged {
        assert!(!gate.lets_in(&pass).await, "{what}");
    }
    // Whoever can set cookies for the domain cannot keep a fan out with a bad one.
    let cookies = format!("admission_pass=bad; __Host-admission_pass-{EVENT}={pass}");
    assert_eq!(gate.page(|call| call.header("cookie", &cookies)).await.status, 200);
    // But a hundred of them cost no hundred signatures.
    let many = "admission_pass=bad; ".repeat(100) + &cookies;
    assert_eq!(gate.page(|call| call.header("cookie", &many)).await.status, 302);
    gate.site.take_seen();
}

/// The same claims under a key that is not Usher's, with the name of the one that is.
fn signed_by_a_stranger(pass: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyFolder::open(folder.path()).unwrap().ed25519("pass").unwrap();
    let head = pass.rsplit_once('.').unwrap().0;
    format!("{head}.{}", chassis::base64url::encode(&key.sign(head.as_bytes())))
}

/// As a browser does it, from a page of the site.
async fn a_pass_that_is_given_back_opens_nothing_and_lets_the_next_in(gate: &Gate) {
    // One is inside already.
    gate.rooms.set(EVENT, &json!({"activeMax": 2})).await;
    let (place, pass) = Place::pass(&gate.front, EVENT).await;
    let waiting = Place::join(&gate.front, EVENT).await;
    let delete = |cookie: &str| {
        let call = Call::new(Method::DELETE, &format!("/api/queue/{EVENT}/pass"));
        gate.front.ask(call.header("cookie", cookie))
    };
    assert_eq!(delete("theme=dark").await.code(), "PASS_REQUIRED");
    assert!(gate.lets_in(&pass).await);
    pause(std::time::Duration::from_secs(1)).await;
    assert_eq!(waiting.me().await["state"], "queued", "both are inside");
    for _ in 0..2 {
        let cookie = format!("theme=dark; __Host-admission_pass-{EVENT}={pass}");
        let answer = delete(&cookie).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        let gone = format!("__Host-admission_pass-{EVENT}=; Path=/; Max-Age=0; ");
        assert!(answer.header("set-cookie").starts_with(&gone), "{answer:?}");
        assert!(!gate.lets_in(&pass).await, "from the answer on");
    }
    let me = place.me().await;
    assert_eq!((&me["state"], &me["end"]), (&json!("completed"), &json!("given-back")));
    let claim = gate.front.ask_patiently(place.claim()).await;
    assert_eq!((claim.status, claim.code().as_str()), (410, "CLAIM_EXPIRED"));
    waiting.wait_until_called().await;
    gate.rooms.set(EVENT, &json!({"activeMax": 2_000})).await;
}

async fn a_room_that_is_off_lets_everybody_in(gate: &Gate) {
    gate.rooms.set(EVENT, &json!({"mode": "off"})).await;
    until("the gate to stand open", async || {
        (gate.page(|call| call).await.status == 200).then_some(())
    })
    .await;
    let unsaid = Call::get(&format!("/api/queue/authz?eventId={EVENT}"));
    assert_eq!(gate.rooms.client.ask(unsaid).await.status, 401, "only where the gate says so");
    let unknown = Call::get("/api/queue/authz?eventId=NONE&whenOff=allow");
    assert_eq!(gate.rooms.client.ask(unknown).await.status, 401, "a room that is not known");
    gate.rooms
        .set(EVENT, &json!({"mode": "open", "claimWindowSeconds": 20, "passTtlSeconds": 5}))
        .await;
    until("the gate to be shut again", async || {
        (gate.page(|call| call).await.status == 302).then_some(())
    })
    .await;
    gate.site.take_seen();
}

async fn a_pass_that_has_ended_opens_nothing(gate: &Gate) {
    let (place, pass) = Place::pass(&gate.front, EVENT).await;
    until("the pass to end", async || {
        // A place may claim once a second.
        pause(std::time::Duration::from_millis(1_100)).await;
        let left = gate.front.ask(place.claim()).await;
        assert!(gate.lets_in(&pass).await || left.status == 410, "{left:?}");
        (left.status == 410).then_some(())
    })
    .await;
    assert!(!gate.lets_in(&pass).await);
}

/// A stranger's library knows a pass by what anybody may download.
async fn the_keys_alone_tell_a_pass(gate: &Gate, pass: &str) {
    let answer = gate.rooms.client.ask(Call::get("/.well-known/jwks.json")).await;
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let keys: JwkSet = serde_json::from_slice(&answer.body).unwrap();
    let check = |pass: &str| {
        let kid = jsonwebtoken::decode_header(pass).ok()?.kid?;
        let key = DecodingKey::from_jwk(keys.find(&kid)?).ok()?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&["usher-pass"]);
        let decoded = jsonwebtoken::decode::<PassClaims>(pass, &key, &validation);
        decoded.ok().map(|decoded| decoded.claims)
    };
    let claims = check(pass).expect("a pass that is good");
    let place = PassPlace { epoch: 1, number: 1 };
    assert_eq!(claims, PassClaims::new(EVENT.parse().unwrap(), place, claims.pass_until, None));
    assert!(UnixMillis(chassis::clock::now().0) < claims.pass_until);
    assert_eq!(check(&signed_by_a_stranger(pass)), None);
    assert_eq!(check(&gate.rooms.operator), None, "an account's token is no pass");
}

async fn without_usher_nobody_comes_in(gate: &mut Gate, pass: &str) {
    assert!(gate.lets_in(pass).await);
    gate.rooms.usher.signal(Signal::KILL);
    gate.rooms.usher.kill();
    for _ in 0..3 {
        let answer = gate.page(|call| call.header("admission-pass", pass)).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "{answer:?}");
        let program = Call::get("/api/stock").header("admission-pass", pass);
        assert_eq!(gate.front.ask(program).await.status, 503);
    }
    assert_eq!(gate.site.take_seen(), [""; 0], "nobody came to the site");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_alone_need_neither_postgres_nor_seats_and_say_what_they_lack() {
    let rooms = RoomsOnly::start().await;
    let ready = rooms.client.ask(Call::get("/readyz")).await;
    assert_eq!(ready.status, 200, "{ready:?}");
    let put = || Call::new(Method::PUT, "/api/admin/rooms/EVT001").json(&json!({"name": "A shop"}));
    assert_eq!(rooms.client.ask(put()).await.code(), "LOGIN_REQUIRED");
    let fan = rooms.token("fan").await;
    assert_eq!(rooms.ask_as(&fan, put()).await.code(), "ROLE_REQUIRED");
    let made = rooms.put_room(EVENT, "A shop").await.expect(201);
    let wanted = json!({"eventId": EVENT, "name": "A shop",
        "gate": "/api/queue/authz?eventId=EVT001", "page": "/web/room.html?event=EVT001"});
    assert_eq!(made, wanted);
    rooms.put_room(EVENT, "Another shop").await.expect(200);
    assert_eq!(rooms.put_room("a%20b", "A shop").await.status, 404);
    assert_eq!(rooms.put_room(OTHER, "").await.code(), "REQUEST_INVALID");
    let adaptive = Call::new(Method::PATCH, "/api/admin/events/EVT001/admission");
    let adaptive = adaptive.header("if-match", "*").json(&json!({"adaptive": true}));
    assert_eq!(rooms.ask_as(&rooms.operator, adaptive).await.code(), "ADAPTIVE_UNSUPPORTED");
    let (_, pass) = Place::pass(&rooms.client, EVENT).await;
    let gate = Call::get("/api/queue/authz?eventId=EVT001").header("admission-pass", &pass);
    assert_eq!(rooms.client.ask(gate).await.status, 204);
    let status = rooms.client.get(&format!("/api/queue/{EVENT}/status")).await;
    assert_eq!(
        (&status["seatsRemainingBand"], &status["mode"]),
        (&json!("unknown"), &json!("open"))
    );
    let live = Call::get(&format!("/api/admin/events/{EVENT}/live"));
    let live = live.header("authorization", &format!("Bearer {}", rooms.operator));
    assert_eq!(rooms.client.events(live).await.next().await.name, "live");
    let services =
        rooms.ask_as(&rooms.operator, Call::get("/api/admin/services")).await.expect(200);
    let mut names: Vec<&Value> =
        services["services"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, ["ingress", "waiting-room"]);
    for call in [
        Call::get("/api/events"),
        Call::get("/api/events/EVT001/seats"),
        Call::get("/api/search?q=x"),
        Call::get("/api/bookings"),
        Call::get("/api/admin/audit"),
        Call::post("/api/auth/login", &json!({"email": "a@b", "password": "12345678"})),
        Call::post("/api/bookings/reserve", &json!({"eventId": EVENT})),
        Call::post("/api/admin/events", &json!({})),
    ] {
        let answer = rooms.client.ask(call.clone()).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "STAGE_ABSENT"), "{call:?}");
        assert_eq!(answer.json()["retryable"], false);
    }
    let log = rooms.log();
    let logged = log.lines().find(|text| text.contains("action=\"rooms.put\"")).unwrap();
    assert!(logged.contains("object=\"room EVT001\"") && logged.contains("A shop"), "{logged}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_in_front_of_a_site_stands_beside_events_with_seats_and_replaces_none() {
    let up = crate::up::Up::start().await;
    let reach = crate::system::System::reach(&up);
    let operator = crate::fan::Fan::demo(&reach.client, "operator").await;
    let put = async |event: &str| {
        let call = Call::new(Method::PUT, &format!("/api/admin/rooms/{event}"));
        operator.ask(call.json(&json!({"name": "A shop"}))).await
    };
    assert_eq!(put("EVT002").await.code(), "EVENT_HAS_SEATS");
    assert_eq!(put("SHOP1").await.status, 201);
    Place::pass(&reach.client, "SHOP1").await;
    let before = reach.client.get("/api/events?size=1").await["total"].clone();
    assert_eq!(reach.client.get("/api/search?q=shop").await["total"], 0);
    assert_eq!(put("SHOP2").await.status, 201);
    assert_eq!(reach.client.get("/api/events?size=1").await["total"], before, "nothing to buy");
    let audit = operator.get("/api/admin/audit?size=1").await;
    assert_eq!(
        (&audit["entries"][0]["action"], &audit["entries"][0]["object"]),
        (&json!("rooms.put"), &json!("room SHOP2"))
    );
    crate::auditor::assert_clean(&reach, &["--all"]).await;
}
