//! The names of calls that leave a process, as its sources give them: who adds a call hears of it
//! where processes are killed. A call that is given no name is not found.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Asserts that each call of these sources has a process killed at it or a reason why none is, and
/// that they have all of these calls.
pub fn assert_all_are_known(sources: &[&str], killed: &[&[&str]], elsewhere: &[(&str, &str)]) {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let files = sources.iter().flat_map(|source| files(root.join(source)));
    let there: BTreeSet<String> = files.flat_map(|file| names(&code(&file))).collect();
    let elsewhere = elsewhere.iter().map(|(what, _)| *what);
    let known = killed.concat().into_iter().chain(elsewhere);
    let known: BTreeSet<String> = known.map(str::to_owned).collect();
    let missing: Vec<&String> = there.difference(&known).collect();
    assert!(missing.is_empty(), "kill a process at these, or say why not: {missing:?}");
    let gone: Vec<&String> = known.difference(&there).collect();
    assert!(gone.is_empty(), "the sources have no such calls: {gone:?}");
}

/// All sources below a folder but those of tests, or the one that it is.
fn files(source: PathBuf) -> Vec<PathBuf> {
    if !source.is_dir() {
        return vec![source];
    }
    let entries = fs::read_dir(source).unwrap().map(|entry| entry.unwrap().path());
    let is_test = |path: &PathBuf| path.file_stem().is_some_and(|name| name == "tests");
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let is_wanted = |path: &PathBuf| !is_test(path) && (path.is_dir() || is_rust(path));
    entries.filter(is_wanted).flat_map(files).collect()
}

/// A source without its tests and comments.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let text = text.split("#[cfg(test)]\nmod tests {").next().expect("a split has a beginning");
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The texts behind `outside(` and what calls it, and those that are chosen before that.
fn names(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for call in ["outside(", "in_time(", "tell("] {
        for (at, _) in text.match_indices(call) {
            let behind = text[at + call.len()..].trim_start();
            if let Some((name, _)) = behind.strip_prefix('"').and_then(|rest| rest.split_once('"'))
            {
                names.insert(name.to_owned());
            }
        }
    }
    if text.contains("outside(what,") {
        for chosen in text.split("let what = ").skip(1) {
            let chosen = chosen.split(';').next().expect("a split has a beginning");
            names.extend(chosen.split('"').skip(1).step_by(2).map(str::to_owned));
        }
    }
    names
}

#[test]
fn names_are_read_from_any_spelling() {
    let text = "let what = if a { \"b\" } else { \"c\" };
        outside(what, d).await; outside(
            \"e\",
            f(\"g\"),
        ); in_time(\"h\", i)?; tell(\"j\", k); tell(l, \"m\")";
    let expected = ["b", "c", "e", "h", "j"].map(str::to_owned);
    assert_eq!(names(text), BTreeSet::from(expected));
}
