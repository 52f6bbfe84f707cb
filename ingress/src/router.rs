//! Which path leads to which handler.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use axum::{Router, middleware};
use chassis::Health;

use crate::app::App;
use crate::layers::{Limiter, Start, limit, observe, started};
use crate::openapi::Served;
use crate::{accounts, admin, bookings, catalog, page, partners, problems, views};

/// Largest body of routes that take a whole catalogue: about a thousand events with plans of their
/// own.
const IMPORT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The routes of the API, for the test that holds the document against them.
#[cfg(test)]
pub const ROUTES: &[(&str, &str)] = &[
    ("post", "/api/auth/register"),
    ("post", "/api/auth/login"),
    ("post", "/api/auth/refresh"),
    ("post", "/api/auth/logout"),
    ("get", "/api/auth/me"),
    ("get", "/.well-known/jwks.json"),
    ("post", "/api/partners/keys"),
    ("get", "/api/events"),
    ("get", "/api/events/{eventId}"),
    ("get", "/api/events/{eventId}/seats"),
    ("get", "/api/events/{eventId}/seats/stream"),
    ("get", "/api/search"),
    ("get", "/api/search/suggest"),
    ("post", "/api/bookings/reserve"),
    ("get", "/api/bookings/reservations/{reservationId}"),
    ("delete", "/api/bookings/reservations/{reservationId}"),
    ("post", "/api/bookings/confirm"),
    ("get", "/api/bookings"),
    ("get", "/api/bookings/{bookingId}"),
    ("post", "/api/bookings/{bookingId}/cancel"),
    ("post", "/api/partners/allocations"),
    ("get", "/api/partners/allotments"),
    ("post", "/api/admin/events"),
    ("put", "/api/admin/events/{eventId}"),
    ("post", "/api/admin/events/import"),
    ("get", "/api/admin/events/{eventId}/admission"),
    ("patch", "/api/admin/events/{eventId}/admission"),
    ("get", "/api/admin/events/{eventId}/live"),
    ("get", "/api/admin/audit"),
    ("get", "/api/admin/services"),
];

/// Puts all routes together; `queue` are those of the waiting room, wherever it runs.
pub fn router(app: Arc<App>, queue: Router, served: Served, health: &Health) -> Router {
    let limiter = Arc::new(Limiter::new(app.config.requests, app.config.plays_crowd()));
    let start = Arc::new(Start::new(health));
    let about_events = event_routes()
        .merge(booking_routes())
        .merge(partner_routes())
        .merge(admin_routes())
        .route_layer(middleware::from_fn_with_state(start, started));
    let routes = accounts_routes()
        .merge(bench_routes(app.config.bench_door))
        .merge(about_events)
        .with_state(app)
        .merge(queue)
        .merge(pages(served))
        .fallback(async || problems::not_found())
        .method_not_allowed_fallback(async || problems::method_not_allowed())
        .layer(middleware::from_fn_with_state(limiter, limit));
    // Whoever watches over us must get an answer however busy we are.
    health
        .router()
        .merge(routes)
        .layer(middleware::map_response(problems::uniform))
        .layer(middleware::from_fn(observe))
}

fn accounts_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/auth/register", post(accounts::register))
        .route("/api/auth/login", post(accounts::login))
        .route("/api/auth/refresh", post(accounts::refresh))
        .route("/api/auth/logout", post(accounts::logout))
        .route("/api/auth/me", get(accounts::me))
        .route("/.well-known/jwks.json", get(accounts::jwks))
}

/// Not in the document: no stranger shall look for it.
fn bench_routes(open: bool) -> Router<Arc<App>> {
    if !open {
        return Router::new();
    }
    Router::new().route("/bench/accounts", post(accounts::make_accounts))
}

fn event_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/events", get(catalog::events))
        .route("/api/events/{eventId}", get(catalog::event))
        .route("/api/events/{eventId}/seats", get(views::seats))
        .route("/api/events/{eventId}/seats/stream", get(views::stream))
        .route("/api/search", get(catalog::search))
        .route("/api/search/suggest", get(catalog::suggest))
}

fn booking_routes() -> Router<Arc<App>> {
    let reservation: MethodRouter<Arc<App>> =
        get(bookings::reservation).merge(delete(bookings::release));
    Router::new()
        .route("/api/bookings/reserve", post(bookings::reserve))
        .route("/api/bookings/reservations/{reservationId}", reservation)
        .route("/api/bookings/confirm", post(bookings::confirm))
        .route("/api/bookings", get(bookings::bookings))
        .route("/api/bookings/{bookingId}", get(bookings::booking))
        .route("/api/bookings/{bookingId}/cancel", post(bookings::cancel))
}

fn partner_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/partners/keys", post(accounts::create_api_key))
        .route("/api/partners/allocations", post(partners::allocations))
        .route("/api/partners/allotments", get(partners::allotments))
}

fn admin_routes() -> Router<Arc<App>> {
    let large = DefaultBodyLimit::max(IMPORT_BYTES_MAX);
    let admission: MethodRouter<Arc<App>> =
        get(admin::admission).merge(patch(admin::change_admission));
    Router::new()
        .route("/api/admin/events", post(admin::create_event).layer(large))
        .route("/api/admin/events/import", post(admin::import_events).layer(large))
        .route("/api/admin/events/{eventId}", put(admin::replace_event).layer(large))
        .route("/api/admin/events/{eventId}/admission", admission)
        .route("/api/admin/events/{eventId}/live", get(admin::live))
        .route("/api/admin/audit", get(admin::audit))
        .route("/api/admin/services", get(admin::services))
}

fn pages(served: Served) -> Router {
    Router::new()
        .route("/", get(page::index))
        .route("/web/{*path}", get(page::file))
        .route("/docs", get(page::docs))
        .route("/docs.js", get(page::docs_script))
        .route("/openapi.json", get(async move || served.respond()))
}
