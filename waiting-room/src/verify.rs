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
    /// What `GET .../me/proof` answers.
    pub proofs: Vec<DrawFile>,
    /// What `GET .../fairness/cohort` answers.
    pub cohort: Option<DrawFile>,
    /// Waiting-room tokens.
    pub tokens: Vec<DrawFile>,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub holds: bool,
    /// Which file, and what is true of it if it holds.
    pub claim: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", if self.holds { "holds" } else { "FAILS" }, self.claim)
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

/// Checks everything that the files say; the draw holds if all findings do.
///
/// With a cohort it is two hashes and four to sixteen MACs for each place, on every processor there
/// is.
pub fn verify_draw(files: &DrawFiles) -> Vec<Finding> {
    let mut check = Check { findings: Vec::new() };
    let draws = check.fairness(&files.fairness);
    let draws = check.readable(&files.fairness, draws).unwrap_or_default();
    let mut hashes = Vec::new();
    for file in &files.proofs {
        let found = check.proof(file, &draws);
        hashes.extend(check.readable(file, found).flatten());
    }
    if let (Some(file), Some(draw)) = (&files.cohort, draws.first()) {
        check.cohort(file, draw);
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
}

impl Check {
    fn say(&mut self, file: &DrawFile, holds: bool, what: impl AsRef<str>) -> bool {
        let claim = format!("{}: {}", file.name, what.as_ref());
        self.findings.push(Finding { holds, claim });
        holds
    }

    fn readable<T>(&mut self, file: &DrawFile, read: Result<T, Unreadable>) -> Option<T> {
        if read.is_err() {
            self.say(file, false, "can be read");
        }
        read.ok()
    }

    /// The draws that the file states, newest first.
    fn fairness(&mut self, file: &DrawFile) -> Result<Vec<Draw>, Unreadable> {
        let stated: Fairness = serde_json::from_slice(&file.bytes).map_err(|_| Unreadable)?;
        let is_drawn = |stated: &Statement| stated.root.is_some() && stated.seed.is_some();
        let statements: Vec<Statement> =
            std::iter::once(stated.newest).chain(stated.earlier).filter(is_drawn).collect();
        let is_known = |stated: &Statement| {
            stated.encoding.as_deref() == Some(encoding(stated.witnesses.len()))
        };
        let is_checkable = !statements.is_empty() && statements.iter().all(is_known);
        if !self.say(file, is_checkable, "has draws in the encoding that their witnesses ask for") {
            return Ok(Vec::new());
        }
        let read: Result<Vec<_>, Unreadable> = statements.iter().map(read_statement).collect();
        let mut draws = Vec::new();
        for Stated { draw, is_committed, witnesses, is_made } in read? {
            self.say(file, is_committed, "the secret is the one that was committed to");
            for (is_committed, at) in witnesses.into_iter().zip(1..) {
                let claim = format!("the secret of witness {at} is the one committed to");
                self.say(file, is_committed, claim);
            }
            self.say(file, is_made, "the seed follows from root, n, secrets and beacon");
            draws.push(draw);
        }
        Ok(draws)
    }

    /// The hash of the proof's token, if the proof is about one of the draws.
    fn proof(&mut self, file: &DrawFile, draws: &[Draw]) -> Result<Option<[u8; 32]>, Unreadable> {
        let proof: Proof = serde_json::from_slice(&file.bytes).map_err(|_| Unreadable)?;
        let (index, count, seed) = (proof.index, proof.n, hash(&proof.seed)?);
        let of = draws.iter().find(|draw| draw.seed == seed && draw.count == count);
        let of = of.filter(|_| index < count);
        self.say(file, of.is_some(), "is of a draw in the statement");
        let Some(draw) = of else { return Ok(None) };
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

    fn cohort(&mut self, file: &DrawFile, draw: &Draw) {
        let (hashes, rest) = file.bytes.as_chunks::<HASH_BYTES>();
        let is_whole = rest.is_empty() && hashes.len() as u64 == draw.count;
        let has_root = is_whole && root(hashes) == draw.root;
        if !self.say(file, has_root, format!("has the root of {} places", draw.count)) {
            return;
        }
        let mut taken = vec![false; hashes.len()];
        for number in on_every_processor(draw.count, |part| draw.permute(part)) {
            taken[usize::try_from(number).expect("below the count of places")] = true;
        }
        self.say(file, taken.iter().all(|&taken| taken), "every place got a number of its own");
    }
}

/// A draw, whether each of its secrets is that of its commitment, and whether its seed follows.
struct Stated {
    draw: Draw,
    is_committed: bool,
    witnesses: Vec<bool>,
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
    Ok(Stated { draw, is_committed, witnesses, is_made })
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
