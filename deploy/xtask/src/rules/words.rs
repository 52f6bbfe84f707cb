//! One word has one meaning: the words that the vocabulary replaces are not used.

use super::is_tidy;
use crate::finding::Finding;

const BANNED: [(&str, &str); 5] = [
    ("savepoint", "checkpoint"),
    ("quota", "allotment"),
    ("customer", "fan"),
    ("serving index", "cursor"),
    ("queue server", "room"),
];
const EXTENSIONS: [&str; 8] = ["rs", "md", "sql", "toml", "html", "js", "ts", "css"];

/// Refuses the banned words, in any case and number, also joined by `_` or `-`.
pub fn banned(path: &str, text: &str) -> Vec<Finding> {
    let checked = EXTENSIONS.iter().any(|extension| path.ends_with(&format!(".{extension}")));
    if !checked || is_tidy(path) {
        return Vec::new();
    }
    let mut in_vocabulary = false;
    let mut findings = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        in_vocabulary = line.contains("never called") || in_vocabulary && line.starts_with('|');
        if in_vocabulary {
            continue;
        }
        let words = words(line);
        let broken = BANNED.iter().filter(|(word, _)| has(&words, word));
        findings.extend(broken.map(|(word, instead)| {
            Finding::new(path, number, format!("say `{instead}`, not `{word}`"))
        }));
    }
    findings
}

/// The line's words in lower case, each between single blanks.
fn words(line: &str) -> String {
    let lower = line.to_lowercase();
    let words: Vec<_> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

fn has(words: &str, banned: &str) -> bool {
    words.contains(&format!(" {banned} ")) || words.contains(&format!(" {banned}s "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banned_word_is_refused_in_any_dress() {
        for line in ["Savepoint", "a quota_max", "customers", "the serving-index", "queue server."]
        {
            assert_eq!(banned("a/b.md", line).len(), 1, "{line}");
        }
        assert_eq!(
            banned("a.rs", "x\n// quota\n"),
            [Finding::new("a.rs", 2, "say `allotment`, not `quota`")]
        );
    }

    #[test]
    fn parts_of_words_and_other_files_are_accepted() {
        assert_eq!(banned("a.rs", "accustomed to quotation, a queue of servers"), []);
        assert_eq!(banned("a.csv", "customer"), []);
    }

    #[test]
    fn the_vocabulary_may_name_what_it_replaces_and_the_text_after_it_may_not() {
        let text = "| word | never called |\n|---|---|\n| Fan | customer |\n\ncustomer\n";
        let found = banned("ARCHITECTURE.md", text);
        assert_eq!(found.iter().map(|f| f.line).collect::<Vec<_>>(), [5]);
    }
}
