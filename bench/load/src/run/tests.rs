//! Whole runs against a small seller in this process, as somebody at a shell has them.

use super::run;
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
named = 0.5
release = 0.1
look_ms = [0, 50]
think_ms = [0, 50]

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
    assert_eq!(results.unmade, Vec::<String>::new());
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
    assert!(results.promises.contains_key("SEAT-1") && results.promises.contains_key("ORD-1"));
    let wanted = [("all_gone".to_owned(), Met::Met), ("errors_max".to_owned(), Met::Met)];
    assert_eq!(results.targets, wanted.into());
    let figures = &results.figures;
    assert!(0.0 < figures["booking_per_second"].value, "{figures:?}");
    let page = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(page.contains("checked promises held"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_fails_by_a_double_sale_a_lost_booking_and_a_false_refusal() {
    for (fault, promise) in [
        (Fault::SellsTwice, "SEAT-1"),
        (Fault::LosesBooking, "ORD-1"),
        (Fault::RefusesNamedSeats, "SEAT-4"),
        (Fault::RefusesNeighbours, "SEAT-4"),
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
