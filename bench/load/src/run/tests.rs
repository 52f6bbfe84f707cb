//! Whole runs against a small seller in this process, as somebody at a shell has them.

use super::{Target, run};
use crate::cli;
use crate::promises::tests::fake::{Fault, Seller, serve};
use crate::results::{Kept, Met, Results};
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::task::JoinSet;

const SCENARIO: &str = r#"
name = "small"
about = "A hundred fans in an almost empty hall."
seconds_max = 20
accounts = 50

[door]
connections = 16
sources = 2

[events.EVT001]

[people.fans]
kind = "fan"
count = 100
event = "EVT001"
arrivals = { shape = "steady", seconds = 0.5 }

[people.fans.habits]
asks_me = 1.0
named = 0.5
release = 0.1
look_ms = [0, 50]
think_ms = [0, 50]

[people.replayers]
kind = "replayer"
count = 5
event = "EVT001"
arrivals = { shape = "steady", seconds = 0.1, after_s = 0.2 }

[people.replayers.habits]
stay_s = 1.0
think_ms = [0, 20]

[expect]
errors_max = 0.0
all_gone = true
"#;

/// What a run of a seller with this fault leaves behind.
struct Ran {
    exit: ExitCode,
    results: Results,
    folder: TempDir,
}

async fn ran(fault: Fault, shared: bool) -> Ran {
    let mut tasks = JoinSet::new();
    let seller = Seller::new(fault, 60);
    seller.lock().unwrap().has_room = true;
    let door = serve(&mut tasks, Arc::clone(&seller)).await;
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("small.toml");
    fs::write(&scenario, SCENARIO).unwrap();
    let options = cli::Run {
        scenario: scenario.to_str().unwrap().to_owned(),
        target: Some(format!("http://{}", door.authority)),
        data: None,
        bench_door: true,
        shared,
        out: Some(folder.path().join("out")),
        quick: false,
    };
    let exit = run(&options).await.unwrap();
    assert_eq!(seller.lock().unwrap().has_erred, fault != Fault::None);
    let results = results(&folder.path().join("out"));
    // Said of every target without its data folder, and no failure.
    assert_eq!(results.unmade, ["audit not made: no --data"]);
    Ran { exit, results, folder }
}

fn results(out: &Path) -> Results {
    serde_json::from_slice(&fs::read(out.join("results.json")).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_an_honest_seller_succeeds() {
    let Ran { exit, results, folder } = ran(Fault::None, false).await;
    assert_eq!(exit, ExitCode::SUCCESS, "{results:?}");
    assert_eq!(results.broken().count(), 0);
    for promise in ["SEAT-1", "ORD-1", "LINE-4"] {
        assert_eq!(results.promises.get(promise), Some(&Kept::Held), "{results:?}");
    }
    let wanted = ["all_gone", "errors_max", "overdue_max"].map(|name| (name.to_owned(), Met::Met));
    assert_eq!(results.targets, wanted.into());
    let figures = &results.figures;
    assert!(0.0 < figures["booking_per_second"].value, "{figures:?}");
    let page = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(page.contains("audit not made: no --data") && !page.contains("Broken:"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_fails_by_a_double_sale_a_lost_booking_a_false_refusal_and_a_forged_entry() {
    for (fault, promise) in [
        (Fault::SellsTwice, "SEAT-1"),
        (Fault::LosesBooking, "ORD-1"),
        (Fault::RefusesNamedSeats, "SEAT-4"),
        (Fault::RefusesNeighbours, "SEAT-4"),
        (Fault::LetsAnybodyIn, "LINE-4"),
    ] {
        let Ran { exit, results, .. } = ran(fault, false).await;
        assert_eq!(results.promises.get(promise), Some(&Kept::Broken), "{fault:?}: {results:?}");
        assert_eq!(exit, ExitCode::FAILURE, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_not_judged_where_others_buy_too() {
    let Ran { exit, results, .. } = ran(Fault::RefusesNamedSeats, true).await;
    assert_eq!(results.promises.get("SEAT-4"), None);
    assert_eq!(exit, ExitCode::SUCCESS, "{results:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_that_nobody_who_plays_by_the_rules_may_hear_is_an_error() {
    for fault in [
        Fault::DeclinesGoodCard,
        Fault::RefusesPayment,
        Fault::RefusesOwnPass,
        Fault::RefusesByUnknownCode,
    ] {
        let Ran { results, .. } = ran(fault, false).await;
        assert_eq!(results.targets["errors_max"], Met::Missed, "{fault:?}: {results:?}");
        let errors = results.figures["errors"].value;
        assert!((errors - 1.0).abs() < 1e-9, "{fault:?}: {errors}");
    }
}

#[tokio::test]
async fn a_target_with_its_data_folder_shows_its_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let options = |data: &Path| cli::Run {
        scenario: "smoke".to_owned(),
        target: Some("http://127.0.0.1:7".to_owned()),
        data: Some(data.to_owned()),
        bench_door: false,
        shared: false,
        out: None,
        quick: true,
    };
    let missing = Target::find(&options(folder.path()), folder.path()).await.err().unwrap();
    assert!(format!("{missing:#}").contains("usher.json"), "{missing:#}");
    let running = r#"{"http": "http://127.0.0.1:7", "metrics": "http://127.0.0.1:9/metrics"}"#;
    fs::write(folder.path().join("usher.json"), running).unwrap();
    let target = Target::find(&options(folder.path()), folder.path()).await.unwrap();
    assert_eq!(target.metrics.as_deref(), Some("http://127.0.0.1:9/metrics"));
}
