//! Shared plumbing of every stage; knows no domain word.

mod error;
mod fenced;
mod follow;
mod nats;
mod postgres;
mod redis;
mod servers;
mod services;
mod shutdown;
#[cfg(feature = "testing")]
mod testing;

pub use error::{Cause, Error};
pub use fenced::{AppendError, Appended, Contender, EpochRecord, FenceSpec, Owner};
pub use follow::{Followed, Follower, StartAt, last_sequence};
pub use nats::{Nats, NatsConfig};
pub use postgres::{PostgresConfig, connect_postgres, migrate};
pub use redis::{Redis, RedisConfig};
pub use servers::{Child, Durability, FolderLock, Pids, Servers, ServersSpec, Which};
pub use services::{Announcement, ServiceInfo, announce, discover};
pub use shutdown::Shutdown;
#[cfg(feature = "testing")]
pub use testing::TestServers;
