//! A connection at work: takes whoever is due, asks for them, and tells them what came back.

use super::lane::Lane;
use super::question::Writer;
use crate::fan::{News, Step};
use crate::wire::Socket;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// What is noted of a question that had no answer when the run ended: whatever came of it is not
/// known.
pub const CUT_OFF: &str = "cut off";

/// What the connections of a lane share; nobody keeps it borrowed over an await.
#[derive(Clone)]
pub struct Shared {
    pub lane: Rc<RefCell<Lane>>,
    /// Rings when somebody is due, or the run has ended.
    pub bell: Rc<Notify>,
    /// Rings when questions that are under way are waited for no longer, and no others are asked.
    pub cut: Rc<Notify>,
    pub began: Instant,
}

/// One question's times since the start of the run.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    pub intended: Duration,
    pub asked: Duration,
    pub answered: Duration,
}

/// Works until the run has ended.
pub async fn work(shared: Shared, mut socket: Socket, mut writer: Writer) {
    loop {
        let due = shared.lane.borrow_mut().next_due();
        match due {
            Some((person, intended)) => {
                serve(&shared, &mut socket, &mut writer, person, intended).await;
            }
            None if shared.lane.borrow().has_ended() => return,
            None => shared.bell.notified().await,
        }
    }
}

/// Asks for a person until they sleep or go.
async fn serve(
    shared: &Shared,
    socket: &mut Socket,
    writer: &mut Writer,
    person: u32,
    mut intended: Duration,
) {
    let mut now = shared.began.elapsed();
    let mut step = shared.lane.borrow_mut().step(person, now, News::Woken);
    loop {
        let ask = match step {
            Step::Sleep(time) => return shared.lane.borrow_mut().sleep(person, now + time),
            Step::Gone => return shared.lane.borrow_mut().leave(person),
            Step::Ask(ask) => ask,
        };
        let cached = shared.lane.borrow_mut().cached(person, &ask, now);
        if let Some(status) = cached {
            step = shared.lane.borrow_mut().step(person, now, News::Status(status));
            continue;
        }
        shared.lane.borrow_mut().write(person, &ask, intended, writer);
        let asked = shared.began.elapsed();
        // The cut first: whoever missed it would ask on. The question is not cancel-safe, but
        // nothing is asked over a connection that was cut off.
        let (reply, is_cut) = tokio::select! {
            biased;
            () = shared.cut.notified() => (Err(anyhow::anyhow!(CUT_OFF)), true),
            reply = socket.ask(&writer.bytes) => (reply, false),
        };
        now = shared.began.elapsed();
        let times = Times { intended, asked, answered: now };
        step = shared.lane.borrow_mut().hear(person, &ask, times, reply);
        if is_cut {
            return;
        }
        // What follows at once was meant to be asked as soon as this was heard.
        intended = now;
    }
}
