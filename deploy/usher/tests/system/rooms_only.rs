//! Rooms alone: a waiting room and a gateway in one process, with NATS and Redis and nothing else.

use crate::client::{Answer, Call, Client};
use crate::process::{Process, free_port};
use crate::up::temporary_folder;
use chassis::{TestServers, Which};
use hyper::Method;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tempfile::TempDir;

pub struct RoomsOnly {
    pub usher: Process,
    pub client: Client,
    pub address: SocketAddr,
    /// A token of the role operator.
    pub operator: String,
    variables: Vec<(String, String)>,
    _servers: TestServers,
    folder: TempDir,
}

impl RoomsOnly {
    pub async fn start() -> Self {
        let servers = TestServers::with(&[Which::Nats, Which::Redis]).await;
        let folder = temporary_folder();
        let address: SocketAddr = ([127, 0, 0, 1], free_port()).into();
        let variables = [
            ("USHER__NATS__URL", servers.url(Which::Nats).to_owned()),
            ("USHER__REDIS__URL", servers.url(Which::Redis).to_owned()),
            // Nobody is there, and nobody may ask.
            ("USHER__POSTGRES__URL", "postgres://nobody@127.0.0.1:1/none".to_owned()),
            ("USHER__POSTGRES__CONNECT_WAIT_MS", "100".to_owned()),
            ("USHER__KEYS__DIR", folder.path().join("keys").display().to_string()),
            ("USHER__INGRESS__LISTEN", address.to_string()),
            ("USHER__INGRESS__ROOMS_ONLY", "true".to_owned()),
            ("USHER__INGRESS__HTTP__TRUSTED_PROXIES", "[\"127.0.0.1\"]".to_owned()),
            ("USHER__METRICS__LISTEN", format!("127.0.0.1:{}", free_port())),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let log = folder.path().join("usher.log");
        let usher = Process::start(&["run", "--stages", "waiting-room,ingress"], &variables, &log);
        let client = Client::new(&format!("http://{address}"));
        let operator = String::new();
        let mut rooms =
            Self { usher, client, address, operator, variables, _servers: servers, folder };
        rooms.usher.printed("usher runs ").await;
        rooms.operator = rooms.token("operator").await;
        rooms
    }

    /// What `usher token` prints for a role.
    pub async fn token(&self, role: &str) -> String {
        let (log, nothing) =
            (self.folder.path().join("token.log"), self.folder.path().join("none"));
        let nothing = nothing.display().to_string();
        let arguments = ["token", "--role", role, "--data", &nothing];
        let (status, printed, log) =
            Process::start(&arguments, &self.variables, &log).ended().await;
        assert!(status.success(), "{printed}\n{log}");
        printed
    }

    pub async fn ask_as(&self, token: &str, call: Call) -> Answer {
        self.client.ask(call.header("authorization", &format!("Bearer {token}"))).await
    }

    /// Makes a room, or names it anew.
    pub async fn put_room(&self, event: &str, name: &str) -> Answer {
        let call = Call::new(Method::PUT, &format!("/api/admin/rooms/{event}"));
        self.ask_as(&self.operator, call.json(&json!({"name": name}))).await
    }

    /// Changes the settings of a room.
    pub async fn set(&self, event: &str, change: &Value) {
        let path = format!("/api/admin/events/{event}/admission");
        let call = Call::new(Method::PATCH, &path).header("if-match", "*").json(change);
        self.ask_as(&self.operator, call).await.expect(200);
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("usher.log")).unwrap()
    }
}
