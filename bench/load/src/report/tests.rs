//! The page and its tables, of a run that never was.

use super::{Report, fixture, page, tables, write};
use crate::record::Tally;
use crate::results::{Kept, Results};
use crate::sample::Samples;
use schema::UnixMillis;

fn whole(check: impl FnOnce(&Report<'_>)) {
    let (results, findings) = (fixture::results(), fixture::findings());
    let wishes = fixture::wishes();
    let (tally, samples) = (fixture::tally(), fixture::samples());
    let scenario_text = "name = \"</pre><script>alert(2)</script>\"";
    check(&Report {
        scenario_text,
        results: &results,
        tally: &tally,
        samples: &samples,
        findings: &findings,
        wishes: &wishes,
    });
}

#[test]
fn a_page_holds_no_script_whatever_events_and_scenarios_are_named() {
    whole(|report| {
        let html = page::page(report, UnixMillis(1_790_000_000_000));
        assert!(!html.contains("<script") && html.contains("EVT&lt;script&gt;"));
        assert!(!html.contains("http://") && !html.contains("https://"), "it needs no network");
        assert_eq!(html.matches("<svg ").count(), html.matches("</svg>").count());
        assert!(10 < html.matches("<svg ").count());
        for tag in ["figure", "table", "section", "details", "tr", "td", "span"] {
            let opened = html.matches(&format!("<{tag}>")).count();
            let opened = opened + html.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    });
}

#[test]
fn a_page_says_at_the_top_which_promise_was_broken() {
    whole(|report| {
        let html = page::page(report, UnixMillis(0));
        assert!(html.contains("<p class=\"verdict broken\">Broken: LINE-4 (2 of 3 held)</p>"));
        let mut held = report.results.clone();
        held.promises.insert("LINE-4".to_owned(), Kept::Held);
        let html = page::page(&Report { results: &held, ..*report }, UnixMillis(0));
        assert!(html.contains("All 3 checked promises held"));
        held.unmade.push("seats of <EVT>: no answer".to_owned());
        let html = page::page(&Report { results: &held, ..*report }, UnixMillis(0));
        assert!(html.contains("<p class=\"verdict broken\">1 checks could not be made"));
        assert!(html.contains("<li>seats of &lt;EVT&gt;: no answer</li>"));
    });
}

#[test]
fn tables_show_what_was_heard_and_tell_refusals_from_errors() {
    whole(|report| {
        let deeds = tables::deeds(report);
        let (answers, good) =
            (report.tally.latency[&crate::record::Deed::Confirm].count(), 74 * 40);
        assert_eq!(answers, 74 * 44);
        let row = "<tr><th scope=\"row\">confirm</th><td>3,256</td><td>2,960</td>";
        assert!(deeds.contains(row) && good == 2_960, "{deeds}");
        let codes = tables::codes(report);
        let refusal = "402 PAYMENT_DECLINED</td><td class=\"words \">refusal</td><td>296</td>";
        let error = "503 BUSY</td><td class=\"words bad\">error</td><td>28</td>";
        assert!(codes.contains(refusal) && codes.contains(error), "{codes}");
        let later = "429 TOO_MANY_REQUESTS</td><td class=\"words \">come later</td><td>630</td>";
        assert!(codes.contains(later), "{codes}");
        let html = page::page(report, UnixMillis(0));
        // 28 without a word when to come back, and one without an answer.
        assert!(html.contains("<li class=\"bad\"><b>29</b> errors</li>"), "{html}");
        let figures = tables::figures(report);
        assert!(figures.contains("<td>10,432</td><td class=\"words\">1/s</td><td>5.6 ms</td>"));
        assert!(tables::ratios(report).contains("<td>4.31 ×</td>"));
        let promises = tables::promises(report);
        assert!(promises.contains("none was promised to two accounts"));
        assert!(!promises.contains("at most 50 ms"));
        assert!(tables::targets(report).contains("missed</span></td>"));
    });
}

#[test]
fn a_run_without_anything_still_has_a_page_and_results() {
    let folder = tempfile::tempdir().unwrap();
    let (results, tally, samples) = (Results::default(), Tally::default(), Samples::default());
    let report = Report {
        scenario_text: "",
        results: &results,
        tally: &tally,
        samples: &samples,
        findings: &[],
        wishes: &[],
    };
    write(folder.path(), &report).unwrap();
    let html = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(html.contains("No promise was checked") && !html.contains("<svg"));
    assert!(folder.path().join("results.json").is_file());
}
