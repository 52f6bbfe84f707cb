//! Three NATS servers as one cluster, on loopback and with files in a temporary folder.

use crate::process::free_port;
use crate::up::temporary_folder;
use crate::wait::until;
use async_nats::jetstream::stream::{Config, Info};
use async_nats::jetstream::{self, Context};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const SERVERS: usize = 3;

/// A running cluster. Its servers die with it, and with the thread that started them.
pub struct Cluster {
    servers: Vec<Server>,
    // Behind the servers, so that they are dead when it is removed.
    folder: TempDir,
}

struct Server {
    name: String,
    port: u16,
    route: u16,
    process: Option<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Cluster {
    /// Returns when a stream of three copies can be made.
    pub async fn start() -> Self {
        let servers = (0..SERVERS).map(|number| Server {
            name: format!("server-{number}"),
            port: free_port(),
            route: free_port(),
            process: None,
        });
        let mut cluster = Self { servers: servers.collect(), folder: temporary_folder() };
        for number in 0..SERVERS {
            cluster.run(number);
        }
        cluster.forms().await;
        cluster
    }

    /// All addresses, as `nats.url` has them.
    pub fn url(&self) -> String {
        let urls: Vec<String> =
            self.servers.iter().map(|server| format!("nats://127.0.0.1:{}", server.port)).collect();
        urls.join(",")
    }

    /// kill -9 of the server that leads a stream; returns its number.
    pub async fn kill_leader(&mut self, context: &Context, stream: &str) -> usize {
        let leader = until("a leader", async || info(context, stream).await?.cluster?.leader).await;
        let number = self.servers.iter().position(|server| server.name == leader);
        let number = number.expect("the leader is one of ours");
        let mut process = self.servers[number].process.take().expect("it led, so it runs");
        process.kill().unwrap();
        process.wait().unwrap();
        number
    }

    /// Starts a killed server again, and waits until all copies of a stream are as new as the
    /// leader's.
    pub async fn restart(&mut self, number: usize, context: &Context, stream: &str) {
        self.run(number);
        until("three copies that are current", async || {
            let cluster = info(context, stream).await?.cluster?;
            let copies = cluster.replicas.iter().filter(|copy| copy.current && !copy.offline);
            (copies.count() == SERVERS - 1).then_some(())
        })
        .await;
    }

    fn run(&mut self, number: usize) {
        let routes = self.servers.iter().map(|server| format!("nats://127.0.0.1:{}", server.route));
        let routes = routes.collect::<Vec<_>>().join(",");
        let server = &mut self.servers[number];
        server.process = Some(server.start(&routes, self.folder.path()));
    }

    async fn forms(&self) {
        let url = &self.servers[0].port.to_string();
        let url = format!("nats://127.0.0.1:{url}");
        let client = until("the first server", async || async_nats::connect(&url).await.ok()).await;
        let context = jetstream::new(client);
        let trial = Config {
            name: "FORMED".to_owned(),
            subjects: vec!["formed".to_owned()],
            num_replicas: SERVERS,
            ..Config::default()
        };
        until("a stream of three copies", async || context.create_stream(&trial).await.ok()).await;
        context.delete_stream("FORMED").await.unwrap();
    }
}

impl Server {
    fn start(&self, routes: &str, folder: &Path) -> Child {
        let log = folder.join(format!("{}.log", self.name));
        let log = File::options().create(true).append(true).open(log).unwrap();
        let server = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "nats-server", "--jetstream"])
            .args(["--addr", "127.0.0.1", "--port", &self.port.to_string(), "--name", &self.name])
            .args(["--cluster_name", "test", "--routes", routes])
            .args(["--cluster", &format!("nats://127.0.0.1:{}", self.route)])
            .arg("--store_dir")
            .arg(folder.join(&self.name))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        server.unwrap()
    }
}

async fn info(context: &Context, stream: &str) -> Option<Info> {
    let stream = context.get_stream(stream).await.ok()?;
    stream.get_info().await.ok()
}
