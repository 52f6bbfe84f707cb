//! A rendered document that all who ask within the same moment share.

use bytes::Bytes;
use chassis::clock::Monotonic;
use http::HeaderValue;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// How long a document is given out before it is rendered anew.
///
/// Far below the second for which caches may keep it, and long enough that at any load rendering
/// costs next to nothing.
const FRESH: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Rendered {
    pub tag: HeaderValue,
    pub body: Bytes,
}

/// The newest rendering, if any.
#[derive(Debug)]
pub(crate) struct Document {
    fresh: Duration,
    newest: RwLock<Option<(Monotonic, Arc<Rendered>)>>,
}

impl Default for Document {
    fn default() -> Self {
        Self { fresh: FRESH, newest: RwLock::default() }
    }
}

impl Document {
    /// The document as it is now, or was a moment ago.
    pub(crate) fn get(&self, render: impl FnOnce() -> Rendered) -> Arc<Rendered> {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, rendered)) = newest
            && at.elapsed() < self.fresh
        {
            return rendered;
        }
        // Taken before: what is said was true at this time or later.
        let at = Monotonic::now();
        let rendered = Arc::new(render());
        let newest = Some((at, Arc::clone(&rendered)));
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = newest;
        rendered
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, Document, Duration, HeaderValue, Rendered};

    #[test]
    fn a_document_is_rendered_anew_when_it_is_no_longer_fresh_and_not_before() {
        let bodies = |fresh| {
            let document = Document { fresh, ..Document::default() };
            let render = |body| Rendered { tag: HeaderValue::from_static("\"t\""), body };
            ["a", "b"].map(|text| document.get(|| render(Bytes::from(text))).body.clone())
        };
        assert_eq!(bodies(Duration::MAX), ["a", "a"]);
        assert_eq!(bodies(Duration::ZERO), ["a", "b"]);
    }
}
