//! Real servers for tests, on free loopback ports in a temporary folder, killed on drop.

use crate::{Nats, NatsConfig, PostgresConfig, Redis, RedisConfig, servers::Which};

#[derive(Debug)]
pub struct TestServers {
    pub nats_url: String,
    pub redis_url: String,
    pub postgres_url: String,
}

impl TestServers {
    /// Starts all three.
    pub async fn start() -> TestServers {
        todo!()
    }

    /// Starts only these; the other urls are empty.
    pub async fn with(which: &[Which]) -> TestServers {
        todo!("{which:?}")
    }

    /// A connected client.
    pub async fn nats(&self) -> Nats {
        todo!()
    }

    pub async fn redis(&self) -> Redis {
        todo!()
    }

    /// A pool on a database without tables; `chassis::migrate` makes them.
    pub async fn postgres(&self) -> sqlx::PgPool {
        todo!()
    }

    pub fn nats_config(&self) -> NatsConfig {
        todo!()
    }

    pub fn redis_config(&self) -> RedisConfig {
        todo!()
    }

    pub fn postgres_config(&self) -> PostgresConfig {
        todo!()
    }

    /// kill -9, and waits until it is gone.
    pub async fn kill(&self, which: Which) {
        todo!("{which:?}")
    }

    /// SIGSTOP.
    pub fn stop(&self, which: Which) {
        todo!("{which:?}")
    }

    /// SIGCONT.
    pub fn cont(&self, which: Which) {
        todo!("{which:?}")
    }

    /// Starts a killed one again (kills it first when it runs), and waits until it answers.
    pub async fn restart(&self, which: Which) {
        todo!("{which:?}")
    }
}
