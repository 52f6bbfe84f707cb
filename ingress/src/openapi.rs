//! The OpenAPI document, generated from the handlers.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

use crate::{accounts, admin, bookings, catalog, partners, views};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Usher",
        description = "Sells seats when far more people come than there are seats. \
        Every error is an RFC 9457 problem document with a stable `code`."
    ),
    paths(
        accounts::register,
        accounts::login,
        accounts::refresh,
        accounts::logout,
        accounts::me,
        accounts::jwks,
        accounts::create_api_key,
        catalog::events,
        catalog::event,
        views::seats,
        views::stream,
        catalog::search,
        catalog::suggest,
        bookings::reserve,
        bookings::reservation,
        bookings::release,
        bookings::confirm,
        bookings::bookings,
        bookings::booking,
        bookings::cancel,
        partners::allocations,
        partners::allotments,
        admin::create_event,
        admin::replace_event,
        admin::import_events,
        admin::admission,
        admin::change_admission,
        admin::live,
        admin::audit,
        admin::services,
    )
)]
struct Document;

/// Builds the document; `queue` is the waiting room's part.
pub fn document(queue: Option<utoipa::openapi::OpenApi>) -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    if let Some(queue) = queue {
        document.merge(queue);
    }
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", bearer);
    document
}

/// The document as it goes out.
#[derive(Debug, Clone)]
pub struct Served(pub bytes::Bytes);

impl Served {
    pub fn new(document: &utoipa::openapi::OpenApi) -> Self {
        Self(document.to_json().expect("the document is JSON by construction").into())
    }

    pub fn respond(&self) -> Response {
        let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")];
        (headers, self.0.clone()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::document;

    #[test]
    fn the_document_describes_every_route_of_the_router() {
        let document = serde_json::to_value(document(None)).unwrap();
        let paths = document["paths"].as_object().unwrap();
        for (method, path) in crate::router::ROUTES {
            let described = paths.get(*path).and_then(|path| path.get(*method));
            assert!(described.is_some(), "{method} {path} is not described");
        }
        let described: usize = paths
            .values()
            .map(|path| path.as_object().unwrap().keys().filter(|key| key.len() <= 6).count())
            .sum();
        assert_eq!(described, crate::router::ROUTES.len(), "described but not routed");
    }
}
