//! Answers questions from the last commit. Any number of threads may search at once; none waits for
//! the writer.

use schema::search::{
    Answer, FacetCount, Facets, HIT_DEPTH_MAX, Hit, PAGE_SIZE_MAX, Page, Query, Sort, SuggestQuery,
    Suggestions, TEXT_BYTES_MAX,
};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Instant;
use tantivy::collector::sort_key::{SortBySimilarityScore, SortByStaticFastValue, SortByString};
use tantivy::collector::{Count, TopDocs};
use tantivy::query::Query as Condition;
use tantivy::{DocAddress, IndexReader, Order, Searcher, TantivyDocument};

use crate::Error;
use crate::collect::{Deadline, Tally, Values};
use crate::condition::{self, Typos};
use crate::config::FACET_VALUES_MAX;
use crate::document::{self, Fields};

/// Searches an index. Clones share it.
#[derive(Clone)]
pub(crate) struct Searches {
    pub reader: IndexReader,
    pub fields: Fields,
}

/// The matches of one condition.
struct Found {
    total: usize,
    facets: Facets,
    addresses: Vec<DocAddress>,
}

impl Searches {
    /// Numbers the commit that a search would see now: a later one has a greater number.
    pub(crate) fn generation(&self) -> u64 {
        self.reader.searcher().generation().generation_id()
    }

    /// Finds a page of events.
    ///
    /// Sorted by match, near misses stand behind what is right. In another order they would stand
    /// among it, so there they are taken only if nothing is right.
    ///
    /// # Errors
    /// [`Error::TooSlow`] once `deadline` has passed.
    pub(crate) fn search(&self, query: &Query, deadline: Instant) -> Result<Answer<Page>, Error> {
        let started = Instant::now();
        if let Some(why) = refusal(query) {
            return Ok(Answer::Refused(why.into()));
        }
        let searcher = self.reader.searcher();
        let typos = if query.sort == Sort::Relevance { Typos::Accepted } else { Typos::Refused };
        let mut found = self.find(&searcher, query, typos, deadline)?;
        if found.total == 0 && typos == Typos::Refused {
            found = self.find(&searcher, query, Typos::Accepted, deadline)?;
        }
        let hits: Result<Vec<Hit>, Error> =
            found.addresses.into_iter().map(|address| self.hit(&searcher, address)).collect();
        Ok(Answer::Found(Page {
            total: u64::try_from(found.total).expect("a count of documents"),
            hits: hits?,
            facets: found.facets,
            took_ms: u64::try_from(started.elapsed().as_millis()).expect("below the budget"),
        }))
    }

    /// Completes a name that is being typed: best match first, then the name of most events.
    ///
    /// # Errors
    /// [`Error::TooSlow`] once `deadline` has passed.
    pub(crate) fn suggest(
        &self,
        query: &SuggestQuery,
        deadline: Instant,
    ) -> Result<Answer<Suggestions>, Error> {
        if let Some(why) = text_refusal(&query.text).or_else(|| size_refusal(query.size)) {
            return Ok(Answer::Refused(why.into()));
        }
        if query.text.trim().is_empty() {
            return Ok(Answer::Found(Suggestions { names: Vec::new() }));
        }
        let searcher = self.reader.searcher();
        let mut names = HashMap::new();
        for typos in [Typos::Refused, Typos::Accepted] {
            if names.is_empty() {
                let condition = condition::of_name(&self.fields, &query.text, typos);
                let values = Values { field: document::NAME, with_score: true };
                let collector = (Deadline(deadline), values);
                ((), names) = run(deadline, || searcher.search(&*condition, &collector))?;
            }
        }
        let mut names: Vec<(String, Tally)> = names.into_iter().collect();
        names.sort_unstable_by(|(name, tally), (other_name, other)| {
            let by_score = other.score_max.total_cmp(&tally.score_max);
            by_score.then(other.count.cmp(&tally.count)).then_with(|| name.cmp(other_name))
        });
        names.truncate(usize::from(query.size));
        let names = names.into_iter().map(|(name, _)| name.into()).collect();
        Ok(Answer::Found(Suggestions { names }))
    }

    fn find(
        &self,
        searcher: &Searcher,
        query: &Query,
        typos: Typos,
        deadline: Instant,
    ) -> Result<Found, Error> {
        let condition = condition::of_query(&self.fields, query, typos);
        let values = |field| Values { field, with_score: false };
        let collector =
            (Deadline(deadline), Count, values(document::CITY), values(document::CATEGORY));
        let ((), total, city, category) =
            run(deadline, || searcher.search(&*condition, &collector))?;
        let facets = Facets { city: most_frequent(city), category: most_frequent(category) };
        let addresses = run(deadline, || top(searcher, &*condition, query))?;
        Ok(Found { total, facets, addresses })
    }

    fn hit(&self, searcher: &Searcher, address: DocAddress) -> Result<Hit, Error> {
        let document: TantivyDocument = searcher.doc(address)?;
        let hit = self.fields.record(&document)?.hit();
        Ok(hit.expect("only listed events match"))
    }
}

/// Returns the page's documents. Every order ends with the event's id, so that pages neither repeat
/// nor miss one.
fn top(
    searcher: &Searcher,
    condition: &dyn Condition,
    query: &Query,
) -> tantivy::Result<Vec<DocAddress>> {
    let size = usize::from(query.size);
    if size == 0 {
        return Ok(Vec::new());
    }
    let offset = usize::try_from(query.page).expect("below the depth") * size;
    let docs = TopDocs::with_limit(size).and_offset(offset);
    let event = (SortByString::for_field(document::EVENT), Order::Asc);
    let date = (SortByStaticFastValue::<u64>::for_field(document::STARTS_AT), Order::Asc);
    let price = (SortByStaticFastValue::<i64>::for_field(document::PRICE_MIN), Order::Asc);
    Ok(match query.sort {
        Sort::Relevance => {
            let order = ((SortBySimilarityScore, Order::Desc), date, event);
            addresses(searcher.search(condition, &docs.order_by(order))?)
        }
        Sort::Date => addresses(searcher.search(condition, &docs.order_by((date, event)))?),
        Sort::Price => addresses(searcher.search(condition, &docs.order_by((price, date, event)))?),
    })
}

fn addresses<K>(ranked: Vec<(K, DocAddress)>) -> Vec<DocAddress> {
    ranked.into_iter().map(|(_, address)| address).collect()
}

fn most_frequent(values: HashMap<String, Tally>) -> Vec<FacetCount> {
    let mut values: Vec<_> =
        values.into_iter().map(|(value, tally)| (tally.count, value)).collect();
    values
        .sort_unstable_by(|one, other| (Reverse(one.0), &one.1).cmp(&(Reverse(other.0), &other.1)));
    values.truncate(FACET_VALUES_MAX);
    let facet = |(count, value): (u64, String)| FacetCount { value: value.into(), count };
    values.into_iter().map(facet).collect()
}

/// Runs a part of a search; what fails after the deadline failed because of it.
fn run<T>(deadline: Instant, part: impl FnOnce() -> tantivy::Result<T>) -> Result<T, Error> {
    match part() {
        Err(_) if deadline <= Instant::now() => Err(Error::TooSlow),
        done => Ok(done?),
    }
}

/// Returns the limit that a question is beyond.
fn refusal(query: &Query) -> Option<String> {
    let depth = u64::from(query.page) * u64::from(query.size);
    if u64::from(HIT_DEPTH_MAX) <= depth || HIT_DEPTH_MAX <= query.page {
        return Some(format!("page times size must be below {HIT_DEPTH_MAX}"));
    }
    let texts = [Some(&query.text), query.city.as_ref(), query.category.as_ref()];
    let too_long = texts.into_iter().flatten().find_map(|text| text_refusal(text));
    too_long.or_else(|| size_refusal(query.size))
}

fn text_refusal(text: &str) -> Option<String> {
    let is_too_long = TEXT_BYTES_MAX < text.len();
    is_too_long.then(|| format!("text must have at most {TEXT_BYTES_MAX} bytes"))
}

fn size_refusal(size: u16) -> Option<String> {
    let is_too_large = PAGE_SIZE_MAX < size;
    is_too_large.then(|| format!("size must be at most {PAGE_SIZE_MAX}"))
}

#[cfg(test)]
mod tests;
