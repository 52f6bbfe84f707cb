//! Which crate may know which: the arrows of ARCHITECTURE.md, over `cargo metadata`.

use crate::finding::Finding;
use crate::manifests::{Dependency, Manifest};

/// Crates that wait, ask or touch the outside; no core may have one, not even for its tests.
const OUTSIDE: [&str; 24] = [
    "async-nats",
    "async-trait",
    "axum",
    "crossbeam-channel",
    "fastrand",
    "futures",
    "futures-util",
    "getrandom",
    "hyper",
    "hyper-util",
    "metrics",
    "rand",
    "redis",
    "reqwest",
    "rustix",
    "smol",
    "socket2",
    "sqlx",
    "tantivy",
    "tempfile",
    "tokio",
    "tokio-util",
    "tower",
    "tracing",
];

const STAGES: [&str; 5] = ["waiting-room", "allocator", "settlement", "indexer", "ingress"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Schema,
    Core,
    Chassis,
    Stage,
    Usher,
    Load,
    /// Measures single steps where they live: the codec, the cores, and the keys and the base64 of
    /// chassis, of which tokens are made. No stage but the allocator, whose start it measures: what
    /// a stage costs is seen from outside.
    Micro,
    /// Other programs of `bench/`: they run the cores in one process.
    Bench,
    Xtask,
}

/// Checks the dependencies of every crate.
pub fn check(manifests: &[Manifest]) -> Vec<Finding> {
    manifests.iter().flat_map(check_manifest).collect()
}

fn check_manifest(manifest: &Manifest) -> Vec<Finding> {
    let path = format!("{}/Cargo.toml", manifest.folder);
    let Some(kind) = kind_of(&manifest.folder) else {
        return vec![Finding::new(&path, 0, "tidy knows no arrows for this crate")];
    };
    let refused =
        |d: &Dependency| Some(Finding::new(&path, 0, refusal(&manifest.folder, kind, d)?));
    manifest.dependencies.iter().filter_map(refused).collect()
}

fn kind_of(folder: &str) -> Option<Kind> {
    Some(match folder {
        "schema" => Kind::Schema,
        "deploy/chassis" => Kind::Chassis,
        "deploy/usher" => Kind::Usher,
        "deploy/xtask" => Kind::Xtask,
        "bench/load" => Kind::Load,
        "bench/micro" => Kind::Micro,
        _ if folder.starts_with("bench/") => Kind::Bench,
        _ if STAGES.contains(&folder) => Kind::Stage,
        _ if folder.strip_suffix("/core").is_some_and(|stage| STAGES.contains(&stage)) => {
            Kind::Core
        }
        _ => return None,
    })
}

/// Why `from` may not have the dependency; `None` if it may.
fn refusal(from: &str, kind: Kind, dependency: &Dependency) -> Option<String> {
    let name = &dependency.name;
    let Some(to) = &dependency.folder else {
        let outside = kind == Kind::Core && OUTSIDE.contains(&name.as_str());
        return outside.then(|| format!("a core does not depend on `{name}`"));
    };
    // A crate's tests may see it with other features than its users do.
    let itself = dependency.for_tests && to == from;
    let known = itself || kind_of(to).is_some_and(|to_kind| is_allowed(from, kind, to, to_kind));
    if !known {
        return Some(format!("no arrow leads from here to `{name}`"));
    }
    let testing = dependency.features.iter().any(|feature| feature == "testing");
    (testing && !dependency.for_tests)
        .then(|| format!("`{name}` with feature `testing` is for tests only"))
}

fn is_allowed(from: &str, kind: Kind, to: &str, to_kind: Kind) -> bool {
    match kind {
        Kind::Schema | Kind::Xtask => false,
        Kind::Core | Kind::Chassis | Kind::Load => to_kind == Kind::Schema,
        Kind::Stage => {
            let own_core = to.strip_suffix("/core") == Some(from);
            own_core || matches!(to_kind, Kind::Schema | Kind::Chassis)
        }
        Kind::Usher => matches!(to_kind, Kind::Schema | Kind::Chassis | Kind::Stage),
        Kind::Micro => {
            // What it starts, and what checks a draw.
            let is_measured = matches!(to, "allocator" | "waiting-room");
            is_measured || matches!(to_kind, Kind::Schema | Kind::Core | Kind::Chassis)
        }
        Kind::Bench => matches!(to_kind, Kind::Schema | Kind::Core),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifests;

    /// Whether the crate in `from` may depend on `to` (a folder, or a name for an outside crate).
    fn allowed(from: &str, to: &str, kind: Option<&str>, features: &[&str]) -> bool {
        let inside = to.contains('/') || kind_of(to).is_some();
        let path = inside.then(|| format!("/x/{to}"));
        let dependency = json!({"name": to, "path": path, "kind": kind, "features": features});
        let package = json!({
            "manifest_path": format!("/x/{from}/Cargo.toml"), "dependencies": [dependency],
        });
        let metadata = json!({"workspace_root": "/x", "packages": [package]});
        check(&manifests::parse(&metadata).expect("well-formed")).is_empty()
    }

    #[test]
    fn the_arrows_of_the_design_are_accepted() {
        for (from, to) in [
            ("allocator/core", "schema"),
            ("allocator", "allocator/core"),
            ("allocator", "deploy/chassis"),
            ("deploy/usher", "allocator"),
            ("deploy/chassis", "schema"),
            ("deploy/chassis", "tokio"),
            ("bench/load", "schema"),
            ("bench/micro", "allocator"),
            ("bench/micro", "waiting-room"),
            ("bench/micro", "deploy/chassis"),
            ("bench/micro", "waiting-room/core"),
            ("bench/sim", "settlement/core"),
        ] {
            assert!(allowed(from, to, None, &[]), "{from} -> {to}");
        }
    }

    #[test]
    fn every_other_arrow_is_refused_for_tests_too() {
        for (from, to) in [
            ("schema", "deploy/chassis"),
            ("allocator", "settlement"),
            ("allocator", "settlement/core"),
            ("allocator/core", "deploy/chassis"),
            ("allocator/core", "tokio"),
            ("deploy/chassis", "ingress"),
            ("deploy/usher", "allocator/core"),
            ("bench/load", "deploy/chassis"),
            ("bench/micro", "settlement"),
            ("bench/sim", "deploy/chassis"),
            ("deploy/xtask", "schema"),
            ("ingress/extra", "schema"),
        ] {
            assert!(!allowed(from, to, None, &[]), "{from} -> {to}");
            assert!(!allowed(from, to, Some("dev"), &[]), "{from} -> {to} for tests");
        }
    }

    #[test]
    fn the_test_servers_are_for_tests_only() {
        assert!(allowed("allocator", "deploy/chassis", Some("dev"), &["testing"]));
        assert!(!allowed("allocator", "deploy/chassis", None, &["testing"]));
    }
}
