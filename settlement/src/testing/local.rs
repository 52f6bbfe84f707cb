//! `localstripe`, somebody else's Stripe: a process of its own, asked directly for what became of
//! the money.

use bytes::Bytes;
use chassis::http_client::{HttpClient, Reach};
use http::Request;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// The process; it ends when this is dropped.
#[derive(Debug)]
pub struct LocalStripe {
    child: Child,
    client: HttpClient,
    /// Where it listens.
    pub base: String,
}

/// What became of the payments of one order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AtStripe {
    /// Intents, in any state.
    pub intents: usize,
    /// Those that can neither be paid any more nor were.
    pub cancelled: usize,
    /// Charges whose money was taken.
    pub charges: usize,
    pub taken: i64,
    pub returned: i64,
    /// Intents whose money is set aside, and neither taken nor left alone.
    pub set_aside: usize,
}

impl LocalStripe {
    pub async fn start() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/tools/localstripe");
        assert!(root.is_dir(), "localstripe is missing: deploy/test installs it");
        let port = {
            // It listens on IPv6 and IPv4.
            let free = std::net::TcpListener::bind("[::]:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let child = Command::new("python3")
            .args(["-m", "localstripe", "--from-scratch", "--port", &port.to_string()])
            .env("PYTHONPATH", root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let base = format!("http://127.0.0.1:{port}");
        let mut local = Self { child, client: HttpClient::new(Reach::Anywhere), base };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(local.child.try_wait().unwrap().is_none(), "localstripe has ended");
            assert!(Instant::now() < deadline, "localstripe does not begin");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        local
    }

    pub async fn get(&self, path: &str) -> Value {
        self.send(Request::get(format!("{}{path}", self.base)), "").await
    }

    pub async fn post(&self, path: &str, form: &str) -> Value {
        let request = Request::post(format!("{}{path}", self.base))
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(request, form).await
    }

    async fn send(&self, request: http::request::Builder, body: &str) -> Value {
        let request = request.header("authorization", "Bearer sk_test_12345");
        let request = request.body(Bytes::from(body.to_owned())).unwrap();
        let answer = self.client.send(request).await.unwrap();
        let text = String::from_utf8_lossy(answer.body());
        assert!(answer.status().is_success(), "{}: {text}", answer.status());
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// A card that wants its owner to prove themselves.
    pub async fn card_with_authentication(&self) -> String {
        let form = "type=card&card[number]=4000002500003155&card[exp_month]=12\
            &card[exp_year]=2030&card[cvc]=123";
        self.post("/v1/payment_methods", form).await["id"].as_str().unwrap().to_owned()
    }

    /// By order, as the payments' metadata have it.
    pub async fn money(&self) -> BTreeMap<String, AtStripe> {
        let list = self.get("/v1/payment_intents?limit=100000").await;
        let mut orders: BTreeMap<String, AtStripe> = BTreeMap::new();
        for intent in list["data"].as_array().unwrap() {
            let order = intent["metadata"]["order"].as_str().unwrap_or("").to_owned();
            let money = orders.entry(order).or_default();
            money.intents += 1;
            money.cancelled += usize::from(intent["status"] == "canceled");
            money.set_aside += usize::from(intent["status"] == "requires_capture");
            for charge in intent["charges"]["data"].as_array().unwrap() {
                if charge["captured"] == true && charge["status"] == "succeeded" {
                    money.charges += 1;
                    money.taken += charge["amount"].as_i64().unwrap();
                    money.returned += charge["amount_refunded"].as_i64().unwrap();
                }
            }
        }
        orders
    }
}

impl Drop for LocalStripe {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
