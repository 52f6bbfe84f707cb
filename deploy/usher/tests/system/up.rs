//! `usher up` as a test runs it.

use crate::client::{Call, Client};
use crate::process::{Identity, Process, free_port, pid, runs, working_in};
use crate::system::System;
use crate::wait::until;
use chassis::Which;
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What a test needs to speak with a system, however it is deployed.
#[derive(Debug, Clone)]
pub struct Reach {
    pub client: Client,
    pub nats: String,
    pub postgres: String,
    pub keys: PathBuf,
    /// What the other commands of `usher` need to find it.
    pub variables: Vec<(String, String)>,
}

/// One `usher up` with its data folder.
#[derive(Debug)]
pub struct Up {
    pub port: u16,
    pub metrics_port: u16,
    /// From the start of the process to the ready line.
    pub start_time: Duration,
    /// Settings of the test's own.
    pub variables: Vec<(String, String)>,
    process: Option<Process>,
    // Last, so that the process is gone when its folder is removed.
    folder: TempDir,
}

impl Up {
    /// Starts with an empty folder and the demo catalogue.
    pub async fn start() -> Self {
        let mut up = Self::prepare();
        up.start_again().await;
        up
    }

    /// Chooses the folder and the ports, and starts nothing.
    pub fn prepare() -> Self {
        let folder = temporary_folder();
        let (port, metrics_port) = (free_port(), free_port());
        let (start_time, variables) = (Duration::ZERO, Vec::new());
        Self { port, metrics_port, start_time, variables, process: None, folder }
    }

    /// Starts the binary on the same folder and ports, and waits until it serves.
    pub async fn start_again(&mut self) {
        let begun = Instant::now();
        let mut process = self.spawn(self.port);
        let line = process.printed("usher is ready on ").await;
        assert_eq!(line, format!("usher is ready on http://127.0.0.1:{}", self.port));
        self.start_time = begun.elapsed();
        self.process = Some(process);
    }

    /// Starts again after a kill; the servers of the killed one are gone by then.
    async fn follow(&mut self, servers: BTreeMap<String, Identity>) {
        self.start_again().await;
        for (name, server) in servers {
            assert!(!server.lives(), "{name} {} outlived usher", server.pid);
        }
    }

    /// Starts one more on the same folder.
    pub fn spawn(&self, port: u16) -> Process {
        let data = self.data();
        let metrics_port = if port == self.port { self.metrics_port } else { free_port() };
        let (port, metrics_port) = (port.to_string(), metrics_port.to_string());
        let arguments = ["up", "--data", data.to_str().expect("a temporary path is text")];
        let ports = ["--port", &port, "--metrics-port", &metrics_port];
        let log = self.folder.path().join(format!("usher-{port}.log"));
        Process::start(&[&arguments[..], &ports[..]].concat(), &self.variables, &log)
    }

    /// Waits for a program to run in the data folder.
    pub async fn runs(&self, program: &str) -> u32 {
        until(&format!("{program} to run"), async || {
            working_in(&self.data()).into_iter().find(|pid| runs(*pid, program))
        })
        .await
    }

    /// Waits until stages start; they serve only later.
    pub async fn stages_start(&self) {
        let pages = Client::new(&format!("http://127.0.0.1:{}", self.metrics_port));
        until("stages to start", async || {
            let answer = pages.send(Call::get("/healthz")).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it was started")
    }

    /// What `usher.json` says now.
    pub fn running(&self) -> Value {
        let text = fs::read(self.data().join("usher.json")).expect("it runs");
        serde_json::from_slice(&text).expect("it is JSON")
    }

    /// The servers' processes by name.
    pub fn servers(&self) -> BTreeMap<String, Identity> {
        let running = self.running();
        let pids = running["pids"].as_object().expect("`pids` are an object").iter();
        let servers = pids.filter(|(name, _)| *name != "usher").map(|(name, pid)| {
            let pid = u32::try_from(pid.as_u64().expect("each server runs")).unwrap();
            (name.clone(), Identity::of(pid).unwrap_or_else(|| panic!("{name} {pid} lives")))
        });
        servers.collect()
    }

    /// Waits until `usher.json` names another process for this server.
    pub async fn replaced(&self, name: &str, old: &Identity) -> Identity {
        until(&format!("another process of {name}"), async || {
            let pid = self.running()["pids"][name].as_u64()?;
            let new = Identity::of(u32::try_from(pid).unwrap())?;
            (new != *old).then_some(new)
        })
        .await
    }
}

impl System for Up {
    fn reach(&self) -> Reach {
        let running = self.running();
        let text = |name: &str| running[name].as_str().expect("addresses are text").to_owned();
        assert_eq!(text("http"), format!("http://127.0.0.1:{}", self.port));
        let (nats, redis, postgres) = (text("nats"), text("redis"), text("postgres"));
        let variables = [("NATS", &nats), ("REDIS", &redis), ("POSTGRES", &postgres)];
        let variables =
            variables.map(|(name, url)| (format!("USHER__{name}__URL"), url.clone())).to_vec();
        let client = Client::new(&text("http"));
        Reach { client, nats, postgres, keys: self.data().join("keys"), variables }
    }

    async fn kill_server(&self, server: Which) {
        let name = server.name();
        let old = self.servers().remove(name).expect("all three run");
        kill_process(pid(old.pid), Signal::KILL).unwrap();
        let new = self.replaced(name, &old).await;
        eprintln!("kill -9 {name} {}: {} runs in its place", old.pid, new.pid);
    }

    async fn kill(&mut self, processes: &[&str]) {
        assert_eq!(processes, ["usher"], "there is no other process");
        let servers = self.servers();
        self.process().kill();
        self.follow(servers).await;
    }

    async fn kill_everything(&mut self) {
        let servers = self.servers();
        for server in servers.values() {
            kill_process(pid(server.pid), Signal::KILL).unwrap();
        }
        self.process().kill();
        self.follow(servers).await;
    }
}

/// A folder in which another account can reach what belongs to it.
pub fn temporary_folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("usher-system-").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    folder
}
