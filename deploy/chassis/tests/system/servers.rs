//! The private servers themselves: start, supervision, stop, and what a crash leaves behind.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use chassis::{
    Durability, Error, FolderLock, Nats, NatsConfig, Servers, ServersSpec, Shutdown, Which,
    config::Url,
};
use sqlx::Connection;
use tempfile::TempDir;

use super::{log, soon};

fn spec(dir: &Path, which: &[Which]) -> ServersSpec {
    ServersSpec { dir: dir.to_owned(), durability: Durability::Scratch, which: which.to_vec() }
}

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

/// The processes that work in `dir` or below, without those that have ended and nobody has reaped.
fn processes_in(dir: &Path) -> Vec<PathBuf> {
    let dir = dir.canonicalize().unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let working = entries.filter_map(|entry| fs::read_link(entry.path().join("cwd")).ok());
    working.filter(|cwd| cwd.starts_with(&dir)).collect()
}

async fn count_of(url: &str, statement: &'static str) -> Result<i64, sqlx::Error> {
    let mut connection = sqlx::PgConnection::connect(url).await?;
    let count = sqlx::query_scalar(statement).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(count)
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_stop_and_at_the_same_addresses() {
    let folder = folder();
    let first = Servers::start(spec(folder.path(), &Which::ALL)).await.unwrap();
    let urls = Which::ALL.map(|which| first.child(which).url.clone());
    let config = NatsConfig { url: Url::new(&*urls[0]), ..NatsConfig::default() };
    let nats = Nats::connect(&config, "test").await.unwrap();
    nats.ensure_stream(&log()).await.unwrap();
    nats.client.request("log.data", "x".into()).await.unwrap();
    let redis = redis::Client::open(&*urls[1]).unwrap();
    let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("SET").arg("key").arg(7).exec_async(&mut redis).await.unwrap();
    count_of(&urls[2], "WITH x AS (SELECT 1 AS n) SELECT count(*) FROM x").await.unwrap();
    let pids = first.pids();
    let pids = [pids.nats, pids.redis, pids.postgres].map(Option::unwrap);
    for (pid, name) in pids.iter().zip(["nats-server", "redis-server", "postgres"]) {
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
        assert_eq!(comm.trim(), name);
    }
    soon(first.stop()).await;
    assert_eq!(processes_in(folder.path()), [] as [PathBuf; 0]);
    let log = fs::read_to_string(folder.path().join("log/postgres.log")).unwrap();
    assert!(log.contains("database system is shut down"), "it stopped in order: {log}");

    let second = Servers::start(spec(folder.path(), &Which::ALL)).await.unwrap();
    assert_eq!(Which::ALL.map(|which| second.child(which).url.clone()), urls);
    let nats = Nats::connect(&config, "test").await.unwrap();
    assert_eq!(chassis::last_sequence(&nats, "LOG").await.unwrap(), 1);
    let redis = redis::Client::open(&*urls[1]).unwrap();
    let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
    let value: i64 = redis::cmd("GET").arg("key").query_async(&mut redis).await.unwrap();
    assert_eq!(value, 7);
}

#[tokio::test]
async fn a_durable_database_works_where_only_its_owner_may_look() {
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let dir = folder.path().join("data");
    let spec = ServersSpec { durability: Durability::Machine, ..spec(&dir, &Which::ALL) };
    let servers = Servers::start(spec).await.unwrap();
    let url = &servers.child(Which::Postgres).url;
    assert_eq!(
        count_of(url, "SELECT 1::BIGINT WHERE current_setting('fsync') = 'on'").await.unwrap(),
        1
    );
    soon(servers.child(Which::Postgres).restart()).await.unwrap();
    assert_eq!(count_of(url, "SELECT 1::BIGINT").await.unwrap(), 1);
    soon(servers.stop()).await;
}

#[tokio::test]
async fn a_pid_file_that_names_a_stranger_does_not_keep_postgres_down() {
    let folder = folder();
    let servers = Servers::start(spec(folder.path(), &[Which::Postgres])).await.unwrap();
    servers.child(Which::Postgres).kill_hard().await;
    let file = folder.path().join("postgres/postmaster.pid");
    let text = fs::read_to_string(&file).unwrap();
    // Another process of the same account has got the number by now.
    let uid = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&file).unwrap());
    let mut stranger = Command::new("setpriv")
        .args([&format!("--reuid={uid}"), "--clear-groups", "--", "sleep", "60"])
        .spawn()
        .unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    fs::write(&file, format!("{}\n{rest}", stranger.id())).unwrap();
    soon(servers.child(Which::Postgres).restart()).await.unwrap();
    assert!(stranger.try_wait().unwrap().is_none(), "it is left alone");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_dead_server_is_restarted_until_it_dies_too_often() {
    let folder = folder();
    let servers = Servers::start(spec(folder.path(), &[Which::Redis])).await.unwrap();
    let (shutdown, restarts) = (Shutdown::new(), AtomicU32::new(0));
    let redis = servers.child(Which::Redis);
    let supervise = servers.supervise(&shutdown, |servers| {
        assert!(servers.pids().redis.is_some());
        // Relaxed: one task counts and looks.
        restarts.fetch_add(1, Ordering::Relaxed);
    });
    let kill = async {
        for death in 1..=6 {
            redis.kill_hard().await;
            while restarts.load(Ordering::Relaxed) < death && !shutdown.is_begun() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    soon(async { tokio::join!(supervise, kill) }).await;
    assert_eq!(restarts.load(Ordering::Relaxed), 5);
    let reason = shutdown.reason().unwrap().to_owned();
    assert!(reason.contains("redis") && reason.contains("redis.log"), "{reason}");
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why_and_where_its_log_is() {
    let folder = folder();
    let servers = Servers::start(spec(folder.path(), &[Which::Redis])).await.unwrap();
    let redis = servers.child(Which::Redis);
    redis.kill_hard().await;
    let _occupier = std::net::TcpListener::bind(("127.0.0.1", redis.port)).unwrap();
    let error = soon(redis.restart()).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::ServerFailed { .. }), "{text}");
    assert!(text.contains("redis.log") && text.contains("ended at once"), "{text}");
    // A whole new start takes another port instead.
    let again = Servers::start(spec(folder.path(), &[Which::Redis])).await.unwrap();
    assert_ne!(again.child(Which::Redis).port, redis.port);
}

#[test]
fn a_folder_has_one_owner() {
    let folder = folder();
    assert!(!FolderLock::is_taken(folder.path()).unwrap());
    let first = FolderLock::take(folder.path()).unwrap();
    assert!(FolderLock::is_taken(folder.path()).unwrap());
    let error = FolderLock::take(folder.path()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    assert!(text.contains(&folder.path().display().to_string()), "{text}");
    drop(first);
    assert!(!FolderLock::is_taken(folder.path()).unwrap());
    FolderLock::take(folder.path()).unwrap();
}

/// Names the folder to the copy of this test program that is to be killed.
const FOLDER_VARIABLE: &str = "CHASSIS_TEST_FOLDER";

#[tokio::test]
async fn no_server_outlives_a_parent_that_is_killed() {
    if let Some(dir) = std::env::var_os(FOLDER_VARIABLE) {
        return be_a_parent(Path::new(&dir)).await;
    }
    let folder = folder();
    let test = "servers::no_server_outlives_a_parent_that_is_killed";
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER_VARIABLE, folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    soon(async {
        while !folder.path().join("ready").exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(3 <= processes_in(folder.path()).len());
    parent.kill().unwrap();
    parent.wait().unwrap();
    soon(async {
        while !processes_in(folder.path()).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    // What it left behind is no obstacle: neither the lock nor the pid file nor the data.
    FolderLock::take(folder.path()).unwrap();
    let again = Servers::start(spec(folder.path(), &Which::ALL)).await.unwrap();
    let url = &again.child(Which::Postgres).url;
    assert_eq!(count_of(url, "SELECT 1::BIGINT").await.unwrap(), 1);
}

async fn be_a_parent(dir: &Path) {
    let _lock = FolderLock::take(dir).unwrap();
    let _servers = Servers::start(spec(dir, &Which::ALL)).await.unwrap();
    fs::write(dir.join("ready"), "").unwrap();
    std::future::pending::<()>().await;
}
