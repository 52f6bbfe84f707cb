//! Promoters hear of their bookings: signed, in order, once for each id, and nobody else does.

use super::entrance::{cancel, ticket};
use super::part;
use super::rig::{ACCOUNT, Point, Rig, eventually, plan};
use chassis::keys::{KeyFolder, random_bytes};
use chassis::webhook::Secret;
use chassis::{clock, tasks};
use schema::{
    AccountId, CancelAnswer, CancelBooking, CancelTicket, HoldId, OrderId, Terms, UnixMillis,
    codec, subject,
};
use sqlx::Executor as _;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

pub(super) const PROMOTER: AccountId = AccountId(500);
const OTHER: AccountId = AccountId(501);

pub(super) const ALL: &str = "{booking.confirmed,booking.declined,booking.cancelled,\
    booking.refunded,booking.ticket_refunded}";

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Got {
    headers: HashMap<String, String>,
    pub body: String,
}

impl Got {
    pub(super) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub(super) fn kind(&self) -> &str {
        let (_, rest) = self.body.split_once("\"type\" : \"").unwrap();
        rest.split_once('"').unwrap().0
    }
}

/// Somebody who takes messages, or does not.
#[derive(Debug, Clone)]
pub(super) struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    /// What the next requests are answered; 200 when it is empty, nothing at all for 0.
    answers: Arc<Mutex<VecDeque<u16>>>,
}

impl Receiver {
    pub(super) async fn start(answers: &[u16]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect()));
        let receiver = Self { address, got: Arc::default(), answers };
        let serving = receiver.clone();
        tasks::spawn("test-receiver", async move {
            while let Ok((stream, _)) = listener.accept().await {
                tasks::spawn("test-connection", serving.clone().serve(stream));
            }
        });
        receiver
    }

    async fn serve(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(got) = read(&mut stream).await {
            self.got.lock().unwrap().push(got);
            let status = self.answers.lock().unwrap().pop_front().unwrap_or(200);
            if status == 0 {
                std::future::pending::<()>().await;
            }
            let answer = format!("HTTP/1.1 {status} Whatever\r\ncontent-length: 0\r\n\r\n");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    fn kinds(&self) -> Vec<String> {
        self.got().iter().map(|got| got.kind().to_owned()).collect()
    }

    async fn has(&self, count: usize) {
        eventually("messages to come", || async { count <= self.got().len() }).await;
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Got> {
    let mut headers = HashMap::new();
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim().split_once(": ") {
            Some((name, value)) => {
                headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
            None if line.trim().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some(Got { headers, body: String::from_utf8(body).unwrap() })
}

/// A rig whose event is a promoter's.
pub(super) async fn start() -> Rig {
    let rig = Rig::start().await;
    let terms = Terms { promoter: Some(PROMOTER), ..Terms::default() };
    rig.publish(&plan(None), terms).await;
    rig
}

pub(super) async fn listen(rig: &Rig, account: AccountId, url: &str, kinds: &'static str) -> Uuid {
    let id = Uuid::from_bytes(random_bytes());
    let insert = "INSERT INTO webhook_endpoint (endpoint_id, account_id, url, kinds, is_active,
            secret_number, rotated_at, created_at)
        VALUES ($1, $2, $3, $4::TEXT[], true, 1, 1, 1)";
    let insert = sqlx::query(insert).bind(id).bind(Uuid::from_u128(account.0));
    insert.bind(url).bind(kinds).execute(&rig.pool).await.unwrap();
    id
}

async fn paid(rig: &mut Rig, seat: u32) -> HoldId {
    let hold = rig.pay(&[seat], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    hold
}

/// As if the time of the next try had come.
pub(super) async fn due(rig: &Rig) {
    let due = "UPDATE webhook_message SET next_at = 0 WHERE state = 'waiting'";
    sqlx::query(due).execute(&rig.pool).await.unwrap();
}

async fn messages(rig: &Rig, state: &str) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM webhook_message WHERE state = $1");
    count.bind(state).fetch_one(&rig.pool).await.unwrap()
}

#[tokio::test]
async fn a_promoter_hears_of_a_sale_and_its_refund_and_nobody_else_does() {
    let mut rig = start().await;
    let (all, some, none) =
        (Receiver::start(&[]).await, Receiver::start(&[]).await, Receiver::start(&[]).await);
    let endpoint = listen(&rig, PROMOTER, &all.url(), ALL).await;
    listen(&rig, PROMOTER, &some.url(), "{booking.refunded}").await;
    listen(&rig, OTHER, &none.url(), ALL).await;
    let _stage = rig.stage(Point::Never);
    let hold = paid(&mut rig, 1).await;
    all.has(1).await;
    cancel(&rig, hold).await;
    all.has(2).await;
    some.has(1).await;
    assert_eq!(all.kinds(), ["booking.confirmed", "booking.refunded"]);
    assert_eq!(some.kinds(), ["booking.refunded"]);
    assert_eq!(none.kinds(), Vec::<String>::new());
    let first = &all.got()[0];
    let booking = OrderId::from(hold).to_string();
    let says = |text: &str| assert!(first.body.contains(text), "{text} in {}", first.body);
    says(&format!("\"bookingId\" : \"{booking}\""));
    says("\"eventId\" : \"EVT001\"");
    says("\"status\" : \"CONFIRMED\"");
    says("\"total\" : {\"amount\" : 5000, \"currency\" : \"EUR\"}");
    assert!(!first.body.contains(&ACCOUNT.to_string()), "nothing of the buyer: {}", first.body);
    let key = KeyFolder::open(rig.keys.path()).unwrap().hmac("webhook").unwrap();
    let at: u64 = first.headers["webhook-timestamp"].parse().unwrap();
    let secret = Secret::of(&key, endpoint.into_bytes(), 1);
    assert_eq!(first.headers["webhook-signature"], secret.sign(first.id(), at, &first.body));
    assert_eq!(first.headers["content-type"], "application/json");
    assert_ne!(first.id(), all.got()[1].id());
    rig.rest().await;
    rig.assert_clean().await;
}

#[tokio::test]
async fn a_promoter_hears_of_each_ticket_that_goes_back_alone_in_its_turn() {
    let mut rig = start().await;
    let (all, some) = (Receiver::start(&[500]).await, Receiver::start(&[]).await);
    listen(&rig, PROMOTER, &all.url(), ALL).await;
    listen(&rig, PROMOTER, &some.url(), "{booking.refunded}").await;
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1, 2, 3], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    all.has(1).await;
    for line in [2, 0] {
        eventually("a ticket to go back", || async {
            let answer = part::ask(&rig, ticket(hold, line), ACCOUNT).await;
            matches!(answer, CancelAnswer::Refunded { .. })
        })
        .await;
    }
    cancel(&rig, hold).await;
    let made = "SELECT count(*) FROM webhook_message";
    eventually("a message of each", || async { rig.count(made).await == 5 }).await;
    let [_] = all.got().as_slice() else { panic!("they wait for the first: {:?}", all.kinds()) };
    due(&rig).await;
    all.has(5).await;
    let part = "booking.ticket_refunded";
    let sale = "booking.confirmed";
    assert_eq!(all.kinds(), [sale, sale, part, part, "booking.refunded"]);
    assert_eq!(some.kinds(), ["booking.refunded"]);
    for (at, line, left) in [(2, 2, 10_000), (3, 0, 5_000)] {
        let told = &all.got()[at];
        let money = |amount| format!("{{\"amount\" : {amount}, \"currency\" : \"EUR\"}}");
        let (id, back) = (ticket(hold, line), money(5_000));
        let says = format!(
            "\"total\" : {}, \"ticket\" : {{\"ticketId\" : \"{id}\", \"refunded\" : {back}, \
             \"left\" : {}}}",
            money(15_000),
            money(left)
        );
        assert!(told.body.contains(&says), "{says} in {}", told.body);
        assert!(told.body.contains("\"status\" : \"CONFIRMED\""), "{}", told.body);
    }
    assert_ne!(all.got()[2].id(), all.got()[3].id());
    assert!(all.got()[4].body.contains("\"ticket\" : null"), "{}", all.got()[4].body);
    rig.rest().await;
    rig.assert_clean().await;
}

#[tokio::test]
async fn a_message_that_nobody_takes_comes_again_by_its_id_and_holds_up_its_booking_only() {
    let mut rig = start().await;
    let receiver = Receiver::start(&[500, 301]).await;
    listen(&rig, PROMOTER, &receiver.url(), ALL).await;
    let _stage = rig.stage(Point::Never);
    let refused = paid(&mut rig, 1).await;
    receiver.has(1).await;
    cancel(&rig, refused).await;
    let two = "SELECT count(*) FROM webhook_message";
    eventually("two messages", || async { rig.count(two).await == 2 }).await;
    due(&rig).await;
    receiver.has(2).await;
    let other = paid(&mut rig, 2).await;
    receiver.has(3).await;
    let third = &receiver.got()[2];
    assert!(third.body.contains(&OrderId::from(other).to_string()), "another booking goes on");
    assert_eq!(receiver.kinds(), ["booking.confirmed"; 3], "the refund waits for its turn");
    let (first, second) = (&receiver.got()[0], &receiver.got()[1]);
    assert_eq!((first.id(), &first.body), (second.id(), &second.body));
    due(&rig).await;
    receiver.has(5).await;
    assert_eq!(receiver.kinds()[3..], ["booking.confirmed", "booking.refunded"]);
    assert_eq!(receiver.got()[3].id(), first.id());
    eventually("all to be delivered", || async { messages(&rig, "delivered").await == 3 }).await;
    rig.rest().await;
}

#[tokio::test]
async fn a_message_is_signed_by_the_secret_before_too_for_a_day_after_the_change() {
    let mut rig = start().await;
    let (fresh, old) = (Receiver::start(&[]).await, Receiver::start(&[]).await);
    let endpoints =
        [(&fresh, clock::now()), (&old, UnixMillis(clock::now().0 - 25 * 3_600 * 1_000))];
    let mut ids = Vec::new();
    for (receiver, rotated_at) in endpoints {
        let id = listen(&rig, PROMOTER, &receiver.url(), ALL).await;
        let rotate = "UPDATE webhook_endpoint SET secret_number = 2, rotated_at = $2
            WHERE endpoint_id = $1";
        let rotate = sqlx::query(rotate).bind(id).bind(crate::store::millis(rotated_at));
        rotate.execute(&rig.pool).await.unwrap();
        ids.push(id);
    }
    let _stage = rig.stage(Point::Never);
    paid(&mut rig, 1).await;
    let key = KeyFolder::open(rig.keys.path()).unwrap().hmac("webhook").unwrap();
    for ((receiver, numbers), id) in [(&fresh, &[2, 1][..]), (&old, &[2])].into_iter().zip(ids) {
        receiver.has(1).await;
        let got = &receiver.got()[0];
        let at: u64 = got.headers["webhook-timestamp"].parse().unwrap();
        let sign =
            |&number: &u32| Secret::of(&key, id.into_bytes(), number).sign(got.id(), at, &got.body);
        let expected: Vec<String> = numbers.iter().map(sign).collect();
        assert_eq!(got.headers["webhook-signature"], expected.join(" "));
    }
}

#[tokio::test]
async fn an_event_whose_listing_nobody_can_read_holds_up_its_own_messages_only() {
    let mut rig = start().await;
    let stage = rig.stage(Point::Never);
    paid(&mut rig, 1).await;
    let unreadable = std::mem::replace(&mut rig.event, "EVT002".parse().unwrap());
    let terms = Terms { promoter: Some(PROMOTER), ..Terms::default() };
    rig.publish(&plan(None), terms.clone()).await;
    let other = paid(&mut rig, 2).await;
    rig.rest().await;
    drop(stage);
    let nats = rig.servers.nats().await;
    let listing = nats.jetstream.publish(subject::catalog_event(&unreadable), "nonsense".into());
    listing.await.unwrap().await.unwrap();
    let receiver = Receiver::start(&[]).await;
    listen(&rig, PROMOTER, &receiver.url(), ALL).await;
    // More than are made at once, and older.
    let due = "INSERT INTO outbox (order_id, attempt, kind, round, command_id, event_id,
            created_at, send_at, done_at, done_sequence)
        SELECT order_id, n, 'declined', 0, gen_random_uuid(), event_id, 1, 1, 1, 1
        FROM orders, generate_series(2, 300) AS n WHERE event_id = 'EVT001';
        INSERT INTO webhook_due SELECT order_id, attempt, kind FROM outbox";
    rig.pool.execute(sqlx::raw_sql(due)).await.unwrap();
    let _stage = rig.stage(Point::Never);
    receiver.has(1).await;
    let got = receiver.got();
    assert!(got[0].body.contains(&OrderId::from(other).to_string()), "{got:?}");
    assert_eq!(rig.count("SELECT count(*) FROM webhook_due").await, 300, "nothing is lost");
    rig.event = unreadable;
    rig.publish(&plan(None), terms).await;
    let made = "SELECT count(*) FROM webhook_message";
    eventually("a message of each", || async { rig.count(made).await == 301 }).await;
    assert_eq!(rig.count("SELECT count(*) FROM webhook_due").await, 0);
}

/// A booking that was paid and paid back, of which the journal has heard nothing yet.
async fn sold_and_refunded(rig: &mut Rig, receiver: &Receiver) {
    listen(rig, PROMOTER, &receiver.url(), ALL).await;
    rig.owner.heard.lock().unwrap().deaf = true;
    let stage = rig.stage(Point::Never);
    let hold = paid(rig, 1).await;
    // The owner answers neither, so nobody waits for the answer.
    let wanted = CancelBooking { order: OrderId::from(hold), account: ACCOUNT };
    let nats = rig.servers.nats().await;
    let asked = codec::encode(&wanted).into();
    nats.client.publish(subject::SETTLE_CANCEL, asked).await.unwrap();
    rig.wait_for(hold, "refunded").await;
    drop(stage);
}

/// The journal has heard of it, with the batch of that sequence.
async fn close(rig: &Rig, kind: &str, sequence: i64) {
    let close = "WITH closed AS (UPDATE outbox SET done_at = $2, done_sequence = $2
            WHERE kind = $1 RETURNING order_id, attempt, kind)
        INSERT INTO webhook_due SELECT order_id, attempt, kind FROM closed";
    sqlx::query(close).bind(kind).bind(sequence).execute(&rig.pool).await.unwrap();
}

#[tokio::test]
async fn what_the_journal_has_in_another_order_is_told_one_after_the_other_as_it_happened() {
    let mut rig = start().await;
    let receiver = Receiver::start(&[503]).await;
    sold_and_refunded(&mut rig, &receiver).await;
    close(&rig, "refunded", 8).await;
    close(&rig, "sold", 9).await;
    let _stage = rig.stage(Point::Never);
    receiver.has(1).await;
    let again = "SELECT count(*) FROM webhook_message WHERE last_status = 503";
    eventually("the refusal to be noted", || async { rig.count(again).await == 1 }).await;
    due(&rig).await;
    receiver.has(3).await;
    assert_eq!(
        receiver.kinds(),
        ["booking.confirmed", "booking.confirmed", "booking.refunded"],
        "the second waits for the first"
    );
}

#[tokio::test]
async fn of_a_refund_nobody_hears_before_its_sale() {
    let mut rig = start().await;
    let receiver = Receiver::start(&[]).await;
    sold_and_refunded(&mut rig, &receiver).await;
    let ready = "SELECT count(*) FROM webhook_ready";
    close(&rig, "refunded", 8).await;
    assert_eq!(rig.count(ready).await, 0, "its sale is still on its way to the journal");
    close(&rig, "sold", 9).await;
    assert_eq!(rig.count(ready).await, 2);
    let _stage = rig.stage(Point::Never);
    receiver.has(2).await;
    assert_eq!(receiver.kinds(), ["booking.confirmed", "booking.refunded"]);
}

#[tokio::test]
async fn of_a_refund_nobody_hears_before_the_ticket_that_went_back_alone() {
    let mut rig = start().await;
    let receiver = Receiver::start(&[]).await;
    listen(&rig, PROMOTER, &receiver.url(), ALL).await;
    let stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1, 2], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    rig.rest().await;
    receiver.has(1).await;
    // The owner answers neither, so nobody waits for the answer.
    rig.owner.heard.lock().unwrap().deaf = true;
    let nats = rig.servers.nats().await;
    let wanted = CancelTicket { ticket: ticket(hold, 0), account: ACCOUNT };
    nats.client
        .publish(subject::SETTLE_CANCEL_TICKET, codec::encode(&wanted).into())
        .await
        .unwrap();
    let back = "SELECT count(*) FROM order_part WHERE state = 'refunded'";
    eventually("the ticket's money to be back", || async { rig.count(back).await == 1 }).await;
    let wanted = CancelBooking { order: OrderId::from(hold), account: ACCOUNT };
    nats.client.publish(subject::SETTLE_CANCEL, codec::encode(&wanted).into()).await.unwrap();
    rig.wait_for(hold, "refunded").await;
    drop(stage);
    // The clock of the process that has begun the part was ahead.
    rig.pool.execute("UPDATE order_part SET begun_at = begun_at + 60000").await.unwrap();
    close(&rig, "refunded", 8).await;
    let ready = "SELECT count(*) FROM webhook_ready";
    assert_eq!(rig.count(ready).await, 0, "its part is still on its way to the journal");
    let closed = "WITH closed AS (UPDATE order_part SET done_at = 9, done_sequence = 9
            RETURNING order_id, part)
        INSERT INTO webhook_due SELECT order_id, 1, 'ticket_refunded', part FROM closed";
    rig.pool.execute(closed).await.unwrap();
    assert_eq!(rig.count(ready).await, 2);
    let _stage = rig.stage(Point::Never);
    receiver.has(3).await;
    let told = ["booking.confirmed", "booking.ticket_refunded", "booking.refunded"];
    assert_eq!(receiver.kinds(), told);
}

#[tokio::test]
async fn a_message_outlives_the_process_that_was_sending_it_and_one_that_hangs_holds_up_nobody() {
    let mut rig = start().await;
    let (hanging, other) = (Receiver::start(&[0]).await, Receiver::start(&[]).await);
    listen(&rig, PROMOTER, &hanging.url(), ALL).await;
    listen(&rig, PROMOTER, &other.url(), "{booking.confirmed}").await;
    let stage = rig.stage(Point::Never);
    paid(&mut rig, 1).await;
    hanging.has(1).await;
    other.has(1).await;
    paid(&mut rig, 2).await;
    other.has(2).await;
    drop(stage);
    let _stage = rig.stage(Point::Never);
    due(&rig).await;
    hanging.has(3).await;
    eventually("all to be delivered", || async { messages(&rig, "delivered").await == 4 }).await;
    let ids: Vec<String> = hanging.got().iter().map(|got| got.id().to_owned()).collect();
    assert!(ids[1..].contains(&ids[0]), "the first came again, by its id: {ids:?}");
    rig.rest().await;
}

#[tokio::test]
async fn nothing_is_sent_to_private_addresses_unless_it_is_allowed() {
    let mut rig = start().await;
    rig.private_webhooks = false;
    let receiver = Receiver::start(&[]).await;
    let port = receiver.address.port();
    let urls = [
        receiver.url(),
        format!("https://127.0.0.1:{port}/hooks"),
        format!("https://localhost:{port}/a"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
    ];
    for url in &urls {
        listen(&rig, PROMOTER, url, ALL).await;
    }
    let _stage = rig.stage(Point::Never);
    paid(&mut rig, 1).await;
    let tried = "SELECT count(*) FROM webhook_message WHERE last_error IS NOT NULL";
    eventually("all to be refused", || async { rig.count(tried).await == 4 }).await;
    let errors = "SELECT last_error FROM webhook_message ORDER BY last_error";
    let errors: Vec<String> = sqlx::query_scalar(errors).fetch_all(&rig.pool).await.unwrap();
    assert_eq!(errors[3], "its url is not https");
    assert!(errors[..3].iter().all(|error| error.contains("is not a public one")), "{errors:?}");
    assert!(receiver.got().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_is_gone_hears_nothing_more_and_a_message_is_given_up_at_last() {
    let mut rig = start().await;
    let (gone, deaf) = (Receiver::start(&[410]).await, Receiver::start(&[500, 500]).await);
    let id = listen(&rig, PROMOTER, &gone.url(), ALL).await;
    listen(&rig, PROMOTER, &deaf.url(), "{booking.confirmed}").await;
    let _stage = rig.stage(Point::Never);
    paid(&mut rig, 1).await;
    gone.has(1).await;
    deaf.has(1).await;
    let off = "SELECT off_reason FROM webhook_endpoint WHERE endpoint_id = $1 AND NOT is_active";
    eventually("it to be off", || async {
        let off = sqlx::query_scalar(off).bind(id).fetch_optional(&rig.pool).await.unwrap();
        off == Some("GONE".to_owned())
    })
    .await;
    let ninth = "UPDATE webhook_message SET tries = 9, next_at = 0 WHERE state = 'waiting'";
    eventually("the first try to be over", || async {
        let waits = "SELECT count(*) FROM webhook_message WHERE last_status = 500";
        rig.count(waits).await == 1
    })
    .await;
    sqlx::query(ninth).execute(&rig.pool).await.unwrap();
    deaf.has(2).await;
    eventually("it to be given up", || async { messages(&rig, "parked").await == 2 }).await;
    paid(&mut rig, 2).await;
    deaf.has(3).await;
    assert_eq!(gone.got().len(), 1);
}

#[tokio::test]
async fn where_nobody_listens_a_sale_makes_no_row() {
    let mut rig = start().await;
    let refused = "CREATE TRIGGER no_row BEFORE INSERT ON webhook_due FOR EACH ROW
        EXECUTE FUNCTION refuse('nobody listens')";
    sqlx::query(refused).execute(&rig.pool).await.unwrap();
    let _stage = rig.stage(Point::Never);
    let hold = paid(&mut rig, 1).await;
    rig.rest().await;
    sqlx::query("DROP TRIGGER no_row ON webhook_due").execute(&rig.pool).await.unwrap();
    let receiver = Receiver::start(&[]).await;
    listen(&rig, PROMOTER, &receiver.url(), ALL).await;
    cancel(&rig, hold).await;
    receiver.has(1).await;
    assert_eq!(receiver.kinds(), ["booking.refunded"], "of what was before it hears nothing");
}
