//! `usher-bench figures`: one measurement after the other, and the table.

use crate::bare::Bare;
use crate::cli::Figures;
use crate::closed_loop::{Measured, micros, run};
use crate::wire::{Connection, Door, Question};
use crate::places::{Asking, Joining, me_questions, status_questions};
use crate::figures_report::{Report, say};
use crate::sale::{Buyer, Confirming, Reserving, events};
use crate::{crowd, processes};
use anyhow::{Context as _, ensure};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// How often Usher and the bare server take turns. The machine's mood changes; both shall meet it.
const ROUNDS: usize = 2;

/// How long joining may take.
const JOIN_WAIT: Duration = Duration::from_mins(2);

pub async fn figures(figures: &Figures) -> anyhow::Result<()> {
    let mut report = Report {
        target: figures.target.clone(),
        connections: figures.connections,
        seconds: figures.seconds,
        load: "closed loop: each connection asks again when it was answered",
        lines: Vec::new(),
        start_up_ms: None,
        processes: Vec::new(),
    };
    ensure!(0 < figures.connections && 0 < figures.seconds, "nothing to measure");
    // Before the load: the restart of a server in it would write usher.json again.
    match processes::start_up(&figures.data) {
        Ok(took) => report.start_up_ms = Some(micros(took) / 1_000),
        Err(error) => say(&format!("no start-up time: {error:#}")),
    }
    sale(figures, &mut report).await?;
    polls(figures, &mut report).await?;
    match processes::processes(&figures.data) {
        Ok(processes) => report.processes = processes,
        Err(error) => say(&format!("no memory figures: {error:#}")),
    }
    say(&report.table());
    let json = report.json();
    if let Some(path) = &figures.json {
        std::fs::write(path, &json).with_context(|| format!("write {}", path.display()))?;
    }
    say(&json);
    Ok(())
}

/// reserve/s, then confirm/s of what was reserved.
async fn sale(figures: &Figures, report: &mut Report) -> anyhow::Result<()> {
    let (door, time) = (&Door::new(&figures.target)?, Duration::from_secs(figures.seconds));
    let events = Arc::new(events(door).await?);
    say(&format!("{} events; logging in {} fans", events.len(), figures.connections));
    let tokens = crowd::log_in(door, figures.connections).await?;
    let step = (events.len() / figures.connections).max(1);
    let buyer =
        |(number, token): (usize, &String)| Buyer::new(door, token, &events, number * step);
    let buyers = tokens.iter().enumerate().map(buyer);
    let buyers = buyers.map(|buyer| buyer.map(Reserving)).collect::<anyhow::Result<Vec<_>>>()?;
    let (buyers, measured) = run(buyers, time).await?;
    report.add("reserve", measured);
    let buyers = buyers.into_iter().map(|Reserving(buyer)| Confirming(buyer)).collect();
    let (_, measured) = run(buyers, time).await?;
    report.add("confirm", measured);
    Ok(())
}

/// join/s, then polls beside a bare server's answers of the same size.
async fn polls(figures: &Figures, report: &mut Report) -> anyhow::Result<()> {
    let door = Door::new(&figures.target)?;
    let left = Arc::new(AtomicUsize::new(figures.places));
    let joining = (0..figures.connections).map(|number| Joining::new(&door, number, &left));
    let (joined, measured) = run(joining.collect(), JOIN_WAIT).await?;
    report.add("join", measured);
    let tokens: Vec<String> = joined.into_iter().flat_map(|worker| worker.tokens).collect();
    ensure!(!tokens.is_empty(), "nobody could join");
    beside_bare(figures, report, "status", &status_questions()).await?;
    beside_bare(figures, report, "me", &me_questions(&tokens)).await
}

/// Measures the questions and the bare server in turns.
async fn beside_bare(
    figures: &Figures,
    report: &mut Report,
    what: &str,
    questions: &Arc<Vec<Question>>,
) -> anyhow::Result<()> {
    let door = Door::new(&figures.target)?;
    let sample = Connection::new(&door, 0).ask(questions[0].clone()).await?;
    let bare = Bare::start(sample.body.len()).await?;
    for round in 1..=ROUNDS {
        let measured = ask(figures, &door, questions).await?;
        report.add(&format!("{what}, {} bytes ({round})", sample.body.len()), measured);
        let measured = ask(figures, &Door::new(&bare.target)?, questions).await?;
        report.add(&format!("bare hyper, same size ({round})"), measured);
    }
    Ok(())
}

async fn ask(
    figures: &Figures,
    door: &Door,
    questions: &Arc<Vec<Question>>,
) -> anyhow::Result<Measured> {
    // Each worker begins elsewhere, so that no place is asked twice in a row.
    let step = (questions.len() / figures.connections).max(1);
    let asking =
        (0..figures.connections).map(|number| Asking::new(door, questions, number * step));
    let time = Duration::from_secs(figures.seconds) / 2;
    let (_, measured) = run(asking.collect(), time).await?;
    Ok(measured)
}
