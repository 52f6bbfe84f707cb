//! How text becomes words: the same for what is indexed and for what is asked.

use tantivy::tokenizer::{AsciiFoldingFilter, LowerCaser, SimpleTokenizer, TextAnalyzer};

/// Longest beginning of a word that is indexed, in characters.
///
/// Each word costs as many terms as it has letters, up to this; longer beginnings are looked up by
/// their first 24.
pub(crate) const START_CHARS_MAX: usize = 24;

/// Splits at everything that is neither letter nor digit; lower case, without accents.
pub(crate) fn words(text: &str) -> Vec<String> {
    // A combining accent would split its word: only composed letters are known to the folding.
    let text: String = text.chars().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).collect();
    let mut analyzer = TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .build();
    let mut words = Vec::new();
    let mut stream = analyzer.token_stream(&text);
    while stream.advance() {
        words.push(std::mem::take(&mut stream.token_mut().text));
    }
    words
}

/// Brings a whole value to the form in which filters compare it.
pub(crate) fn key(value: &str) -> String {
    words(value).join(" ")
}

/// Returns all beginnings of a word, the word itself included, up to [`START_CHARS_MAX`]
/// characters.
pub(crate) fn starts(word: &str) -> impl Iterator<Item = &str> {
    let ends = word.char_indices().map(|(at, letter)| at + letter.len_utf8());
    ends.take(START_CHARS_MAX).map(|end| &word[..end])
}

/// Returns the beginning by which a word that is still being typed is looked up.
pub(crate) fn start(word: &str) -> &str {
    starts(word).last().unwrap_or(word)
}

/// Whether a word says so little that an event may lack it: `the Red Sox at Fenway`.
pub(crate) fn is_small(word: &str) -> bool {
    const SMALL: [&str; 16] = [
        "a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "v",
        "vs", "with",
    ];
    SMALL.binary_search(&word).is_ok()
}

/// How many letters of a word may be wrong.
///
/// One from 4 letters, two from 8: shorter words are all near each other. None with digits, where
/// another digit is another year; none beyond 32 letters, whose automaton would take megabytes.
pub(crate) fn typos_max(word: &str) -> u8 {
    let letters = word.chars().count();
    if word.bytes().any(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    match letters {
        4..=7 => 1,
        8..=32 => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_small, key, start, starts, typos_max, words};

    #[test]
    fn case_accents_and_punctuation_make_no_difference() {
        assert_eq!(words("Café Müller: O'Brien (LIVE)"), ["cafe", "muller", "o", "brien", "live"]);
        assert_eq!(words("Cafe\u{301} Re\u{301}union"), ["cafe", "reunion"]);
        assert_eq!(key("  São  Paulo "), key("sao paulo"));
        assert!(words("!?! 🎉 --").is_empty());
    }

    #[test]
    fn a_word_has_as_many_starts_as_letters_and_all_are_whole_letters() {
        assert_eq!(starts("añb").collect::<Vec<_>>(), ["a", "añ", "añb"]);
        assert_eq!(starts("").count(), 0);
        let long = "x".repeat(40);
        assert_eq!(start(&long).len(), super::START_CHARS_MAX);
        assert_eq!(start("red"), "red");
    }

    #[test]
    fn short_long_and_numbered_words_have_no_typos() {
        let long = "x".repeat(33);
        let cases = [("red", 0), ("reds", 1), ("yankees", 1), ("brewerss", 2), ("2027", 0)];
        for (word, typos) in cases.into_iter().chain([(long.as_str(), 0)]) {
            assert_eq!(typos_max(word), typos, "{word}");
        }
        assert!(is_small("the"));
        assert!(!is_small("sox"));
    }
}
