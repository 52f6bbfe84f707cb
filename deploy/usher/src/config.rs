//! The configuration of the whole binary: one section for each stage and server.

use crate::running;
use chassis::config::{Error, Url};
use chassis::telemetry::LogConfig;
use chassis::{NatsConfig, PostgresConfig, RedisConfig};
use schema::Shards;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The commented defaults. A test holds them equal to what the stages' own code says.
pub const DEFAULTS: &str = include_str!("../../config/usher.toml");

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub log: LogConfig,
    pub system: System,
    pub metrics: Listen,
    pub keys: Folder,
    pub servers: Servers,
    pub nats: NatsConfig,
    pub redis: RedisConfig,
    pub postgres: PostgresConfig,
    pub allocator: allocator::Config,
    pub settlement: settlement::Config,
    pub waiting_room: waiting_room::Config,
    pub indexer: indexer::Config,
    pub ingress: ingress::Config,
}

/// What all processes of a system agree on.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    pub shards: Shards,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    pub listen: SocketAddr,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    pub dir: PathBuf,
}

/// The private servers of `usher up`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Servers {
    pub durability: Durability,
}

/// What an acknowledged hold survives. Paid orders survive both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// A crash of the machine: every journal batch is synced to disk before it is answered.
    Machine,
    /// A kill of every process; a machine crash may lose the holds of the last two minutes.
    Process,
}

impl From<Durability> for chassis::Durability {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Machine => Self::Machine,
            Durability::Process => Self::Process,
        }
    }
}

/// Reads the configuration: defaults, then the file, then `USHER__...` variables.
pub fn load(file: Option<&Path>) -> Result<Config, Error> {
    chassis::config::load(DEFAULTS, file, std::env::vars())
}

/// As [`load`], with the addresses of the system that runs in `data`, if one does.
pub fn load_for(file: Option<&Path>, data: &Path) -> anyhow::Result<Config> {
    let mut config = load(file)?;
    if let Some(running) = running::read(data)? {
        config.nats.url = Url::new(&running.nats);
        config.redis.url = Url::new(&running.redis);
        config.postgres.url = Url::new(&running.postgres);
        config.keys.dir = data.join("keys");
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::{Config, DEFAULTS, System};
    use chassis::config::print_masked;
    use chassis::telemetry::LogConfig;
    use chassis::{NatsConfig, PostgresConfig, RedisConfig};

    fn written() -> Config {
        chassis::config::load(DEFAULTS, None, std::iter::empty()).unwrap()
    }

    #[test]
    fn each_default_in_the_file_is_the_one_in_the_code() {
        let in_code = Config {
            log: LogConfig::default(),
            system: System::default(),
            nats: NatsConfig::default(),
            redis: RedisConfig::default(),
            postgres: PostgresConfig::default(),
            allocator: allocator::Config::default(),
            settlement: settlement::Config::default(),
            waiting_room: waiting_room::Config::default(),
            indexer: indexer::Config::default(),
            ingress: ingress::Config::default(),
            // These have a default in the file alone.
            ..written()
        };
        assert_eq!(print_masked(&written()), print_masked(&in_code));
    }

    #[test]
    fn the_defaults_are_a_configuration_and_name_every_key() {
        let shown: toml::Table = print_masked(&written()).parse().unwrap();
        let written: toml::Table = DEFAULTS.parse().unwrap();
        let missing = missing_keys(&shown, &written, "");
        assert!(missing.is_empty(), "not in the defaults file: {missing:?}");
    }

    #[test]
    fn a_number_of_shards_that_no_system_can_have_is_refused_by_name() {
        let variable = ("USHER__SYSTEM__SHARDS".to_owned(), "65".to_owned());
        let loaded = chassis::config::load::<Config>(DEFAULTS, None, std::iter::once(variable));
        let why = loaded.unwrap_err().to_string();
        assert!(why.contains("system.shards"), "{why}");
        assert!(why.contains("a system has 1 to 64 shards, not 65"), "{why}");
    }

    fn missing_keys(shown: &toml::Table, written: &toml::Table, path: &str) -> Vec<String> {
        let mut missing = Vec::new();
        for (key, value) in shown {
            let name = format!("{path}{key}");
            match (value, written.get(key)) {
                (_, None) => missing.push(name),
                (toml::Value::Table(inner), Some(toml::Value::Table(given))) => {
                    missing.extend(missing_keys(inner, given, &format!("{name}.")));
                }
                _ => {}
            }
        }
        missing
    }
}
