//! The OpenAPI document, generated from the handlers.

mod common;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use utoipa::OpenApi;

use crate::{
    accounts, admin, bookings, catalog, partners, provider_events, statements, tickets, views,
    webhooks,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Usher",
        description = "Sells seats when far more people come than there are seats. \
        Every error is an RFC 9457 problem document with a stable `code`; only the HTTP parser's \
        own 400 and 431, for what it cannot read as a request at all, have no body."
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
        bookings::extend,
        bookings::swap,
        bookings::confirm,
        bookings::bookings,
        bookings::booking,
        bookings::cancel,
        bookings::cancel_ticket,
        tickets::tickets,
        tickets::ticket,
        tickets::transfer,
        tickets::check_in,
        provider_events::provider_event,
        partners::allocations,
        partners::allotments,
        statements::partner_statements,
        statements::event_statement,
        webhooks::create_webhook,
        webhooks::webhooks,
        webhooks::change_webhook,
        webhooks::delete_webhook,
        webhooks::rotate_webhook,
        webhooks::webhook_messages,
        webhooks::replay_webhook,
        admin::create_event,
        admin::replace_event,
        admin::import_events,
        admin::admission,
        admin::change_admission,
        admin::draw,
        admin::put_room,
        admin::live,
        admin::audit,
        admin::history,
        admin::kill,
        admin::kills,
        admin::lift_kill,
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
    common::complete(&mut document);
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
mod tests;
