//! One who compares the provider's list with the orders, by the rules of the real settlement:
//! money that no order accounts for goes back, or buys the places that it came too late for.
//!
//! A looker makes one call a turn, as drivers do. A job that comes to more puts that before all
//! others.

mod case;

use crate::common::Common;
use crate::happening::Happening;
use crate::mutation::Mutation;
use crate::provider::{Cursor, Verb};
use crate::provider_event;
use crate::store::MoneyOutcome;
use case::{Case, Stage};
use schema::{DurationMs, UnixMillis};
use settlement_core::Seen;
use std::collections::VecDeque;

/// How often somebody looks. Shorter than in the real system, as is the rest here.
const LOOK_EVERY: DurationMs = DurationMs(2_000);

/// How old a payment is before it counts as found. Shorter than a driver may sleep: what it goes on
/// with may have been found meanwhile.
const FOUND_AFTER: DurationMs = DurationMs(500);

/// By how much a look begins before the end of the last one.
const OVERLAP: DurationMs = DurationMs(4_000);

/// How many looks are begun where an event could be taken.
const LOOK_PERCENT: u64 = 50;

#[derive(Debug, Default)]
pub struct Looker {
    task: Option<Task>,
    /// Until when its process does nothing.
    rests_until: UnixMillis,
}

#[derive(Debug, Default)]
struct Task {
    jobs: VecDeque<Job>,
    /// Payments that are younger are left to their drivers.
    created_before: UnixMillis,
    /// Something that it asked was not told.
    failed: bool,
}

#[derive(Debug)]
enum Job {
    /// Compares a part of the list of what is new.
    News(Cursor),
    /// All that is new was compared, if all was told.
    EndNews,
    /// Payments that had ended without money.
    Ended,
    /// Found money without an outcome.
    Open,
    /// The next part of the whole list.
    GoOn,
    Case(Case),
    /// An event was seen through.
    NoteEvent(u64),
}

/// The provider gave no answer: nothing is known.
struct Unanswered;

impl Looker {
    pub fn crash(&mut self, common: &mut Common) {
        if self.task.take().is_some() {
            common.note(Happening::LookerCrash, format_args!("a look dies"));
        }
    }

    /// It goes on with what it knew.
    pub fn pause(&mut self, by: DurationMs, common: &mut Common) {
        common.write(format_args!("a look sleeps for {}", by.0));
        self.rests_until = common.now + by;
    }

    /// Makes the next call of its look, or begins one.
    pub fn turn(&mut self, common: &mut Common) {
        if common.now < self.rests_until {
            return;
        }
        let Some(task) = &mut self.task else {
            let looks_first = common.dice.hits(LOOK_PERCENT);
            let first = if looks_first { begin(common) } else { take_event(common) };
            self.task =
                first.or_else(|| if looks_first { take_event(common) } else { begin(common) });
            return;
        };
        match task.jobs.pop_front() {
            Some(job) => task.perform(job, common),
            None => self.task = None,
        }
        if self.is_about_to_act() && common.surprises(30) {
            // What it has read is not so any more when it goes on.
            let by = DurationMs(common.dice.within(200, 4_000));
            self.pause(by, common);
        }
    }

    /// Whether the next that it does is more than to ask.
    fn is_about_to_act(&self) -> bool {
        let next = self.task.as_ref().and_then(|task| task.jobs.front());
        let stage = next.and_then(|job| match job {
            Job::Case(case) => Some(case.stage),
            _ => None,
        });
        matches!(stage, Some(Stage::Note(..) | Stage::GiveBack(_) | Stage::Climb))
    }
}

/// Begins a look, if it is time for one.
fn begin(common: &mut Common) -> Option<Task> {
    let now = common.now;
    let seen_to = common.store.begin_look(now, now + LOOK_EVERY)?;
    let first = (seen_to - OVERLAP, String::new());
    let jobs = [Job::News(first), Job::EndNews, Job::Ended, Job::Open, Job::GoOn];
    Some(Task { jobs: jobs.into(), created_before: now - FOUND_AFTER, failed: false })
}

/// What the provider tells of makes us ask how the payment is; it is not believed.
fn take_event(common: &mut Common) -> Option<Task> {
    let event = provider_event::take(common)?;
    if common.store.knows_event(event.id) {
        common.tally.add(Happening::EventAgain);
        return None;
    }
    let mut jobs = VecDeque::from([Job::NoteEvent(event.id)]);
    match common.store.payment(&event.payment) {
        // One that no order has stored is found in the provider's list.
        None => {}
        Some((listed, true)) => {
            let says = event.says.clone();
            let believed = common.is_broken(Mutation::BelieveEvents).then_some(says);
            common.brought = Some((listed.order, believed));
        }
        Some((listed, false)) => jobs.push_front(Job::Case(Case::new(listed, Stage::Fetch))),
    }
    Some(Task { jobs, created_before: common.now, failed: false })
}

impl Task {
    fn perform(&mut self, job: Job, common: &mut Common) {
        match job {
            Job::News(after) => match self.compare_part(&after, common) {
                Ok(next) => {
                    // The cases of this part come first.
                    let end = self.jobs.iter().position(|job| matches!(job, Job::EndNews));
                    let end = end.expect("a look has an end");
                    if let Some(next) = next {
                        self.jobs.insert(end, Job::News(next));
                    }
                }
                // A list that is not answered ends the look.
                Err(Unanswered) => self.jobs.clear(),
            },
            Job::EndNews if self.failed => {}
            Job::EndNews => common.store.end_look(self.created_before),
            Job::Ended => {
                let due = common.store.ended(common.now).into_iter();
                self.put_first(due.map(|(listed, looks)| Case {
                    looks: Some(looks),
                    ..Case::new(listed, Stage::Fetch)
                }));
            }
            Job::Open => {
                let open = common.store.open_money().into_iter();
                let end = |(listed, was_taken)| Case::new(listed, Stage::End { was_taken });
                self.put_first(open.map(end));
            }
            Job::GoOn => {
                let Some(after) = common.store.gone_on_to(common.now) else { return };
                if let Ok(next) = self.compare_part(&after, common) {
                    common.store.go_on(next);
                }
            }
            Job::Case(case) => self.go_on(case, common),
            Job::NoteEvent(id) if self.failed => {
                // Whoever tells of it tells again what was not seen through.
                common.write(format_args!("event {id} is not seen through"));
            }
            Job::NoteEvent(id) => common.store.note_event(id),
        }
    }

    fn go_on(&mut self, mut case: Case, common: &mut Common) {
        match case.step(common) {
            Ok(Some(stage)) => self.jobs.push_front(Job::Case(Case { stage, ..case })),
            Ok(None) => {
                if let Some(looks) = case.looks {
                    common.store.looked(&case.payment.key, looks);
                }
            }
            Err(Unanswered) => self.failed = true,
        }
    }

    /// Compares a part of the list, and says where the next one begins.
    fn compare_part(
        &mut self,
        after: &Cursor,
        common: &mut Common,
    ) -> Result<Option<Cursor>, Unanswered> {
        if common.happens(20) {
            common.note(Happening::ListUnanswered, format_args!("no list behind {after:?}"));
            if common.is_broken(Mutation::ConcludeFromSilence) {
                end_all_unlisted(common);
            }
            return Err(Unanswered);
        }
        let (page, next) = common.provider.list(after);
        let before = self.created_before;
        let old = page.into_iter().filter(|payment| payment.created_at <= before);
        self.put_first(old.map(|payment| Case::new(payment, Stage::Compare)));
        Ok(next)
    }

    /// In their order.
    fn put_first(&mut self, cases: impl DoubleEndedIterator<Item = Case>) {
        cases.rev().for_each(|case| self.jobs.push_front(Job::Case(case)));
    }
}

/// Found money that an empty list does not show is taken for gone.
fn end_all_unlisted(common: &mut Common) {
    for (listed, _) in common.store.open_money() {
        common.store.settle_found(&listed.key, MoneyOutcome::Voided, false);
    }
}

/// Asks the provider something about a payment. What was asked may be done although nobody hears.
fn ask(key: &str, verb: Verb, common: &mut Common) -> Result<Seen, Unanswered> {
    if common.happens(4) {
        return Err(Unanswered);
    }
    let seen = common.provider.act(key, verb, common.now);
    if verb == Verb::Cancel {
        // Nobody looks at a payment again that was found and is over.
        common.provider.keep_word(key);
    }
    if common.happens(8) {
        common.note(Happening::ProviderSilent, format_args!("{verb:?} without an answer"));
        return Err(Unanswered);
    }
    Ok(seen)
}
