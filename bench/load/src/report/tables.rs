//! The tables of a page.

use super::Report;
use super::plot::put;
use super::text::{count, escape, grouped, millis, short, took};
use crate::record::{Deed, Latency, Verdict};
use crate::results::{Figure, Kept, Met};
use std::collections::BTreeMap;
use std::time::Duration;

/// The name of a deed in results and reports.
pub fn deed_name(deed: Deed) -> String {
    format!("{deed:?}").to_lowercase()
}

pub fn promises(report: &Report<'_>) -> String {
    if report.results.promises.is_empty() {
        return "<p>This run checked no promise.</p>".to_owned();
    }
    let mut html = head("promises", &["promise", "kept", "found"], 3);
    for (promise, kept) in &report.results.promises {
        let said = report.findings.iter().filter(|finding| finding.promise == promise);
        let said: Vec<String> = said.map(|finding| escape(&finding.says)).collect();
        row(&mut html, promise, *kept, ["held", "broken"], &said.join("<br>"));
    }
    html + FOOT
}

/// Checks that could not be made; empty if all were.
pub fn unmade(report: &Report<'_>) -> String {
    let mut html = String::new();
    for why in &report.results.unmade {
        put(&mut html, format_args!("<li>{}</li>", escape(why)));
    }
    if html.is_empty() { html } else { format!("<p>Not checked:</p><ul>{html}</ul>\n") }
}

/// What the scenario expects. Empty if it expects nothing.
pub fn targets(report: &Report<'_>) -> String {
    if report.wishes.is_empty() {
        return String::new();
    }
    let mut html = head("promises", &["target", "met", "found"], 3);
    for wish in report.wishes {
        let kept = if wish.met == Met::Met { Kept::Held } else { Kept::Broken };
        row(&mut html, &wish.name, kept, ["met", "missed"], &escape(&wish.says));
    }
    html + FOOT
}

/// `words` are those for held and broken; `said` is HTML.
fn row(html: &mut String, name: &str, kept: Kept, words: [&str; 2], said: &str) {
    let (class, word) = match kept {
        Kept::Held => ("held", words[0]),
        Kept::Broken => ("broken", words[1]),
    };
    let badge = format!("<span class=\"badge {class}\">{word}</span>");
    let name = escape(name);
    put(
        html,
        format_args!(
            "<tr><th scope=\"row\">{name}</th><td class=\"words\">{badge}</td>\
             <td class=\"words\">{said}</td></tr>"
        ),
    );
}

pub fn figures(report: &Report<'_>) -> String {
    let columns = ["figure", "value", "unit", "p50", "p99", "p99.9"];
    let mut html = head("figures", &columns, 1);
    for (name, figure) in &report.results.figures {
        let Figure { value, unit, p50, p99, p999 } = figure;
        let times = [p50, p99, p999].map(|time| time.map_or_else(|| "–".to_owned(), millis));
        let value = if 100.0 <= value.abs() { grouped(*value) } else { short(*value) };
        put(
            &mut html,
            format_args!(
                "<tr><th scope=\"row\">{}</th><td>{value}</td><td class=\"words\">{}</td>\
             <td>{}</td><td>{}</td><td>{}</td></tr>",
                escape(name),
                escape(unit),
                times[0],
                times[1],
                times[2]
            ),
        );
    }
    html + FOOT
}

pub fn ratios(report: &Report<'_>) -> String {
    let mut html = head("ratios", &["ratio", "median"], 1);
    for (name, ratio) in &report.results.ratios {
        let (name, ratio) = (escape(name), short(*ratio));
        put(&mut html, format_args!("<tr><th scope=\"row\">{name}</th><td>{ratio} ×</td></tr>"));
    }
    html + FOOT
}

/// What was asked, with the latencies of what people were told: from the intended start, and of the
/// system alone.
pub fn deeds(report: &Report<'_>) -> String {
    let columns =
        ["asked", "answers", "good", "p50", "p90", "p99", "p99.9", "most", "p99 from sending"];
    let mut html = head("deeds", &columns, 1);
    for (deed, answers) in report.tally.answers() {
        let good = report.tally.good.get(&deed).copied().unwrap_or_default();
        let of = |latencies: &BTreeMap<Deed, Latency>, time: &dyn Fn(&Latency) -> Duration| {
            latencies.get(&deed).map_or_else(|| "–".to_owned(), |latency| took(time(latency)))
        };
        let told = &report.tally.latency;
        let times = [0.5, 0.9, 0.99, 0.999].map(|share| of(told, &|latency| latency.at(share)));
        let service = of(&report.tally.service, &|latency| latency.at(0.99));
        put(
            &mut html,
            format_args!(
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{}</td><td>{}</td><td>{}</td><td>{service}</td></tr>",
                deed_name(deed),
                count(answers),
                count(good),
                times[0],
                times[1],
                times[2],
                times[3],
                of(told, &Latency::max)
            ),
        );
    }
    html + FOOT
}

/// Every answer that was no success.
pub fn codes(report: &Report<'_>) -> String {
    if report.tally.other.is_empty() {
        return "<p>Every answer was a success.</p>".to_owned();
    }
    let mut html = head("codes", &["asked", "answer", "kind", "count"], 3);
    for ((deed, verdict, code), times) in &report.tally.other {
        let (class, kind) = match verdict {
            Verdict::Told => ("", "refusal"),
            Verdict::Shed => ("", "come later"),
            Verdict::Error => ("bad", "error"),
        };
        put(
            &mut html,
            format_args!(
                "<tr><th scope=\"row\">{}</th><td class=\"words\">{}</td>\
             <td class=\"words {class}\">{kind}</td><td>{}</td></tr>",
                deed_name(*deed),
                escape(code),
                count(*times)
            ),
        );
    }
    html + FOOT
}

const FOOT: &str = "</tbody></table></div>\n";

/// The first `words` columns are text, and so is a unit; the others are numbers.
fn head(class: &str, columns: &[&str], words: usize) -> String {
    let mut html =
        format!("<div class=\"wide\" tabindex=\"0\"><table class=\"{class}\"><thead><tr>");
    for (idx, column) in columns.iter().enumerate() {
        let class = if idx < words || *column == "unit" { " class=\"words\"" } else { "" };
        put(&mut html, format_args!("<th scope=\"col\"{class}>{column}</th>"));
    }
    html.push_str("</tr></thead><tbody>");
    html
}
