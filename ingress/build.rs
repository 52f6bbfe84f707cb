//! Lists the files of `web/`, so that a page needs no second list to be embedded.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What browsers get; sources of other kinds and notes stay out.
const KINDS: [&str; 8] = ["html", "js", "css", "svg", "png", "ico", "json", "woff2"];

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("web");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let mut code = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(&root).expect("found under it").display().to_string();
        let file = file.display().to_string();
        writeln!(code, "    ({name:?}, include_bytes!({file:?})),")
            .expect("a String takes all text");
    }
    code += "]\n";
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("web_files.rs");
    fs::write(out, code).expect("the build folder takes files");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("web/ is part of the crate") {
        let path = entry.expect("web/ can be listed").path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden && !path.ends_with("node_modules") {
            collect(&path, files);
        }
        let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
        if path.is_file() && !hidden && KINDS.contains(&kind) {
            files.push(path);
        }
    }
}
