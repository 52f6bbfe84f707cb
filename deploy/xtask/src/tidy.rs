//! All checks over one workspace.

use std::path::Path;

use crate::finding::Finding;
use crate::{arrows, files, manifests, providers, rules};

/// Checks the workspace at `root`; returns what is broken, by path and line. Reads files and asks
/// `cargo`, offline; changes nothing.
pub fn tidy(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let mut findings = arrows::check(&manifests::read(root)?);
    findings.extend(providers::check(&manifests::packages(root)?));
    for file in files::read_all(root)? {
        findings.extend(rules::check(&file.path, &file.text));
    }
    findings.sort();
    Ok(findings)
}
