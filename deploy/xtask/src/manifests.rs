//! What `cargo` says about the workspace, read as little as the rules need.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

/// One crate of the workspace.
pub struct Manifest {
    /// Folder relative to the root; says what kind of crate it is.
    pub folder: String,
    pub dependencies: Vec<Dependency>,
}

pub struct Dependency {
    pub name: String,
    /// Folder relative to the root, for crates of the workspace.
    pub folder: Option<String>,
    pub for_tests: bool,
    pub features: Vec<String>,
}

/// Reads the workspace's manifests.
pub fn read(root: &Path) -> anyhow::Result<Vec<Manifest>> {
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let json: Value = serde_json::from_str(&cargo(root, &arguments)?)?;
    parse(&json).context("cargo metadata has an unknown shape")
}

/// Names every package that the workspace is built from on this platform.
pub fn packages(root: &Path) -> anyhow::Result<Vec<String>> {
    let arguments =
        ["tree", "--workspace", "--offline", "--locked", "--prefix", "none", "--format", "{p}"];
    let tree = cargo(root, &arguments)?;
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn cargo(root: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program).args(arguments).current_dir(root).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo {}: {errors}", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}

/// Turns `cargo metadata` into manifests; `None` if a field is missing.
pub fn parse(json: &Value) -> Option<Vec<Manifest>> {
    let root = json["workspace_root"].as_str()?;
    let packages = json["packages"].as_array()?;
    packages.iter().map(|package| parse_package(root, package)).collect()
}

fn parse_package(root: &str, package: &Value) -> Option<Manifest> {
    let folder = package["manifest_path"].as_str()?.strip_suffix("/Cargo.toml")?;
    let dependencies = package["dependencies"].as_array()?;
    Some(Manifest {
        folder: relative(root, folder)?,
        dependencies: dependencies
            .iter()
            .map(|d| parse_dependency(root, d))
            .collect::<Option<_>>()?,
    })
}

fn parse_dependency(root: &str, dependency: &Value) -> Option<Dependency> {
    let features = dependency["features"].as_array()?;
    Some(Dependency {
        name: dependency["name"].as_str()?.to_owned(),
        folder: dependency["path"].as_str().and_then(|path| relative(root, path)),
        for_tests: dependency["kind"].as_str() == Some("dev"),
        features: features.iter().filter_map(|f| f.as_str().map(str::to_owned)).collect(),
    })
}

fn relative(root: &str, path: &str) -> Option<String> {
    Some(path.strip_prefix(root)?.trim_start_matches('/').to_owned())
}
