//! What is shown of a draw, and what it was promised to be.

use super::{FairnessBody, Ledger, drawn, hash};
use crate::drawn::ingredients;
use crate::verify::{DrawFile, DrawFiles, Finding, verify_draw};
use chassis::base64url;
use chassis::keys::sha256;
use schema::admission::{AdmissionRecord, Draw, DrawMadeOf};
use schema::{EventId, UnixMillis};
use waiting_room_core::{MonoMs, commitment, seed};

const PROMISED: [u8; 32] = [1; 32];
const OF_WITNESS: [u8; 32] = [2; 32];
const OTHER: [u8; 32] = [9; 32];

fn event() -> EventId {
    "EVT001".parse().unwrap()
}

/// What is said of a draw that was promised with the secrets above and is made with these.
fn stated(secret: [u8; 32], witness: [u8; 32]) -> FairnessBody {
    let (base, last, root) = (100, 150, [3; 32]);
    let made_of = DrawMadeOf { root, secret, beacon: "a word".into(), witnesses: vec![witness] };
    let seed = seed(sha256, ingredients(&event(), last - base, &made_of));
    let (at, made_of) = (UnixMillis(0), Some(made_of));
    let mut ledger = Ledger::default();
    for record in [
        AdmissionRecord::EpochStarted {
            epoch: 1,
            given_to: 0,
            number_floor: 0,
            redis_run_id: "r".into(),
            at,
        },
        AdmissionRecord::MarkRaised { epoch: 1, number_max: 1_000 },
        AdmissionRecord::GatherStarted { given_to: base, base },
        AdmissionRecord::Committed {
            base,
            nonce: [0; 32],
            commitment: commitment(sha256, &PROMISED),
            needs_beacon: true,
            witnesses: vec![commitment(sha256, &OF_WITNESS)],
        },
        AdmissionRecord::CohortClosed { base, last },
        AdmissionRecord::Rooted { base, root },
        AdmissionRecord::Drawn(Draw { base, last, seed, at, made_of }),
    ] {
        ledger.apply(record, MonoMs(0));
    }
    let (draw, fixed) = ledger.made().next().unwrap();
    FairnessBody { newest: drawn(&event(), draw, fixed, None), earlier: Vec::new() }
}

fn fails(stated: &FairnessBody) -> Vec<String> {
    let bytes = serde_json::to_vec(stated).unwrap();
    let fairness = DrawFile { name: "f".to_owned(), bytes };
    let (kept, proofs, tokens) = (Vec::new(), Vec::new(), Vec::new());
    let findings = verify_draw(&DrawFiles { fairness, kept, proofs, cohort: None, tokens });
    let fails = findings.iter().filter(|finding| finding.fails());
    fails.map(|finding: &Finding| finding.claim.clone()).collect()
}

#[test]
fn what_was_promised_is_shown_as_it_was_whatever_the_draw_is_made_with() {
    let honest = stated(PROMISED, OF_WITNESS);
    assert_eq!(fails(&honest), Vec::<String>::new());
    let swapped = stated(OTHER, OF_WITNESS);
    assert_eq!(swapped.newest.commitment, honest.newest.commitment);
    assert_eq!(fails(&swapped), ["f: the secret is that of the commitment beside it"]);
    let swapped = stated(PROMISED, OTHER);
    assert_eq!(swapped.newest.witnesses[0].commitment, honest.newest.witnesses[0].commitment);
    assert_eq!(fails(&swapped), ["f: the secret of witness 1 is that of its commitment"]);
}

#[test]
fn a_root_is_32_bytes_in_its_one_spelling() {
    let text = base64url::encode(&[7; 32]);
    assert_eq!(hash(&text), Some([7; 32]));
    for bad in ["", "abc", &text[1..], &format!("{text}A"), &format!("{text}=")] {
        assert_eq!(hash(bad), None, "{bad:?}");
    }
}
