//! The project runs anywhere: no path of the machine that it was written on.

use super::{is_tidy, lines_where};
use crate::finding::Finding;

const MACHINE: [&str; 3] = ["/work/", "/root/", "/home/"];

/// Refuses absolute paths of a developer's machine. The same names inside a relative path are fine.
pub fn machine(path: &str, text: &str) -> Vec<Finding> {
    if is_tidy(path) {
        return Vec::new();
    }
    lines_where(path, text, |line| {
        let found = MACHINE.iter().find(|machine| has_absolute(line, machine))?;
        Some(format!("path {found} of a machine"))
    })
}

fn has_absolute(line: &str, machine: &str) -> bool {
    let is_relative = |c: char| c.is_alphanumeric() || "._-}>/".contains(c);
    line.match_indices(machine)
        .any(|(at, _)| !line[..at].chars().next_back().is_some_and(is_relative))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_path_of_a_machine_is_refused() {
        assert_eq!(machine("deploy/up", "cd /work/here").len(), 1);
        assert_eq!(machine("a.rs", "open(\"/root/.x\")").len(), 1);
    }

    #[test]
    fn a_relative_path_and_a_route_are_accepted() {
        assert_eq!(machine("a.rs", "\"static/work/x\" and $dir/root/x and /worker/x"), []);
    }
}
