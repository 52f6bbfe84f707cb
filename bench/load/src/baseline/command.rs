//! `usher-bench baseline`: one of them as a process of its own.

use super::conventional::Conventional;
use super::postgres_only::PostgresOnly;
use super::servers::{Kind, Servers};
use super::shop::{self, Store};
use super::{bare, redis_zset, serve};
use crate::cli::{self, BaselineName};
use crate::system::interrupted;
use axum::Router;
use std::io::Write as _;
use std::path::PathBuf;
use tokio::net::TcpListener;

/// What a baseline says on standard output once it serves; its address follows.
pub const READY_LINE: &str = "baseline is ready on ";

/// Serves until somebody asks this program to end.
pub async fn baseline(options: &cli::Baseline) -> anyhow::Result<()> {
    let servers = private_servers(options)?;
    let url = |given: &Option<String>, kind| match (given, &servers) {
        (Some(given), _) => Ok(given.clone()),
        (None, Some(servers)) => servers.url(kind),
        (None, None) => anyhow::bail!("an address is missing"),
    };
    let (listener, port) = serve::listen(options.port)?;
    let pool = options.pool;
    match options.name {
        BaselineName::Bare => {
            let serving = bare::serve(listener, options.body_bytes);
            until_interrupted(serving, port).await
        }
        BaselineName::Conventional => {
            let postgres = url(&options.postgres, Kind::Postgres)?;
            let redis = url(&options.redis, Kind::Redis)?;
            let store = Conventional::open(&postgres, &redis, pool).await?;
            serve_router(listener, port, shop::router(Store::Conventional(store))).await
        }
        BaselineName::ConventionalCharging => {
            let postgres = url(&options.postgres, Kind::Postgres)?;
            let redis = url(&options.redis, Kind::Redis)?;
            let store = Conventional::charging(&postgres, &redis, pool).await?;
            serve_router(listener, port, shop::router(Store::Conventional(store))).await
        }
        BaselineName::PostgresOnly => {
            let store = PostgresOnly::open(&url(&options.postgres, Kind::Postgres)?, pool).await?;
            serve_router(listener, port, shop::router(Store::PostgresOnly(store))).await
        }
        BaselineName::RedisZset => {
            let redis = url(&options.redis, Kind::Redis)?;
            let (connections, body_bytes) = (options.redis_connections, options.body_bytes);
            let (router, calling) = redis_zset::start(&redis, connections, body_bytes).await?;
            // Both go on until they are dropped.
            tokio::select! {
                served = serve_router(listener, port, router) => served,
                () = calling => Ok(()),
            }
        }
    }
}

/// The servers that no address was given for.
fn private_servers(options: &cli::Baseline) -> anyhow::Result<Option<Servers>> {
    let needed = match options.name {
        BaselineName::Bare => &[][..],
        BaselineName::Conventional | BaselineName::ConventionalCharging => {
            &[Kind::Postgres, Kind::Redis]
        }
        BaselineName::PostgresOnly => &[Kind::Postgres],
        BaselineName::RedisZset => &[Kind::Redis],
    };
    let is_missing = |kind: &Kind| match kind {
        Kind::Postgres => options.postgres.is_none(),
        Kind::Redis => options.redis.is_none(),
        Kind::Nats => false,
    };
    let kinds: Vec<Kind> = needed.iter().copied().filter(is_missing).collect();
    if kinds.is_empty() {
        return Ok(None);
    }
    let folder = options.data.clone().unwrap_or_else(|| {
        let name = format!("usher-bench-baseline-{}", std::process::id());
        std::env::temp_dir().join(name)
    });
    Servers::start(&PathBuf::from(&folder), &kinds).map(Some)
}

async fn serve_router(listener: TcpListener, port: u16, router: Router) -> anyhow::Result<()> {
    until_interrupted(serve::serve(listener, router), port).await
}

async fn until_interrupted(serving: impl Future<Output = ()>, port: u16) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{READY_LINE}http://127.0.0.1:{port}")?;
    out.flush()?;
    // Both are cancel-safe: what is served ends with the process.
    tokio::select! {
        () = serving => Ok(()),
        asked = interrupted() => asked,
    }
}
