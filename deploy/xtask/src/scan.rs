//! Tells Rust code, comments and literals apart, so that a brace in a string is no brace and a word
//! in a comment is no use of it. A scanner, not a parser: enough for rules about lines and words.

use std::iter::repeat_n;
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// The text with comments and the insides of literals blanked. Lines and columns stay where they
/// are.
pub fn code(text: &str) -> String {
    keep(text, |kind| kind == Kind::Code)
}

/// The text with comments blanked.
pub fn code_and_literals(text: &str) -> String {
    keep(text, |kind| kind != Kind::Comment)
}

/// Where a file's inline `mod tests { .. }` lies.
pub fn tests_range(text: &str) -> Option<Range<usize>> {
    let code = code(text);
    let start = code.find("mod tests {")?;
    Some(start..block_end(&code, start).unwrap_or(code.len()))
}

/// The text with its inline `mod tests { .. }` blanked.
pub fn without_tests(text: &str) -> String {
    let Some(tests) = tests_range(text) else { return text.to_owned() };
    let newlines = text[tests.clone()].matches('\n').count();
    format!("{}{}{}", &text[..tests.start], "\n".repeat(newlines), &text[tests.end..])
}

/// The byte after the brace that closes the first one opened at or after `from`; `code` is blanked.
pub fn block_end(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The 1-based line of a byte position.
pub fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn keep(text: &str, wanted: impl Fn(Kind) -> bool) -> String {
    let mut kept = String::with_capacity(text.len());
    for (piece, kind) in pieces(text) {
        if wanted(kind) {
            kept.push_str(piece);
            continue;
        }
        for c in piece.chars() {
            // As many blanks as the character has bytes: positions in the result are positions in
            // the text.
            kept.extend(repeat_n(if c == '\n' { '\n' } else { ' ' }, c.len_utf8()));
        }
    }
    assert_eq!(kept.len(), text.len());
    kept
}

/// The text cut into code, comments and literals. The pieces joined are the text.
fn pieces(text: &str) -> Vec<(&str, Kind)> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < text.len() {
        let Some((length, kind)) = special_at(text, at) else {
            at += char_at(text, at).map_or(1, char::len_utf8);
            continue;
        };
        pieces.push((&text[start..at], Kind::Code));
        pieces.push((&text[at..at + length], kind));
        at += length;
        start = at;
    }
    pieces.push((&text[start..], Kind::Code));
    pieces
}

/// The comment or literal that begins exactly at `at`: its length and kind.
fn special_at(text: &str, at: usize) -> Option<(usize, Kind)> {
    let rest = &text[at..];
    if rest.starts_with("//") {
        return Some((rest.find('\n').unwrap_or(rest.len()), Kind::Comment));
    }
    if rest.starts_with("/*") {
        return Some((comment_length(rest), Kind::Comment));
    }
    let raw = !in_word(text, at) && ["r", "br", "cr"].iter().any(|p| is_raw(rest, p));
    if raw {
        return Some((raw_length(rest), Kind::Literal));
    }
    if rest.starts_with('"') {
        return Some((quoted_length(rest, '"'), Kind::Literal));
    }
    if rest.starts_with('\'') && is_char_literal(rest) {
        return Some((quoted_length(rest, '\''), Kind::Literal));
    }
    None
}

fn in_word(text: &str, at: usize) -> bool {
    text[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

fn is_raw(rest: &str, prefix: &str) -> bool {
    rest.strip_prefix(prefix).is_some_and(|r| r.trim_start_matches('#').starts_with('"'))
}

fn raw_length(rest: &str) -> usize {
    let open = rest.find('"').expect("a raw literal has an opening quote") + 1;
    let close = format!("\"{}", "#".repeat(rest[..open].matches('#').count()));
    rest[open..].find(&close).map_or(rest.len(), |found| open + found + close.len())
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Tells `'a'` from the lifetime `'a`.
fn is_char_literal(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    matches!((chars.next(), chars.next()), (Some('\\'), _) | (Some(_), Some('\'')))
}

fn comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += char_at(rest, at).map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn char_at(text: &str, at: usize) -> Option<char> {
    text[at..].chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_in_place() {
        let text = "let a = \"{\"; // }\nlet b = '{'; /* { /* { */ */ x";
        let blanked = code(text);
        assert_eq!(blanked, "let a =    ;     \nlet b =    ;                 x");
        assert_eq!(code_and_literals("f(\"//\") // x"), "f(\"//\")     ");
    }

    #[test]
    fn a_raw_string_ends_at_its_own_hashes() {
        assert_eq!(code(r##"a r#"x"y"# b"##), "a          b");
        assert_eq!(code("br\"{\" r#fn for\"x\""), "      r#fn for   ");
    }

    #[test]
    fn a_lifetime_is_code_and_an_escaped_quote_ends_nothing() {
        assert_eq!(code("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
        assert_eq!(code(r#"'\'' "\"" é"#), "          é");
    }

    #[test]
    fn the_test_block_is_blanked_and_nothing_else() {
        let text = "fn a() {}\nmod tests {\n fn b() { \"}\" }\n}\nfn c() {}";
        let kept = without_tests(text);
        assert!(kept.contains("fn a") && kept.contains("fn c") && !kept.contains("fn b"));
        assert_eq!(kept.lines().count(), text.lines().count());
        assert_eq!(without_tests("mod tests;\n"), "mod tests;\n");
    }
}
