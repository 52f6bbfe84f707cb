//! The routes: `/api/queue/*` as the public contract has them.

mod authz;
mod bodies;
mod claim;
mod fairness;
mod join;
mod leave;
mod me;
mod pass;
mod place;
mod problems;
mod room_of_path;
mod shortcut;
mod status;
mod who;

use crate::config::{Config, Deps};
use crate::error::Error;
use crate::passes::{Accounts, Passes};
use crate::remembered::Remembered;
use crate::room::Room;
use crate::rooms::Rooms;
use crate::seal::Sealer;
use crate::secret::Secrets;
use axum::Router;
use axum::routing::{delete, get, on, post};
use chassis::clock::Monotonic;
use chassis::http::Routes;
use chassis::{Nats, Problem};
use std::sync::Arc;
use utoipa::OpenApi;

/// What handlers share.
pub(crate) struct App {
    pub rooms: Arc<Rooms>,
    pub sealer: Arc<Sealer>,
    pub passes: Passes,
    pub accounts: Accounts,
    pub remembered: Remembered,
    pub nats: Nats,
    started: Monotonic,
}

impl App {
    pub(crate) fn new(deps: &Deps, config: &Config) -> Result<Self, Error> {
        let sealer = Arc::new(Sealer::new(deps.keys.hmac("token")?));
        let secrets = Secrets::new(deps.keys.hmac("draw")?);
        let rooms = Rooms::new(deps.clone(), config.clone(), Arc::clone(&sealer), secrets);
        Ok(Self {
            rooms: Arc::new(rooms),
            sealer,
            passes: Passes::new(&deps.keys.ed25519("pass")?),
            accounts: Accounts::new(&deps.keys.ed25519("account")?),
            remembered: Remembered::default(),
            nats: deps.nats.clone(),
            started: Monotonic::now(),
        })
    }

    /// The room of the event that a path names.
    fn room(&self, event: &str) -> Result<Arc<Room>, Problem> {
        let event = event.parse().map_err(|_| problems::event_unknown())?;
        if let Some(room) = self.rooms.find(&event) {
            return Ok(room);
        }
        Err(if self.rooms.knows(&event) { problems::room_off() } else { problems::event_unknown() })
    }

    /// Milliseconds since the start, for the guards of places; they go round in 49 days.
    fn uptime_ms(&self) -> u32 {
        let round = u128::from(u32::MAX) + 1;
        let elapsed = self.started.elapsed().as_millis() % round;
        u32::try_from(elapsed).expect("below the round")
    }
}

/// Returns the routes.
pub(crate) fn routes(app: Arc<App>) -> Routes {
    let router = Router::new()
        .route("/api/queue/authz", on(authz::METHODS, authz::authz))
        .route(join::ROUTE, post(join::join))
        .route(status::ROUTE, get(status::status))
        .route(me::ROUTE, get(me::me).delete(leave::leave))
        .route("/api/queue/{eventId}/me/proof", get(fairness::proof))
        .route("/api/queue/{eventId}/claim", post(claim::claim))
        .route("/api/queue/{eventId}/pass", delete(pass::give_back))
        .route("/api/queue/{eventId}/fairness", get(fairness::fairness))
        .route("/api/queue/{eventId}/fairness/cohort", get(fairness::cohort))
        .with_state(Arc::clone(&app));
    Routes { router, shortcut: Some(app) }
}

#[derive(OpenApi)]
#[openapi(paths(
    join::join,
    status::status,
    me::me,
    leave::leave,
    claim::claim,
    pass::give_back,
    fairness::fairness,
    fairness::cohort,
    fairness::proof,
    authz::authz
))]
struct Documentation;

/// The description of these routes, to be merged with that of the others.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Documentation::openapi()
}
