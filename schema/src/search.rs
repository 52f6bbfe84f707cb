//! Questions to the indexer and its answers.

use crate::id::EventId;
use crate::money::Money;
use crate::time::UnixMillis;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// Most hits on a page.
pub const PAGE_SIZE_MAX: u16 = 100;
/// Deepest hit that can be asked for: `page * size` stays below. Deeper pages cost memory and
/// nobody reads them.
pub const HIT_DEPTH_MAX: u32 = 10_000;
/// Longest search text, in bytes.
pub const TEXT_BYTES_MAX: usize = 200;

/// A search. Empty text matches all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Query {
    pub text: CompactString,
    pub city: Option<CompactString>,
    pub category: Option<CompactString>,
    /// Start of the event in `[from, to)`.
    pub from: Option<UnixMillis>,
    pub to: Option<UnixMillis>,
    /// The cheapest price is at most this, in minor units.
    pub price_max: Option<i64>,
    /// Only events with free places.
    pub available: bool,
    pub sort: Sort,
    pub page: u32,
    pub size: u16,
}

/// In which order hits come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// By match, then by date.
    #[default]
    Relevance,
    Date,
    Price,
}

/// A page of hits with counts over all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    pub total: u64,
    pub hits: Vec<Hit>,
    pub facets: Facets,
    pub took_ms: u64,
}

/// How many of the matching events each value has, most frequent first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Facets {
    pub city: Vec<FacetCount>,
    pub category: Vec<FacetCount>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FacetCount {
    pub value: CompactString,
    pub count: u64,
}

/// An event that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hit {
    pub event_id: EventId,
    pub name: CompactString,
    pub venue: CompactString,
    pub city: CompactString,
    pub category: CompactString,
    pub starts_at: UnixMillis,
    pub price_min: Money,
    pub seats_free: u32,
    pub seats_total: u32,
}

/// As-you-type completion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuggestQuery {
    pub text: CompactString,
    pub size: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestions {
    pub names: Vec<CompactString>,
}

/// What the indexer says to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer<T> {
    Found(T),
    /// The question is beyond a limit; the text says which.
    Refused(CompactString),
}
