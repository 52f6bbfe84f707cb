//! Postgres refuses to run as root: the account that it runs under instead.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::chown,
    path::Path,
    process::{Command, Stdio},
};

use crate::Error;

/// How to run a program that refuses root.
#[derive(Debug, Clone)]
pub(super) struct Account {
    /// What to put before the command line; empty when we are not root.
    pub prefix: Vec<OsString>,
    owner: Option<(u32, u32)>,
}

impl Account {
    /// Chooses the account that can reach `folder`, which exists.
    pub fn choose(folder: &Path) -> Account {
        if !rustix::process::geteuid().is_root() {
            return Account { prefix: Vec::new(), owner: None };
        }
        let named = ["postgres", "nobody"].into_iter().find_map(account_ids);
        let named = named.map(|(user, group)| Account {
            prefix: words(&[
                "setpriv",
                &format!("--reuid={user}"),
                &format!("--regid={group}"),
                "--clear-groups",
                "--",
            ]),
            owner: Some((user, group)),
        });
        // Root's own id under another name: it reaches what root reaches, and is not called root.
        let renamed = Account {
            prefix: words(&["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]),
            owner: Some((0, 0)),
        };
        named.filter(|account| account.reaches(folder)).unwrap_or(renamed)
    }

    /// Gives `folder` and everything in it to the account.
    pub fn own(&self, folder: &Path) -> Result<(), Error> {
        let Some((user, group)) = self.owner else { return Ok(()) };
        let what = || format!("give {} to account {user}", folder.display());
        chown(folder, Some(user), Some(group)).map_err(|source| Error::io(what(), source))?;
        for entry in fs::read_dir(folder).map_err(|source| Error::io(what(), source))? {
            let entry = entry.map_err(|source| Error::io(what(), source))?;
            let kind = entry.file_type().map_err(|source| Error::io(what(), source))?;
            if kind.is_dir() {
                self.own(&entry.path())?;
            } else if !kind.is_symlink() {
                chown(entry.path(), Some(user), Some(group))
                    .map_err(|source| Error::io(what(), source))?;
            }
        }
        Ok(())
    }

    fn reaches(&self, folder: &Path) -> bool {
        let mut words = self.prefix.iter();
        let Some(program) = words.next() else { return true };
        let status = Command::new(program)
            .args(words)
            .args(["test", "-x"])
            .arg(folder)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn account_ids(name: &str) -> Option<(u32, u32)> {
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
