//! `usher-bench storeloss`: what a crowd in line notices when Redis is killed and comes back with
//! nothing in it.
//!
//! A system of our own holds a line that is being called. People go on joining, and those near the
//! front go on polling, while Redis loses all it has, in each round anew. At the end everybody asks
//! for the own place.

use super::outcome::{Outcome, Seen, folder, say, watched, write};
use crate::cli;
use crate::measure::{get, join_question, label, resolve, status_question};
use crate::promises::Checks;
use crate::record::{Latency, Tally};
use crate::results::{Figure, Finding, Kept, Met, Wish};
use crate::sample::Samples;
use crate::system::{System, empty_redis};
use crate::wire::{Door, Socket};
use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const ROOM: &str = "EVT001";

/// Connections over which the line is made, and over which all ask for their places at the end.
const CONNECTIONS: usize = 64;

/// Those over which people join meanwhile, and each one's pause after an answer: 400 a second at
/// most.
const JOINING: usize = 8;
const JOIN_PAUSE: Duration = Duration::from_millis(20);

/// Places from the first on that poll meanwhile, as they would be told near the front: 400 polls a
/// second. With 600 called a minute it is more than three minutes' worth.
const POLLING: usize = 4_000;
const POLL_PAUSE: Duration = Duration::from_secs(10);

/// Between two looks at how far the line has come, and at whether Redis is there.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// Before a loss, so that the line moves as ever.
const CALM: Duration = Duration::from_secs(6);

/// How long a return may take to be called one at all.
const RETURN_MAX: Duration = Duration::from_mins(1);

/// What is wished for: from the return of Redis until somebody is called.
const ADMISSION_MAX: Duration = Duration::from_secs(2);

/// Faults that are shown one by one.
const FAULTS_SHOWN: usize = 8;

/// A place as its join told it.
#[derive(Debug, Clone)]
struct Place {
    number: u64,
    token: String,
}

/// What an answer says of a place.
#[derive(Debug, Deserialize)]
struct Told {
    #[serde(default)]
    token: String,
    number: Option<u64>,
    state: String,
}

#[derive(Debug, Deserialize)]
struct Status {
    cursor: u64,
    epoch: u64,
}

/// What the rounds have shown.
#[derive(Debug, Default)]
struct Shown {
    /// From the return of each Redis, and from its kill, until somebody was called.
    admissions: Latency,
    since_kill: Latency,
    joined: usize,
    /// Joins that were told to come again.
    told_later: usize,
    lost: Vec<String>,
    twice: Vec<String>,
    overtaken: Vec<String>,
    rounds: Vec<serde_json::Value>,
}

/// `usher-bench storeloss`. Fails if a place was lost or passed, or a number given twice.
pub async fn storeloss(options: &cli::StoreLoss) -> anyhow::Result<ExitCode> {
    let out = folder(options.out.as_deref(), "storeloss")?;
    let Seen { made, samples, checks } =
        watched(&out, async |system, _| play(system, options).await).await?;
    write(&out.join("storeloss.json"), &json!({"rounds": made.rounds}))?;
    made.outcome(options, samples, checks).finish(&out)
}

async fn play(system: &System, options: &cli::StoreLoss) -> anyhow::Result<Shown> {
    let crowd = Crowd::new(&system.door).await?;
    crowd.join(usize::try_from(options.waiting)?).await?;
    say(&format!("{} wait", crowd.joined()))?;
    let mut shown = Shown::default();
    let mut meanwhile = crowd.meanwhile();
    for round in 1..=options.rounds.max(1) {
        sleep(CALM).await;
        let lost = lose(system, &crowd).await?;
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        say(&format!(
            "round {round}: epoch {}; called again {:.0} ms after the return of Redis, {:.0} ms \
             after kill -9",
            lost.epoch,
            ms(lost.admission),
            ms(lost.since_kill),
        ))?;
        shown.admissions.add(lost.admission);
        shown.since_kill.add(lost.since_kill);
        shown.rounds.push(json!({
            "epoch": lost.epoch, "admissionMs": ms(lost.admission),
            "sinceKillMs": ms(lost.since_kill), "joined": crowd.joined(),
        }));
    }
    sleep(CALM).await;
    crowd.stop.store(true, Ordering::Relaxed);
    while let Some(ended) = meanwhile.join_next().await {
        shown.told_later += ended.context("a crowd's task has panicked")??;
    }
    say("everybody asks for the own place")?;
    crowd.look_at_all(&mut shown).await?;
    Ok(shown)
}

/// How long the line stood.
struct Lost {
    epoch: u64,
    admission: Duration,
    since_kill: Duration,
}

/// Kills Redis, whose files are gone then, and waits until somebody is called again.
async fn lose(system: &System, crowd: &Crowd) -> anyhow::Result<Lost> {
    let mut socket = Socket::new(&system.door, crowd.target, 0);
    let before = crowd.status(&mut socket).await?;
    let killed = Instant::now();
    let address = empty_redis(&system.data)?;
    let returned = returned(address, killed).await?;
    // What was called until the kill may be shown after it.
    let mut held = before;
    loop {
        let status = crowd.status(&mut socket).await?;
        if held.epoch < status.epoch && held.cursor < status.cursor {
            let now = Instant::now();
            let (admission, since_kill) = (now - returned, now - killed);
            return Ok(Lost { epoch: status.epoch, admission, since_kill });
        }
        if status.epoch == held.epoch {
            held = status;
        }
        ensure!(killed.elapsed() < RETURN_MAX, "nobody is called any more");
        sleep(LOOK_PAUSE).await;
    }
}

/// When a new Redis has answered a `PING`.
async fn returned(address: SocketAddr, killed: Instant) -> anyhow::Result<Instant> {
    let client = redis::Client::open(format!("redis://{address}"))?;
    loop {
        let asked = async {
            let mut connection = client.get_multiplexed_async_connection().await?;
            redis::cmd("PING").query_async::<String>(&mut connection).await
        };
        if asked.await.is_ok() {
            return Ok(Instant::now());
        }
        ensure!(killed.elapsed() < RETURN_MAX, "Redis does not come back");
        sleep(LOOK_PAUSE).await;
    }
}

/// The people in line.
#[derive(Clone)]
struct Crowd {
    door: Door,
    target: SocketAddr,
    places: Arc<Mutex<Vec<Place>>>,
    stop: Arc<AtomicBool>,
}

impl Crowd {
    async fn new(door: &Door) -> anyhow::Result<Self> {
        let target = resolve(door).await?;
        let (places, stop) = (Arc::default(), Arc::default());
        Ok(Self { door: door.clone(), target, places, stop })
    }

    fn socket(&self, number: usize) -> Socket {
        Socket::new(&self.door, self.target, number)
    }

    fn joined(&self) -> usize {
        self.places().len()
    }

    fn places(&self) -> std::sync::MutexGuard<'_, Vec<Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn status(&self, socket: &mut Socket) -> anyhow::Result<Status> {
        let reply = socket.ask(&status_question(&self.door, ROOM)).await?;
        ensure!(reply.status == 200, "the room's status was answered {}", label(reply));
        serde_json::from_slice(reply.body).context("read the room's status")
    }

    /// Lets so many join as fast as they are answered.
    async fn join(&self, count: usize) -> anyhow::Result<()> {
        let mut joining = JoinSet::new();
        for number in 0..CONNECTIONS {
            let (crowd, mut socket) = (self.clone(), self.socket(number));
            let share = count * (number + 1) / CONNECTIONS - count * number / CONNECTIONS;
            joining.spawn(async move {
                for _ in 0..share {
                    ensure!(crowd.join_one(&mut socket).await?, "the line takes nobody");
                }
                Ok(())
            });
        }
        while let Some(joined) = joining.join_next().await {
            joined.context("a joining task has panicked")??;
        }
        Ok(())
    }

    /// Whether the join was answered with a place.
    async fn join_one(&self, socket: &mut Socket) -> anyhow::Result<bool> {
        let reply = socket.ask(&join_question(&self.door, ROOM)).await?;
        if reply.status == 503 {
            return Ok(false);
        }
        ensure!(reply.status == 201, "a join was answered {}", label(reply));
        let Told { token, number, .. } = serde_json::from_slice(reply.body)?;
        let number = number.context("a place of a line has a number")?;
        self.places().push(Place { number, token });
        Ok(true)
    }

    /// Joins and polls while Redis is lost; each task returns how many were told to come later.
    fn meanwhile(&self) -> JoinSet<anyhow::Result<usize>> {
        let mut tasks = JoinSet::new();
        for number in 0..JOINING {
            let (crowd, mut socket) = (self.clone(), self.socket(number));
            tasks.spawn(async move {
                let mut told_later = 0;
                // Relaxed: a wish; nothing is ordered by it.
                while !crowd.stop.load(Ordering::Relaxed) {
                    told_later += usize::from(!crowd.join_one(&mut socket).await?);
                    sleep(JOIN_PAUSE).await;
                }
                Ok(told_later)
            });
        }
        let mut front = self.places().clone();
        front.sort_unstable_by_key(|place| place.number);
        front.truncate(POLLING);
        let (crowd, mut socket) = (self.clone(), self.socket(JOINING));
        let step = POLL_PAUSE / u32::try_from(front.len().max(1)).expect("a few thousand");
        tasks.spawn(async move {
            let mut ticks = tokio::time::interval(step);
            for place in front.iter().cycle() {
                // Relaxed: as above.
                if crowd.stop.load(Ordering::Relaxed) {
                    break;
                }
                ticks.tick().await;
                crowd.look(&mut socket, place).await?.map_err(anyhow::Error::msg)?;
            }
            Ok(0)
        });
        tasks
    }

    /// What is said of a place, or why it is lost.
    async fn look(
        &self,
        socket: &mut Socket,
        place: &Place,
    ) -> anyhow::Result<Result<Told, String>> {
        let path = format!("/api/queue/{ROOM}/me");
        let reply =
            socket.ask(&get(&self.door, &path, ("waiting-room-token", &place.token))).await?;
        if reply.status != 200 {
            return Ok(Err(format!("{} was answered {}", place.number, label(reply))));
        }
        let told: Told = serde_json::from_slice(reply.body).context("read a place")?;
        Ok(if told.number == Some(place.number) {
            Ok(told)
        } else {
            Err(format!("{} is {:?} now", place.number, told.number))
        })
    }

    /// Asks for everybody's place, and looks for numbers that two have.
    async fn look_at_all(&self, shown: &mut Shown) -> anyhow::Result<()> {
        let places = Arc::new(std::mem::take(&mut *self.places()));
        let cursor = self.status(&mut self.socket(0)).await?.cursor;
        let mut looking = JoinSet::new();
        for number in 0..CONNECTIONS {
            let (crowd, mut socket) = (self.clone(), self.socket(number));
            let places = Arc::clone(&places);
            looking.spawn(async move {
                let (mut lost, mut overtaken) = (Vec::new(), Vec::new());
                for place in places.iter().skip(number).step_by(CONNECTIONS) {
                    match crowd.look(&mut socket, place).await? {
                        Ok(told) if told.is_passed(cursor) => overtaken.push(told.says()),
                        Ok(_) => {}
                        Err(why) => lost.push(why),
                    }
                }
                anyhow::Ok((lost, overtaken))
            });
        }
        while let Some(looked) = looking.join_next().await {
            let (lost, overtaken) = looked.context("a looking task has panicked")??;
            shown.lost.extend(lost);
            shown.overtaken.extend(overtaken);
        }
        shown.joined = places.len();
        shown.twice = twice(&places);
        Ok(())
    }
}

impl Told {
    /// Whether the line went past the place without calling it. Who was called and did not claim
    /// has been asked, and has expired or will.
    fn is_passed(&self, cursor: u64) -> bool {
        self.state == "queued" && self.number.is_some_and(|number| number <= cursor)
    }

    fn says(&self) -> String {
        format!("{:?} is {}", self.number, self.state)
    }
}

/// Numbers that two places have.
fn twice(places: &[Place]) -> Vec<String> {
    let mut numbers = HashSet::with_capacity(places.len());
    let again = places.iter().filter(|place| !numbers.insert(place.number));
    again.map(|place| place.number.to_string()).collect()
}

impl Shown {
    fn outcome(self, options: &cli::StoreLoss, samples: Samples, mut checks: Checks) -> Outcome {
        let finding = |promise, broken: &[String], what: &str| Finding {
            promise,
            kept: if broken.is_empty() { Kept::Held } else { Kept::Broken },
            says: format!("{} of {} places {what} {}", broken.len(), self.joined, first(broken)),
        };
        checks.findings.push(finding("LINE-1", &self.twice, "have a number that another has"));
        let gone: Vec<String> = self.lost.iter().chain(&self.overtaken).cloned().collect();
        checks.findings.push(finding("LINE-3", &gone, "were lost or passed"));
        let longest = self.admissions.max();
        let met = if longest < ADMISSION_MAX { Met::Met } else { Met::Missed };
        let says = format!(
            "somebody was called within {longest:?} of the return of Redis, {ADMISSION_MAX:?} \
             wished for",
        );
        Outcome {
            name: "storeloss".to_owned(),
            text: format!(
                "{} wait while Redis is killed and emptied {} times",
                options.waiting, options.rounds
            ),
            figures: self.figures(),
            ratios: BTreeMap::new(),
            tally: Tally::default(),
            samples,
            wishes: vec![Wish { name: "admission_after_return_max".to_owned(), met, says }],
            faults: Vec::new(),
            checks,
        }
    }

    fn figures(&self) -> BTreeMap<String, Figure> {
        let plain = |value: f64, unit: &str| {
            let unit = unit.to_owned();
            Figure { value, unit, p50: None, p99: None, p999: None }
        };
        let ms = |time: Duration| plain(time.as_secs_f64() * 1e3, "ms");
        let count =
            |count: usize, unit| plain(f64::from(u32::try_from(count).unwrap_or(u32::MAX)), unit);
        let figures = [
            ("admission_after_return_ms", ms(self.admissions.at(0.5))),
            ("admission_after_return_max_ms", ms(self.admissions.max())),
            ("admission_after_kill_max_ms", ms(self.since_kill.max())),
            ("places", count(self.joined, "places")),
            ("places_lost", count(self.lost.len(), "places")),
            ("places_passed", count(self.overtaken.len(), "places")),
            ("numbers_twice", count(self.twice.len(), "numbers")),
            ("joins_told_later", count(self.told_later, "answers")),
        ];
        figures.map(|(name, figure)| (name.to_owned(), figure)).into()
    }
}

fn first(some: &[String]) -> String {
    some.iter().take(FAULTS_SHOWN).cloned().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{Place, Told, twice};

    #[test]
    fn a_number_that_two_have_is_found() {
        let place = |number| Place { number, token: String::new() };
        assert!(twice(&[1, 2, 3].map(place)).is_empty());
        assert_eq!(twice(&[1, 2, 1].map(place)), ["1"]);
    }

    #[test]
    fn a_place_is_passed_if_it_queues_behind_the_cursor() {
        let told =
            |state: &str| Told { token: String::new(), number: Some(7), state: state.to_owned() };
        assert!(told("queued").is_passed(7));
        assert!(!told("queued").is_passed(6), "still ahead");
        assert!(!told("ready").is_passed(7));
    }
}
