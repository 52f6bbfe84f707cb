//! Command line of the project's own tasks.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    if std::env::args().nth(1).as_deref() != Some("tidy") {
        writeln!(out, "usage: cargo run -p xtask -- tidy")?;
        return Ok(ExitCode::from(2));
    }
    let findings = xtask::tidy(Path::new("."))?;
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    writeln!(out, "tidy: {} findings", findings.len())?;
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
