//! The one binary: everything on one machine, or some stages of a larger system.

mod account;
mod audit;
mod cli;
mod config;
mod demo;
mod explain;
mod ledger;
mod migrate;
mod output;
mod reconcile;
mod rehearse;
mod review;
mod run;
mod running;
mod shards;
mod stages;
mod token;
mod up;
mod verify_draw;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

/// Many small allocations a request, freed by other threads: the system's allocator spends a tenth
/// of a poll on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("the process may start its threads");
    let done = runtime.block_on(execute(cli.command));
    // Tasks that did not end in time were named in the log; waiting for them here would hang the
    // exit.
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            if !tracing::enabled!(tracing::Level::ERROR) {
                complain(&error);
            }
            ExitCode::FAILURE
        }
    }
}

async fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        // They hold all stages, so they are behind a pointer.
        Command::Up(up) => Box::pin(up::up(up)).await,
        Command::Run(run) => Box::pin(run::run(run)).await,
        Command::Migrate(target) => migrate::migrate(target).await,
        Command::Demo(target) => demo::demo(target).await,
        Command::Account(account) => account::account(account).await,
        Command::Token(shown) => token::token(&shown),
        Command::Audit(audit) => audit::audit(audit).await,
        Command::Ledger(asked) => ledger::ledger(asked).await,
        Command::Reconcile(asked) => reconcile::reconcile(asked).await,
        Command::Review(asked) => review::review(asked).await,
        Command::VerifyDraw(files) => verify_draw::verify_draw(&files),
        Command::Rehearse(asked) => rehearse::rehearse(&asked),
        Command::Explain(explain) => explain::explain(explain).await,
        Command::Config(shown) => {
            let config = config::load(shown.config.as_deref())?;
            let text = if shown.print {
                chassis::config::print_masked(&config)
            } else {
                config::DEFAULTS.to_owned()
            };
            output::line(text.trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Says on standard error why the process ends, when it does so before logging has begun.
#[expect(clippy::print_stderr, reason = "logging has not begun")]
fn complain(error: &anyhow::Error) {
    eprintln!("usher: {error:#}");
}
