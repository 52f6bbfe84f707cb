//! The network between settlement and Stripe, which does to calls what networks do.

use super::local::LocalStripe;
use bytes::Bytes;
use chassis::http_client::{HttpClient, Reach};
use chassis::tasks;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::TcpListener;

/// What a call is for, by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Create,
    Confirm,
    Capture,
    Cancel,
    Refund,
    Fetch,
    List,
    Dispute,
}

pub(super) const DEEDS: [Deed; 4] = [Deed::Create, Deed::Confirm, Deed::Capture, Deed::Fetch];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Delay(Duration),
    /// The connection ends before Stripe hears of the call, or after it has carried it out.
    CutBefore,
    CutAfter,
    /// Stripe hears the call twice.
    Repeat,
    /// Stripe does not hear it, and this is the answer.
    Status(u16),
    /// Stripe carries it out, and this is the answer.
    StatusAfter(u16),
}

/// A call as it passed.
#[derive(Debug, Clone)]
pub(super) struct Passed {
    pub deed: Deed,
    pub order: Option<String>,
    pub key: Option<String>,
}

#[derive(Debug, Default)]
struct Script {
    /// By order and deed, and how many times still.
    faults: Vec<(String, Deed, Fault, u32)>,
    /// Nothing passes.
    is_down: bool,
    order_of: HashMap<String, String>,
    /// What localstripe has none of.
    disputes: Vec<serde_json::Value>,
    passed: Vec<Passed>,
}

#[derive(Clone)]
pub(super) struct Proxy {
    to: String,
    client: HttpClient,
    script: Arc<Mutex<Script>>,
    pub base: String,
}

impl Proxy {
    pub(super) async fn start(stripe: &LocalStripe) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let client = HttpClient::new(Reach::Anywhere);
        let proxy = Self { to: stripe.base.clone(), client, script: Arc::default(), base };
        let serving = proxy.clone();
        tasks::spawn("test-proxy", async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let proxy = serving.clone();
                tasks::spawn("test-proxy-connection", async move {
                    let pass = service_fn(move |request| {
                        let proxy = proxy.clone();
                        async move { proxy.pass(request).await }
                    });
                    // An error is how a connection is cut.
                    let connection = http1::Builder::new();
                    connection.serve_connection(TokioIo::new(tcp), pass).await.ok();
                });
            }
        });
        proxy
    }

    /// A server that is not Stripe, and knows none of its paths.
    pub(super) async fn stranger() -> String {
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

    /// Does that to the next `times` calls of an order.
    pub(super) fn plan(&self, order: &str, deed: Deed, fault: Fault, times: u32) {
        self.script().faults.push((order.to_owned(), deed, fault, times));
    }

    pub(super) fn set_down(&self, is_down: bool) {
        self.script().is_down = is_down;
    }

    /// Buyers' banks want that.
    pub(super) fn dispute(&self, disputes: Vec<serde_json::Value>) {
        self.script().disputes = disputes;
    }

    /// The calls so far, also those that were cut.
    pub(super) fn passed(&self) -> Vec<Passed> {
        self.script().passed.clone()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    async fn pass(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        let path = head.uri.path().to_owned();
        let deed = deed_of(&head.method, &path);
        let order = self.order_of(&path, &body);
        let key = head.headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
        let fault = {
            let mut script = self.script();
            script.passed.push(Passed { deed, order: order.clone(), key });
            if script.is_down {
                return Err(Cut);
            }
            script.next_fault(order.as_deref(), deed)
        };
        match fault {
            Some(Fault::CutBefore) => return Err(Cut),
            Some(Fault::Status(status)) => return Ok(answer(status)),
            Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
            _ => {}
        }
        if deed == Deed::Dispute {
            return Ok(self.disputes(&path));
        }
        let mut forwarded = Request::builder().method(head.method).uri(self.target(&head.uri));
        for (name, value) in &head.headers {
            if name != http::header::HOST && name != http::header::CONTENT_LENGTH {
                forwarded = forwarded.header(name, value);
            }
        }
        let forwarded = forwarded.body(body).unwrap();
        if fault == Some(Fault::Repeat) {
            self.client.send(forwarded.clone()).await.map_err(|_| Cut)?;
        }
        let answered = self.client.send(forwarded).await.map_err(|_| Cut)?;
        self.learn(order, answered.body());
        match fault {
            Some(Fault::CutAfter) => Err(Cut),
            Some(Fault::StatusAfter(status)) => Ok(answer(status)),
            _ => Ok(answered.map(Full::new)),
        }
    }

    fn disputes(&self, path: &str) -> Response<Full<Bytes>> {
        let disputes = self.script().disputes.clone();
        let found = match path.strip_prefix("/v1/disputes/") {
            Some(id) => disputes.into_iter().find(|dispute| dispute["id"] == id),
            None => Some(serde_json::json!({"data": disputes, "has_more": false})),
        };
        match found {
            Some(found) => Response::new(Full::from(found.to_string())),
            None => answer(404),
        }
    }

    /// The same call at localstripe, which does not know how to list by time.
    fn target(&self, uri: &http::Uri) -> String {
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
            Some(of.as_str()) == order && *what == deed && 0 < *left
        };
        let (_, _, fault, left) = self.faults.iter_mut().find(planned)?;
        *left -= 1;
        Some(*fault)
    }
}

fn deed_of(method: &Method, path: &str) -> Deed {
    if path.starts_with("/v1/disputes") {
        return Deed::Dispute;
    }
    match path.rsplit('/').next().unwrap() {
        "confirm" => Deed::Confirm,
        "capture" => Deed::Capture,
        "cancel" => Deed::Cancel,
        "refunds" => Deed::Refund,
        "payment_intents" if method == Method::POST => Deed::Create,
        "payment_intents" => Deed::List,
        _ => Deed::Fetch,
    }
}

fn answer(status: u16) -> Response<Full<Bytes>> {
    let body = Full::from(r#"{"error": {"code": "by the proxy"}}"#);
    Response::builder().status(status).body(body).unwrap()
}

/// The connection ends here.
#[derive(Debug, thiserror::Error)]
#[error("cut")]
struct Cut;
