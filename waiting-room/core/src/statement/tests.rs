//! Tests of the encoding.

use super::{Ingredients, commitment, revealed, seed, token_hash};
use crate::cohort::Cohort;
use crate::draw::Permutation;
use crate::hash_for_tests::{prf, sha256};

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// A draw of six places above number 6, the first of them empty. The texts are those of another
/// program, which shares no code with this one.
#[test]
fn the_hashes_of_a_draw_are_frozen() {
    let mut cohort = Cohort::new(6);
    for index in 1_u64..6 {
        let index = index.to_be_bytes();
        let token = [sha256(&[b"token", &index]), sha256(&[b"mac", &index])].concat();
        cohort.enter(7 + u64::from_be_bytes(index), token_hash(sha256, &token));
    }
    let root = cohort.tree(sha256).root();
    assert_eq!(hex(&root), "6214803c7fc84b824ba8b1e16801bc8142de1efd5411fd29a76f60add02b4ce5");
    let (event, count) = ("SUMMER-TOUR-2027", 6_u64);
    let secret = sha256(&[b"a secret", event.as_bytes(), &count.to_be_bytes()]);
    assert_eq!(
        hex(&commitment(sha256, &secret)),
        "2f5625a5757e3b2ff779865e757f7f2e9e5e60c55b59ce2351907047483f3573"
    );
    let (event, beacon) = (event.parse().unwrap(), "drand 5001234 e4a8d5c1");
    let of =
        Ingredients { event: &event, root: &root, count, secret: &secret, witnesses: &[], beacon };
    let seed = seed(sha256, of);
    assert_eq!(hex(&seed), "f8944e3cc9338fae2388340dd9d69d2543c732bb21dd2a033e1dc4c9ffd45d45");
    assert_eq!(numbers(seed, count), [9, 12, 11, 8, 7, 10]);
    let witness = |at| sha256(&[b"witness", &[at], b"SUMMER-TOUR-2027", &count.to_be_bytes()]);
    let witnesses = [0, 1, 2].map(witness);
    let seed = super::seed(sha256, Ingredients { witnesses: &witnesses, ..of });
    assert_eq!(hex(&seed), "da98364ef7c22402e50038a0f2a6f96dadf64dcfa0f1efdbfecc8f03fe246a40");
    assert_eq!(numbers(seed, count), [8, 11, 9, 12, 10, 7]);
}

/// The numbers in line of the places, in their order, above number 6.
fn numbers(seed: [u8; 32], count: u64) -> Vec<u64> {
    let prf = prf(seed);
    let permutation = Permutation::new(count, &prf);
    (0..count).map(|index| 7 + permutation.apply(index)).collect()
}

#[test]
fn the_permutation_is_frozen_for_small_and_large_counts() {
    let seed = std::array::from_fn(|at| u8::try_from(at).unwrap());
    let prf = prf(seed);
    for (count, wanted) in [
        (1, [0, 0, 0]),
        (2, [1, 0, 0]),
        (5, [4, 1, 0]),
        (17, [1, 16, 0]),
        (1_000, [379, 3, 654]),
        (65_537, [46_312, 28_593, 49_342]),
        (1_000_000, [664_868, 675_028, 159_019]),
    ] {
        let permutation = Permutation::new(count, &prf);
        let found = [0, count / 2, count - 1].map(|index| permutation.apply(index));
        assert_eq!(found, wanted, "{count}");
    }
}

#[test]
fn each_part_of_a_seed_changes_it() {
    let (event, other): (schema::EventId, schema::EventId) =
        ("EVT001".parse().unwrap(), "EVT002".parse().unwrap());
    let of = Ingredients {
        event: &event,
        root: &[1; 32],
        count: 3,
        secret: &[2; 32],
        witnesses: &[],
        beacon: "",
    };
    let (one, two) = ([[4; 32]], [[4; 32], [5; 32]]);
    let changed = [
        Ingredients { witnesses: &one, ..of },
        Ingredients { witnesses: &two, ..of },
        Ingredients { witnesses: &[[5; 32], [4; 32]], ..of },
        Ingredients { event: &other, ..of },
        Ingredients { root: &[3; 32], ..of },
        Ingredients { count: 4, ..of },
        Ingredients { secret: &[3; 32], ..of },
        Ingredients { beacon: "b", ..of },
    ];
    let mut seeds = vec![seed(sha256, of)];
    for changed in changed {
        let seed = seed(sha256, changed);
        assert!(!seeds.contains(&seed), "{changed:?}");
        seeds.push(seed);
    }
}

#[test]
fn a_commitment_has_the_secret_that_it_was_made_from_and_no_other() {
    let secrets = [[1; 32], [2; 32], [3; 32]];
    let [one, two, three] = secrets.map(|secret| commitment(sha256, &secret));
    let found = |commitments: &[[u8; 32]], secrets| revealed(sha256, commitments, secrets);
    assert_eq!(found(&[], &secrets), []);
    assert_eq!(found(&[three, one], &secrets), [Some([3; 32]), Some([1; 32])]);
    assert_eq!(found(&[one, three, two], &secrets[..2]), [Some([1; 32]), None, Some([2; 32])]);
    assert_eq!(found(&[one], &[one]), [None], "a commitment is no secret");
}

/// Early places get early numbers as often as chance has it: the places of each tenth of the cohort
/// over the tenths of the line, as chi-square.
#[test]
fn where_a_place_goes_says_nothing_of_when_it_came() {
    let count = 1_000_000_u64;
    let prf = prf([5; 32]);
    let permutation = Permutation::new(count, &prf);
    let mut cells = [[0_u32; 10]; 10];
    for index in 0..count {
        let tenth = |at: u64| usize::try_from(at * 10 / count).unwrap();
        cells[tenth(index)][tenth(permutation.apply(index))] += 1;
    }
    let expected = 10_000.0;
    let of_cell = |&found: &u32| (f64::from(found) - expected).powi(2) / expected;
    let chi_square: f64 = cells.iter().flatten().map(of_cell).sum();
    // 81 degrees of freedom: 98 of 100 true shuffles are between these.
    assert!((54.0..114.0).contains(&chi_square), "{chi_square}");
}
