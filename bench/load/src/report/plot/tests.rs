//! Scales and marks by value, and what stands in a drawn plot.

use super::axis::{Axis, time_marks};
use super::{Look, Plot, Series};
use crate::report::grid::Grid;
use crate::report::text::Unit;

#[test]
fn a_linear_axis_ends_at_a_round_mark_above_the_most() {
    let cases: [(f64, &[f64]); 7] = [
        (10.0, &[0.0, 2.0, 4.0, 6.0, 8.0, 10.0]),
        (11.0, &[0.0, 5.0, 10.0, 15.0]),
        (1_000_000.0, &[0.0, 200_000.0, 400_000.0, 600_000.0, 800_000.0, 1_000_000.0]),
        (0.3, &[0.0, 0.1, 0.2, 0.3]),
        (1.9, &[0.0, 0.5, 1.0, 1.5, 2.0]),
        (0.0, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (f64::INFINITY, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
    ];
    for (most, marks) in cases {
        let axis = Axis::linear(most, 0.0);
        assert_eq!(axis.marks.len(), marks.len(), "{most}: {axis:?}");
        let near = axis.marks.iter().zip(marks).all(|(mark, wanted)| (mark - wanted).abs() < 1e-6);
        assert!(near, "{most}: {axis:?}");
    }
}

#[test]
fn whole_things_have_no_marks_between() {
    assert_eq!(Axis::linear(0.0, 1.0).marks, [0.0, 1.0]);
    assert_eq!(Axis::linear(3.0, 1.0).marks, [0.0, 1.0, 2.0, 3.0]);
}

#[test]
fn a_logarithmic_axis_has_whole_powers_of_ten() {
    let cases: [(f64, f64, &[f64]); 5] = [
        (0.3, 40.0, &[0.1, 1.0, 10.0, 100.0]),
        (1.0, 1_000.0, &[1.0, 10.0, 100.0, 1_000.0]),
        (5.0, 5.0, &[1.0, 2.0, 5.0, 10.0]),
        (10.0, 10.0, &[10.0, 20.0, 50.0, 100.0]),
        (f64::INFINITY, 0.0, &[1.0, 2.0, 5.0, 10.0]),
    ];
    for (least, most, marks) in cases {
        let axis = Axis::logarithmic(least, most);
        assert_eq!(axis.marks.len(), marks.len(), "{least} to {most}: {axis:?}");
        let near =
            axis.marks.iter().zip(marks).all(|(mark, wanted)| (mark / wanted - 1.0).abs() < 1e-6);
        assert!(near, "{least} to {most}: {axis:?}");
    }
}

#[test]
fn values_stand_where_they_belong_and_never_outside() {
    let linear = Axis::linear(100.0, 0.0);
    let log = Axis::logarithmic(1.0, 100.0);
    let cases = [
        (&linear, 0.0, 0.0),
        (&linear, 25.0, 0.25),
        (&linear, 500.0, 1.0),
        (&linear, -3.0, 0.0),
        (&log, 10.0, 0.5),
        (&log, 0.0, 0.0),
        (&log, 1e9, 1.0),
    ];
    for (axis, value, share) in cases {
        assert!((axis.at(value) - share).abs() < 1e-9, "{value} on {axis:?}");
    }
}

#[test]
fn time_has_round_marks() {
    assert_eq!(time_marks(20), [0, 5, 10, 15, 20]);
    assert_eq!(time_marks(120), [0, 30, 60, 90, 120]);
    assert_eq!(time_marks(1_800), [0, 300, 600, 900, 1_200, 1_500, 1_800]);
    assert!(time_marks(1_000_000).len() <= 9);
}

fn plot(look: Look, values: Vec<Option<f64>>) -> Plot {
    Plot {
        title: "Seats <b>".to_owned(),
        says: "a & b".to_owned(),
        unit: Unit::Count("seats"),
        logarithmic: false,
        grid: Grid { step: 1, count: values.len() },
        series: vec![
            Series::new("<i>held</i>", 0, look, values.clone()),
            Series::new("sold", 1, look, values),
        ],
    }
}

#[test]
fn a_plot_escapes_its_words_and_carries_its_numbers() {
    let html = plot(Look::Line, vec![Some(0.0), None, Some(1_234.0)]).html("p1");
    assert!(!html.contains("<b>") && !html.contains("<i>"), "{html}");
    let wanted = [
        "Seats &lt;b&gt;",
        "a &amp; b",
        "&lt;i&gt;held&lt;/i&gt;",
        "<td>1,234</td>",
        "<td>–</td>",
        "aria-labelledby=\"p1-t p1-d\"",
        "at most 1,234, at 2 s; last 1,234.",
    ];
    for text in wanted {
        assert!(html.contains(text), "{text} in {html}");
    }
}

#[test]
fn a_gap_breaks_the_line_and_a_lone_value_is_a_dot() {
    let html = plot(Look::Line, vec![Some(1.0), Some(1.0), None, Some(1.0)]).html("p1");
    let (_, line) = html.split_once("class=\"line c0\" d=\"").unwrap();
    let (path, _) = line.split_once('"').unwrap();
    assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 1), "{path}");
    assert!(path.ends_with("h.01"), "{path}");
}

#[test]
fn stacks_end_at_their_sum() {
    for look in [Look::Area, Look::Column] {
        // Two of 50 upon each other reach the mark at 100, the top of the picture.
        let html = plot(look, vec![Some(50.0), Some(50.0)]).html("p1");
        assert!(html.contains(">100</text>") && !html.contains(">120</text>"), "{html}");
        let (_, upper) = html.rsplit_once(" c1\" d=\"").unwrap();
        assert!(upper.split_once('"').unwrap().0.contains("22.0"), "{upper}");
    }
}

#[test]
fn a_plot_that_shows_nothing_is_not_drawn() {
    assert_eq!(plot(Look::Line, vec![None, None]).html("p1"), "");
}
