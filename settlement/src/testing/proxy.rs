//! The network between settlement and Stripe, which does to calls what networks do.

use super::kept::{Kept, Reply};
use super::local::LocalStripe;
use bytes::Bytes;
use chassis::http_client::{HttpClient, Reach};
use chassis::tasks;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What a call is for, by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Create,
    Confirm,
    Capture,
    Cancel,
    Refund,
    Fetch,
    List,
    /// A part of the list from a payment on.
    ListOn,
    Dispute,
}

/// What becomes of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Delay(Duration),
    /// The connection ends before Stripe hears of the call, or after it has carried it out.
    CutBefore,
    CutAfter,
    /// The connection ends, and Stripe goes on with the call for so long.
    CutWithin(Duration),
    /// Stripe hears the call twice.
    Repeat,
    /// Stripe does not hear it, and this is the answer.
    Status(u16),
    /// Stripe carries it out, and this is the answer.
    StatusAfter(u16),
    /// Stripe itself answers so, before or after it has carried it out: with a key, each repetition
    /// is answered the same.
    Says(u16),
    SaysAfter(u16),
}

/// What becomes of all calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    Open,
    /// Connections end when a call comes.
    Cut,
    /// There are no connections, and nobody listens.
    Refused,
    /// Nothing is answered. Stripe carries out each second call.
    Silent,
}

/// A call as it passed.
#[derive(Debug, Clone)]
pub struct Passed {
    pub deed: Deed,
    /// Which order it is about, if that is known.
    pub order: Option<String>,
    /// Its idempotency key.
    pub key: Option<String>,
}

#[derive(Debug, Default)]
struct Script {
    /// By order and deed, and how many times still.
    faults: Vec<(String, Deed, Fault, u32)>,
    order_of: HashMap<String, String>,
    /// What localstripe has none of.
    disputes: Vec<serde_json::Value>,
    passed: Vec<Passed>,
    kept: Kept,
}

/// A call on its way.
#[derive(Debug, Clone)]
struct Call {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    form: Bytes,
    order: Option<String>,
    key: Option<String>,
}

/// The network. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Proxy {
    to: String,
    client: HttpClient,
    script: Arc<Mutex<Script>>,
    network: Arc<watch::Sender<Network>>,
    /// Where settlement finds what it takes for Stripe.
    pub base: String,
}

impl Proxy {
    /// Listens on any free port.
    pub async fn start(stripe: &LocalStripe) -> Self {
        Self::start_at(stripe, 0).await
    }

    /// Listens on this port of the loopback; 0 is any.
    pub async fn start_at(stripe: &LocalStripe, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = Self {
            to: stripe.base.clone(),
            client: HttpClient::new(Reach::Anywhere),
            script: Arc::default(),
            network: Arc::new(watch::channel(Network::Open).0),
            base: format!("http://{address}"),
        };
        tasks::spawn("test-proxy", proxy.clone().serve(listener, address));
        proxy
    }

    /// A server that is not Stripe, and knows none of its paths.
    pub async fn stranger() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tasks::spawn("test-stranger", async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tasks::spawn("test-stranger-connection", async move {
                    let refuse = service_fn(|_: Request<Incoming>| async {
                        let page = Full::<Bytes>::from("<h1>Not Found</h1>");
                        Response::builder().status(404).body(page).map_err(|_| Cut)
                    });
                    http1::Builder::new().serve_connection(TokioIo::new(tcp), refuse).await.ok();
                });
            }
        });
        base
    }

    /// Does that to the next `times` calls of an order, or of none if it is named so.
    pub fn plan(&self, order: &str, deed: Deed, fault: Fault, times: u32) {
        self.script().faults.push((order.to_owned(), deed, fault, times));
    }

    /// Does that to all calls from now on.
    pub fn set(&self, network: Network) {
        self.network.send_replace(network);
    }

    /// Buyers' banks want that.
    pub fn dispute(&self, disputes: Vec<serde_json::Value>) {
        self.script().disputes = disputes;
    }

    /// The calls so far, also those that were cut.
    pub fn passed(&self) -> Vec<Passed> {
        self.script().passed.clone()
    }

    /// Keys under which something else was asked for than the first time.
    pub fn mismatched(&self) -> Vec<String> {
        self.script().kept.mismatched.clone()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    async fn serve(self, mut listener: TcpListener, address: SocketAddr) {
        let mut network = self.network.subscribe();
        let mut connections = JoinSet::new();
        loop {
            // Cancel-safe: a queue of connections, one of ended tasks, and a switch.
            tokio::select! {
                accepted = listener.accept() => {
                    let (tcp, _) = accepted.unwrap();
                    connections.spawn(self.clone().connection(tcp));
                }
                Some(_) = connections.join_next() => {}
                changed = network.changed() => changed.unwrap(),
            }
            if *network.borrow_and_update() == Network::Refused {
                connections.shutdown().await;
                drop(listener);
                // Bound without listening, the port is nobody else's meanwhile.
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_reuseaddr(true).unwrap();
                socket.bind(address).unwrap();
                network.wait_for(|network| *network != Network::Refused).await.unwrap();
                listener = socket.listen(1_024).unwrap();
            }
        }
    }

    async fn connection(self, tcp: TcpStream) {
        let pass = service_fn(move |request| {
            let proxy = self.clone();
            async move { proxy.pass(request).await.map(Reply::into_response) }
        });
        // An error is how a connection is cut.
        http1::Builder::new().serve_connection(TokioIo::new(tcp), pass).await.ok();
    }

    async fn pass(&self, request: Request<Incoming>) -> Result<Reply, Cut> {
        let (head, body) = request.into_parts();
        let form = body.collect().await.map_err(|_| Cut)?.to_bytes();
        let path = head.uri.path();
        let (deed, order) = (deed_of(&head.method, &head.uri), self.order_of(path, &form));
        let key = head.headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
        let (fault, number) = {
            let mut script = self.script();
            script.passed.push(Passed { deed, order: order.clone(), key: key.clone() });
            (script.next_fault(order.as_deref(), deed), script.passed.len())
        };
        let (method, uri, headers) = (head.method, head.uri, head.headers);
        let call = Call { method, uri, headers, form, order, key };
        let network = *self.network.borrow();
        match network {
            Network::Open => self.pass_with(call, fault).await,
            Network::Cut | Network::Refused => Err(Cut),
            Network::Silent => {
                if number.is_multiple_of(2) {
                    self.carry_out(call, None);
                }
                let mut network = self.network.subscribe();
                network.wait_for(|network| *network != Network::Silent).await.map_err(|_| Cut)?;
                Err(Cut)
            }
        }
    }

    async fn pass_with(&self, call: Call, fault: Option<Fault>) -> Result<Reply, Cut> {
        let by_nobody = |status| Ok(Reply::refusal(status, "by the proxy"));
        match fault {
            Some(Fault::CutBefore) => return Err(Cut),
            Some(Fault::Status(status)) => return by_nobody(status),
            Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
            Some(Fault::Repeat) => drop(self.carry_out(call.clone(), fault).await),
            _ => {}
        }
        let answer = self.carry_out(call, fault);
        if matches!(fault, Some(Fault::CutWithin(_))) {
            return Err(Cut);
        }
        let answered = answer.await.map_err(|_| Cut)??;
        match fault {
            Some(Fault::CutAfter) => Err(Cut),
            Some(Fault::StatusAfter(status)) => by_nobody(status),
            _ => Ok(answered),
        }
    }

    /// Stripe does it, whether anybody waits for that or not.
    fn carry_out(
        &self,
        call: Call,
        fault: Option<Fault>,
    ) -> tokio::task::JoinHandle<Result<Reply, Cut>> {
        let proxy = self.clone();
        tasks::spawn("test-stripe", async move {
            let Some(key) = call.key.clone() else { return proxy.answer(call, fault).await };
            let known = proxy.script().kept.begin(&key, call.uri.path(), &call.form);
            if let Some(reply) = known {
                return Ok(reply);
            }
            let answered = proxy.answer(call, fault).await;
            proxy.script().kept.end(&key, answered.as_ref().ok());
            answered
        })
    }

    async fn answer(&self, call: Call, fault: Option<Fault>) -> Result<Reply, Cut> {
        match fault {
            Some(Fault::Says(status)) => return Ok(Reply::refusal(status, "by_stripe")),
            Some(Fault::CutWithin(time)) => tokio::time::sleep(time).await,
            _ => {}
        }
        if deed_of(&call.method, &call.uri) == Deed::Dispute {
            return Ok(self.disputes(call.uri.path()));
        }
        let mut forwarded = Request::builder().method(call.method).uri(self.target(&call.uri));
        for (name, value) in &call.headers {
            if name != http::header::HOST && name != http::header::CONTENT_LENGTH {
                forwarded = forwarded.header(name, value);
            }
        }
        let forwarded = forwarded.body(call.form).unwrap();
        let answered = self.client.send(forwarded).await.map_err(|_| Cut)?;
        self.learn(call.order, answered.body());
        if let Some(Fault::SaysAfter(status)) = fault {
            return Ok(Reply::refusal(status, "by_stripe"));
        }
        let (status, is_kept) = (answered.status(), false);
        Ok(Reply { status, body: answered.into_body(), is_kept })
    }

    fn disputes(&self, path: &str) -> Reply {
        let disputes = self.script().disputes.clone();
        let found = match path.strip_prefix("/v1/disputes/") {
            Some(id) => disputes.into_iter().find(|dispute| dispute["id"] == id),
            None => Some(serde_json::json!({"data": disputes, "has_more": false})),
        };
        let none = || Reply::refusal(404, "resource_missing");
        let said = |found: serde_json::Value| Reply {
            status: http::StatusCode::OK,
            body: found.to_string().into(),
            is_kept: false,
        };
        found.map_or_else(none, said)
    }

    /// The same call at localstripe, which does not know how to list by time.
    fn target(&self, uri: &Uri) -> String {
        let known = |field: &&str| !field.starts_with("created");
        let fields: Vec<&str> = uri.query().unwrap_or("").split('&').filter(known).collect();
        format!("{}{}?{}", self.to, uri.path(), fields.join("&"))
    }

    /// Which order a call is about: its form says so, or the payment in its path or form.
    fn order_of(&self, path: &str, body: &[u8]) -> Option<String> {
        let body = std::str::from_utf8(body).unwrap();
        let field = |name: &str| {
            let mut fields = body.split('&').filter_map(|field| field.split_once('='));
            fields.find_map(|(at, value)| (at == name).then(|| value.to_owned()))
        };
        let in_form = field("metadata%5Border%5D");
        let id = path.split('/').nth(3).map(str::to_owned).or_else(|| field("payment_intent"));
        in_form.or_else(|| self.script().order_of.get(&id?).cloned())
    }

    fn learn(&self, order: Option<String>, answer: &Bytes) {
        let answer: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
        if let (Some(order), Some("payment_intent"), Some(id)) =
            (order, answer["object"].as_str(), answer["id"].as_str())
        {
            self.script().order_of.insert(id.to_owned(), order);
        }
    }
}

impl Script {
    fn next_fault(&mut self, order: Option<&str>, deed: Deed) -> Option<Fault> {
        let planned = |(of, what, _, left): &&mut (String, Deed, Fault, u32)| {
            of.as_str() == order.unwrap_or_default() && *what == deed && 0 < *left
        };
        let (_, _, fault, left) = self.faults.iter_mut().find(planned)?;
        *left -= 1;
        Some(*fault)
    }
}

fn deed_of(method: &Method, uri: &Uri) -> Deed {
    let (path, fields) = (uri.path(), uri.query().unwrap_or_default());
    if path.starts_with("/v1/disputes") {
        return Deed::Dispute;
    }
    match path.rsplit('/').next().unwrap() {
        "confirm" => Deed::Confirm,
        "capture" => Deed::Capture,
        "cancel" => Deed::Cancel,
        "refunds" => Deed::Refund,
        "payment_intents" if method == Method::POST => Deed::Create,
        "payment_intents" if fields.contains("starting_after=") => Deed::ListOn,
        "payment_intents" => Deed::List,
        _ => Deed::Fetch,
    }
}

/// The connection ends here.
#[derive(Debug, thiserror::Error)]
#[error("cut")]
struct Cut;
