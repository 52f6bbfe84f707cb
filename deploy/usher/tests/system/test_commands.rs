//! Commands that need no running system.

use crate::process::Process;
use crate::up::temporary_folder;
use chassis::{TestServers, Which};
use sqlx::PgPool;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_migrations_at_once_make_the_schema_and_a_third_changes_nothing() {
    let servers = TestServers::with(&[Which::Postgres]).await;
    let url = servers.url(Which::Postgres).to_owned();
    let variables = [("USHER__POSTGRES__URL".to_owned(), url)];
    let pool = servers.postgres().await;
    let migrate = async |name| {
        let (printed, status, log) = usher(&["migrate"], &variables, name).await;
        assert!(status, "{name}: {printed}\n{log}");
    };
    tokio::join!(migrate("one"), migrate("other"));
    let made = schema_of(&pool).await;
    assert!(made.iter().any(|column| column == "live_seat.seat_idx"), "{made:?}");
    migrate("again").await;
    assert_eq!(schema_of(&pool).await, made);
}

/// The columns of all tables.
async fn schema_of(pool: &PgPool) -> Vec<String> {
    let query = "SELECT table_name || '.' || column_name FROM information_schema.columns \
                 WHERE table_schema = 'public' ORDER BY 1";
    sqlx::query_scalar(query).fetch_all(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_printed_configuration_is_the_one_in_force_without_its_passwords() {
    let variables = [
        ("USHER__NATS__URL", "nats://bus:hunter2@nats.test:4222"),
        ("USHER__REDIS__URL", "redis://:hunter2@redis.test:6379"),
        ("USHER__POSTGRES__URL", "postgres://usher:hunter2@postgres.test/usher?password=hunter2"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let (printed, status, log) = usher(&["config", "--print"], &variables, "config").await;
    assert!(status, "{log}");
    for shown in [
        "nats://bus:***@nats.test:4222",
        "redis://:***@redis.test:6379",
        "postgres://usher:***@postgres.test/usher?password=***",
    ] {
        assert!(printed.contains(shown), "no {shown} in:\n{printed}");
    }
    assert!(!printed.contains("hunter2") && !log.contains("hunter2"), "{printed}\n{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draw_is_checked_on_files_alone_and_the_exit_code_says_if_it_holds() {
    let vectors = include_str!("../../../../waiting-room/tests/draw/usher-draw-v1.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    let draw = &vectors["draws"][3];
    let folder = temporary_folder();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let fairness = write("fairness.json", draw["fairness"].to_string());
    let proof = write("proof.json", draw["proofs"][0].to_string());
    let token = write("token.txt", draw["proofs"][0]["token"].as_str().unwrap().to_owned());
    let arguments = ["verify-draw", &fairness, &proof, "--token", &token];
    let (printed, status, log) = usher(&arguments, &[], "verify").await;
    assert!(status, "{printed}\n{log}");
    assert_eq!(printed.lines().filter(|line| line.starts_with("holds")).count(), 8, "{printed}");
    assert!(printed.contains("NOT CHECKED"), "nothing was kept: {printed}");
    let mut early = draw["fairness"].clone();
    for later in ["root", "n", "secret", "beacon", "seed", "drawnAt"] {
        early[later] = serde_json::Value::Null;
    }
    let kept = write("kept.json", early.to_string());
    let arguments = ["verify-draw", &fairness, &proof, "--kept", &kept];
    let (printed, status, log) = usher(&arguments, &[], "kept").await;
    assert!(status, "{printed}\n{log}");
    assert!(printed.contains("holds  ") && !printed.contains("NOT CHECKED"), "{printed}");
    early["commitment"] = early["event"].clone();
    let kept = write("other.json", early.to_string());
    let arguments = ["verify-draw", &fairness, &proof, "--kept", &kept];
    let (printed, status, _) = usher(&arguments, &[], "other").await;
    assert!(!status && printed.contains("FAILS") && printed.contains("other.json"), "{printed}");
    let mut forged = draw["proofs"][0].clone();
    forged["number"] = 7.into();
    let forged = write("forged.json", forged.to_string());
    let (printed, status, _) = usher(&["verify-draw", &fairness, &forged], &[], "forged").await;
    assert!(!status, "{printed}");
    assert!(printed.contains("FAILS") && printed.contains("forged.json"), "{printed}");
}

/// Runs a command in an empty folder; returns what it printed, whether it went well, and its log.
async fn usher(
    arguments: &[&str],
    variables: &[(String, String)],
    name: &str,
) -> (String, bool, String) {
    let folder = temporary_folder();
    let log = folder.path().join(format!("{name}.log"));
    let (status, printed, log) = Process::start(arguments, variables, &log).ended().await;
    (printed, status.success(), log)
}
