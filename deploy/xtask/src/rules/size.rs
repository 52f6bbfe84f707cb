//! Functions fit a screen, lines fit a column, files fit a sitting.

use super::{is_rust, is_test, lines_where};
use crate::finding::Finding;
use crate::scan;

const FUNCTION_LINES_MAX: usize = 70;
const LINE_COLUMNS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 500;

/// Functions, tests too, have at most 70 lines from `fn` to the closing brace.
pub fn functions(path: &str, text: &str) -> Vec<Finding> {
    if !is_rust(path) {
        return Vec::new();
    }
    let code = scan::code(text);
    let starts = code.match_indices("fn ").filter(|(at, _)| is_keyword(&code, *at));
    starts.filter_map(|(at, _)| function_too_long(path, &code, at)).collect()
}

fn is_keyword(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn function_too_long(path: &str, code: &str, at: usize) -> Option<Finding> {
    let end = scan::block_end(code, body_start(code, at)?)?;
    let first = scan::line_of(code, at);
    let lines = scan::line_of(code, end) - first + 1;
    let detail = format!("function of {lines} lines, at most {FUNCTION_LINES_MAX}");
    (lines > FUNCTION_LINES_MAX).then(|| Finding::new(path, first, detail))
}

/// Where the body's brace is; `None` for a declaration that ends with `;`.
fn body_start(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Rust lines have at most 100 columns, also comments and literals.
pub fn lines(path: &str, text: &str) -> Vec<Finding> {
    if !is_rust(path) {
        return Vec::new();
    }
    lines_where(path, text, |line| {
        let columns = line.chars().count();
        (columns > LINE_COLUMNS_MAX)
            .then(|| format!("line of {columns} columns, at most {LINE_COLUMNS_MAX}"))
    })
}

/// Rust files have at most 500 lines without their tests.
pub fn files(path: &str, text: &str) -> Vec<Finding> {
    if !is_rust(path) || is_test(path) {
        return Vec::new();
    }
    let tests = scan::tests_range(text).map_or(0, |tests| text[tests].lines().count());
    let lines = text.lines().count() - tests;
    let detail = format!("{lines} lines without tests, at most {FILE_LINES_MAX}");
    (lines > FILE_LINES_MAX).then(|| Finding::new(path, 0, detail)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(lines: usize) -> String {
        format!(
            "//! X.\npub fn f(a: [u8; 2]) -> u8 {{\n{}}}\n",
            "    g(\"}\");\n".repeat(lines - 2)
        )
    }

    #[test]
    fn a_function_of_seventy_lines_passes_and_one_more_is_refused() {
        assert_eq!(functions("a.rs", &function(70)), []);
        let found = functions("a.rs", &function(71));
        assert_eq!(found, [Finding::new("a.rs", 2, "function of 71 lines, at most 70")]);
    }

    #[test]
    fn a_declaration_has_no_length() {
        let text = format!("trait T {{ fn f(&self);\n{} }}", "// x\n".repeat(100));
        assert_eq!(functions("a.rs", &text), []);
    }

    #[test]
    fn a_line_of_a_hundred_columns_passes_and_one_more_is_refused() {
        assert_eq!(lines("a.rs", &"é".repeat(100)), []);
        assert_eq!(lines("a.rs", &"é".repeat(101)).len(), 1);
        assert_eq!(lines("a.md", &"é".repeat(101)), []);
    }

    #[test]
    fn a_file_is_measured_without_its_tests() {
        let tests = format!("mod tests {{\n{}}}\n", "x\n".repeat(600));
        assert_eq!(files("a.rs", &("x\n".repeat(500) + &tests)), []);
        assert_eq!(files("a.rs", &("x\n".repeat(501) + &tests)).len(), 1);
        assert_eq!(files("a/tests.rs", &"x\n".repeat(900)), []);
        assert_eq!(files("a.rs", &"x\n".repeat(501)).len(), 1);
    }
}
