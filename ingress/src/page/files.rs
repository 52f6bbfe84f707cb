//! The embedded files, as the build script found them.

/// Path below `web/`, and content.
pub const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/web_files.rs"));

/// The page that shows `/openapi.json` to people.
pub const DOCS: &str = include_str!("docs.html");
pub const DOCS_SCRIPT: &str = include_str!("docs.js");
