//! The gateway: accounts, the public API over HTTP, live seat maps, and the pages.

mod accounts;
mod admin;
mod app;
mod asks;
mod bookings;
mod buckets;
mod catalog;
mod channels;
mod config;
mod error;
mod extract;
mod in_time;
mod keyed;
mod layers;
mod metrics;
mod openapi;
mod page;
mod partners;
mod places;
mod problems;
mod provider_events;
mod proxy;
mod rooms;
mod router;
mod settle;
mod start;
mod statements;
#[cfg(test)]
mod testing;
mod tickets;
mod views;
mod webhooks;

pub use accounts::{
    LoginRates, NewAccount, PasswordLimits, Passwords, Role, Roles, checked_name, checked_password,
    create_account, grant, issue_token, normal_email,
};
pub use app::Deps;
pub use buckets::Rate;
pub use config::{Config, RequestLimits};
pub use error::Error;
pub use start::{Ingress, QueueRoutes, start};
