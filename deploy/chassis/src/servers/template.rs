//! An empty database made once and copied, because making one takes a second and tests need many.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::fs::{FlockOperation, flock};

use super::{account::Account, recipe};
use crate::Error;

/// Fills `data` with a copy of the template, making the template first when it is missing.
/// Blocking.
pub(super) fn copy(initdb: &Path, data: &Path) -> Result<(), Error> {
    let template = ensure(initdb)?;
    let what = || format!("copy {} to {}", template.display(), data.display());
    let status = Command::new("cp")
        .args(["-a", "--reflink=auto"])
        .arg(template.join("."))
        .arg(data)
        .status()
        .map_err(|source| Error::io(what(), source))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Rejected { what: what(), source: crate::Cause::text(status.to_string()) })
}

fn ensure(initdb: &Path) -> Result<PathBuf, Error> {
    let what = || "make the template of an empty database".to_owned();
    let user = rustix::process::geteuid().as_raw();
    // Another initdb (an upgrade) makes another template.
    let program = initdb.canonicalize().map_err(|source| Error::io(what(), source))?;
    let name = program.display().to_string().replace('/', "-");
    let folder = std::env::temp_dir().join(format!("usher-template-{user}{name}"));
    let template = folder.join("data");
    fs::create_dir_all(&folder).map_err(|source| Error::io(what(), source))?;
    let lock = File::create(folder.join("lock")).map_err(|source| Error::io(what(), source))?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|errno| Error::io(what(), errno.into()))?;
    if template.join("PG_VERSION").exists() {
        return Ok(template);
    }
    recipe::init(initdb, &template, &Account::choose(&folder))?;
    Ok(template)
}
