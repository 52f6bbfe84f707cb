//! Starts the lanes, ticks them, and adds up what they bring back.

use super::lane::Lane;
use super::question::Writer;
use super::work::{Shared, work};
use super::{Board, Played, World};
use crate::scenario::Scenario;
use crate::wire::{Door, Socket};
use anyhow::Context as _;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::lookup_host;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often a lane looks who is due. Shorter costs the machine, longer shows in every latency.
const TICK: Duration = Duration::from_millis(1);

/// How often a lane writes its counts, in ticks.
const BOARD_TICKS: u32 = 100;

/// How long questions of those who were due at the end may still take.
pub const LAST_ANSWERS: Duration = Duration::from_secs(12);

/// Lanes of a run: more would only take the cores from the system under test.
const LANES_MAX: usize = 4;

/// What a run needs.
#[derive(Debug, Clone)]
pub struct Play {
    pub scenario: Arc<Scenario>,
    pub door: Door,
    pub world: Arc<World>,
    pub board: Arc<Board>,
    /// Times count from here.
    pub began: Instant,
    /// How long questions of those who were due at the end may still take: [`LAST_ANSWERS`].
    pub patience: Duration,
}

/// How many lanes a run has on this machine.
pub fn lanes(scenario: &Scenario) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let connections = usize::try_from(scenario.door.connections).expect("32 bits fit");
    cores.min(LANES_MAX).min(connections)
}

/// Plays the scenario until everybody has gone or its time is over.
pub async fn run(play: &Play) -> anyhow::Result<Played> {
    let mut addresses = lookup_host(&play.door.authority).await.context("find the target")?;
    let bound = play.door.sources != 0;
    let target = addresses.find(|address| !bound || address.is_ipv4());
    let target = target.context("the target has no IPv4 address")?;
    let lanes = lanes(&play.scenario);
    let mut threads = JoinSet::new();
    for number in 0..lanes {
        let play = play.clone();
        threads.spawn_blocking(move || on_thread(&play, target, number, lanes));
    }
    let mut played = Played::default();
    while let Some(done) = threads.join_next().await {
        played.merge(done.context("a lane ended early")??);
    }
    played.counts = play.board.total();
    Ok(played)
}

fn on_thread(play: &Play, target: SocketAddr, number: usize, of: usize) -> anyhow::Result<Played> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("make the runtime of a lane")?;
    let lane = Lane::new(Arc::clone(&play.scenario), Arc::clone(&play.world), number, of);
    let lane = Rc::new(RefCell::new(lane));
    let (bell, cut) = Default::default();
    let shared = Shared { lane: Rc::clone(&lane), bell, cut, began: play.began };
    let local = LocalSet::new();
    local.block_on(&runtime, play_lane(play, &shared, target, number, of));
    drop((shared, local));
    let lane = Rc::into_inner(lane).context("a connection outlived its lane")?;
    Ok(lane.into_inner().played())
}

async fn play_lane(play: &Play, shared: &Shared, target: SocketAddr, number: usize, of: usize) {
    let connections = usize::try_from(play.scenario.door.connections).expect("32 bits fit");
    let mut workers = JoinSet::new();
    for connection in (number..connections).step_by(of) {
        let socket = Socket::new(&play.door, target, connection);
        let writer = Writer::new(&play.door.authority);
        workers.spawn_local(work(shared.clone(), socket, writer));
    }
    tick(play, shared, number, workers.len()).await;
    shared.lane.borrow_mut().end();
    shared.bell.notify_waiters();
    if timeout(play.patience, all_ended(&mut workers)).await.is_err() {
        shared.lane.borrow_mut().cut();
        // Every connection waits in a question by now: between two nobody awaits anything.
        shared.cut.notify_waiters();
        all_ended(&mut workers).await;
    }
    play.board.write(number, shared.lane.borrow().counts());
}

async fn all_ended(workers: &mut JoinSet<()>) {
    while workers.join_next().await.is_some() {}
}

/// Wakes who is due, until everybody has gone or the time is over.
async fn tick(play: &Play, shared: &Shared, number: usize, connections: usize) {
    let until = Duration::from_secs(play.scenario.seconds_max.into());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for tick in 0_u32.. {
        ticks.tick().await;
        let now = shared.began.elapsed();
        let due = shared.lane.borrow_mut().wake(now);
        for _ in 0..due.min(connections) {
            shared.bell.notify_one();
        }
        if tick % BOARD_TICKS == 0 {
            play.board.write(number, shared.lane.borrow().counts());
            let total = play.board.total();
            if total.to_join <= total.joined {
                shared.lane.borrow_mut().everybody_joined();
            }
            let own = shared.lane.borrow().counts();
            if own.gone == own.people {
                return;
            }
        }
        if until <= now {
            return;
        }
    }
}
