//! What is gathered from all matching documents: counts of values, and whether there is still time.

use std::collections::HashMap;
use std::time::Instant;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::StrColumn;
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader, TantivyError};

/// How often a value occurs among the matches, and the best score of them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Tally {
    pub count: u64,
    pub score_max: f32,
}

/// Tallies the values of a fast text field over all matches. O(matches), memory O(values).
pub(crate) struct Values {
    pub field: &'static str,
    pub with_score: bool,
}

pub(crate) struct SegmentValues {
    column: Option<StrColumn>,
    tallies: Vec<Tally>,
}

impl Collector for Values {
    type Fruit = HashMap<String, Tally>;
    type Child = SegmentValues;

    fn for_segment(
        &self,
        _: SegmentOrdinal,
        segment: &SegmentReader,
    ) -> tantivy::Result<SegmentValues> {
        // A segment in which no event is listed has no such column.
        let column = segment.fast_fields().str(self.field)?;
        let value_count = column.as_ref().map_or(0, |column| column.num_terms());
        Ok(SegmentValues { column, tallies: vec![Tally::default(); value_count] })
    }

    fn requires_scoring(&self) -> bool {
        self.with_score
    }

    fn merge_fruits(
        &self,
        segments: Vec<tantivy::Result<Self::Fruit>>,
    ) -> tantivy::Result<Self::Fruit> {
        let mut merged = HashMap::new();
        for segment in segments {
            for (value, tally) in segment? {
                let sum: &mut Tally = merged.entry(value).or_default();
                sum.count += tally.count;
                sum.score_max = sum.score_max.max(tally.score_max);
            }
        }
        Ok(merged)
    }
}

impl SegmentCollector for SegmentValues {
    type Fruit = tantivy::Result<HashMap<String, Tally>>;

    fn collect(&mut self, document: DocId, score: Score) {
        let Some(column) = &self.column else { return };
        for ordinal in column.term_ords(document) {
            let at = usize::try_from(ordinal).expect("an ordinal counts values in memory");
            let tally = &mut self.tallies[at];
            tally.count += 1;
            tally.score_max = tally.score_max.max(score);
        }
    }

    fn harvest(self) -> Self::Fruit {
        let mut values = HashMap::new();
        let Some(column) = self.column else { return Ok(values) };
        for (ordinal, tally) in (0..).zip(self.tallies) {
            if 0 < tally.count {
                let mut value = String::new();
                column.ord_to_str(ordinal, &mut value)?;
                values.insert(value, tally);
            }
        }
        Ok(values)
    }
}

/// Ends a search between two segments once its time is over.
pub(crate) struct Deadline(pub Instant);

pub(crate) struct Nothing;

impl Collector for Deadline {
    type Fruit = ();
    type Child = Nothing;

    fn for_segment(&self, _: SegmentOrdinal, _: &SegmentReader) -> tantivy::Result<Nothing> {
        if self.0 <= Instant::now() {
            return Err(TantivyError::SystemError("the search took too long".to_owned()));
        }
        Ok(Nothing)
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, _: Vec<()>) -> tantivy::Result<()> {
        Ok(())
    }
}

impl SegmentCollector for Nothing {
    type Fruit = ();

    fn collect(&mut self, _: DocId, _: Score) {}

    fn collect_block(&mut self, _: &[DocId]) {}

    fn harvest(self) {}
}
