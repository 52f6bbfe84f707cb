//! Two verifiers of draws that share no code find the same on the same files: the one of this crate
//! and `verify_draw.py`.
#![expect(clippy::unwrap_used, reason = "a panic is the message of a failed test")]

use chassis::base64url;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use waiting_room::{DrawFile, DrawFiles, Finding, verify_draw};

/// Whole draws with some of their proofs, made by a third program: of 0 to 65 places, with and
/// without empty ones, a beacon, an earlier draw; those of the second file with witnesses.
const VECTORS: [&str; 2] = [include_str!("usher-draw-v1.json"), include_str!("usher-draw-v2.json")];

#[derive(Clone)]
struct Downloaded {
    fairness: Value,
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
        Downloaded { fairness, proofs, cohort, tokens }
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
        let tokens = self.tokens.iter().zip(0..);
        DrawFiles {
            fairness: json("fairness.json".into(), &self.fairness),
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
        assert_eq!(is_well, findings.iter().all(|finding| finding.holds), "{printed}");
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
    for file in all.chain(&files.cohort) {
        std::fs::write(folder.join(&file.name), &file.bytes).unwrap();
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
        assert!(findings.iter().all(|finding| finding.holds), "{findings:?}");
        let drawn = 1 + draw.fairness["earlier"].as_array().unwrap().len();
        let witnesses = draw.fairness["witnesses"].as_array().map_or(0, Vec::len);
        assert_eq!(findings.len(), 1 + 2 * drawn + witnesses + 4 * draw.proofs.len() + 2);
    }
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
            assert!(findings.iter().any(|finding| !finding.holds), "{what}");
        }
    }
}
