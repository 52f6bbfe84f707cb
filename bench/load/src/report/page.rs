//! The page: one file that needs no other, no script and no network.

use super::Report;
use super::charts::{lasted, sections};
use super::plot::put;
use super::tables;
use super::text::{clock, count, escape, took};
use crate::record::{Deed, Verdict};
use crate::results::Kept;
use schema::UnixMillis;

const STYLE: &str = include_str!("style.css");

pub fn page(report: &Report<'_>, now: UnixMillis) -> String {
    let scenario = escape(&report.results.scenario);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{scenario} – Usher bench</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n<main>\n"
    );
    html.push_str(&header(report, now));
    html.push_str(&tiles(report));
    let promises = tables::promises(report) + &tables::unmade(report);
    section(&mut html, "Promises", &promises);
    let targets = tables::targets(report);
    if !targets.is_empty() {
        section(&mut html, "Targets", &targets);
    }
    if !report.results.figures.is_empty() {
        section(&mut html, "Figures", &tables::figures(report));
    }
    if !report.results.ratios.is_empty() {
        section(&mut html, "Beside the others", &tables::ratios(report));
    }
    if !report.tally.answers().is_empty() {
        section(&mut html, "Answers", &tables::deeds(report));
    }
    plots(&mut html, report);
    section(&mut html, "Refusals and errors, by what was asked", &tables::codes(report));
    put(
        &mut html,
        format_args!(
            "<details class=\"scenario\"><summary>The scenario</summary><pre>{}</pre></details>\n",
            escape(report.scenario_text)
        ),
    );
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

fn section(html: &mut String, title: &str, body: &str) {
    put(html, format_args!("<section>\n<h2>{title}</h2>\n{body}</section>\n"));
}

fn plots(html: &mut String, report: &Report<'_>) {
    let mut number = 0;
    for one in sections(report) {
        let mut figures = String::new();
        for plot in one.plots {
            number += 1;
            figures.push_str(&plot.html(&format!("plot-{number}")));
        }
        if !figures.is_empty() {
            section(html, one.title, &format!("<div class=\"plots\">\n{figures}</div>\n"));
        }
    }
}

fn header(report: &Report<'_>, now: UnixMillis) -> String {
    let results = report.results;
    let kept = results.promises.values().filter(|kept| **kept == Kept::Held).count();
    let all = results.promises.len();
    let broken: Vec<String> = results.broken().map(escape).collect();
    let unmade = results.unmade.len();
    let (class, verdict) = match broken.as_slice() {
        [] if 0 < unmade => {
            ("broken", format!("{unmade} checks could not be made ({kept} of {all} held)"))
        }
        [] if all == 0 => ("unknown", "No promise was checked".to_owned()),
        [] => ("held", format!("All {all} checked promises held")),
        _ => ("broken", format!("Broken: {} ({kept} of {all} held)", broken.join(", "))),
    };
    let facts = [
        ("Lasted", clock(lasted(report).as_secs())),
        ("Machine", escape(&results.machine)),
        ("Commit", format!("<code>{}</code>", escape(&results.commit))),
        ("Written", escape(&now.to_rfc3339())),
    ];
    let facts = facts.map(|(name, fact)| format!("<div><dt>{name}</dt><dd>{fact}</dd></div>"));
    format!(
        "<header>\n<p class=\"brand\">Usher bench</p>\n<h1>{}</h1>\n\
         <p class=\"verdict {class}\">{verdict}</p>\n<dl>{}</dl>\n</header>\n",
        escape(&results.scenario),
        facts.concat()
    )
}

/// The numbers that most want to know first.
fn tiles(report: &Report<'_>) -> String {
    let tally = report.tally;
    let good = |deed: Deed| tally.good.get(&deed).copied().unwrap_or_default();
    let counted = |wanted: Verdict| -> u64 {
        let other = tally.other.iter().filter(|((_, verdict, _), _)| *verdict == wanted);
        other.map(|(_, count)| count).sum()
    };
    let answers: u64 = tally.answers().values().sum();
    let p99 = tally.latency.get(&Deed::Reserve).map(|latency| took(latency.at(0.99)));
    let longest = report.samples.inside.values().flatten().map(|look| look.queued).max();
    let tiles = [
        ("joined the line", Some(count(good(Deed::Join))).filter(|_| 0 < good(Deed::Join))),
        ("longest line", longest.filter(|queued| 0 < *queued).map(count)),
        ("reserved", Some(count(good(Deed::Reserve)))),
        ("paid", Some(count(good(Deed::Confirm)))),
        ("answers", Some(count(answers))),
        ("refusals", Some(count(counted(Verdict::Told)))),
        ("asked to come later", Some(count(counted(Verdict::Shed)))),
        ("errors", Some(count(counted(Verdict::Error)))),
        ("p99 of reserve", p99),
    ];
    let mut html = String::from("<ul class=\"tiles\">");
    for (name, value) in tiles {
        let Some(value) = value else { continue };
        let class = if name == "errors" && value != "0" { " class=\"bad\"" } else { "" };
        put(&mut html, format_args!("<li{class}><b>{value}</b> {name}</li>"));
    }
    html + "</ul>\n"
}
