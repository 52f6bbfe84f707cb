//! `usher verify-draw`: checks a draw on files alone.

use crate::cli::VerifyDraw;
use crate::output;
use anyhow::Context as _;
use std::path::Path;
use std::process::ExitCode;
use waiting_room::{DrawFile, DrawFiles, Finding};

pub fn verify_draw(asked: &VerifyDraw) -> anyhow::Result<ExitCode> {
    let files = DrawFiles {
        fairness: read(&asked.fairness)?,
        kept: asked.kept.iter().map(|path| read(path)).collect::<Result<_, _>>()?,
        proofs: asked.proofs.iter().map(|path| read(path)).collect::<Result<_, _>>()?,
        cohort: asked.cohort.as_deref().map(read).transpose()?,
        tokens: asked.tokens.iter().map(|path| read(path)).collect::<Result<_, _>>()?,
    };
    let findings = waiting_room::verify_draw(&files);
    for finding in &findings {
        output::line(&finding.to_string());
    }
    let fails = findings.iter().any(Finding::fails);
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn read(path: &Path) -> anyhow::Result<DrawFile> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("read {name}"))?;
    Ok(DrawFile { name, bytes })
}
