//! The draw of a pre-queue: the Feistel permutation, a whole draw, and what is checked of it.

use chassis::base64url;
use chassis::keys::{HmacKey, sha256};
use criterion::{BenchmarkId, Criterion, Throughput};
use std::hint::black_box;
use waiting_room::{DrawFile, DrawFiles, Finding, verify_draw};
use waiting_room_core::{
    Bits, Cohort, Ingredients, Permutation, Tree, climb, commitment, draw_live, encoding, leaf,
    seed, token_hash,
};

/// Live places of the whole draw.
const PLACES: u64 = 10_000;

/// Places of the draw that is checked.
const PROVED: u64 = 1_000_000;

pub fn benches(criterion: &mut Criterion) {
    let key = HmacKey::from_bytes([7; 32]);
    // As the waiting room keys its draw.
    let keyed = |round: u8, half: u64| {
        let mac = key.mac(&[&[round], &half.to_be_bytes()]);
        u64::from_be_bytes(*mac.first_chunk().expect("a MAC has 32 bytes"))
    };
    let mut group = criterion.benchmark_group("draw");
    // 65,537 is the worst case of cycle walking: nearly three of four results are outside.
    for count in [10_000, 65_537, 1_000_000] {
        let permutation = Permutation::new(count, &keyed);
        let mut index = 0;
        group.bench_function(BenchmarkId::new("place of one", count), |bench| {
            bench.iter(|| {
                index = (index + 1) % count;
                permutation.apply(black_box(index))
            });
        });
    }
    let word_count = usize::try_from(Bits::word_of(PLACES) + 1).expect("a small number");
    let mut live = Bits::zeroed(0, word_count);
    live.fill(0, PLACES);
    group.throughput(Throughput::Elements(PLACES));
    group.bench_function(BenchmarkId::new("all", PLACES), |bench| {
        bench.iter(|| draw_live(black_box(&live), 0, PLACES, &keyed));
    });
    group.finish();
    whole(criterion, &keyed);
    verified(criterion);
}

/// A million places: the root, one proof of them, and where each of them goes, on one processor.
fn whole(criterion: &mut Criterion, keyed: &dyn Fn(u8, u64) -> u64) {
    let mut cohort = Cohort::new(0);
    for number in 1..=PROVED {
        cohort.enter(number, sha256(&[&number.to_be_bytes()]));
    }
    let mut group = criterion.benchmark_group("draw");
    group.sample_size(10);
    group.bench_function(BenchmarkId::new("root", PROVED), |bench| {
        bench.iter(|| black_box(&cohort).tree(sha256).root());
    });
    let tree = cohort.tree(sha256);
    let (index, path) = (PROVED / 2, tree.path(PROVED / 2));
    let hash = sha256(&[&(index + 1).to_be_bytes()]);
    group.bench_function(BenchmarkId::new("proof of one", PROVED), |bench| {
        bench.iter(|| {
            let leaf = leaf(sha256, index, black_box(&hash));
            let found = climb(sha256, (index, PROVED), leaf, &path);
            assert!(found == Some(tree.root()));
        });
    });
    let permutation = Permutation::new(PROVED, keyed);
    group.bench_function(BenchmarkId::new("numbers of all", PROVED), |bench| {
        bench.iter(|| (0..PROVED).map(|index| permutation.apply(index)).fold(0, |a, b| a ^ b));
    });
    group.finish();
}

/// All that `usher verify-draw` checks of a million places and one of their tokens, once it has
/// read the files, on every processor there is.
fn verified(criterion: &mut Criterion) {
    let token = |number: u64| number.to_be_bytes();
    let mut cohort = Cohort::new(0);
    for number in 1..=PROVED {
        cohort.enter(number, token_hash(sha256, &token(number)));
    }
    let files = files(&cohort, &cohort.tree(sha256), PROVED / 2, &token(PROVED / 2 + 1));
    let mut group = criterion.benchmark_group("draw");
    group.sample_size(10);
    group.bench_function(BenchmarkId::new("verified", PROVED), |bench| {
        bench.iter(|| {
            let findings = verify_draw(black_box(&files));
            assert!(!findings.iter().any(Finding::fails), "{findings:?}");
        });
    });
    group.finish();
}

/// What is downloaded of a draw of `cohort`, with the proof of the place at `index`.
fn files(cohort: &Cohort, tree: &Tree, index: u64, token: &[u8]) -> DrawFiles {
    let file = |name: &str, bytes: Vec<u8>| DrawFile { name: name.to_owned(), bytes };
    let text = |hash: &[u8; 32]| base64url::encode(hash);
    let (count, root, secret) = (cohort.entered(), tree.root(), [9; 32]);
    let event = "EVT001".parse().expect("it is an event id");
    let (witnesses, beacon): (&[[u8; 32]], _) = (&[], "");
    let of = Ingredients { event: &event, root: &root, count, secret: &secret, witnesses, beacon };
    let seed = seed(sha256, of);
    let fairness = format!(
        r#"{{"encoding":"{}","event":"{event}","commitment":"{}","root":"{}","n":{count},
            "firstNumber":1,"secret":"{}","seed":"{}","earlier":[]}}"#,
        encoding(0),
        text(&commitment(sha256, &secret)),
        text(&root),
        text(&secret),
        text(&seed),
    );
    let key = HmacKey::from_bytes(seed);
    let keyed = |round: u8, half: u64| {
        let mac = key.mac(&[&[round], &half.to_be_bytes()]);
        u64::from_be_bytes(*mac.first_chunk().expect("a MAC has 32 bytes"))
    };
    let number = 1 + Permutation::new(count, &keyed).apply(index);
    let path: Vec<String> =
        tree.path(index).iter().map(|hash| format!("\"{}\"", text(hash))).collect();
    let proof = format!(
        r#"{{"index":{index},"n":{count},"tokenHash":"{}","path":[{}],"seed":"{}",
            "number":{number}}}"#,
        text(&token_hash(sha256, token)),
        path.join(","),
        text(&seed),
    );
    DrawFiles {
        fairness: file("fairness", fairness.into_bytes()),
        kept: Vec::new(),
        proofs: vec![file("proof", proof.into_bytes())],
        cohort: Some(file("cohort", cohort.hashes().concat())),
        tokens: vec![file("token", base64url::encode(token).into_bytes())],
    }
}
