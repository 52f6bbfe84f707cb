//! What can go wrong outside of us; one variant per decision of the caller.

use std::net::IpAddr;
use std::path::PathBuf;

/// The text of a client library's error, its whole chain in one line.
///
/// The NATS client alone has twenty error types that differ in nothing a caller decides by, so they
/// are flattened here instead of becoming twenty variants.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Cause(String);

impl Cause {
    /// Flattens `error` and its sources.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Cause {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            let inner_text = inner.to_string();
            // Several libraries already print their source: once is enough.
            if !text.contains(&inner_text) {
                text.push_str(": ");
                text.push_str(&inner_text);
            }
            source = inner.source();
        }
        Cause(text)
    }

    /// A cause without an error value behind it.
    pub fn text(text: impl Into<String>) -> Cause {
        Cause(text.into())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server does not answer now; the same call may succeed later.
    #[error("{what}")]
    Unavailable { what: String, source: Cause },
    /// The server answers and says no; repeating the call changes nothing.
    #[error("{what}")]
    Rejected { what: String, source: Cause },
    /// The server is of a version we must not run on.
    #[error("use {server} {found}: at least {wanted} is needed, because {reason}")]
    Version { server: &'static str, found: String, wanted: &'static str, reason: &'static str },
    /// A stream of this name exists with another configuration.
    #[error("ensure stream {stream}: field {field} is {found}, wanted {wanted}")]
    StreamDiffers { stream: String, field: &'static str, found: String, wanted: String },
    /// The stream was deleted, recreated or rolled back: positions in it mean nothing any more.
    #[error("follow stream {stream}: it is another incarnation, {detail}")]
    Incarnation { stream: String, detail: String },
    /// The process is ending, so the call gave up.
    #[error("stop at shutdown")]
    ShuttingDown,
    /// Programs that are not installed; `hint` says how to install them.
    #[error("find {programs}: not installed. {hint}")]
    MissingPrograms { programs: String, hint: String },
    /// Another process owns the folder.
    #[error("own folder {}: process {owner} has it", dir.display())]
    FolderInUse { dir: PathBuf, owner: String },
    /// A server that we started did not become ready, or ended.
    #[error("start {server}: {detail}; see {}", log.display())]
    ServerFailed { server: &'static str, detail: String, log: PathBuf },
    /// Another process listens on the port.
    #[error("port {port} on {ip} is taken by another process")]
    AddressTaken { port: u16, ip: IpAddr },
    /// A file or process operation failed.
    #[error("{what}")]
    Io { what: String, source: std::io::Error },
}

impl Error {
    pub(crate) fn unavailable(
        what: impl Into<String>,
        source: &(dyn std::error::Error + 'static),
    ) -> Error {
        Error::Unavailable { what: what.into(), source: Cause::of(source) }
    }

    pub(crate) fn rejected(
        what: impl Into<String>,
        source: &(dyn std::error::Error + 'static),
    ) -> Error {
        Error::Rejected { what: what.into(), source: Cause::of(source) }
    }

    pub(crate) fn io(what: impl Into<String>, source: std::io::Error) -> Error {
        Error::Io { what: what.into(), source }
    }
}
