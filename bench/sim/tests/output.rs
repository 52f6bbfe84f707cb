//! What the program prints: scripts compare runs by the last line of standard output, and by all
//! of it.

use std::process::{Command, Output};

fn play(options: &[&str]) -> Output {
    let played = Command::new(env!("CARGO_BIN_EXE_sim")).args(options).output();
    played.expect("the program can be started")
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).expect("it prints text")
}

/// Plays it twice; the exit code is `code`.
fn check(options: &[&str], code: i32) {
    let [first, second] = [play(options), play(options)];
    assert_eq!(stdout(&first), stdout(&second), "{options:?} prints something else each time");
    assert_eq!(first.status.code(), Some(code), "{options:?}: {}", stdout(&first));
    let last = stdout(&first).lines().last().expect("it prints something");
    let hash = last.strip_prefix("trace hash ").unwrap_or_else(|| panic!("{options:?}: {last}"));
    assert_eq!(hash.len(), 16, "{last}");
    assert!(u64::from_str_radix(hash, 16).is_ok(), "{last}");
}

#[test]
fn the_last_line_is_the_hash_and_all_lines_repeat() {
    check(&["--seeds", "3"], 0);
    check(&["--seed", "2"], 0);
    check(&["--seed", "2", "--steps", "90", "--kill"], 0);
    check(&["--seed", "2", "--steps", "90", "--kill", "owner"], 0);
    check(&["--seeds", "40", "--mutation", "answer-before-ack"], 1);
    check(&["--seeds", "1", "--mutation", "trim-to-newest", "--steps", "1"], 0);
}

#[test]
fn what_a_run_took_is_told_on_standard_error_alone() {
    let played = play(&["--seeds", "2"]);
    assert!(!stdout(&played).contains("took"), "{}", stdout(&played));
    let told = str::from_utf8(&played.stderr).expect("it prints text");
    assert!(told.starts_with("took ") && told.ends_with(" s\n"), "{told}");
}

#[test]
fn one_seed_has_the_hash_of_all_that_are_that_one() {
    let last = |output: &Output| stdout(output).lines().last().map(str::to_owned);
    assert_eq!(last(&play(&["--seeds", "1"])), last(&play(&["--seed", "1"])));
    assert_ne!(last(&play(&["--seed", "1"])), last(&play(&["--seed", "2"])));
}
