//! What a question demands of a document.
//!
//! Scores are small whole numbers and do not depend on how often words occur: the same question has
//! the same order in every index of the same events, however it came about, and equal matches fall
//! back to the date.

use schema::search::Query;
use std::ops::Bound;
use tantivy::Term;
use tantivy::query::{
    BooleanQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, FuzzyTermQuery, Occur,
    Query as Condition, RangeQuery, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};

use crate::document::Fields;
use crate::text;

/// Whether words that are nearly right match as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typos {
    Refused,
    Accepted,
}

/// Which words of a document are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Name, venue, city and category.
    All,
    Name,
}

// A word that is right beats its beginning, which beats one with typos; the name beats the rest.
const SCORE_NAME: f32 = 9.0;
const SCORE_OTHER: f32 = 8.0;
const SCORE_NAME_START: f32 = 6.0;
const SCORE_OTHER_START: f32 = 5.0;
const SCORE_NAME_TYPO: f32 = 3.0;
const SCORE_OTHER_TYPO: f32 = 2.0;
const SCORE_START_TYPO: f32 = 1.0;

/// Everything a search demands: all words, the last one perhaps unfinished, and all filters.
pub(crate) fn of_query(fields: &Fields, query: &Query, typos: Typos) -> Box<dyn Condition> {
    let mut conditions = vec![is_listed(fields), of_text(fields, &query.text, Scope::All, typos)];
    if let Some(city) = &query.city {
        conditions.push(has(fields.city_key, &text::key(city), 0.0));
    }
    if let Some(category) = &query.category {
        conditions.push(has(fields.category_key, &text::key(category), 0.0));
    }
    let time = |time: u64| Term::from_field_u64(fields.starts_at, time);
    if let Some(from) = query.from {
        conditions.push(range(Bound::Included(time(from.0)), Bound::Unbounded));
    }
    if let Some(to) = query.to {
        conditions.push(range(Bound::Unbounded, Bound::Excluded(time(to.0))));
    }
    if let Some(price_max) = query.price_max {
        let price_max = Term::from_field_i64(fields.price_min, price_max);
        conditions.push(range(Bound::Unbounded, Bound::Included(price_max)));
    }
    if query.available {
        let one = Term::from_field_u64(fields.seats_free, 1);
        conditions.push(range(Bound::Included(one), Bound::Unbounded));
    }
    Box::new(BooleanQuery::intersection(conditions))
}

/// Everything a completion demands: all words in the name.
pub(crate) fn of_name(fields: &Fields, text: &str, typos: Typos) -> Box<dyn Condition> {
    let conditions = vec![is_listed(fields), of_text(fields, text, Scope::Name, typos)];
    Box::new(BooleanQuery::intersection(conditions))
}

fn is_listed(fields: &Fields) -> Box<dyn Condition> {
    let term = Term::from_field_bool(fields.listed, true);
    scored(TermQuery::new(term, IndexRecordOption::Basic), 0.0)
}

/// Empty text matches all; text without a word matches nothing, as what was asked for is not there.
fn of_text(fields: &Fields, text: &str, scope: Scope, typos: Typos) -> Box<dyn Condition> {
    if text.trim().is_empty() {
        return is_listed(fields);
    }
    let words = text::words(text);
    let Some(last) = words.len().checked_sub(1) else { return Box::new(EmptyQuery) };
    // A text of small words alone means them.
    let all_small = words.iter().all(|word| text::is_small(word));
    let demand = |(at, word): (usize, &String)| {
        let is_optional = text::is_small(word) && !all_small;
        let occur = if is_optional { Occur::Should } else { Occur::Must };
        (occur, of_word(fields, word, at == last, scope, typos))
    };
    Box::new(BooleanQuery::new(words.iter().enumerate().map(demand).collect()))
}

fn of_word(
    fields: &Fields,
    word: &str,
    is_last: bool,
    scope: Scope,
    typos: Typos,
) -> Box<dyn Condition> {
    let mut ways = vec![has(fields.name_word, word, SCORE_NAME)];
    if scope == Scope::All {
        ways.push(has(fields.other_word, word, SCORE_OTHER));
    }
    if is_last {
        ways.push(has(fields.name_start, text::start(word), SCORE_NAME_START));
        if scope == Scope::All {
            ways.push(has(fields.other_start, text::start(word), SCORE_OTHER_START));
        }
    }
    let distance = text::typos_max(word);
    if typos == Typos::Accepted && 0 < distance {
        ways.push(nearly(fields.name_word, word, distance, SCORE_NAME_TYPO));
        if scope == Scope::All {
            ways.push(nearly(fields.other_word, word, distance, SCORE_OTHER_TYPO));
        }
        if is_last {
            let term = Term::from_field_text(fields.name_word, word);
            ways.push(scored(FuzzyTermQuery::new_prefix(term, distance, true), SCORE_START_TYPO));
        }
    }
    Box::new(DisjunctionMaxQuery::new(ways))
}

fn has(field: Field, value: &str, score: f32) -> Box<dyn Condition> {
    let term = Term::from_field_text(field, value);
    scored(TermQuery::new(term, IndexRecordOption::Basic), score)
}

/// Swapped neighbours count as one typo.
fn nearly(field: Field, word: &str, distance: u8, score: f32) -> Box<dyn Condition> {
    scored(FuzzyTermQuery::new(Term::from_field_text(field, word), distance, true), score)
}

fn range(from: Bound<Term>, to: Bound<Term>) -> Box<dyn Condition> {
    scored(RangeQuery::new(from, to), 0.0)
}

fn scored(condition: impl Condition, score: f32) -> Box<dyn Condition> {
    Box::new(ConstScoreQuery::new(Box::new(condition), score))
}
