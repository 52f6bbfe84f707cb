//! The operator's view of an event: a stream of figures, and the settings that bound them.

use super::samples::Inside;
use crate::wire::{Connection, Door, Question};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::handshake;
use hyper::{Request, body::Incoming};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Figures come once a second. A busy system may be late; a silent one is asked anew.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// One event of the stream is some hundred bytes.
const PENDING_MAX: usize = 64 << 10;

/// The operator's view of some events.
#[derive(Debug, Clone)]
pub struct Live {
    pub door: Door,
    /// The first eight are watched.
    pub events: Vec<String>,
    /// An account token with the role operator.
    pub operator: String,
}

/// The bounds of an event's room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Bounds {
    pub admission_rate_per_minute: Option<u32>,
    pub active_max: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    free: u32,
    held: u32,
    paying: u32,
    sold: u32,
    room: Option<SaidRoom>,
    lags: SaidLags,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaidRoom {
    queued: u64,
    called: u64,
    active: u32,
    admitted_per_minute: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaidLags {
    room_ms: Option<u64>,
}

impl Live {
    /// Asks for the bounds of a room; there are none where there is no room.
    pub(super) async fn bounds(
        &self,
        connection: &mut Connection,
        event: &str,
    ) -> anyhow::Result<Bounds> {
        let question = Question::get(format!("/api/admin/events/{event}/admission"));
        let question = question.header("authorization", format!("Bearer {}", self.operator));
        let answer = connection.ask(question).await?;
        if answer.status != 200 {
            return Ok(Bounds::default());
        }
        serde_json::from_slice(&answer.body).context("read the settings of a room")
    }

    /// Hands on each figure of the stream. Returns when the stream ends or breaks.
    pub(super) async fn follow(
        &self,
        event: &str,
        mut seen: impl FnMut(Inside),
    ) -> anyhow::Result<()> {
        let mut driver = JoinSet::new();
        let mut body = self.open(event, &mut driver).await?;
        let mut pending = String::new();
        loop {
            let frame = timeout(SILENCE_MAX, body.frame()).await.context("figures stopped")?;
            let Some(frame) = frame else { return Ok(()) };
            if let Some(bytes) = frame.context("read figures")?.data_ref() {
                pending.push_str(&String::from_utf8_lossy(bytes));
            }
            figures(&mut pending)?.into_iter().for_each(&mut seen);
        }
    }

    async fn open(&self, event: &str, driver: &mut JoinSet<()>) -> anyhow::Result<Incoming> {
        let authority = &self.door.authority;
        let connected = timeout(SILENCE_MAX, TcpStream::connect(authority)).await;
        let stream = connected.context("connect in time")?.context("connect")?;
        let (mut sender, moving) = handshake(TokioIo::new(stream)).await.context("open HTTP")?;
        driver.spawn(async move {
            // The read that is under way fails with the reason.
            drop(moving.await);
        });
        let request = Request::get(format!("/api/admin/events/{event}/live"))
            .header("host", authority)
            .header("authorization", format!("Bearer {}", self.operator))
            .body(Empty::<Bytes>::new())
            .context("build a request")?;
        let answer = timeout(SILENCE_MAX, sender.send_request(request)).await;
        let answer = answer.context("ask for figures in time")?.context("ask for figures")?;
        if answer.status() != 200 {
            bail!("no figures of {event}: {}", answer.status());
        }
        Ok(answer.into_body())
    }
}

/// Takes whole events off the front of what has come so far.
fn figures(pending: &mut String) -> anyhow::Result<Vec<Inside>> {
    let mut found = Vec::new();
    while let Some(end) = pending.find("\n\n") {
        let event: String = pending.drain(..end + 2).collect();
        let Some(data) = event.lines().find_map(|line| line.strip_prefix("data:")) else {
            continue;
        };
        let said: Said = serde_json::from_str(data.trim()).context("read a figure")?;
        found.push(inside(&said));
    }
    anyhow::ensure!(pending.len() < PENDING_MAX, "no stream of figures");
    Ok(found)
}

fn inside(said: &Said) -> Inside {
    let mut inside = Inside {
        free: said.free,
        held: said.held + said.paying,
        sold: said.sold,
        room_lag: said.lags.room_ms.map(Duration::from_millis),
        ..Inside::default()
    };
    if let Some(room) = &said.room {
        inside.queued = room.queued;
        inside.called = room.called;
        inside.active = room.active;
        inside.called_last_minute = room.admitted_per_minute;
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::figures;

    #[test]
    fn figures_are_read_from_pieces_of_a_stream() {
        let mut pending = String::from(": still here\n\nevent: live\ndata: {\"free\":3,");
        assert!(figures(&mut pending).unwrap().is_empty());
        pending.push_str(concat!(
            "\"held\":1,\"paying\":2,\"sold\":7,\"at\":\"x\",\"room\":{\"queued\":90,",
            "\"called\":10,\"active\":4,\"admittedPerMinute\":8,\"limitedBy\":\"rate\"},",
            "\"lags\":{\"viewSequence\":1,\"roomMs\":157}}\n\nevent: live\n",
        ));
        let found = figures(&mut pending).unwrap();
        let [inside] = found[..] else { panic!("{found:?}") };
        assert_eq!((inside.free, inside.held, inside.sold), (3, 3, 7));
        assert_eq!((inside.queued, inside.called, inside.active), (90, 10, 4));
        assert_eq!(inside.room_lag.unwrap().as_millis(), 157);
        assert_eq!(pending, "event: live\n");
    }

    #[test]
    fn what_is_no_stream_of_figures_is_an_error() {
        assert!(figures(&mut "data: {\"free\":\"many\"}\n\n".to_owned()).is_err());
        assert!(figures(&mut "x".repeat(100_000)).is_err());
    }
}
