//! Rows about streams with three copies: three servers on loopback, killed when the test ends.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream::stream::Config;
use chassis::config::Url;
use chassis::{Nats, NatsConfig};
use futures_util::future::join_all;
use tempfile::TempDir;

use super::{Answer, EXPECTED, EXPECTED_SUBJECT, publish, stream};

/// How long the servers have to find each other and to elect leaders: a few seconds in practice.
const FORMED_WAIT: Duration = Duration::from_secs(30);

/// Writers at once, and how often they meet.
const WRITERS: usize = 12;
const ROUNDS: u64 = 20;

/// Below the ports that the kernel gives to outgoing connections, and those of other tests.
const PORT_FIRST: u16 = 9_000;
const PORT_COUNT: u16 = 2_400;

struct Cluster {
    // Before the folder, so that the servers are dead when it is removed.
    servers: Vec<Server>,
    url: String,
    _folder: TempDir,
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Cluster {
    fn start() -> Cluster {
        let folder = tempfile::Builder::new().prefix("usher-test-").tempdir().unwrap();
        let ports = free_ports(6);
        let (clients, routes) = ports.split_at(3);
        let all_routes: Vec<String> =
            routes.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        let servers = clients.iter().zip(&all_routes).map(|(port, route)| {
            let name = format!("server-{port}");
            let store = folder.path().join(&name);
            let log = std::fs::File::create(folder.path().join(format!("{name}.log"))).unwrap();
            // The child dies with the thread that runs the test, however that ends.
            let server = Command::new("setpriv")
                .args(["--pdeathsig", "KILL", "--", "nats-server", "--jetstream"])
                .args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--name", &name])
                .args(["--cluster_name", "test", "--cluster", route])
                .args(["--routes", &all_routes.join(",")])
                .arg("--store_dir")
                .arg(store)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn();
            Server(server.unwrap())
        });
        let servers = servers.collect();
        let urls: Vec<String> =
            clients.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        Cluster { servers, url: urls.join(","), _folder: folder }
    }

    /// Waits until a stream of three copies is there; returns a client of each server.
    async fn formed(&self, config: &Config) -> Vec<Nats> {
        let connects = self.url.split(',').map(|url| async move {
            let config = NatsConfig { url: Url::new(url), ..NatsConfig::default() };
            Nats::connect(&config, "test").await.unwrap()
        });
        let clients = join_all(connects).await;
        assert_eq!(clients.len(), self.servers.len());
        let started = Instant::now();
        while let Err(error) = clients[0].ensure_stream(config).await {
            assert!(started.elapsed() < FORMED_WAIT, "no stream of three copies: {error:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        clients
    }
}

pub fn free_ports(count: usize) -> Vec<u16> {
    let start = u16::try_from(std::process::id() % u32::from(PORT_COUNT)).unwrap();
    let ports = (0..PORT_COUNT).map(|step| PORT_FIRST + (start + step) % PORT_COUNT);
    let free = ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let free: Vec<u16> = free.take(count).collect();
    assert_eq!(free.len(), count);
    free
}

fn three_copies() -> Config {
    Config { num_replicas: 3, ..stream() }
}

/// Asks for the same write from every client at once.
async fn at_once(clients: &[Nats], subject: &str, pairs: &[(&str, &str)]) -> Vec<Answer> {
    let writes = clients.iter().cycle().take(WRITERS);
    join_all(writes.map(|nats| publish(nats, subject, pairs))).await
}

fn stored(answers: &[Answer]) -> Vec<u64> {
    let sequences = answers.iter().filter_map(|answer| match answer {
        Answer::Stored(sequence) => Some(*sequence),
        Answer::Duplicate(_) | Answer::Refused(_) => None,
    });
    sequences.collect()
}

#[tokio::test]
async fn a7_of_twelve_who_compare_and_set_at_once_in_a_cluster_one_wins() {
    let cluster = Cluster::start();
    let clients = cluster.formed(&three_copies()).await;
    for last in 0..ROUNDS {
        let expected = last.to_string();
        let answers = at_once(&clients, "s.epoch", &[(EXPECTED, &expected)]).await;
        assert_eq!(stored(&answers), [last + 1], "{answers:?}");
        // Behind another one that is not decided yet, or behind the winner.
        let refused = [Answer::Refused(10_164), Answer::Refused(10_071)];
        let mut others = answers.iter().filter(|answer| **answer != Answer::Stored(last + 1));
        assert!(others.all(|answer| refused.contains(answer)), "{answers:?}");
    }
}

#[tokio::test]
async fn a8_with_three_copies_one_fenced_write_is_in_flight_and_the_others_ask_again() {
    let cluster = Cluster::start();
    let clients = cluster.formed(&three_copies()).await;
    assert_eq!(publish(&clients[0], "s.epoch", &[]).await, Answer::Stored(1));
    let fence = [(EXPECTED, "1"), (EXPECTED_SUBJECT, "s.epoch")];
    let mut refused = 0;
    for round in 0..ROUNDS {
        let answers = at_once(&clients[..1], "s.data", &fence).await;
        let stored = stored(&answers).len();
        assert!(1 <= stored, "round {round}: {answers:?}");
        let again = answers.iter().filter(|answer| **answer == Answer::Refused(10_164)).count();
        assert_eq!(stored + again, WRITERS, "round {round}: {answers:?}");
        refused += again;
    }
    assert!(0 < refused, "no two were ever in flight together");
    let alone = publish(&clients[0], "s.data", &fence).await;
    assert!(matches!(alone, Answer::Stored(_)), "the fence has not moved: {alone:?}");
}

#[tokio::test]
async fn a8_with_one_copy_every_fenced_write_in_flight_is_stored() {
    let (_servers, nats) = super::nats_with(stream()).await;
    assert_eq!(publish(&nats, "s.epoch", &[]).await, Answer::Stored(1));
    let fence = [(EXPECTED, "1"), (EXPECTED_SUBJECT, "s.epoch")];
    let answers = at_once(std::slice::from_ref(&nats), "s.data", &fence).await;
    assert_eq!(stored(&answers).len(), WRITERS, "{answers:?}");
}
