//! What is running where, as the bus knows it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use futures_util::future::join_all;
use http::StatusCode;
use schema::subject::{
    SERVICE_ALLOCATOR, SERVICE_INDEXER, SERVICE_INGRESS, SERVICE_SETTLEMENT, SERVICE_WAITING_ROOM,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::Operator;
use crate::app::App;
use crate::extract::json;
use crate::problems::{self, Answered};

/// How long instances have to answer.
const ANSWER_WAIT: Duration = Duration::from_millis(500);

#[derive(Debug, Serialize, ToSchema)]
pub struct ServicesBody {
    services: Vec<ServiceBody>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ServiceBody {
    name: String,
    id: String,
    version: String,
    metadata: std::collections::BTreeMap<String, String>,
}

/// Lists every instance of every stage.
#[utoipa::path(get, path = "/api/admin/services", tag = "operators", security(("bearer" = [])),
    responses((status = 200, body = ServicesBody),
        (status = 503, description = "BUS_UNAVAILABLE")))]
pub async fn services(State(app): State<Arc<App>>, _operator: Operator) -> Answered {
    let names = [
        SERVICE_ALLOCATOR,
        SERVICE_INDEXER,
        SERVICE_INGRESS,
        SERVICE_SETTLEMENT,
        SERVICE_WAITING_ROOM,
    ];
    let found = names.map(|name| chassis::discover(&app.nats, name, ANSWER_WAIT));
    let mut services = Vec::new();
    for found in join_all(found).await {
        let found = found.map_err(|error| {
            tracing::warn!(error = %chassis::telemetry::chain(&error), "services were not listed");
            problems::unavailable("BUS_UNAVAILABLE", "the bus does not answer now; try again")
        })?;
        services.extend(found.into_iter().map(|info| ServiceBody {
            name: info.name,
            id: info.id,
            version: info.version,
            metadata: info.metadata.into_iter().collect(),
        }));
    }
    Ok(json(StatusCode::OK, &ServicesBody { services }))
}
