//! Which path leads to which handler.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, get, on, post};
use axum::{Router, middleware};
use chassis::Health;
use chassis::http::{Routes, Shortcut};
use http::Method;

use crate::app::App;
use crate::layers::{Checks, Layered, Limiter, Start, around};
use crate::openapi::Served;
use crate::{
    accounts, admin, bookings, catalog, page, partners, problems, provider_events, statements,
    tickets, views, webhooks,
};

/// Largest body of routes that take a whole catalogue: about a thousand events with plans of their
/// own.
const IMPORT_BYTES_MAX: usize = 32 * 1024 * 1024;

const KEYS: &str = "/.well-known/jwks.json";
const ROOM: &str = "/api/admin/rooms/{eventId}";
const ADMISSION: &str = "/api/admin/events/{eventId}/admission";
const DRAW: &str = "/api/admin/events/{eventId}/draw";
const LIVE: &str = "/api/admin/events/{eventId}/live";
const SERVICES: &str = "/api/admin/services";

/// What a deployment of rooms alone serves besides the rooms' own routes: nothing that needs
/// Postgres or an owner of seats.
const ROOMS_ONLY: [&str; 6] = [KEYS, ROOM, ADMISSION, DRAW, LIVE, SERVICES];

/// One method of one path. The router and the test that holds the document against it are made of
/// the same ones.
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    handler: MethodRouter<Arc<App>>,
}

impl Route {
    /// The route as a deployment of rooms alone has it: what needs the other stages says so.
    fn of_rooms_only(self) -> Self {
        if ROOMS_ONLY.contains(&self.path) {
            return self;
        }
        route(self.method, self.path, async || problems::stage_absent())
    }
}

/// Puts all routes together; `queue` are those of the waiting room, wherever it runs.
pub fn routes(app: Arc<App>, queue: Routes, served: Served, health: &Health) -> Routes {
    let limiter = Arc::new(Limiter::new(app.config.requests, app.config.plays_crowd()));
    let start = Some(Arc::new(Start::new(health)));
    let common = Checks { limiter: Some(Arc::clone(&limiter)), start: None };
    let about_events = Checks { start, ..common.clone() };
    let shortcut = queue.shortcut.map(|shortcut| {
        let limiter = Arc::clone(&limiter);
        Arc::new(Layered { shortcut, limiter }) as Arc<dyn Shortcut>
    });
    let rooms_only = app.config.rooms_only;
    let served_here = |route: Route| if rooms_only { route.of_rooms_only() } else { route };
    let events = routes_about_events().into_iter().map(served_here).collect();
    let accounts = account_routes().into_iter().map(served_here).collect();
    let events = together(events).with_state(Arc::clone(&app));
    let others = together(accounts)
        .merge(bench_routes(app.config.bench_door))
        .with_state(app)
        .merge(queue.router)
        .merge(pages(served))
        .fallback(async || problems::not_found());
    let router = checked(events, about_events)
        .merge(checked(others, common))
        .merge(checked(health.router(), Checks::default()));
    Routes { router, shortcut }
}

/// The routes within the layer of every request.
fn checked(routes: Router, checks: Checks) -> Router {
    routes
        .method_not_allowed_fallback(async || problems::method_not_allowed())
        .layer(middleware::from_fn_with_state(checks, around))
}

/// The routes that need nothing but the store.
pub fn account_routes() -> Vec<Route> {
    vec![
        route(Method::POST, "/api/auth/register", accounts::register),
        route(Method::POST, "/api/auth/login", accounts::login),
        route(Method::POST, "/api/auth/refresh", accounts::refresh),
        route(Method::POST, "/api/auth/logout", accounts::logout),
        route(Method::GET, "/api/auth/me", accounts::me),
        route(Method::GET, KEYS, accounts::jwks),
    ]
}

/// The routes that answer only once the catalogue and the views have been read.
pub fn routes_about_events() -> Vec<Route> {
    let of_partners = [partner_routes(), webhook_routes()].into_iter().flatten();
    [event_routes(), booking_routes(), ticket_routes(), admin_routes()]
        .into_iter()
        .flatten()
        .chain(of_partners)
        .collect()
}

fn event_routes() -> Vec<Route> {
    vec![
        route(Method::GET, "/api/events", catalog::events),
        route(Method::GET, "/api/events/{eventId}", catalog::event),
        route(Method::GET, "/api/events/{eventId}/seats", views::seats),
        route(Method::GET, "/api/events/{eventId}/seats/stream", views::stream),
        route(Method::GET, "/api/search", catalog::search),
        route(Method::GET, "/api/search/suggest", catalog::suggest),
    ]
}

fn booking_routes() -> Vec<Route> {
    let reservation = "/api/bookings/reservations/{reservationId}";
    vec![
        route(Method::POST, "/api/bookings/reserve", bookings::reserve),
        route(Method::GET, reservation, bookings::reservation),
        route(Method::DELETE, reservation, bookings::release),
        route(Method::POST, "/api/bookings/reservations/{reservationId}/extend", bookings::extend),
        route(Method::POST, "/api/bookings/reservations/{reservationId}/swap", bookings::swap),
        route(Method::POST, "/api/bookings/confirm", bookings::confirm),
        route(Method::GET, "/api/bookings", bookings::bookings),
        route(Method::GET, "/api/bookings/{bookingId}", bookings::booking),
        route(Method::POST, "/api/bookings/{bookingId}/cancel", bookings::cancel),
        route(
            Method::POST,
            "/api/bookings/{bookingId}/tickets/{ticketId}/cancel",
            bookings::cancel_ticket,
        ),
    ]
}

fn ticket_routes() -> Vec<Route> {
    let check_in = route(Method::POST, "/api/checkin", tickets::check_in);
    vec![
        route(Method::GET, "/api/tickets", tickets::tickets),
        route(Method::GET, "/api/tickets/{ticketId}", tickets::ticket),
        route(Method::POST, "/api/tickets/{ticketId}/transfer", tickets::transfer),
        sized(check_in, tickets::CHECK_IN_BYTES_MAX),
    ]
}

fn webhook_routes() -> Vec<Route> {
    let event = route(Method::POST, "/api/webhooks/{provider}", provider_events::provider_event);
    vec![sized(event, provider_events::EVENT_BYTES_MAX)]
}

fn partner_routes() -> Vec<Route> {
    let webhook = "/api/partners/webhooks/{webhookId}";
    let rotate = "/api/partners/webhooks/{webhookId}/rotate";
    let messages = "/api/partners/webhooks/{webhookId}/messages";
    vec![
        route(Method::POST, "/api/partners/keys", accounts::create_api_key),
        route(Method::POST, "/api/partners/allocations", partners::allocations),
        route(Method::GET, "/api/partners/allotments", partners::allotments),
        route(Method::GET, "/api/partners/statements", statements::partner_statements),
        route(Method::POST, "/api/partners/webhooks", webhooks::create_webhook),
        route(Method::GET, "/api/partners/webhooks", webhooks::webhooks),
        route(Method::PATCH, webhook, webhooks::change_webhook),
        route(Method::DELETE, webhook, webhooks::delete_webhook),
        route(Method::POST, rotate, webhooks::rotate_webhook),
        route(Method::GET, messages, webhooks::webhook_messages),
    ]
}

fn admin_routes() -> Vec<Route> {
    let kills = "/api/admin/events/{eventId}/kills";
    let history = "/api/admin/events/{eventId}/seats/{seatId}/history";
    let statement = "/api/admin/events/{eventId}/statement";
    vec![
        large(route(Method::POST, "/api/admin/events", admin::create_event)),
        large(route(Method::POST, "/api/admin/events/import", admin::import_events)),
        large(route(Method::PUT, "/api/admin/events/{eventId}", admin::replace_event)),
        route(Method::GET, ADMISSION, admin::admission),
        route(Method::PATCH, ADMISSION, admin::change_admission),
        route(Method::POST, DRAW, admin::draw),
        route(Method::PUT, ROOM, admin::put_room),
        route(Method::GET, LIVE, admin::live),
        route(Method::GET, history, admin::history),
        route(Method::GET, statement, statements::event_statement),
        route(Method::POST, kills, admin::kill),
        route(Method::GET, kills, admin::kills),
        route(Method::DELETE, "/api/admin/events/{eventId}/kills/{killId}", admin::lift_kill),
        route(Method::GET, "/api/admin/audit", admin::audit),
        route(Method::POST, "/api/admin/webhooks/{webhookId}/replay", webhooks::replay_webhook),
        route(Method::GET, SERVICES, admin::services),
    ]
}

fn route<H, T>(method: Method, path: &'static str, handler: H) -> Route
where
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    let filter = MethodFilter::try_from(method.clone()).expect("a method of the standard");
    Route { method, path, handler: on(filter, handler) }
}

/// Takes a whole catalogue.
fn large(route: Route) -> Route {
    sized(route, IMPORT_BYTES_MAX)
}

/// Takes bodies of another size than all others.
fn sized(route: Route, bytes_max: usize) -> Route {
    let handler = route.handler.layer(DefaultBodyLimit::max(bytes_max));
    Route { handler, ..route }
}

fn together(routes: Vec<Route>) -> Router<Arc<App>> {
    let add = |router: Router<Arc<App>>, route: Route| router.route(route.path, route.handler);
    routes.into_iter().fold(Router::new(), add)
}

/// Not in the document: no stranger shall look for it.
fn bench_routes(open: bool) -> Router<Arc<App>> {
    if !open {
        return Router::new();
    }
    Router::new().route("/bench/accounts", post(accounts::make_accounts))
}

/// Not in the document: they are for people, who follow links.
fn pages(served: Served) -> Router {
    Router::new()
        .route("/", get(page::index))
        .route("/web/{*path}", get(page::file))
        .route("/docs", get(page::docs))
        .route("/docs.js", get(page::docs_script))
        .route("/openapi.json", get(async move || served.respond()))
}
