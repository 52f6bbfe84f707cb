//! Log lines on standard error, error chains, traces.

use std::error::Error as StdError;
use std::fmt;
use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, fmt as layer};

pub use self::trace::{TraceContext, question, traced};
use crate::{Cause, Error, tasks};

mod trace;

/// The section `log` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    pub format: LogFormat,
    /// Levels per module, as in `info,usher=debug`.
    pub filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line for machines.
    Json,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// Starts logging to standard error and makes every panic a log line with the name of its task.
pub fn init(config: &LogConfig) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&config.filter)
        .map_err(|err| Error::rejected(format!("parse log filter {:?}", config.filter), &err))?;
    let builder = layer().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).try_init(),
    };
    started.map_err(|err| Error::Rejected {
        what: "start logging".to_owned(),
        source: Cause::text(err.to_string()),
    })?;
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("no text");
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(task = tasks::current(), location, panic = text, %backtrace, "panic");
    }));
    Ok(())
}

/// Shows `error` and everything that caused it in one line: `store checkpoint: connect: refused`.
pub fn chain(error: &(dyn StdError + 'static)) -> impl fmt::Display + use<> {
    Cause::of(error)
}

#[cfg(test)]
mod tests {
    use super::{LogConfig, LogFormat, chain, init};
    use crate::Error;

    #[test]
    fn a_chain_names_every_cause_once() {
        let refused = std::io::Error::other("connection refused");
        let error = Error::Io { what: "open journal".to_owned(), source: refused };
        assert_eq!(chain(&error).to_string(), "open journal: connection refused");
    }

    #[test]
    fn a_bad_filter_is_named() {
        let config = LogConfig { format: LogFormat::Json, filter: "chassis=loud".to_owned() };
        let error = init(&config).expect_err("no such level");
        assert!(chain(&error).to_string().contains("chassis=loud"), "{error}");
    }

    #[test]
    fn logging_starts_once_and_says_so_the_second_time() {
        init(&LogConfig::default()).expect("first");
        let error = init(&LogConfig::default()).expect_err("second");
        assert!(error.to_string().contains("start logging"), "{error}");
    }
}
