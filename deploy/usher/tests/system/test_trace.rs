//! One trace id leads through every stage, each in a process of its own, by nothing but their logs.

use crate::client::{Answer, Call, Client};
use crate::fan::{Fan, best, confirm, fresh_key, reserve, text};
use crate::process::{Process, free_port};
use crate::up::temporary_folder;
use crate::wait::until;
use chassis::{TestServers, Which};
use std::fs;
use tempfile::TempDir;

const STAGES: [&str; 5] = ["indexer", "allocator", "settlement", "waiting-room", "ingress"];

/// What shows the way of a request, and nothing of the libraries.
const FILTER: &str =
    "info,chassis=debug,ingress=debug,allocator=debug,settlement=debug,indexer=debug";

/// A system that logs what it does. The folder goes last: a failed test shows the logs that are in
/// it.
struct Logging {
    client: Client,
    _stages: Vec<Process>,
    _servers: TestServers,
    folder: TempDir,
}

impl Logging {
    async fn start() -> Self {
        let servers = TestServers::start().await;
        let folder = temporary_folder();
        let place = |name: &str| folder.path().join(name).display().to_string();
        let http = format!("127.0.0.1:{}", free_port());
        let variables = [
            ("USHER__LOG__FILTER", FILTER.to_owned()),
            ("USHER__NATS__URL", servers.url(Which::Nats).to_owned()),
            ("USHER__REDIS__URL", servers.url(Which::Redis).to_owned()),
            ("USHER__POSTGRES__URL", servers.url(Which::Postgres).to_owned()),
            ("USHER__KEYS__DIR", place("keys")),
            ("USHER__INDEXER__DIR", place("index")),
            ("USHER__INGRESS__LISTEN", http.clone()),
            ("USHER__WAITING_ROOM__LISTEN", format!("127.0.0.1:{}", free_port())),
            ("USHER__INGRESS__DEMO", "true".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let mut stages = Vec::new();
        for stage in STAGES {
            let metrics = format!("127.0.0.1:{}", free_port());
            let mut variables = variables.clone();
            variables.push(("USHER__METRICS__LISTEN".to_owned(), metrics));
            let log = folder.path().join(format!("{stage}.log"));
            stages.push(Process::start(&["run", "--stages", stage], &variables, &log));
        }
        let (data, log) = (place(""), folder.path().join("demo.log"));
        let demo = Process::start(&["demo", "--data", &data], &variables, &log).ended().await;
        assert!(demo.0.success(), "{demo:?}");
        for stage in &mut stages {
            stage.printed("usher runs ").await;
        }
        let client = Client::new(&format!("http://{http}"));
        until("the gateway to be ready", async || {
            client.send(Call::get("/readyz")).await.ok().filter(|answer| answer.status == 200)
        })
        .await;
        Self { client, _stages: stages, _servers: servers, folder }
    }

    /// Waits for a line of the stage's log that has the trace's id and these words.
    async fn logged(&self, stage: &str, trace: &str, words: &[&str]) {
        let log = self.folder.path().join(format!("{stage}.log"));
        until(&format!("{words:?} of {trace} in the log of {stage}"), async || {
            let lines = fs::read_to_string(&log).unwrap();
            let found = |line: &str| {
                line.contains(&format!("trace_id=\"{trace}\""))
                    && words.iter().all(|word| line.contains(word))
            };
            lines.lines().any(found).then_some(())
        })
        .await;
    }
}

/// The call as a part of a trace.
fn traced(call: Call, trace: &str) -> Call {
    call.header("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"))
}

fn assert_traced(answer: &Answer, trace: &str) {
    let own = answer.header("traceparent");
    assert!(own.contains(trace) && !own.contains("00f067aa0ba902b7"), "{own}: {answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_id_is_in_the_log_of_every_stage_that_its_request_went_through() {
    let [search, queue, hold, pay, cancel] = ["a1", "b2", "c3", "d4", "e5"].map(|id| id.repeat(16));
    let system = Logging::start().await;
    let fan = Fan::new(&system.client, "traced").await;

    let call = traced(Call::get("/api/search?q=glass%20lighthouse"), &search);
    let found = fan.ask(call).await;
    assert_traced(&found, &search);
    system.logged("ingress", &search, &["request answered", "/api/search", "status=200"]).await;
    system.logged("indexer", &search, &["question answered", "search"]).await;

    let asked = fan.ask(traced(Call::get("/api/queue/EVT002/status"), &queue)).await;
    assert_traced(&asked, &queue);
    for stage in ["ingress", "waiting-room"] {
        system.logged(stage, &queue, &["request answered", "/api/queue/EVT002/status"]).await;
    }

    let granted = fan.ask(traced(reserve(&best("EVT002", 2), &fresh_key()), &hold)).await;
    assert_traced(&granted, &hold);
    let reservation = text(&granted.expect(201)["reservationId"]);
    system.logged("ingress", &hold, &["request answered", "status=201"]).await;
    system.logged("allocator", &hold, &["command decided", "hold_seats"]).await;

    let call = traced(confirm(&reservation, "tok_ok"), &pay);
    let paid = fan.ask_until_final(call).await.expect(200);
    system.logged("ingress", &pay, &["request answered", "/api/bookings/confirm"]).await;
    system.logged("allocator", &pay, &["command decided", "start_payment"]).await;
    system.logged("settlement", &pay, &["order begun"]).await;
    system.logged("settlement", &pay, &["order moved", "to=paid"]).await;
    system.logged("settlement", &pay, &["verdict sent"]).await;
    system.logged("allocator", &pay, &["command decided", "record_verdict"]).await;

    let call = traced(crate::fan::cancel(&text(&paid["bookingId"])), &cancel);
    fan.ask_until_final(call).await.expect(200);
    system.logged("settlement", &cancel, &["order moved", "to=refunded"]).await;
    system.logged("allocator", &cancel, &["command decided", "record_verdict"]).await;
}
