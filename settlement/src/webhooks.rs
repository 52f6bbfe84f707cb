//! Outgoing webhooks: tells promoters what has become of bookings, signed, in order, and again
//! until somebody takes it.
//!
//! What is told was read back from the journal. Its message is a row with an id of its own, which
//! stays the same however often it is sent, so whoever keeps the ids sees each once.

use crate::config::{
    LISTING_AGAIN, MESSAGE_KEPT_FOR, MESSAGES_AT_ONCE, MESSAGES_EVERY, MESSAGES_MADE_AT_ONCE,
    MESSAGES_OF_ENDPOINT, MESSAGES_SWEPT, MESSAGES_SWEPT_EVERY, SECRET_OVERLAP, SEND_LEASE,
    SENT_AGAIN_AFTER,
};
use crate::driver::Context;
use crate::error::Error;
use crate::metrics;
use crate::store::{Message, Ready, Told, Webhooks};
use bytes::Bytes;
use chassis::clock::{self, Monotonic};
use chassis::http_client::{HttpClient, Reach};
use chassis::keys::{HmacKey, random_bytes};
use chassis::outside;
use chassis::telemetry::chain;
use chassis::webhook::Secret;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::{Request, Uri};
use schema::{AccountId, DurationMs, EventId, UnixMillis};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// Longest reason of a failed try that is stored.
const ERROR_BYTES_MAX: usize = 200;

/// Makes messages of what the journal has, and forgets old ones, until the process ends.
pub(crate) async fn relay(context: Arc<Context>) {
    let mut tick = tokio::time::interval(MESSAGES_EVERY);
    let mut sweep = tokio::time::interval(MESSAGES_SWEPT_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut unread = HashMap::new();
    loop {
        // Cancel-safe: ticks and a switch.
        let done = tokio::select! {
            _ = tick.tick() => make(&context, &mut unread).await,
            _ = sweep.tick() => forget(&context).await,
            () = context.shutdown.begun() => return,
        };
        if let Err(error) = done {
            tracing::warn!(error = %chain(&error), "messages wait");
        }
    }
}

async fn forget(context: &Context) -> Result<(), Error> {
    let before = UnixMillis(clock::now().0.saturating_sub(MESSAGE_KEPT_FOR.0));
    Webhooks(&context.store).sweep(before, MESSAGES_SWEPT).await.map(drop)
}

/// Makes the messages of all verdicts and parts that wait to be told. Those of an event whose
/// listing was `unread` a moment ago wait as they are, and hold up nobody else's.
async fn make(context: &Context, unread: &mut HashMap<EventId, Monotonic>) -> Result<(), Error> {
    unread.retain(|_, since| since.elapsed() < LISTING_AGAIN);
    let webhooks = Webhooks(&context.store);
    let mut promoters: HashMap<EventId, Option<AccountId>> = HashMap::new();
    loop {
        // Each turn tells what it has read, or has one more event to leave out.
        let without = unread.keys().map(EventId::as_str).collect();
        let ready = webhooks.ready(without, MESSAGES_MADE_AT_ONCE).await?;
        if ready.is_empty() {
            return Ok(());
        }
        let mut is_away = false;
        for Ready { event, .. } in &ready {
            if promoters.contains_key(event) || unread.contains_key(event) {
                continue;
            }
            match context.terms.promoter_of(event).await {
                Ok(promoter) => {
                    promoters.insert(event.clone(), promoter);
                }
                Err(error) => {
                    tracing::warn!(%event, error = %chain(&error), "messages of an event wait");
                    unread.insert(event.clone(), Monotonic::now());
                    // Each further one may have to be waited for as long.
                    is_away = matches!(error, Error::Slow { .. } | Error::Bus { .. });
                }
            }
            if is_away {
                break;
            }
        }
        let mut told = Vec::with_capacity(ready.len());
        for ready in ready {
            if let Some(&promoter) = promoters.get(&ready.event) {
                told.push((ready, promoter));
            }
        }
        webhooks.expand(&told).await?;
        if is_away {
            return Ok(());
        }
    }
}

/// What sends messages.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    context: Arc<Context>,
    client: HttpClient,
    key: Arc<HmacKey>,
    reach: Reach,
}

impl Sender {
    pub(crate) fn new(context: Arc<Context>, key: HmacKey) -> Self {
        let anywhere = context.config.webhooks_private_targets;
        let reach = if anywhere { Reach::Anywhere } else { Reach::PublicOnly };
        Self { context, client: HttpClient::new(reach), key: Arc::new(key), reach }
    }

    /// Sends what is due until the process ends; some at once, of each endpoint a few.
    pub(crate) async fn run(self) {
        let mut under_way = FuturesUnordered::new();
        let mut of_endpoint: HashMap<Uuid, usize> = HashMap::new();
        loop {
            for message in self.take(under_way.len(), &of_endpoint).await {
                *of_endpoint.entry(message.endpoint).or_default() += 1;
                under_way.push(self.send(message));
            }
            // All branches are cancel-safe: what is under way stays in the list.
            tokio::select! {
                Some(endpoint) = under_way.next() => {
                    of_endpoint.entry(endpoint).and_modify(|count| *count -= 1);
                    of_endpoint.retain(|_, count| 0 < *count);
                }
                () = tokio::time::sleep(MESSAGES_EVERY) => {}
                () = self.context.shutdown.begun() => return,
            }
        }
    }

    /// Takes as many messages as there is room for.
    async fn take(&self, under_way: usize, of_endpoint: &HashMap<Uuid, usize>) -> Vec<Message> {
        let room = MESSAGES_AT_ONCE.saturating_sub(under_way);
        if room == 0 {
            return Vec::new();
        }
        // An endpoint that has some under way gets more when they are done.
        let busy = of_endpoint.keys().copied().collect();
        let most = i64::try_from(room).expect("a small number");
        let again = clock::now() + SEND_LEASE;
        let taken = Webhooks(&self.context.store).take(busy, MESSAGES_OF_ENDPOINT, most, again);
        taken.await.unwrap_or_else(|error| {
            tracing::warn!(error = %chain(&error), "messages are sent later");
            Vec::new()
        })
    }

    /// Sends a message once, and stores how that went. Returns its endpoint.
    async fn send(&self, message: Message) -> Uuid {
        let told = self.try_once(&message).await;
        metrics::webhook_told(&told);
        if let Err(error) = Webhooks(&self.context.store).told(&message, &told).await {
            // It is due again by itself, with the same id.
            tracing::warn!(error = %chain(&error), "how a message went is not stored");
        }
        message.endpoint
    }

    async fn try_once(&self, message: &Message) -> Told {
        let failed = |status: Option<u16>, error: String| {
            let error = error.chars().take(ERROR_BYTES_MAX).collect();
            Told::Failed { status, error, again_at: again_at(message.tries, clock::now()) }
        };
        let request = match self.request(message, clock::now()) {
            Ok(request) => request,
            Err(why) => return failed(None, why),
        };
        match outside("send a message", self.client.send(request)).await {
            Ok(answer) if answer.status().is_success() => {
                Told::Delivered { status: answer.status().as_u16() }
            }
            Ok(answer) if answer.status() == http::StatusCode::GONE => Told::Gone,
            Ok(answer) => {
                let status = answer.status().as_u16();
                failed(Some(status), format!("answered {status}"))
            }
            Err(error) => failed(None, chain(&error).to_string()),
        }
    }

    fn request(&self, message: &Message, now: UnixMillis) -> Result<Request<Bytes>, String> {
        let uri: Uri = message.url.parse().map_err(|_| "its url is none".to_owned())?;
        if self.reach == Reach::PublicOnly && uri.scheme_str() != Some("https") {
            return Err("its url is not https".to_owned());
        }
        let id = message_name(message.id);
        let seconds = now.0 / 1_000;
        let request = Request::post(uri)
            .header("content-type", "application/json")
            .header("user-agent", concat!("usher/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", &id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", self.signatures(message, &id, seconds, now))
            .body(Bytes::from(message.body.clone()));
        request.map_err(|_| "its url is none".to_owned())
    }

    /// By the endpoint's secret, and for a while after a change by the one before too.
    fn signatures(&self, message: &Message, id: &str, seconds: u64, now: UnixMillis) -> String {
        let endpoint = message.endpoint.into_bytes();
        let sign =
            |number| Secret::of(&self.key, endpoint, number).sign(id, seconds, &message.body);
        let newest = sign(message.secret_number);
        let is_fresh = now.since(message.rotated_at) < SECRET_OVERLAP;
        if !is_fresh || message.secret_number == 1 {
            return newest;
        }
        format!("{newest} {}", sign(message.secret_number - 1))
    }
}

/// The id of a message as its receiver sees it.
pub(crate) fn message_name(id: Uuid) -> String {
    format!("m-{}", id.simple())
}

/// When a message is sent again that has failed `tries` times; never after some three days.
fn again_at(tries: u32, now: UnixMillis) -> Option<UnixMillis> {
    let place = usize::try_from(tries.saturating_sub(1)).expect("usize has 32 bits or more");
    let wait = SENT_AGAIN_AFTER.get(place)?;
    // A tenth more or less, so that what failed together does not come back together.
    let [chance] = random_bytes::<1>();
    let percent = 90 + u64::from(chance % 21);
    Some(now + DurationMs(wait.0 * percent / 100))
}

#[cfg(test)]
mod tests {
    use super::{SENT_AGAIN_AFTER, again_at};
    use schema::UnixMillis;

    #[test]
    fn a_message_is_sent_ten_times_within_three_to_four_days() {
        let all: u64 = SENT_AGAIN_AFTER.iter().map(|wait| wait.0).sum();
        let days = 24.0 * 3_600_000.0;
        let all = f64::from(u32::try_from(all).unwrap());
        assert!(3.0 * days < all * 0.9 + days / 5.0 && all * 1.1 < 4.0 * days, "{all}");
        let tries = (1..).take_while(|tries| again_at(*tries, UnixMillis(0)).is_some());
        assert_eq!(tries.count() + 1, 10);
        for (tries, wait) in (1..).zip(SENT_AGAIN_AFTER) {
            let again = again_at(tries, UnixMillis(0)).unwrap().0;
            assert!(wait.0 * 9 / 10 <= again && again <= wait.0 * 11 / 10, "{again}");
        }
    }
}
