//! Two verifiers of draws that share no code find the same on the same files: the one of this crate
//! and `verify_draw.py`.
#![expect(clippy::unwrap_used, reason = "a panic is the message of a failed test")]

use chassis::base64url;
use chassis::keys::{HmacKey, sha256};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use waiting_room::{DrawFile, DrawFiles, Finding, Verdict, verify_draw};
use waiting_room_core::{Ingredients, Permutation, commitment, seed};

/// Whole draws with some of their proofs, made by a third program: of 0 to 65 places, with and
/// without empty ones, a beacon, an earlier draw; those of the second file with witnesses.
const VECTORS: [&str; 2] = [include_str!("usher-draw-v1.json"), include_str!("usher-draw-v2.json")];

#[derive(Clone)]
struct Downloaded {
    fairness: Value,
    kept: Vec<Value>,
    proofs: Vec<Value>,
    cohort: Vec<u8>,
    tokens: Vec<Vec<u8>>,
}

fn vectors() -> Vec<Downloaded> {
    let bytes = |text: &Value| base64url::decode(text.as_str().unwrap()).unwrap();
    let download = |draw: &Value| {
        let proofs = draw["proofs"].as_array().unwrap().clone();
        let token = |proof: &Value| format!("{}\n", proof["token"].as_str().unwrap()).into_bytes();
        let tokens = proofs.iter().map(token).collect();
        let (fairness, cohort) = (draw["fairness"].clone(), bytes(&draw["cohort"]));
        Downloaded { fairness, kept: Vec::new(), proofs, cohort, tokens }
    };
    let of_file = |file: &str| {
        let vectors: Value = serde_json::from_str(file).unwrap();
        vectors["draws"].as_array().unwrap().iter().map(download).collect::<Vec<_>>()
    };
    VECTORS.into_iter().flat_map(of_file).collect()
}

impl Downloaded {
    fn files(&self) -> DrawFiles {
        let file = |name: String, bytes: Vec<u8>| DrawFile { name, bytes };
        let json = |name: String, value: &Value| file(name, value.to_string().into_bytes());
        let proofs = self.proofs.iter().zip(0..);
        let (kept, tokens) = (self.kept.iter().zip(0..), self.tokens.iter().zip(0..));
        DrawFiles {
            fairness: json("fairness.json".into(), &self.fairness),
            kept: kept.map(|(kept, at)| json(format!("kept-{at}.json"), kept)).collect(),
            proofs: proofs.map(|(proof, at)| json(format!("proof-{at}.json"), proof)).collect(),
            cohort: Some(file("cohort".into(), self.cohort.clone())),
            tokens: tokens.map(|(token, at)| file(format!("token-{at}"), token.clone())).collect(),
        }
    }

    /// What both verifiers find, which must be the same.
    fn verify(&self, folder: &Path) -> Vec<Finding> {
        let files = self.files();
        let findings = verify_draw(&files);
        let (is_well, printed) = in_python(folder, &files);
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(printed.trim_end(), lines.join("\n"));
        assert_eq!(is_well, !findings.iter().any(Finding::fails), "{printed}");
        findings
    }
}

/// Whether the second verifier is content, and what it prints.
fn in_python(folder: &Path, files: &DrawFiles) -> (bool, String) {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/draw/verify_draw.py");
    let mut command = Command::new("python3");
    command.arg("-B").arg(program).arg(&files.fairness.name).current_dir(folder);
    command.args(files.proofs.iter().map(|file| &file.name));
    let all = std::iter::once(&files.fairness).chain(&files.proofs).chain(&files.tokens);
    for file in all.chain(&files.kept).chain(&files.cohort) {
        std::fs::write(folder.join(&file.name), &file.bytes).unwrap();
    }
    for file in &files.kept {
        command.arg("--kept").arg(&file.name);
    }
    if let Some(file) = &files.cohort {
        command.arg("--cohort").arg(&file.name);
    }
    for file in &files.tokens {
        command.arg("--token").arg(&file.name);
    }
    let ended = command.output().expect("this test needs python3 on the path");
    let log = String::from_utf8_lossy(&ended.stderr);
    assert!(log.is_empty(), "{log}");
    (ended.status.success(), String::from_utf8(ended.stdout).unwrap())
}

#[test]
fn both_verifiers_find_that_every_draw_holds() {
    let folder = tempfile::tempdir().unwrap();
    for draw in vectors() {
        let findings = draw.verify(folder.path());
        assert!(!findings.iter().any(Finding::fails), "{findings:?}");
        let drawn = 1 + draw.fairness["earlier"].as_array().unwrap().len();
        let witnesses = draw.fairness["witnesses"].as_array().map_or(0, Vec::len);
        let said = 1 + 3 * drawn + witnesses + 4 * draw.proofs.len() + 2;
        assert_eq!(findings.len(), said + drawn);
        assert_eq!(unchecked(&findings), drawn, "nothing was kept: {findings:?}");
        let kept = keeping(&draw);
        let findings = kept.verify(folder.path());
        assert!(findings.iter().all(|one| one.verdict == Verdict::Holds), "{findings:?}");
        let of_kept: usize = (1..=drawn).sum();
        assert_eq!(findings.len(), said + of_kept + draw.proofs.len());
    }
}

fn unchecked(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| finding.verdict == Verdict::Unchecked).count()
}

/// The witnesses of a statement; the oldest ones have no such member.
fn witnesses(said: &mut Value) -> impl Iterator<Item = &mut Value> {
    said.get_mut("witnesses").and_then(Value::as_array_mut).into_iter().flatten()
}

/// What was said of a draw while its pre-queue gathered.
fn early(fairness: &Value) -> Value {
    let mut early = fairness.clone();
    for later in ["root", "n", "secret", "beacon", "seed", "drawnAt"] {
        early[later] = Value::Null;
    }
    for witness in witnesses(&mut early) {
        witness["secret"] = Value::Null;
    }
    early
}

/// The download with what was kept while each of its draws gathered.
fn keeping(draw: &Downloaded) -> Downloaded {
    let earlier = draw.fairness["earlier"].as_array().unwrap();
    let at = |rank: usize| {
        let mut kept = early(if rank == 0 { &draw.fairness } else { &earlier[rank - 1] });
        kept["earlier"] = json!(earlier[rank..]);
        kept
    };
    Downloaded { kept: (0..=earlier.len()).map(at).collect(), ..draw.clone() }
}

#[test]
fn what_was_kept_too_late_or_of_another_draw_says_nothing_of_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let draws: Vec<Downloaded> = vectors();
    let draw = keeping(draws.iter().find(|draw| draw.fairness["event"] == "EVT003").unwrap());
    let mut late = draw.clone();
    late.kept[0]["root"] = draw.fairness["root"].clone();
    let findings = late.verify(folder.path());
    assert_eq!(unchecked(&findings), 1, "{findings:?}");
    assert!(findings.iter().any(|one| one.fails() && one.claim.starts_with("proof-0")));
    let mut unmade = draw.clone();
    let mut next = draw.kept[0].clone();
    next["firstNumber"] = json!(9_001);
    unmade.kept.push(next.clone());
    next["earlier"] = json!([draw.fairness]);
    unmade.fairness = next;
    let findings = unmade.verify(folder.path());
    assert!(!findings.iter().any(Finding::fails), "{findings:?}");
    assert_eq!(unchecked(&findings), 1, "the next draw is not made yet");
    let mut nothing = draw.clone();
    nothing.kept[0]["commitment"] = Value::Null;
    assert_eq!(unchecked(&nothing.verify(folder.path())), 1);
    nothing.kept[0] = json!("a word");
    assert!(
        nothing.verify(folder.path()).iter().any(|one| one.claim == "kept-0.json: can be read")
    );
}

#[test]
fn a_cohort_is_that_of_the_draw_with_its_root_also_if_that_is_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let all = vectors();
    let has_earlier = |draw: &&Downloaded| draw.fairness["earlier"][0]["n"] == 3;
    let mut draw = all.iter().find(has_earlier).unwrap().clone();
    let root = draw.fairness["earlier"][0]["root"].clone();
    draw.cohort = all.iter().find(|of| of.fairness["root"] == root).unwrap().cohort.clone();
    let findings = draw.verify(folder.path());
    assert!(!findings.iter().any(Finding::fails), "{findings:?}");
    assert!(findings.iter().any(|one| one.claim.starts_with("cohort: each of 3 places")));
}

/// Another text of 32 bytes.
fn flip(text: &mut Value) {
    let mut bytes = base64url::decode(text.as_str().unwrap()).unwrap();
    bytes[17] ^= 4;
    *text = base64url::encode(&bytes).into();
}

fn add_one(number: &mut Value) {
    *number = json!(number.as_u64().unwrap() + 1);
}

/// What can be changed of the witnesses of a draw that has some.
fn witness_forgeries(draw: &Downloaded) -> Vec<(&'static str, Downloaded)> {
    let mut forged = Vec::new();
    let mut forge = |what, change: &dyn Fn(&mut Vec<Value>)| {
        let mut other = draw.clone();
        change(other.fairness["witnesses"].as_array_mut().unwrap());
        forged.push((what, other));
    };
    forge("a witness less", &|all| drop(all.pop()));
    forge("a witness twice", &|all| all.push(all[0].clone()));
    forge("no witnesses", &Vec::clear);
    forge("order of witnesses", &|all| all.reverse());
    forge("commitment of a witness", &|all| flip(&mut all[0]["commitment"]));
    forge("secret of a witness", &|all| flip(&mut all[1]["secret"]));
    forge("no secret of a witness", &|all| all[0]["secret"] = Value::Null);
    forged
}

/// The draw with one thing in it changed, each of them in turn.
fn forgeries(draw: &Downloaded) -> Vec<(&'static str, Downloaded)> {
    let mut forged = Vec::new();
    let mut forge = |what, change: &dyn Fn(&mut Downloaded)| {
        let mut changed = draw.clone();
        change(&mut changed);
        forged.push((what, changed));
    };
    for name in ["commitment", "root", "secret", "seed"] {
        forge(name, &|draw| flip(&mut draw.fairness[name]));
    }
    for name in ["n", "firstNumber"] {
        forge(name, &|draw| add_one(&mut draw.fairness[name]));
    }
    forge("encoding", &|draw| {
        let is_first = draw.fairness["encoding"] == "usher-draw-v1";
        draw.fairness["encoding"] = json!(if is_first { "usher-draw-v2" } else { "usher-draw-v1" });
    });
    forge("witnesses from nowhere", &|draw| {
        let (commitment, secret) = (draw.fairness["commitment"].clone(), &draw.fairness["secret"]);
        let own = json!({"commitment": commitment, "secret": secret});
        draw.fairness["witnesses"] = json!([own]);
        draw.fairness["encoding"] = json!("usher-draw-v2");
    });
    forge("unknown encoding", &|draw| draw.fairness["encoding"] = json!("usher-draw-v3"));
    forge("event", &|draw| draw.fairness["event"] = json!("EVT009"));
    forge("beacon", &|draw| draw.fairness["beacon"] = json!("another one"));
    forge("seed null", &|draw| draw.fairness["seed"] = Value::Null);
    forge("not hashes", &|draw| draw.fairness["root"] = json!("abc"));
    for name in ["tokenHash", "seed"] {
        forge(name, &|draw| flip(&mut draw.proofs[0][name]));
    }
    for name in ["index", "n", "number"] {
        forge(name, &|draw| add_one(&mut draw.proofs[0][name]));
    }
    forge("sibling", &|draw| flip(&mut draw.proofs[0]["path"][0]));
    forge("short path", &|draw| drop(draw.proofs[0]["path"].as_array_mut().unwrap().pop()));
    forge("long path", &|draw| {
        let path = draw.proofs[0]["path"].as_array_mut().unwrap();
        path.push(path[0].clone());
    });
    forge("no path", &|draw| draw.proofs[0]["path"] = Value::Null);
    forge("place in cohort", &|draw| draw.cohort[40] ^= 1);
    forge("order of cohort", &|draw| draw.cohort.rotate_left(32));
    forge("short cohort", &|draw| draw.cohort.truncate(draw.cohort.len() - 32));
    forge("token", &|draw| draw.tokens[0][3] ^= 1);
    forge("no token", &|draw| draw.tokens[0] = b"!".to_vec());
    forged
}

#[test]
fn both_verifiers_refuse_every_forgery_with_the_same_words() {
    let folder = tempfile::tempdir().unwrap();
    // With a beacon, or an earlier draw beside it; a small draw has all there is to forge.
    let has_all = |draw: &Downloaded| {
        let (beacon, earlier) = (&draw.fairness["beacon"], &draw.fairness["earlier"]);
        beacon.is_string() || earlier.as_array().is_some_and(|earlier| !earlier.is_empty())
    };
    let draws: Vec<Downloaded> = vectors().into_iter().filter(has_all).collect();
    assert_eq!(draws.len(), 4);
    for draw in draws {
        let witnessed = draw.fairness["witnesses"].as_array().map_or(0, Vec::len);
        let of_witnesses = if 1 < witnessed { witness_forgeries(&draw) } else { Vec::new() };
        for (what, forged) in forgeries(&draw).into_iter().chain(of_witnesses) {
            let findings = forged.verify(folder.path());
            assert!(findings.iter().any(Finding::fails), "{what}");
        }
    }
}

/// Makes the newest draw again from what its statement says now, as whoever runs the server could.
fn redraw(draw: &mut Downloaded) {
    let bytes = |text: &Value| -> [u8; 32] {
        base64url::decode(text.as_str().unwrap()).unwrap().try_into().unwrap()
    };
    let told = |secret: &[u8; 32]| Value::from(base64url::encode(&commitment(sha256, secret)));
    let said = &mut draw.fairness;
    let (secret, root) = (bytes(&said["secret"]), bytes(&said["root"]));
    said["commitment"] = told(&secret);
    let mut secrets = Vec::new();
    for witness in witnesses(said) {
        secrets.push(bytes(&witness["secret"]));
        witness["commitment"] = told(secrets.last().unwrap());
    }
    let (event, count) = (said["event"].as_str().unwrap().parse().unwrap(), said["n"].as_u64());
    let (count, beacon) = (count.unwrap(), said["beacon"].as_str().unwrap_or_default());
    let (event, root, secret, witnesses) = (&event, &root, &secret, &secrets[..]);
    let made = seed(sha256, Ingredients { event, root, count, secret, witnesses, beacon });
    said["encoding"] = json!(if secrets.is_empty() { "usher-draw-v1" } else { "usher-draw-v2" });
    let before = std::mem::replace(&mut said["seed"], base64url::encode(&made).into());
    let key = HmacKey::from_bytes(made);
    let keyed = |round: u8, half: u64| {
        let mac = key.mac(&[&[round], &half.to_be_bytes()]);
        u64::from_be_bytes(*mac.first_chunk().unwrap())
    };
    let permutation = Permutation::new(count, &keyed);
    for proof in draw.proofs.iter_mut().filter(|proof| proof["seed"] == before) {
        let first = said["firstNumber"].as_u64().unwrap();
        proof["number"] = json!(first + permutation.apply(proof["index"].as_u64().unwrap()));
        proof["seed"] = said["seed"].clone();
    }
}

/// Draws that hang together, and are not made with what was promised.
fn broken_promises(draw: &Downloaded) -> Vec<(&'static str, Downloaded)> {
    let mut broken = Vec::new();
    let mut break_one = |what, change: &dyn Fn(&mut Value)| {
        let mut other = draw.clone();
        change(&mut other.fairness);
        redraw(&mut other);
        broken.push((what, other));
    };
    break_one("another secret", &|said| flip(&mut said["secret"]));
    break_one("another first number", &|said| add_one(&mut said["firstNumber"]));
    break_one("a witness more", &|said| {
        let one = json!({"commitment": null, "secret": base64url::encode(&[5; 32])});
        if said["witnesses"].is_null() {
            said["witnesses"] = json!([]);
        }
        said["witnesses"].as_array_mut().unwrap().push(one);
    });
    if draw.fairness["beacon"].is_string() {
        break_one("no beacon, and none promised", &|said| {
            (said["beacon"], said["beaconRequired"]) = (Value::Null, json!(false));
        });
    } else {
        break_one("a beacon that nobody was promised", &|said| {
            (said["beacon"], said["beaconRequired"]) = (json!("a word"), json!(true));
        });
    }
    if draw.fairness["witnesses"].as_array().is_some_and(|all| 1 < all.len()) {
        break_one("another witness", &|said| flip(&mut said["witnesses"][1]["secret"]));
        break_one("order of witnesses", &|said| {
            said["witnesses"].as_array_mut().unwrap().reverse();
        });
        break_one("a witness less", &|said| {
            said["witnesses"].as_array_mut().unwrap().pop();
        });
    }
    break_one("the promise as a draw that was never made", &|said| {
        let promised = early(said);
        flip(&mut said["secret"]);
        add_one(&mut said["firstNumber"]);
        said["earlier"].as_array_mut().unwrap().insert(0, promised);
    });
    broken
}

#[test]
fn a_draw_that_is_not_the_promised_one_is_refused_with_what_was_kept_and_with_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    // One with nothing besides, one with an earlier draw, one with a beacon, one with witnesses.
    let is_taken = |draw: &Downloaded| [2, 5, 6].map(Value::from).contains(&draw.fairness["n"]);
    let draws: Vec<Downloaded> = vectors().into_iter().filter(is_taken).collect();
    assert_eq!(draws.len(), 4);
    for draw in draws {
        let kept = keeping(&draw);
        for (what, broken) in broken_promises(&kept) {
            let findings = broken.verify(folder.path());
            assert!(findings.iter().any(Finding::fails), "{what}");
            let findings = Downloaded { kept: Vec::new(), ..broken }.verify(folder.path());
            assert!(!findings.iter().any(Finding::fails), "{what}: {findings:?}");
            assert_ne!(unchecked(&findings), 0, "{what}: it is said what is not known");
        }
        for name in ["root", "n"] {
            let mut closed = kept.clone();
            closed.kept[0][name] = draw.fairness[name].clone();
            assert!(
                !closed
                    .verify(folder.path())
                    .iter()
                    .any(|one| { one.fails() && one.claim.starts_with("kept") })
            );
            let other = &mut closed.kept[0][name];
            if name == "n" {
                add_one(other);
            } else {
                flip(other);
            }
            let findings = closed.verify(folder.path());
            let is_found = |one: &Finding| one.fails() && one.claim.starts_with("kept-0");
            assert!(findings.iter().any(is_found), "{name}");
        }
    }
}

#[test]
fn a_promised_beacon_that_never_came_is_no_draw() {
    let folder = tempfile::tempdir().unwrap();
    for mut draw in vectors().into_iter().filter(|draw| draw.fairness["beacon"].is_string()) {
        draw.fairness["beacon"] = Value::Null;
        redraw(&mut draw);
        let findings = draw.verify(folder.path());
        let fails: Vec<&str> =
            findings.iter().filter(|one| one.fails()).map(|one| &*one.claim).collect();
        assert_eq!(fails, ["fairness.json: there is a beacon if, and only if, one is required"]);
    }
}
