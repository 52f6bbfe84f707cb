//! How a record becomes a document: its fields, and the record itself.

use schema::codec;
use std::collections::BTreeSet;
use tantivy::schema::{FAST, Field, INDEXED, STORED, STRING, Schema, Value};
use tantivy::{TantivyDocument, Term};

use crate::Error;
use crate::record::Record;
use crate::text;

/// Fast fields are read by name.
pub(crate) const EVENT: &str = "event";
pub(crate) const NAME: &str = "name";
pub(crate) const CITY: &str = "city";
pub(crate) const CATEGORY: &str = "category";
pub(crate) const STARTS_AT: &str = "starts_at";
pub(crate) const PRICE_MIN: &str = "price_min";

/// The fields of the index. Words are indexed as [`text`] makes them, so no tokenizer is asked
/// twice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    pub event: Field,
    /// Whether the catalogue lists the event; of others only the free places are kept.
    pub listed: Field,
    pub name_word: Field,
    pub name_start: Field,
    /// Of venue, city and category.
    pub other_word: Field,
    pub other_start: Field,
    pub city_key: Field,
    pub category_key: Field,
    name: Field,
    city: Field,
    category: Field,
    pub starts_at: Field,
    pub price_min: Field,
    pub seats_free: Field,
    record: Field,
}

/// Makes the index' schema; always the same.
pub(crate) fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let fields = Fields {
        event: builder.add_text_field(EVENT, STRING | FAST),
        listed: builder.add_bool_field("listed", INDEXED),
        name_word: builder.add_text_field("name_word", STRING),
        name_start: builder.add_text_field("name_start", STRING),
        other_word: builder.add_text_field("other_word", STRING),
        other_start: builder.add_text_field("other_start", STRING),
        city_key: builder.add_text_field("city_key", STRING),
        category_key: builder.add_text_field("category_key", STRING),
        name: builder.add_text_field(NAME, FAST),
        city: builder.add_text_field(CITY, FAST),
        category: builder.add_text_field(CATEGORY, FAST),
        starts_at: builder.add_u64_field(STARTS_AT, FAST),
        price_min: builder.add_i64_field(PRICE_MIN, FAST),
        seats_free: builder.add_u64_field("seats_free", FAST),
        record: builder.add_bytes_field("record", STORED),
    };
    (builder.build(), fields)
}

impl Fields {
    /// The term that all documents of an event have, and no other.
    pub(crate) fn identity(&self, record: &Record) -> Term {
        Term::from_field_text(self.event, record.event.as_str())
    }

    pub(crate) fn document(&self, record: &Record) -> TantivyDocument {
        let mut document = TantivyDocument::new();
        document.add_text(self.event, record.event.as_str());
        document.add_bytes(self.record, &codec::encode(record));
        let Some(hit) = record.hit() else { return document };
        document.add_bool(self.listed, true);
        document.add_text(self.name, &hit.name);
        document.add_text(self.city, &hit.city);
        document.add_text(self.category, &hit.category);
        document.add_text(self.city_key, text::key(&hit.city));
        document.add_text(self.category_key, text::key(&hit.category));
        document.add_u64(self.starts_at, hit.starts_at.0);
        document.add_i64(self.price_min, hit.price_min.amount);
        document.add_u64(self.seats_free, u64::from(hit.seats_free));
        add_words(&mut document, self.name_word, self.name_start, &[&hit.name]);
        let other = [&*hit.venue, &*hit.city, &*hit.category];
        add_words(&mut document, self.other_word, self.other_start, &other);
        document
    }

    /// Reads the record back from a stored document.
    pub(crate) fn record(&self, document: &TantivyDocument) -> Result<Record, Error> {
        let unusable = |why: &str| Error::Unusable { why: why.to_owned() };
        let stored = document.get_first(self.record);
        let bytes = stored.as_ref().and_then(Value::as_bytes);
        let bytes = bytes.ok_or_else(|| unusable("a document has no record"))?;
        codec::decode(bytes).map_err(|_| unusable("a record does not decode"))
    }
}

fn add_words(document: &mut TantivyDocument, word: Field, start: Field, texts: &[&str]) {
    let words: BTreeSet<String> = texts.iter().flat_map(|text| text::words(text)).collect();
    let starts: BTreeSet<&str> = words.iter().flat_map(|word| text::starts(word)).collect();
    for each in &words {
        document.add_text(word, each);
    }
    for each in starts {
        document.add_text(start, each);
    }
}
