//! Search and suggestions: the question goes to any indexer over NATS.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use chassis::{Problem, telemetry};
use http::StatusCode;
use schema::search::{
    Answer, FacetCount, HIT_DEPTH_MAX, Hit, PAGE_SIZE_MAX, Page, Query, Sort, SuggestQuery,
    Suggestions, TEXT_BYTES_MAX,
};
use schema::{UnixMillis, codec, subject};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{IntoParams, ToSchema};

use super::body::MoneyBody;
use crate::app::App;
use crate::extract::{Filters, json};
use crate::problems::{self, Answered};

/// How long an indexer may take. A search is milliseconds; this covers its restart.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

const SIZE_DEFAULT: u32 = 20;
const SUGGESTIONS_DEFAULT: u32 = 8;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub struct SearchParams {
    /// Words, beginnings of words, words with a typo. Empty matches all.
    q: String,
    city: Option<String>,
    category: Option<String>,
    /// Start of the event, RFC 3339, in `[from, to)`.
    from: Option<String>,
    to: Option<String>,
    /// The cheapest price is at most this, in minor units.
    price_max: Option<i64>,
    /// Only events with free places.
    available: bool,
    /// `relevance`, `date` or `price`.
    sort: Option<String>,
    /// From 0.
    page: u32,
    /// 1 to 100; 20 without.
    size: Option<u32>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct SuggestParams {
    q: String,
    /// 1 to 100; 8 without.
    size: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchBody {
    total: u64,
    hits: Vec<HitBody>,
    facets: FacetsBody,
    took_ms: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HitBody {
    event_id: String,
    name: String,
    venue: String,
    city: String,
    category: String,
    starts_at: String,
    price_min: MoneyBody,
    seats_free: u32,
    seats_total: u32,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct FacetsBody {
    city: Vec<FacetBody>,
    category: Vec<FacetBody>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct FacetBody {
    value: String,
    count: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SuggestBody {
    names: Vec<String>,
}

/// Finds events.
#[utoipa::path(get, path = "/api/search", tag = "search", params(SearchParams),
    responses((status = 200, body = SearchBody), (status = 422, description = "REQUEST_INVALID"),
        (status = 503, description = "SEARCH_UNAVAILABLE")))]
pub async fn search(
    State(app): State<Arc<App>>,
    Filters(params): Filters<SearchParams>,
) -> Answered {
    let query = query(params)?;
    let page: Page = ask(&app, subject::SEARCH, codec::encode(&query)).await?;
    let facets =
        FacetsBody { city: facet(page.facets.city), category: facet(page.facets.category) };
    let hits = page.hits.into_iter().map(hit).collect();
    let body = SearchBody { total: page.total, hits, facets, took_ms: page.took_ms };
    Ok(json(StatusCode::OK, &body))
}

/// Completes a name as it is typed.
#[utoipa::path(get, path = "/api/search/suggest", tag = "search", params(SuggestParams),
    responses((status = 200, body = SuggestBody), (status = 422, description = "REQUEST_INVALID")))]
pub async fn suggest(
    State(app): State<Arc<App>>,
    Filters(params): Filters<SuggestParams>,
) -> Answered {
    check_text(&params.q)?;
    let size = page_size(params.size.unwrap_or(SUGGESTIONS_DEFAULT))?;
    let query = SuggestQuery { text: params.q.into(), size };
    let found: Suggestions = ask(&app, subject::SUGGEST, codec::encode(&query)).await?;
    let names = found.names.into_iter().map(Into::into).collect();
    Ok(json(StatusCode::OK, &SuggestBody { names }))
}

fn query(params: SearchParams) -> Result<Query, Problem> {
    for text in [Some(&params.q), params.city.as_ref(), params.category.as_ref()] {
        check_text(text.map(String::as_str).unwrap_or_default())?;
    }
    let size = page_size(params.size.unwrap_or(SIZE_DEFAULT))?;
    if HIT_DEPTH_MAX <= params.page.saturating_mul(u32::from(size)) {
        return Err(problems::invalid("page * size is below 10,000"));
    }
    if params.price_max.is_some_and(|price| price < 0) {
        return Err(problems::invalid("priceMax is 0 or more"));
    }
    let sort = match params.sort.as_deref() {
        None | Some("" | "relevance") => Sort::Relevance,
        Some("date") => Sort::Date,
        Some("price") => Sort::Price,
        Some(_) => return Err(problems::invalid("sort is relevance, date or price")),
    };
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Query {
        text: params.q.into(),
        city: given(params.city).map(Into::into),
        category: given(params.category).map(Into::into),
        from: time(given(params.from))?,
        to: time(given(params.to))?,
        price_max: params.price_max,
        available: params.available,
        sort,
        page: params.page,
        size,
    })
}

fn check_text(text: &str) -> Result<(), Problem> {
    if text.len() <= TEXT_BYTES_MAX {
        return Ok(());
    }
    Err(problems::invalid("a search text has at most 200 bytes"))
}

fn page_size(size: u32) -> Result<u16, Problem> {
    let size = u16::try_from(size).ok().filter(|size| (1..=PAGE_SIZE_MAX).contains(size));
    size.ok_or_else(|| problems::invalid("size is 1 to 100"))
}

/// A time, or a day as its first instant in UTC.
fn time(text: Option<String>) -> Result<Option<UnixMillis>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let day = || UnixMillis::parse_rfc3339(&format!("{text}T00:00:00Z"));
    let time = UnixMillis::parse_rfc3339(&text).or_else(day);
    let fault = || problems::invalid("from and to are RFC 3339 times or days");
    time.map(Some).ok_or_else(fault)
}

async fn ask<T: DeserializeOwned>(
    app: &App,
    subject: &'static str,
    question: Vec<u8>,
) -> Result<T, Problem> {
    let unavailable =
        || problems::unavailable("SEARCH_UNAVAILABLE", "search does not answer now; try again");
    let request = app.nats.client.send_request(subject, telemetry::question(question.into()));
    let answer = tokio::time::timeout(ANSWER_WAIT, request).await.map_err(|_| unavailable())?;
    let answer = answer.map_err(|error| {
        tracing::debug!(%error, "no indexer answers");
        unavailable()
    })?;
    match codec::decode::<Answer<T>>(&answer.payload) {
        Ok(Answer::Found(found)) => Ok(found),
        Ok(Answer::Refused(why)) => Err(problems::invalid(why)),
        Err(error) => {
            tracing::error!(%error, "an answer of search that nobody can read");
            Err(unavailable())
        }
    }
}

fn facet(counts: Vec<FacetCount>) -> Vec<FacetBody> {
    let body = |count: FacetCount| FacetBody { value: count.value.into(), count: count.count };
    counts.into_iter().map(body).collect()
}

fn hit(hit: Hit) -> HitBody {
    HitBody {
        event_id: hit.event_id.to_string(),
        name: hit.name.into(),
        venue: hit.venue.into(),
        city: hit.city.into(),
        category: hit.category.into(),
        starts_at: hit.starts_at.to_rfc3339(),
        price_min: hit.price_min.into(),
        seats_free: hit.seats_free,
        seats_total: hit.seats_total,
    }
}

#[cfg(test)]
mod tests {
    use super::{SearchParams, query};
    use schema::UnixMillis;

    fn with(change: fn(&mut SearchParams)) -> Result<schema::search::Query, u16> {
        let mut params = SearchParams::default();
        change(&mut params);
        query(params).map_err(|problem| problem.status)
    }

    #[test]
    fn parameters_within_their_limits_become_a_query() {
        let found = with(|params| {
            params.from = Some("2027-04-01".to_owned());
            params.city = Some(String::new());
        });
        let found = found.unwrap();
        assert_eq!(found.from, UnixMillis::parse_rfc3339("2027-04-01T00:00:00Z"));
        assert_eq!((found.size, found.city), (20, None));
    }

    #[test]
    fn parameters_beyond_a_limit_are_refused() {
        let refused: [fn(&mut SearchParams); 5] = [
            |params| params.q = "x".repeat(201),
            |params| params.size = Some(0),
            |params| params.size = Some(101),
            |params| params.page = 500,
            |params| params.to = Some("tomorrow".to_owned()),
        ];
        for change in refused {
            assert_eq!(with(change).unwrap_err(), 422);
        }
    }
}
