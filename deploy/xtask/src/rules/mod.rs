//! The rules over single files. Each is a pure function of a path and its text.

mod comments;
mod homes;
mod paths;
mod purity;
mod size;
mod words;

use crate::finding::Finding;

type Rule = fn(&str, &str) -> Vec<Finding>;

const RULES: [Rule; 12] = [
    size::functions,
    size::lines,
    size::files,
    comments::header,
    comments::unfinished,
    comments::ignored_tests,
    homes::subjects,
    homes::metrics,
    words::banned,
    purity::no_locks,
    purity::no_outside,
    paths::machine,
];

/// Applies every rule to one file. `path` is relative to the root.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    RULES.iter().flat_map(|rule| rule(path, text)).collect()
}

fn is_rust(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, extension)| extension == "rs")
}

/// A file that is all test: `tests.rs` or anything under a folder `tests`.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.split('/').any(|part| part == "tests")
}

/// Tidy's own sources must name what they forbid.
fn is_tidy(path: &str) -> bool {
    path.starts_with("deploy/xtask/src/")
}

/// The lines of `text` that `broken` calls broken, as findings with one detail.
fn lines_where(path: &str, text: &str, broken: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let numbered = text.lines().zip(1..);
    numbered.filter_map(|(line, n)| Some(Finding::new(path, n, broken(line)?))).collect()
}

/// Whether `line` has `word` with no letter, digit or underscore beside it.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}
