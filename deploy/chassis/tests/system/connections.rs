//! Connections to all three servers: what they refuse, and how they come back.

use std::{collections::HashMap, time::Duration};

use async_nats::jetstream::stream::Config;
use chassis::config::Url;
use chassis::{Error, NatsConfig, TestServers, Which, announce, discover, migrate};
use futures_util::future::join_all;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::{log, soon};

#[tokio::test]
async fn a_stream_is_made_once_by_many_and_a_difference_is_named() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let nats = servers.nats().await;
    let config = log();
    let made = join_all((0..8).map(|_| nats.ensure_stream(&config))).await;
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let differing = Config { max_bytes: 1_000_000, ..log() };
    let error = nats.ensure_stream(&differing).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::StreamDiffers { field: "max_bytes", .. }), "{text}");
    assert!(text.contains("1000000") && text.contains("-1"), "{text}");
}

#[tokio::test]
async fn the_connection_counter_rises_with_each_reconnect() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let nats = servers.nats().await;
    assert_eq!(*nats.connects.borrow(), 1);
    servers.restart(Which::Nats).await;
    soon(nats.reconnected(1)).await;
    assert_eq!(*nats.connects.borrow(), 2);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for_and_then_named() {
    let servers = TestServers::with(&[Which::Nats, Which::Redis]).await;
    servers.kill(Which::Nats).await;
    servers.kill(Which::Redis).await;
    let mut nats = servers.nats_config();
    nats.connect_wait_ms = 200;
    let error = soon(chassis::Nats::connect(&nats, "test")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    let mut redis = servers.redis_config();
    redis.connect_wait_ms = 200;
    let error = soon(chassis::Redis::connect(&redis)).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_of_before_2_12_is_refused_with_the_reason() {
    let old = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = old.local_addr().unwrap().port();
    let speak = async {
        let (mut stream, _) = old.accept().await.unwrap();
        let info = serde_json::json!({
            "server_id": "OLD",
            "server_name": "old",
            "version": "2.9.10",
            "proto": 1,
            "go": "go1.19.4",
            "host": "127.0.0.1",
            "port": port,
            "headers": true,
            "max_payload": 1_048_576,
            "client_id": 1,
        });
        let info = format!("INFO {info}\r\n");
        stream.write_all(info.as_bytes()).await.unwrap();
        let (reader, mut writer) = stream.split();
        let mut lines = BufReader::new(reader).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.starts_with("PING") {
                writer.write_all(b"PONG\r\n").await.unwrap();
            }
        }
    };
    let url = Url::new(format!("nats://127.0.0.1:{port}"));
    let config = NatsConfig { url, ..NatsConfig::default() };
    // Cancel-safe enough: the old server is not needed after the answer.
    let refused = tokio::select! {
        connected = soon(chassis::Nats::connect(&config, "test")) => connected.unwrap_err(),
        () = speak => panic!("the client hung up without a word"),
    };
    assert_eq!(
        refused.to_string(),
        "use nats-server 2.9.10: at least 2.12 is needed, because older ones ignore the epoch \
         fence or break compare-and-set"
    );
}

#[tokio::test]
async fn services_are_found_while_they_live() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let nats = servers.nats().await;
    let wait = Duration::from_millis(300);
    assert_eq!(discover(&nats, "waiting-room", wait).await.unwrap(), []);
    let metadata = HashMap::from([("http".to_owned(), "127.0.0.1:1".to_owned())]);
    let one = announce(&nats, "waiting-room", "1.0.0", metadata.clone()).await.unwrap();
    let two = announce(&nats, "waiting-room", "1.0.0", HashMap::new()).await.unwrap();
    let found = discover(&nats, "waiting-room", wait).await.unwrap();
    assert_eq!(found.len(), 2);
    assert!(found.iter().any(|info| info.metadata == metadata && info.version == "1.0.0"));
    drop(two);
    soon(async { while discover(&nats, "waiting-room", wait).await.unwrap().len() != 1 {} }).await;
    // They are found again after the server forgot everybody.
    servers.restart(Which::Nats).await;
    soon(async { while discover(&nats, "waiting-room", wait).await.unwrap().len() != 1 {} }).await;
    drop(one);
}

#[tokio::test]
async fn redis_comes_back_as_another_run_and_another_generation() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let redis = servers.redis().await;
    let before = redis.session().await.unwrap();
    assert_eq!(before.generation, 1);
    servers.kill(Which::Redis).await;
    let ping = redis::cmd("PING");
    let error = before.query::<String>(&ping).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    let error = redis.query::<String>(&ping).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    servers.restart(Which::Redis).await;
    let mut generation = redis.generation.clone();
    soon(generation.wait_for(|&generation| generation == 2)).await.unwrap();
    let after = redis.session().await.unwrap();
    assert_ne!(before.run_id, after.run_id);
    assert_eq!(redis.run_id().await.unwrap(), *after.run_id);
    assert_eq!(after.query::<String>(&ping).await.unwrap(), "PONG");
    assert!(before.query::<String>(&ping).await.is_err(), "a session never changes its server");
}

#[tokio::test]
async fn a_demoted_or_paused_redis_is_left_and_found_again() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let redis = servers.redis().await;
    let write = || redis::cmd("SET").arg("key").arg(1).to_owned();
    redis.query::<()>(&write()).await.unwrap();
    let replica_of =
        |host: &str, port: &str| redis::cmd("REPLICAOF").arg(host).arg(port).to_owned();
    let direct = redis::Client::open(servers.url(Which::Redis)).unwrap();
    let mut direct = direct.get_multiplexed_async_connection().await.unwrap();
    replica_of("127.0.0.1", "1").exec_async(&mut direct).await.unwrap();
    let error = redis.query::<()>(&write()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert!(redis.query::<()>(&write()).await.is_err(), "a replica is not connected to");
    replica_of("NO", "ONE").exec_async(&mut direct).await.unwrap();
    soon(async { while redis.query::<()>(&write()).await.is_err() {} }).await;
    servers.stop(Which::Redis);
    let error = redis.query::<()>(&write()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    servers.cont(Which::Redis);
    soon(async { while redis.query::<()>(&write()).await.is_err() {} }).await;
}

#[tokio::test]
async fn a_script_is_loaded_where_it_is_not_known_and_a_wrong_one_is_rejected() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let redis = servers.redis().await;
    let script = redis::Script::new("return ARGV[1] + 1");
    let invocation = script.arg(41);
    assert_eq!(redis.script::<i64>(&invocation).await.unwrap(), 42);
    let wrong = redis::Script::new("return redis.call('NOSUCH')");
    let error = redis.script::<i64>(&wrong.prepare_invoke()).await.unwrap_err();
    assert!(matches!(error, Error::Rejected { .. }), "{error:?}");
    let mut pipeline = redis::pipe();
    pipeline.atomic().cmd("INCR").arg("a").cmd("INCR").arg("a");
    assert_eq!(redis.pipeline::<(i64, i64)>(&pipeline).await.unwrap(), (1, 2));
}

#[tokio::test]
async fn a_pool_recovers_from_a_kill_of_its_server() {
    let servers = TestServers::with(&[Which::Postgres]).await;
    let pool = servers.postgres().await;
    let one = || sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(&pool);
    assert_eq!(one().await.unwrap(), 1);
    servers.kill(Which::Postgres).await;
    // Its children live on for a moment.
    soon(async { while one().await.is_ok() {} }).await;
    servers.restart(Which::Postgres).await;
    soon(async { while one().await.is_err() {} }).await;
    let all = join_all((0..16).map(|_| one())).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
}

#[tokio::test]
async fn connections_carry_their_timeouts_and_name() {
    let servers = TestServers::with(&[Which::Postgres]).await;
    let pool = servers.postgres().await;
    for (setting, value) in [
        ("statement_timeout", "3s"),
        ("lock_timeout", "2s"),
        ("idle_in_transaction_session_timeout", "1s"),
        ("application_name", "test"),
        ("tcp_user_timeout", "3000"),
        ("client_connection_check_interval", "1s"),
        ("data_checksums", "on"),
    ] {
        let found: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(found, value, "{setting}");
    }
}

#[tokio::test]
async fn migrations_run_once_from_many_processes_while_postgres_starts() {
    let servers = TestServers::with(&[Which::Postgres]).await;
    let pools = join_all((0..4).map(|_| servers.postgres())).await;
    servers.kill(Which::Postgres).await;
    let migrations = join_all(pools.iter().map(migrate));
    let restart = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        servers.restart(Which::Postgres).await;
    };
    let (migrated, ()) = tokio::join!(soon(migrations), restart);
    assert!(migrated.iter().all(Result::is_ok), "{migrated:?}");
    migrate(&pools[0]).await.unwrap();
}
