//! Each stage as a process of its own, against given servers.

use crate::client::{Call, Client};
use crate::process::{Process, free_port};
use crate::system::System;
use crate::up::{Reach, temporary_folder};
use crate::wait::until;
use chassis::{Death, TestServers, Which};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use tempfile::TempDir;

pub const STAGES: [&str; 5] = ["allocator", "settlement", "waiting-room", "indexer", "ingress"];

/// A system of five processes.
pub struct Split {
    stages: BTreeMap<String, Process>,
    variables: Vec<(String, String)>,
    client: Client,
    nats: String,
    pub servers: TestServers,
    folder: TempDir,
}

impl Split {
    pub async fn start() -> Self {
        let servers = TestServers::start().await;
        let nats = servers.url(Which::Nats).to_owned();
        Self::start_on(servers, &nats, &[]).await
    }

    /// Starts against this NATS, with settings for all processes; the others are `servers`.
    pub async fn start_on(servers: TestServers, nats: &str, settings: &[(&str, &str)]) -> Self {
        let folder = temporary_folder();
        let (http, queue) = (free_port(), free_port());
        let place = |name: &str| folder.path().join(name).display().to_string();
        let variables = [
            ("USHER__NATS__URL", nats.to_owned()),
            ("USHER__REDIS__URL", servers.url(Which::Redis).to_owned()),
            ("USHER__POSTGRES__URL", servers.url(Which::Postgres).to_owned()),
            ("USHER__KEYS__DIR", place("keys")),
            ("USHER__INDEXER__DIR", place("index")),
            ("USHER__INGRESS__LISTEN", format!("127.0.0.1:{http}")),
            ("USHER__WAITING_ROOM__LISTEN", format!("127.0.0.1:{queue}")),
            ("USHER__INGRESS__DEMO", "true".to_owned()),
            // One machine plays the crowd, so all of it has one address.
            ("USHER__INGRESS__HTTP__PEER_CONNECTIONS_MAX", "4096".to_owned()),
        ];
        let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let variables = variables.into_iter().chain(settings);
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).collect();
        let client = Client::new(&format!("http://127.0.0.1:{http}"));
        let (stages, nats) = (BTreeMap::new(), nats.to_owned());
        let mut split = Self { stages, variables, client, nats, servers, folder };
        // The stages first: the catalogue counts as loaded when search shows it.
        split.spawn_all(&STAGES);
        split.load_demo().await;
        split.serves(&STAGES).await;
        // Search shows the demo, which a gateway may hear of later. EVT001 is stored last.
        until("the gateway to know the demo", async || {
            let answer = split.client.send(Call::get("/api/events/EVT001/seats")).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
        split
    }

    async fn load_demo(&self) {
        let log = self.folder.path().join("demo.log");
        let data = self.folder.path().display().to_string();
        let mut demo = Process::start(&["demo", "--data", &data], &self.variables, &log);
        let (status, printed, log) = demo.ended().await;
        assert!(status.success(), "{printed}\n{log}");
    }

    fn spawn_all(&mut self, stages: &[&str]) {
        for stage in stages {
            self.spawn(stage, stage, &[]);
        }
    }

    /// Waits until these stages serve, and the gateway says so of itself.
    async fn serves(&mut self, stages: &[&str]) {
        for stage in stages {
            self.stage(stage).printed("usher runs ").await;
        }
        until("every stage to be ready", async || {
            let answer = self.client.send(Call::get("/readyz")).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    /// kill -9 of one stage and a new start; resolves when it serves, whatever the others do.
    pub async fn restart_alone(&mut self, stage: &str) {
        self.kill_stages(&[stage]);
        self.start_alone(stage).await;
    }

    /// Starts a stage that has ended; resolves when it serves, whatever the others do.
    pub async fn start_alone(&mut self, stage: &str) {
        self.spawn_all(&[stage]);
        self.stage(stage).printed("usher runs ").await;
    }

    /// kill -9 of one stage and a new start as a process that is going to die. Not waited for: that
    /// may be before it serves.
    pub fn doom(&mut self, stage: &str, death: Death) {
        self.kill_stages(&[stage]);
        let told = death.variables();
        self.spawn(stage, stage, &told.each_ref().map(|(name, value)| (*name, value.as_str())));
    }

    /// Waits until a process has ended itself by SIGKILL, and lets go of it.
    pub async fn dies(&mut self, name: &str) {
        let mut process = self.stages.remove(name).expect("it was started");
        let (status, _, log) = process.ended().await;
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{name}: {status}\n{log}");
    }

    /// Starts one more process of `stage`, and waits until it lives. It serves when the others are
    /// gone: nothing is shared out to it.
    pub async fn stand_by(&mut self, name: &str, stage: &str) {
        self.add(name, stage, &[("USHER__ALLOCATOR__SPREAD", "false")]).await;
    }

    /// Starts one more process of `stage`, and waits until it lives. It gets its share.
    pub async fn join(&mut self, name: &str, stage: &str) {
        self.add(name, stage, &[]).await;
    }

    /// Starts one more process of the waiting room with an address of its own, and waits until it
    /// lives; returns clients of that and of its metrics.
    pub async fn open_room(&mut self, name: &str) -> (Client, Client) {
        let address = format!("127.0.0.1:{}", free_port());
        let settings = [("USHER__WAITING_ROOM__LISTEN", address.as_str())];
        let pages = self.add(name, "waiting-room", &settings).await;
        (Client::new(&format!("http://{address}")), pages)
    }

    /// Starts one more gateway with an address of its own, and waits until it serves and knows the
    /// demo; returns a client of it.
    pub async fn open_gateway(&mut self, name: &str) -> Client {
        self.open_gateway_with(name, &[]).await
    }

    /// As [`Split::open_gateway`], with settings of its own.
    pub async fn open_gateway_with(&mut self, name: &str, settings: &[(&str, &str)]) -> Client {
        let address = format!("127.0.0.1:{}", free_port());
        let own = [settings, &[("USHER__INGRESS__LISTEN", address.as_str())]].concat();
        self.add(name, "ingress", &own).await;
        let client = Client::new(&format!("http://{address}"));
        // Neither question leaves the gateway: one that is to die does not die of these.
        until("the new gateway to serve", async || {
            let ready = client.send(Call::get("/readyz")).await.ok()?;
            let known = client.send(Call::get("/api/events/EVT001")).await.ok()?;
            ([ready.status, known.status] == [200, 200]).then_some(())
        })
        .await;
        client
    }

    /// Starts one more gateway that is going to die, and is known by the name of its death; returns
    /// a client of it.
    pub async fn open_doomed_gateway(&mut self, death: Death) -> Client {
        let told = death.variables();
        let told = told.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.open_gateway_with(&death.name(), &told).await
    }

    async fn add(&mut self, name: &str, stage: &str, settings: &[(&str, &str)]) -> Client {
        let pages = self.spawn(name, stage, settings);
        until("the new process to live", async || {
            let answer = pages.send(Call::get("/healthz")).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
        pages
    }

    /// Starts a process of `stage` under a name of its own; returns a client of its metrics
    /// address.
    fn spawn(&mut self, name: &str, stage: &str, settings: &[(&str, &str)]) -> Client {
        let log = self.folder.path().join(format!("{name}.log"));
        let mut variables = self.variables.clone();
        let metrics = format!("127.0.0.1:{}", free_port());
        let pages = Client::new(&format!("http://{metrics}"));
        variables.push(("USHER__METRICS__LISTEN".to_owned(), metrics));
        let settings =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        variables.extend(settings);
        let process = Process::start(&["run", "--stages", stage], &variables, &log);
        self.stages.insert(name.to_owned(), process);
        pages
    }

    pub fn stage(&mut self, name: &str) -> &mut Process {
        self.stages.get_mut(name).expect("it was started")
    }

    fn kill_stages(&mut self, stages: &[&str]) {
        // All are dead before any is waited for.
        for stage in stages {
            self.stage(stage).signal(Signal::KILL);
        }
        for stage in stages {
            self.stage(stage).kill();
        }
    }
}

impl System for Split {
    fn reach(&self) -> Reach {
        Reach {
            client: self.client.clone(),
            nats: self.nats.clone(),
            postgres: self.servers.url(Which::Postgres).to_owned(),
            keys: self.folder.path().join("keys"),
            variables: self.variables.clone(),
        }
    }

    async fn kill_server(&self, server: Which) {
        self.servers.kill(server).await;
        self.servers.restart(server).await;
    }

    async fn kill(&mut self, stages: &[&str]) {
        self.kill_stages(stages);
        self.spawn_all(stages);
        self.serves(stages).await;
    }

    async fn kill_everything(&mut self) {
        self.kill_stages(&STAGES);
        self.servers.kill_all().await;
        for server in Which::ALL {
            self.servers.restart(server).await;
        }
        self.spawn_all(&STAGES);
        self.serves(&STAGES).await;
    }
}
