//! One run of one seed, and what came of it.

use crate::happening::Tally;
use crate::mutation::Mutation;
use crate::promises::Finding;
use crate::world::{Ending, World};
use schema::InvariantId;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What stopped a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    Promise(Finding),
    /// An assert of a core that names no promise.
    Assert(String),
}

/// What a run follows from.
#[derive(Debug, Clone, Copy)]
pub struct Play {
    pub seed: u64,
    pub steps: u32,
    pub ending: Ending,
    pub mutation: Option<Mutation>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    pub broken: Option<Broken>,
    /// The same for the same play.
    pub hash: u64,
    pub tally: Tally,
    /// The last lines of the story.
    pub tail: Vec<String>,
}

/// Plays. A panic of a core is a finding like others.
pub fn run(play: Play) -> Report {
    let mut world = World::new(play.seed, play.mutation);
    let played = catch_unwind(AssertUnwindSafe(|| world.play(play.steps, play.ending)));
    let common = &world.common;
    let found = common.promises.finding().cloned().map(Broken::Promise);
    let broken = found.or_else(|| played.err().map(|panic| told_by(&*panic)));
    let (hash, tail) = (common.trace.hash(), common.trace.tail());
    Report { broken, hash, tally: common.tally.clone(), tail }
}

fn told_by(panic: &(dyn std::any::Any + Send)) -> Broken {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let says = text.unwrap_or("a panic without words").to_owned();
    match InvariantId::of_panic(&says) {
        Some(promise) => Broken::Promise(Finding { promise, says }),
        None => Broken::Assert(says),
    }
}

impl Broken {
    /// The promise, where one is named.
    pub fn promise(&self) -> Option<InvariantId> {
        match self {
            Self::Promise(finding) => Some(finding.promise),
            Self::Assert(_) => None,
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promise(Finding { promise, says }) => write!(f, "{promise}: {says}"),
            Self::Assert(says) => write!(f, "an assert: {says}"),
        }
    }
}
