//! One TLS and crypto provider in the whole tree: two would mean two sets of keys code to trust,
//! and a panic at the first handshake when a library cannot choose between them.

use crate::finding::Finding;

const PROVIDER: &str = "aws-lc-rs";
const OTHERS: [&str; 8] = [
    "boring",
    "graviola",
    "mbedtls",
    "native-tls",
    "openssl",
    "openssl-sys",
    "ring",
    "rustls-rustcrypto",
];

/// Checks the names of all packages that are built.
pub fn check(packages: &[String]) -> Vec<Finding> {
    let others = packages.iter().filter(|package| OTHERS.contains(&package.as_str()));
    let detail = |name: &String| format!("`{name}` is a second crypto provider beside {PROVIDER}");
    let mut findings: Vec<_> =
        others.map(|name| Finding::new("Cargo.lock", 0, detail(name))).collect();
    if !packages.iter().any(|package| package == PROVIDER) {
        findings.push(Finding::new("Cargo.lock", 0, format!("{PROVIDER} is missing")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(packages: &[&str]) -> usize {
        check(&packages.iter().map(ToString::to_string).collect::<Vec<_>>()).len()
    }

    #[test]
    fn one_provider_is_accepted_and_none_or_two_are_refused() {
        assert_eq!(count(&["aws-lc-rs", "rustls", "openssl-probe"]), 0);
        assert_eq!(count(&["aws-lc-rs", "ring"]), 1);
        assert_eq!(count(&["rustls"]), 1);
    }
}
