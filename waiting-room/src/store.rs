//! What Redis holds of one room: the next number, who is alive, who claimed, who came back, and
//! which key of a join got which number.
//!
//! Every call names the server process and the epoch that it means. Another process, or one that
//! lost its data, changes nothing and says so.

mod claims;
mod keyed;
mod scripts;

use chassis::Redis;
use redis::ScriptInvocation;
use schema::{EventId, UnixMillis};
use waiting_room_core::{Bits, GENERATION, Ledger, NumberSet};

pub(crate) use claims::Marks;
pub(crate) use keyed::{Bound, Kept, Keyed, KeyedBy, Recalled};
use scripts::Scripts;

/// The line of one room in Redis. Its keys share a hash tag, so that a cluster keeps them together.
#[derive(Debug)]
pub(crate) struct Store {
    redis: Redis,
    scripts: &'static Scripts,
    room: String,
    live: String,
    claimed: String,
    late: String,
    seen: String,
    /// Who left since the leader's last look, by a rank that rises with each leave.
    leaves: String,
    /// Called places that were given up unclaimed.
    void: String,
    /// Called places whose time to claim is over.
    closed: String,
    /// Instances that may give out numbers, and those that ask to.
    givers: String,
    asking: String,
    /// Joins by the keys of requests: their generation, and in what else begins so they.
    keys: String,
    /// The places of persons, where a room gives each only one.
    people: String,
}

/// Which server process and epoch a call means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blessed {
    pub run_id: String,
    pub epoch: u32,
}

impl Blessed {
    pub(crate) fn of(ledger: &Ledger) -> Self {
        Self { run_id: ledger.redis_run_id.clone(), epoch: ledger.epoch }
    }
}

/// Which leader calls, by its fence: a call of one that has been overtaken changes nothing once
/// its successor has looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leading {
    pub blessed: Blessed,
    pub fence: u64,
}

impl Leading {
    /// The arguments that a leader's script begins with.
    fn args<'a, 'b>(&self, call: &'a mut ScriptInvocation<'b>) -> &'a mut ScriptInvocation<'b> {
        call.arg(&self.blessed.run_id).arg(self.blessed.epoch).arg(self.fence)
    }
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Redis does not answer, or the outcome is unknown.
    #[error("ask Redis")]
    Away(#[from] chassis::Error),
    /// It is another process than the blessed one, or it has lost the room.
    #[error("use a Redis that the room's epoch did not bless")]
    Unblessed,
    /// It refuses to be written to, and so for certain has not begun the epoch.
    #[error("write to a Redis that takes no writes")]
    Refused,
}

/// Which numbers joins were given: `(after, after + count]`, in the order of those who asked for
/// the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub after: u64,
    pub count: u64,
    pub phase: Phase,
    /// Of each who asked with a key, what an earlier join under it was given. Empty if none was
    /// looked up.
    pub kept: Vec<Option<Kept>>,
}

/// What new numbers are places of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Line,
    Gather,
    /// The pre-queue is being drawn; nobody gets a number for that moment.
    Closing,
}

/// Why no numbers are to be given any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Nobody wants one.
    Idle,
    /// The room takes nobody any more.
    Drain,
}

/// How much a look reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LookMost {
    /// Places of the late lane that are there.
    pub late: usize,
    /// Places of the late lane that are looked at, there or not.
    pub late_looked: usize,
    pub leaves: usize,
}

/// What came of a leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    Left,
    /// Nothing has changed.
    Claimed,
    /// Whose number this is a draw is about to say, or its call is not known here yet: nothing has
    /// changed.
    Unclear,
}

/// What a tick reads.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// The last number given out.
    pub last: u64,
    pub mark: u64,
    pub phase: Phase,
    pub live: Bits,
    pub seen: Bits,
    /// Live numbers from the first of `live` on, to the end of the line.
    pub live_total: u64,
    pub late: Vec<u64>,
    /// In the late lane, and not heard of any more.
    pub late_gone: Vec<u64>,
    /// Who left lately, as numbers with ranks, which ascend.
    pub leaves: Vec<(u64, u64)>,
    /// Instances that may give out numbers, and those that ask to.
    pub givers: Vec<u64>,
    pub asking: Vec<u64>,
}

/// As the script returns it: last, mark, phase, live, seen twice, live in all, late, gone, leaves,
/// givers, asking.
type LookAnswer = (
    u64,
    u64,
    String,
    Vec<u8>,
    Vec<u8>,
    Vec<u8>,
    u64,
    Vec<u64>,
    Vec<u64>,
    Vec<(u64, u64)>,
    Vec<u64>,
    Vec<u64>,
);

/// Who gives out numbers, and what it knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Giving {
    pub giver: u64,
    /// Its last number: a smaller one is of older data than it had its numbers from.
    pub least: u64,
    /// The settings ask for a pre-queue: no place of the line is given any more.
    pub is_to_gather: bool,
}

/// A change of the room's fields; `None` and empty leave what is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shift {
    pub mark: u64,
    pub last_min: u64,
    pub phase: Option<Phase>,
    pub live: Bits,
}

impl Phase {
    fn text(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Gather => "gather",
            Self::Closing => "closing",
        }
    }

    fn of(text: &str) -> Result<Self, Fault> {
        let all = [Self::Line, Self::Gather, Self::Closing];
        // A text that is none of these was not written by us: the room is not ours.
        all.into_iter().find(|phase| phase.text() == text).ok_or(Fault::Unblessed)
    }

    /// The phase of a number that was given, by the first letter of its text.
    fn by_letter(letter: u8) -> Option<Self> {
        [Self::Line, Self::Gather].into_iter().find(|phase| phase.text().as_bytes()[0] == letter)
    }
}

impl Store {
    pub(crate) fn new(redis: Redis, event: &EventId) -> Self {
        let key = |name: &str| format!("wr:{{{event}}}:{name}");
        Self {
            redis,
            scripts: Scripts::get(),
            room: key("room"),
            live: key("live"),
            claimed: key("claimed"),
            late: key("late"),
            seen: key("seen"),
            leaves: key("leaves"),
            void: key("void"),
            closed: key("closed"),
            givers: key("givers"),
            asking: key("asking"),
            keys: key("joins"),
            people: key("persons"),
        }
    }

    /// The process that answers now.
    pub(crate) async fn run_id(&self) -> Result<String, Fault> {
        Ok(self.redis.run_id().await?)
    }

    /// Gives each who asks a number as far as there are some, in one atomic step with their live
    /// bits and their keys. None until the leader knows of the giver, who asks to be known by this.
    ///
    /// # Errors
    /// [`Fault::Unblessed`] also when the last number is below the least.
    pub(crate) async fn join(
        &self,
        blessed: &Blessed,
        asks: &[Option<Keyed>],
        Giving { giver, least, is_to_gather }: Giving,
    ) -> Result<Given, Fault> {
        let mut call = self.scripts.join.prepare_invoke();
        call.key(&self.room).key(&self.live).key(&self.givers).key(&self.asking);
        call.arg(&blessed.run_id).arg(blessed.epoch).arg(asks.len()).arg(giver).arg(least);
        call.arg(u8::from(is_to_gather));
        self.add_keyed(&mut call, asks, blessed.epoch);
        let (after, count, phase, kept): (u64, u64, String, Vec<Vec<u8>>) =
            self.run(blessed, &call).await?;
        let kept = kept.iter().map(|bytes| Kept::read(bytes)).collect::<Result<_, Fault>>()?;
        Ok(Given { after, count, phase: Phase::of(&phase)?, kept })
    }

    /// Lets these instances give out numbers, or no longer.
    pub(crate) async fn admit(
        &self,
        leading: &Leading,
        givers: &[u64],
        admitted: bool,
    ) -> Result<(), Fault> {
        let mut call = self.scripts.admit.prepare_invoke();
        call.key(&self.room).key(&self.givers).key(&self.asking);
        leading.args(&mut call).arg(u8::from(admitted)).arg(givers);
        self.run::<u8>(&leading.blessed, &call).await.map(drop)
    }

    /// Ends the giving of numbers if `last` is still the last one and, but for a room that drains,
    /// nobody asks to give; says whether it has ended.
    pub(crate) async fn close(
        &self,
        leading: &Leading,
        last: u64,
        closing: Closing,
    ) -> Result<bool, Fault> {
        let mut call = self.scripts.close.prepare_invoke();
        call.key(&self.room).key(&self.givers).key(&self.asking);
        leading.args(&mut call).arg(last).arg(u8::from(closing == Closing::Drain));
        Ok(self.run::<u8>(&leading.blessed, &call).await? == 1)
    }

    /// Reads what a tick needs, for numbers from that of word `first_word` on; from here on
    /// check-ins go to the set of `generation`.
    pub(crate) async fn look(
        &self,
        leading: &Leading,
        (first_word, word_count): (u64, u64),
        (generation, generation_before): (u64, u64),
        most: LookMost,
    ) -> Result<Look, Fault> {
        let (first, last) = (first_word * 8, (first_word + word_count) * 8 - 1);
        let mut call = self.scripts.look.prepare_invoke();
        call.key(&self.room).key(&self.live).key(self.seen(generation));
        call.key(self.seen(generation_before)).key(&self.late).key(&self.leaves);
        call.key(&self.givers).key(&self.asking);
        leading.args(&mut call).arg(first).arg(last).arg(most.late).arg(most.leaves);
        call.arg(generation).arg(most.late_looked);
        let answer: LookAnswer = self.run(&leading.blessed, &call).await?;
        let (last, mark, phase, live, now, before, live_total, late, gone, leaves, givers, asking) =
            answer;
        let seen: Vec<u8> = (0..now.len().max(before.len()))
            .map(|at| now.get(at).unwrap_or(&0) | before.get(at).unwrap_or(&0))
            .collect();
        Ok(Look {
            last,
            mark,
            phase: Phase::of(&phase)?,
            live: Bits::from_redis(first_word, &live),
            seen: Bits::from_redis(first_word, &seen),
            live_total,
            late,
            late_gone: gone,
            leaves,
            givers,
            asking,
        })
    }

    /// The live bits from word `first_word` on, to the end of the line.
    pub(crate) async fn live(&self, first_word: u64) -> Result<Bits, Fault> {
        let mut read = redis::cmd("GETRANGE");
        let bytes: Vec<u8> =
            self.redis.query(read.arg(&self.live).arg(first_word * 8).arg(-1)).await?;
        Ok(Bits::from_redis(first_word, &bytes))
    }

    /// The live bits from word `first_word` on, and what new numbers are places of at that moment.
    pub(crate) async fn index(
        &self,
        blessed: &Blessed,
        first_word: u64,
    ) -> Result<(Phase, Bits), Fault> {
        let mut call = self.scripts.index.prepare_invoke();
        call.key(&self.room).key(&self.live);
        call.arg(&blessed.run_id).arg(blessed.epoch).arg(first_word * 8);
        let (phase, bytes): (String, Vec<u8>) = self.run(blessed, &call).await?;
        Ok((Phase::of(&phase)?, Bits::from_redis(first_word, &bytes)))
    }

    /// Begins an epoch here: forgets all there is, and takes those of `live` for alive.
    pub(crate) async fn bless(
        &self,
        leading: &Leading,
        (last, mark): (u64, u64),
        phase: Phase,
        live: &Bits,
        givers: &[u64],
    ) -> Result<(), Fault> {
        let mut call = self.scripts.bless.prepare_invoke();
        call.key(&self.room).key(&self.live).key(&self.claimed).key(&self.late);
        call.key(&self.leaves).key(&self.void).key(&self.givers).key(&self.asking);
        call.key(&self.closed);
        leading.args(&mut call).arg(last).arg(mark).arg(phase.text());
        call.arg(live.first_word() * 8).arg(live.to_redis()).arg(givers);
        let done: u8 = self.run(&leading.blessed, &call).await?;
        match done {
            1 => Ok(()),
            2 => Err(Fault::Refused),
            _ => Err(Fault::Unblessed),
        }
    }

    /// The last number that the room's data names, blessed or not: a lower bound of those given
    /// out.
    pub(crate) async fn last_named(&self) -> Result<Option<u64>, Fault> {
        Ok(self.redis.query(redis::cmd("HGET").arg(&self.room).arg("last")).await?)
    }

    /// Changes mark and phase; returns the last number given out.
    pub(crate) async fn shift(&self, leading: &Leading, shift: &Shift) -> Result<u64, Fault> {
        let mut call = self.scripts.shift.prepare_invoke();
        call.key(&self.room).key(&self.live);
        leading.args(&mut call).arg(shift.mark);
        call.arg(shift.phase.map_or("", Phase::text)).arg(shift.last_min);
        call.arg(shift.live.first_word() * 8).arg(shift.live.to_redis());
        self.run(&leading.blessed, &call).await
    }

    /// Notes that these numbers are there.
    pub(crate) async fn check_in(
        &self,
        blessed: &Blessed,
        numbers: &NumberSet,
    ) -> Result<(), Fault> {
        let numbers: Vec<u64> = numbers.iter().collect();
        // Redis' scripts take 8,000 arguments at most.
        for numbers in numbers.chunks(4_096) {
            let mut call = self.scripts.check_in.prepare_invoke();
            call.key(&self.room).key(&self.live).key(&self.seen);
            call.arg(&blessed.run_id).arg(blessed.epoch).arg(GENERATION.0 * 3).arg(numbers);
            self.run::<u8>(blessed, &call).await?;
        }
        Ok(())
    }

    /// The place's fan leaves, unless the place was claimed.
    ///
    /// With `Phase::Gather` it is the number that a pre-queue gave, else a number in line; only of
    /// those the leader hears.
    pub(crate) async fn leave(
        &self,
        blessed: &Blessed,
        number: u64,
        phase: Option<Phase>,
    ) -> Result<Leave, Fault> {
        let mut call = self.scripts.leave.prepare_invoke();
        call.key(&self.room).key(&self.live).key(&self.late);
        call.key(&self.claimed).key(&self.leaves);
        call.arg(&blessed.run_id).arg(blessed.epoch).arg(number);
        call.arg(phase.map_or("", Phase::text));
        Ok(match self.run::<u8>(blessed, &call).await? {
            0 => Leave::Unclear,
            1 => Leave::Left,
            _ => Leave::Claimed,
        })
    }

    /// Makes sure that these called places are never claimed, but for those that were; returns the
    /// others.
    pub(crate) async fn void(&self, leading: &Leading, numbers: &[u64]) -> Result<Vec<u64>, Fault> {
        let mut call = self.scripts.void.prepare_invoke();
        call.key(&self.room).key(&self.claimed).key(&self.void);
        leading.args(&mut call).arg(numbers);
        self.run(&leading.blessed, &call).await
    }

    /// The leader has dealt with the leaves up to this rank.
    pub(crate) async fn heard(&self, leading: &Leading, rank: u64) -> Result<(), Fault> {
        let mut call = self.scripts.heard.prepare_invoke();
        call.key(&self.room).key(&self.leaves);
        leading.args(&mut call).arg(rank);
        self.run::<u64>(&leading.blessed, &call).await.map(drop)
    }

    /// Skipped fans are there, and wait in the late lane since they first came back.
    pub(crate) async fn come_back(
        &self,
        blessed: &Blessed,
        numbers: &[u64],
        now: UnixMillis,
    ) -> Result<(), Fault> {
        let mut call = self.scripts.come_back.prepare_invoke();
        call.key(&self.room).key(&self.late).key(&self.seen);
        call.arg(&blessed.run_id).arg(blessed.epoch).arg(GENERATION.0 * 3);
        call.arg(now.0).arg(numbers);
        self.run::<u8>(blessed, &call).await.map(drop)
    }

    /// These wait in the late lane no more.
    pub(crate) async fn late_over(&self, leading: &Leading, numbers: &[u64]) -> Result<(), Fault> {
        let mut call = self.scripts.late_over.prepare_invoke();
        call.key(&self.room).key(&self.late);
        leading.args(&mut call).arg(numbers);
        self.run::<u64>(&leading.blessed, &call).await.map(drop)
    }

    fn seen(&self, generation: u64) -> String {
        format!("{}:{generation}", self.seen)
    }

    /// Runs a script on a session whose server is the blessed process, and on no other.
    async fn run<T: redis::FromRedisValue>(
        &self,
        blessed: &Blessed,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, Fault> {
        let session = self.redis.session().await?;
        if *session.run_id != *blessed.run_id {
            return Err(Fault::Unblessed);
        }
        session.script::<Option<T>>(call).await?.ok_or(Fault::Unblessed)
    }
}

#[cfg(test)]
mod tests;
