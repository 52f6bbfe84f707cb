//! The room that a path names.

use super::{App, problems};
use crate::room::Room;
use axum::extract::{FromRequestParts, Path};
use chassis::Problem;
use http::request::Parts;
use std::sync::Arc;

/// The room of the event in the path. Text that cannot be read names nothing: 404.
pub(super) struct RoomOfPath(pub Arc<Room>);

impl FromRequestParts<Arc<App>> for RoomOfPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, app).await;
        let Path(event) = path.map_err(|_| problems::event_unknown())?;
        app.room(&event).map(Self)
    }
}
