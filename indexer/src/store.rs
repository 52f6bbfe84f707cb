//! The index on disk: opened and checked, or made anew; written with its positions in one commit.

use std::path::{Path, PathBuf};
use tantivy::indexer::IndexWriterOptions;
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument};

use crate::Error;
use crate::config::{MERGE_THREADS, WRITER_HEAP_BYTES};
use crate::document::{self, Fields};
use crate::position::{Origins, Positions};
use crate::record::Record;

/// The one writer of an index, and a reader that sees each commit at once.
pub(crate) struct Store {
    writer: IndexWriter,
    pub reader: IndexReader,
    pub fields: Fields,
}

/// What an index on disk says of itself.
pub(crate) struct Opened {
    pub store: Store,
    pub positions: Positions,
    pub records: Vec<Record>,
}

/// Where the index is in its folder; the lock beside it outlives every rebuild.
fn index_dir(dir: &Path) -> PathBuf {
    dir.join("index")
}

/// Opens the index in `dir`, reads all of it back and checks each file's checksum.
///
/// # Errors
/// [`Error::Unusable`] with the reason if it is not a whole index of these streams; then
/// [`create`] is due.
pub(crate) fn open(dir: &Path, origins: &Origins) -> Result<Opened, Error> {
    let unusable = |why: String| Error::Unusable { why };
    let index = Index::open_in_dir(index_dir(dir)).map_err(|err| unusable(err.to_string()))?;
    let (schema, fields) = document::schema();
    if index.schema() != schema {
        return Err(unusable("its fields are others".into()));
    }
    let metas = index.load_metas().map_err(|err| unusable(err.to_string()))?;
    let positions = Positions::from_payload(metas.payload.as_deref(), origins)?;
    let damaged = index.validate_checksum().map_err(|err| unusable(err.to_string()))?;
    if let Some(file) = damaged.iter().next() {
        return Err(unusable(format!("file {} is damaged", file.display())));
    }
    let store = Store::new(&index, fields).map_err(|err| unusable(err.to_string()))?;
    let records = store.records()?;
    Ok(Opened { store, positions, records })
}

/// Deletes what is in `dir` and makes an empty index.
pub(crate) fn create(dir: &Path) -> Result<Store, Error> {
    let path = index_dir(dir);
    let folder = |source| Error::Folder { dir: path.clone(), source };
    if path.try_exists().map_err(folder)? {
        std::fs::remove_dir_all(&path).map_err(folder)?;
    }
    std::fs::create_dir_all(&path).map_err(folder)?;
    let (schema, fields) = document::schema();
    let index = Index::create_in_dir(&path, schema)?;
    Ok(Store::new(&index, fields)?)
}

impl Store {
    fn new(index: &Index, fields: Fields) -> tantivy::Result<Self> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .memory_budget_per_thread(WRITER_HEAP_BYTES)
            .num_merge_threads(MERGE_THREADS)
            .build();
        let writer = index.writer_with_options(options)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { writer, reader, fields })
    }

    /// Writes records in place of their older versions, and the positions, in one commit; shows
    /// them to searches.
    pub(crate) fn commit<'a>(
        &mut self,
        records: impl Iterator<Item = &'a Record>,
        positions: &Positions,
    ) -> Result<(), Error> {
        for record in records {
            self.writer.delete_term(self.fields.identity(record));
            self.writer.add_document(self.fields.document(record))?;
        }
        let mut commit = self.writer.prepare_commit()?;
        commit.set_payload(&positions.to_payload());
        commit.commit()?;
        self.reader.reload()?;
        Ok(())
    }

    /// Reads all records back, in no order.
    pub(crate) fn records(&self) -> Result<Vec<Record>, Error> {
        let searcher = self.reader.searcher();
        let mut records = Vec::new();
        for segment in searcher.segment_readers() {
            let documents = segment.get_store_reader(0).map_err(tantivy::TantivyError::from)?;
            for document in documents.iter::<TantivyDocument>(segment.alive_bitset()) {
                records.push(self.fields.record(&document?)?);
            }
        }
        Ok(records)
    }
}
