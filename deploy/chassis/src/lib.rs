//! Shared plumbing of every stage; knows no domain word.

pub mod base64url;
pub mod clock;
pub mod config;
pub mod http;
pub mod http_client;
pub mod idempotency;
pub mod keys;
pub mod metrics;
pub mod tasks;
pub mod telemetry;
pub mod webhook;

mod backoff;
#[cfg(any(test, feature = "testing"))]
mod death;
mod error;
mod fenced;
mod follow;
mod group;
mod health;
mod lane;
mod nats;
mod outside;
mod parts;
mod postgres;
mod probe;
mod problem;
mod random;
mod redis;
mod servers;
mod services;
mod shutdown;
mod stream_config;
mod tell;
#[cfg(any(test, feature = "testing"))]
mod testing;

pub use backoff::{Backoff, Pause};
#[cfg(any(test, feature = "testing"))]
pub use death::{Death, Side};
pub use error::{Cause, Error};
pub use fenced::{
    AppendError, Appended, Contender, EpochRecord, FenceSpec, Owner, PresenceSpec, Present, attend,
};
pub use follow::{Followed, Follower, StartAt, Stored, last_sequence};
pub use group::{Answered, Group, GroupError};
pub use health::{Health, HealthHandle};
pub use lane::{Landing, Lane, LaneEnded, OnItsWay};
pub use nats::{Nats, NatsConfig};
pub use outside::outside;
pub use parts::{answer_in_parts, ask_in_parts};
pub use postgres::{PostgresConfig, connect_postgres, connect_stages, migrate};
pub use probe::{watch_nats, watch_postgres, watch_redis};
pub use problem::Problem;
pub use redis::{Redis, RedisConfig, Session};
pub use servers::{Child, Durability, FolderLock, Pids, Ports, Servers, ServersSpec, Which};
pub use services::{Announcement, ServiceInfo, announce, discover};
pub use shutdown::Shutdown;
pub use stream_config::stream_config;
pub use tell::tell_every;
#[cfg(any(test, feature = "testing"))]
pub use testing::TestServers;
