//! Checks draws on downloaded files, offline: what [`crate::openapi`] describes as fairness, proof
//! and cohort. Nothing is believed but the hashes.

use crate::drawn::{draw_key, prf};
use chassis::base64url;
use chassis::keys::sha256;
use schema::EventId;
use serde::Deserialize;
use std::fmt;
use std::ops::Range;
use waiting_room_core::{
    Ingredients, NUMBER_MAX, Permutation, Tree, climb, commitment, encoding, leaf, seed, token_hash,
};

const HASH_BYTES: usize = 32;

/// A file with the name that findings call it by.
#[derive(Debug, Clone)]
pub struct DrawFile {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// What there is to check. Only the first is needed.
#[derive(Debug, Clone)]
pub struct DrawFiles {
    /// What `GET .../fairness` answers.
    pub fairness: DrawFile,
    /// What `GET .../fairness` answered earlier, to whoever kept it.
    pub kept: Vec<DrawFile>,
    /// What `GET .../me/proof` answers.
    pub proofs: Vec<DrawFile>,
    /// What `GET .../fairness/cohort` answers.
    pub cohort: Option<DrawFile>,
    /// Waiting-room tokens.
    pub tokens: Vec<DrawFile>,
}

/// What came of one thing that there was to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    Fails,
    /// The files do not say: it may be either.
    Unchecked,
}

/// One thing that there was to check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub verdict: Verdict,
    /// Which file, and what is true of it if it holds.
    pub claim: String,
}

impl Finding {
    pub fn fails(&self) -> bool {
        self.verdict == Verdict::Fails
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Holds => "holds",
            Verdict::Fails => "FAILS",
            Verdict::Unchecked => "NOT CHECKED",
        };
        write!(f, "{verdict}  {}", self.claim)
    }
}

/// What follows rests on something that cannot be read.
struct Unreadable;

#[derive(Deserialize)]
struct Fairness {
    #[serde(flatten)]
    newest: Statement,
    earlier: Vec<Statement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    encoding: Option<String>,
    event: String,
    commitment: Option<String>,
    /// Absent from what was downloaded before there were any.
    #[serde(default)]
    beacon_required: bool,
    root: Option<String>,
    n: Option<u64>,
    first_number: Option<u64>,
    secret: Option<String>,
    beacon: Option<String>,
    /// Absent from what was downloaded before there were any.
    #[serde(default)]
    witnesses: Vec<Witness>,
    seed: Option<String>,
}

#[derive(Deserialize)]
struct Witness {
    commitment: String,
    secret: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proof {
    index: u64,
    n: u64,
    token_hash: String,
    path: Option<Vec<String>>,
    seed: String,
    number: u64,
}

/// What a draw is known to be, once its statement has been checked.
struct Draw {
    root: [u8; 32],
    count: u64,
    first_number: u64,
    seed: [u8; 32],
}

/// Checks everything that the files say; the draw holds if nothing fails, as far as it is checked.
///
/// With a cohort it is two hashes and four to sixteen MACs for each place, on every processor there
/// is.
pub fn verify_draw(files: &DrawFiles) -> Vec<Finding> {
    let mut check = Check { findings: Vec::new(), promised: None };
    let statements = read_statements(&files.fairness);
    let statements = check.readable(&files.fairness, statements).unwrap_or_default();
    let draws = check.fairness(&files.fairness, &statements);
    let draws = check.readable(&files.fairness, draws).unwrap_or_default();
    for file in &files.kept {
        let kept = read_statements(file);
        let kept = check.readable(file, kept).unwrap_or_default();
        check.kept(file, &kept, &statements);
    }
    check.unpromised(&files.fairness, &draws);
    let mut hashes = Vec::new();
    for file in &files.proofs {
        let found = check.proof(file, &draws);
        hashes.extend(check.readable(file, found).flatten());
    }
    if let Some(file) = files.cohort.as_ref().filter(|_| !draws.is_empty()) {
        check.cohort(file, &draws);
    }
    for file in &files.tokens {
        let text = std::str::from_utf8(&file.bytes).unwrap_or_default().trim();
        let token = base64url::decode(text).ok_or(Unreadable);
        if let Some(token) = check.readable(file, token) {
            let is_proved = hashes.contains(&token_hash(sha256, &token));
            check.say(file, is_proved, "is the token of a proof");
        }
    }
    check.findings
}

struct Check {
    findings: Vec<Finding>,
    /// The first numbers of the draws of which something was kept from before the close; `None` if
    /// nothing was kept at all.
    promised: Option<Vec<u64>>,
}

impl Check {
    fn say(&mut self, file: &DrawFile, holds: bool, what: impl AsRef<str>) -> bool {
        self.find(file, if holds { Verdict::Holds } else { Verdict::Fails }, what);
        holds
    }

    fn find(&mut self, file: &DrawFile, verdict: Verdict, what: impl AsRef<str>) {
        let claim = format!("{}: {}", file.name, what.as_ref());
        self.findings.push(Finding { verdict, claim });
    }

    fn readable<T>(&mut self, file: &DrawFile, read: Result<T, Unreadable>) -> Option<T> {
        if read.is_err() {
            self.say(file, false, "can be read");
        }
        read.ok()
    }

    /// The draws that the file states, newest first.
    fn fairness(&mut self, file: &DrawFile, all: &[Statement]) -> Result<Vec<Draw>, Unreadable> {
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let is_drawn = |stated: &&Statement| stated.root.is_some() && stated.seed.is_some();
        let finished: Vec<&Statement> = all.iter().filter(is_drawn).collect();
        let is_known = |stated: &&Statement| {
            stated.encoding.as_deref() == Some(encoding(stated.witnesses.len()))
        };
        let is_checkable = !finished.is_empty() && finished.iter().all(is_known);
        if !self.say(file, is_checkable, "has draws in the encoding that their witnesses ask for") {
            return Ok(Vec::new());
        }
        let read: Result<Vec<_>, Unreadable> = finished.into_iter().map(read_statement).collect();
        let mut draws = Vec::new();
        for Stated { draw, is_committed, witnesses, has_its_beacon, is_made } in read? {
            self.say(file, is_committed, "the secret is that of the commitment beside it");
            for (is_committed, at) in witnesses.into_iter().zip(1..) {
                let claim = format!("the secret of witness {at} is that of its commitment");
                self.say(file, is_committed, claim);
            }
            self.say(file, has_its_beacon, "there is a beacon if, and only if, one is required");
            self.say(file, is_made, "the seed follows from root, n, secrets and beacon");
            draws.push(draw);
        }
        Ok(draws)
    }

    /// Compares what was kept with what is said now of the draws that begin at the same numbers.
    fn kept(&mut self, file: &DrawFile, kept: &[Statement], now: &[Statement]) {
        let promised = self.promised.get_or_insert_default();
        let before = kept.iter().filter(|before| before.commitment.is_some());
        let of_draws = before.filter_map(|before| Some((before.first_number?, before)));
        let of_draws: Vec<(u64, &Statement)> = of_draws.collect();
        let unclosed = of_draws.iter().filter(|(_, before)| before.root.is_none());
        promised.extend(unclosed.map(|&(first, _)| first));
        for (first, before) in of_draws {
            let same: Vec<_> = now.iter().filter(|now| now.first_number == Some(first)).collect();
            let stays = !same.is_empty() && same.iter().all(|now| stays(before, now));
            if stays && same.iter().all(|now| now.seed.is_none()) {
                let claim = format!("the draw from number {first} is made");
                self.find(file, Verdict::Unchecked, claim);
                continue;
            }
            let claim = format!("what it says of the draw from number {first} is still said");
            self.say(file, stays, claim);
        }
    }

    /// Says which draws may have been made with other secrets and terms than were promised.
    fn unpromised(&mut self, file: &DrawFile, draws: &[Draw]) {
        for draw in draws.iter().filter(|draw| !self.is_promised(draw)).collect::<Vec<_>>() {
            let claim = format!(
                "the draw from number {} has the commitment, the witnesses and the beaconRequired \
                 that were shown before its close: give what was kept from then with --kept",
                draw.first_number
            );
            self.find(file, Verdict::Unchecked, claim);
        }
    }

    fn is_promised(&self, draw: &Draw) -> bool {
        self.promised.as_ref().is_some_and(|promised| promised.contains(&draw.first_number))
    }

    /// The hash of the proof's token, if the proof is about one of the draws.
    fn proof(&mut self, file: &DrawFile, draws: &[Draw]) -> Result<Option<[u8; 32]>, Unreadable> {
        let proof: Proof = serde_json::from_slice(&file.bytes).map_err(|_| Unreadable)?;
        let (index, count, seed) = (proof.index, proof.n, hash(&proof.seed)?);
        let of = draws.iter().find(|draw| draw.seed == seed && draw.count == count);
        let of = of.filter(|_| index < count);
        self.say(file, of.is_some(), "is of a draw in the statement");
        let Some(draw) = of else { return Ok(None) };
        if self.promised.is_some() {
            self.say(file, self.is_promised(draw), "is of a draw that was kept before its close");
        }
        let token_hash = hash(&proof.token_hash)?;
        let path = proof.path.as_ref().ok_or(Unreadable)?.iter();
        let path = path.map(|text| hash(text)).collect::<Result<Vec<_>, _>>()?;
        let leaf = leaf(sha256, index, &token_hash);
        let root = climb(sha256, (index, count), leaf, &path);
        let claim = format!("the token is in the draw, at index {index}");
        self.say(file, root == Some(draw.root), claim);
        let number = draw.first_number + draw.permute(index..index + 1)[0];
        self.say(file, number == proof.number, format!("index {index} got number {number}"));
        Ok(Some(token_hash))
    }

    /// The cohort is that of the draw that has its root, whichever it is.
    fn cohort(&mut self, file: &DrawFile, draws: &[Draw]) {
        let (hashes, rest) = file.bytes.as_chunks::<HASH_BYTES>();
        let found = rest.is_empty().then(|| root(hashes));
        let is_of = |draw: &&Draw| Some(draw.root) == found && draw.count == hashes.len() as u64;
        let draw = draws.iter().find(is_of);
        self.say(file, draw.is_some(), "has root and n of a draw in the statement");
        let Some(draw) = draw else { return };
        let mut taken = vec![false; hashes.len()];
        for number in on_every_processor(draw.count, |part| draw.permute(part)) {
            taken[usize::try_from(number).expect("below the count of places")] = true;
        }
        let claim = format!("each of {} places got a number of its own", draw.count);
        self.say(file, taken.iter().all(|&taken| taken), claim);
    }
}

/// What a file says of draws, newest first.
fn read_statements(file: &DrawFile) -> Result<Vec<Statement>, Unreadable> {
    let stated: Fairness = serde_json::from_slice(&file.bytes).map_err(|_| Unreadable)?;
    Ok(std::iter::once(stated.newest).chain(stated.earlier).collect())
}

/// Whether all that was said of a draw is said now: what was not known yet may have come since.
fn stays(before: &Statement, now: &Statement) -> bool {
    let commitments =
        |said: &Statement| said.witnesses.iter().map(|one| one.commitment.clone()).collect();
    let (witnesses_before, witnesses): (Vec<_>, Vec<_>) = (commitments(before), commitments(now));
    let texts =
        |said: &Statement| [&said.root, &said.secret, &said.beacon, &said.seed].map(Option::clone);
    let mut texts = texts(before).into_iter().zip(texts(now));
    before.event == now.event
        && before.commitment == now.commitment
        && before.beacon_required == now.beacon_required
        && witnesses_before == witnesses
        && (before.n.is_none() || before.n == now.n)
        && texts.all(|(before, now)| before.is_none() || before == now)
}

/// A draw, whether each of its secrets is that of its commitment, whether it has a beacon just if
/// it is one that waits for it, and whether its seed follows.
struct Stated {
    draw: Draw,
    is_committed: bool,
    witnesses: Vec<bool>,
    has_its_beacon: bool,
    is_made: bool,
}

fn read_statement(stated: &Statement) -> Result<Stated, Unreadable> {
    let read = |text: &Option<String>| hash(text.as_deref().ok_or(Unreadable)?);
    let event: EventId = stated.event.parse().map_err(|_| Unreadable)?;
    let (root, secret) = (read(&stated.root)?, read(&stated.secret)?);
    let count = stated.n.filter(|&n| n <= NUMBER_MAX).ok_or(Unreadable)?;
    let first_number = stated.first_number.filter(|&first| first <= NUMBER_MAX);
    let first_number = first_number.ok_or(Unreadable)?;
    let beacon = stated.beacon.as_deref().unwrap_or_default();
    let of_witness = |witness: &Witness| Ok((hash(&witness.commitment)?, read(&witness.secret)?));
    let of_witnesses = stated.witnesses.iter().map(of_witness).collect::<Result<Vec<_>, _>>()?;
    let (committed, secrets): (Vec<_>, Vec<_>) = of_witnesses.into_iter().unzip();
    let is_of = |committed: &[u8; 32], secret| *committed == commitment(sha256, secret);
    let witnesses = committed.iter().zip(&secrets).map(|(one, secret)| is_of(one, secret));
    let (witnesses, is_committed) =
        (witnesses.collect(), is_of(&read(&stated.commitment)?, &secret));
    let (event, root_of, secret) = (&event, &root, &secret);
    let of = Ingredients { event, root: root_of, count, secret, witnesses: &secrets, beacon };
    let made = seed(sha256, of);
    let draw = Draw { root, count, first_number, seed: read(&stated.seed)? };
    let is_made = draw.seed == made;
    // One that nobody was promised is one that could be chosen.
    let has_its_beacon = stated.beacon_required != beacon.is_empty();
    Ok(Stated { draw, is_committed, witnesses, has_its_beacon, is_made })
}

fn hash(text: &str) -> Result<[u8; 32], Unreadable> {
    base64url::decode(text).and_then(|bytes| bytes.try_into().ok()).ok_or(Unreadable)
}

fn root(hashes: &[[u8; 32]]) -> [u8; 32] {
    let leaves = on_every_processor(hashes.len() as u64, |part| {
        let hash = |index: u64| &hashes[usize::try_from(index).expect("an index of a slice")];
        part.map(|index| leaf(sha256, index, hash(index))).collect()
    });
    Tree::new(sha256, leaves).root()
}

impl Draw {
    fn permute(&self, part: Range<u64>) -> Vec<u64> {
        let key = draw_key(&self.seed);
        let prf = |round, half| prf(&key, round, half);
        let permutation = Permutation::new(self.count, &prf);
        part.map(|index| permutation.apply(index)).collect()
    }
}

/// Does the work for the indexes below `count`, in one part for each processor; returns the results
/// in order.
fn on_every_processor<T: Send>(count: u64, work: impl Fn(Range<u64>) -> Vec<T> + Sync) -> Vec<T> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let part = count.div_ceil(processors).max(1);
    std::thread::scope(|scope| {
        let starts = (0..count).step_by(usize::try_from(part).expect("a part fits in memory"));
        let parts: Vec<_> = starts
            .map(|start| {
                let work = &work;
                scope.spawn(move || work(start..count.min(start + part)))
            })
            .collect();
        parts.into_iter().flat_map(|part| part.join().expect("it only computes")).collect()
    })
}
