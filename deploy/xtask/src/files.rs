//! The project's text files, found by walking the tree, so that tidy needs no git.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Folders that hold what is built, run or downloaded, never what is written.
const FOLDERS_SKIPPED: [&str; 6] = [".git", "target", "data", "node_modules", "out", "dist"];

/// A text file of the project.
pub struct File {
    /// Relative to the root, with `/` between the parts.
    pub path: String,
    pub text: String,
}

/// Reads every text file under `root`, in the order of their paths. Files that are not UTF-8 are no
/// text.
pub fn read_all(root: &Path) -> anyhow::Result<Vec<File>> {
    let mut folders = vec![root.to_path_buf()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && !is_skipped(&entry.path()) {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.extend(read(root, &entry.path())?);
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn is_skipped(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| FOLDERS_SKIPPED.iter().any(|skipped| name == *skipped))
}

fn read(root: &Path, path: &PathBuf) -> anyhow::Result<Option<File>> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let Ok(text) = String::from_utf8(bytes) else { return Ok(None) };
    let relative = path.strip_prefix(root).context("a walked file lies under the root")?;
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    Ok(Some(File { path: parts.join("/"), text }))
}
