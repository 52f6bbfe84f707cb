//! What a file says of itself: a header at the top, nothing left for later, no test switched off.

use super::{has_word, is_rust, is_tidy, lines_where};
use crate::finding::Finding;
use crate::scan;

const UNFINISHED: [&str; 3] = ["TODO", "FIXME", "XXX"];

/// Every Rust file begins with what it is and why.
pub fn header(path: &str, text: &str) -> Vec<Finding> {
    if !is_rust(path) || text.starts_with("//! ") {
        return Vec::new();
    }
    vec![Finding::new(path, 1, "the file does not begin with a `//!` line")]
}

/// Work that is left for later does not land.
pub fn unfinished(path: &str, text: &str) -> Vec<Finding> {
    if is_tidy(path) {
        return Vec::new();
    }
    lines_where(path, text, |line| {
        let mark = UNFINISHED.iter().find(|mark| has_word(line, mark))?;
        // STYLE.md and its like may name the marks to forbid them.
        let named = line.contains(&format!("`{mark}`"));
        (!named).then(|| format!("`{mark}` does not land"))
    })
}

/// A test that does not run says nothing.
pub fn ignored_tests(path: &str, text: &str) -> Vec<Finding> {
    if !is_rust(path) {
        return Vec::new();
    }
    lines_where(path, &scan::code(text), |line| {
        let ignored = line.contains("#[ignore]") || line.contains("#[ignore ");
        ignored.then(|| "no test is ignored".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_header_is_refused() {
        assert_eq!(header("a.rs", "//! What.\n"), []);
        assert_eq!(header("a.md", "# What\n"), []);
        assert_eq!(header("a.rs", "\n//! What.\n").len(), 1);
        assert_eq!(header("a.rs", "use x;\n").len(), 1);
    }

    #[test]
    fn unfinished_work_is_refused_and_its_mention_is_not() {
        assert_eq!(
            unfinished("a.sql", "-- ok\n-- TODO: x\n"),
            [Finding::new("a.sql", 2, "`TODO` does not land")]
        );
        assert_eq!(unfinished("a.rs", "// XXX\n").len(), 1);
        assert_eq!(unfinished("a.md", "- `TODO`, `FIXME` do not land; mktemp a.XXXXXX\n"), []);
    }

    #[test]
    fn an_ignored_test_is_refused_and_the_word_in_a_comment_is_not() {
        assert_eq!(ignored_tests("a.rs", "#[ignore]\nfn a() {}").len(), 1);
        assert_eq!(ignored_tests("a.rs", "#[ignore = \"slow\"]\nfn a() {}").len(), 1);
        assert_eq!(ignored_tests("a.rs", "// Nothing is #[ignore]d.\n"), []);
    }
}
