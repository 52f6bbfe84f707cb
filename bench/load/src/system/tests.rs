//! A fake `usher` is started and ended.

use super::{Launch, System};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tempfile::TempDir;

/// Plays `usher`: writes usher.json, says that it is ready, and ends when it is asked to.
const FAKE: &str = r#"#!/bin/sh
[ "$2" = --help ] && { echo '  --bench-door'; exit 0; }
trap 'echo ended > "$0.ended"; exit 0' TERM
echo "$*" > "$0.options"
echo '{"http": "http://127.0.0.1:7", "metrics": "http://127.0.0.1:9/metrics"}' > "$3/usher.json"
echo 'usher is ready on http://127.0.0.1:7'
while :; do sleep 0.02; done
"#;

fn fake(script: &str) -> (TempDir, Launch) {
    let folder = tempfile::tempdir().unwrap();
    let usher = folder.path().join("usher");
    fs::write(&usher, script).unwrap();
    fs::set_permissions(&usher, fs::Permissions::from_mode(0o755)).unwrap();
    let launch = Launch::of(usher, &folder.path().join("out")).unwrap();
    (folder, launch)
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_default()
}

#[tokio::test]
async fn a_system_ends_when_it_is_dropped_and_leaves_its_log_only() {
    let (folder, launch) = fake(FAKE);
    let system = System::start(launch).await.unwrap();
    assert_eq!(system.door.authority, "127.0.0.1:7");
    assert_eq!(system.metrics, "http://127.0.0.1:9/metrics");
    assert!(system.bench_door && system.data.is_dir());
    assert_eq!(read(folder.path(), "usher.ended"), "");
    let data = system.data.clone();
    drop(system);
    assert_eq!(read(folder.path(), "usher.ended"), "ended\n");
    assert!(!data.exists());
    assert!(read(folder.path(), "out/usher.out").starts_with("usher is ready on"));
    let options = read(folder.path(), "usher.options");
    let wanted = ["up --data ", "--bench-door", "--port ", "--metrics-port "];
    assert!(wanted.iter().all(|option| options.contains(option)), "{options}");
}

#[tokio::test]
async fn data_that_is_to_be_kept_stays_and_the_next_system_gets_a_fresh_folder() {
    let (_folder, mut launch) = fake(FAKE);
    launch.keep_data = true;
    let first = System::start(launch.clone()).await.unwrap();
    let data = first.data.clone();
    first.stop().await.unwrap();
    let second = System::start(launch).await.unwrap();
    assert!(data.join("usher.json").is_file());
    assert_ne!(second.data, data);
}

#[tokio::test]
async fn a_system_that_ends_before_it_is_ready_shows_its_last_words() {
    let (_folder, launch) = fake("#!/bin/sh\necho 'no port is free' >&2\nexit 3\n");
    assert!(launch.options.is_empty());
    let error = System::start(launch).await.err().unwrap().to_string();
    assert!(error.contains("exit status: 3") && error.contains("no port is free"), "{error}");
}

#[tokio::test]
async fn a_system_that_ends_badly_is_an_error_of_stop() {
    let (_folder, launch) = fake(&FAKE.replace("exit 0' TERM", "exit 4' TERM"));
    let error = System::start(launch).await.unwrap().stop().await.unwrap_err().to_string();
    assert!(error.contains("exit status: 4"), "{error}");
}
