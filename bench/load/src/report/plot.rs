//! Plots: lines, stacked areas and stacked columns over time, as SVG with a table behind it.

mod axis;
mod draw;

use super::grid::{Grid, Values};
use super::text::{Unit, clock, escape};
use std::fmt::Write as _;

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Line,
    /// For bounds that others stay below.
    Dashed,
    /// Lies upon the areas before it.
    Area,
    /// Stands upon the columns before it.
    Column,
}

#[derive(Debug, Clone)]
pub struct Series {
    pub name: String,
    /// Which of the page's eight colours.
    pub colour: usize,
    pub look: Look,
    pub values: Values,
}

#[derive(Debug, Clone)]
pub struct Plot {
    pub title: String,
    /// What there is to see, in a sentence or two.
    pub says: String,
    pub unit: Unit,
    /// Powers of ten have equal distances; zero is not shown.
    pub logarithmic: bool,
    pub grid: Grid,
    pub series: Vec<Series>,
}

impl Series {
    pub fn new(name: &str, colour: usize, look: Look, values: Values) -> Self {
        Self { name: name.to_owned(), colour, look, values }
    }

    fn is_empty(&self) -> bool {
        self.values.iter().all(Option::is_none)
    }

    fn most(&self) -> Option<(usize, f64)> {
        let seen = self.values.iter().enumerate();
        let seen = seen.filter_map(|(span, value)| Some((span, (*value)?)));
        seen.max_by(|(_, one), (_, other)| one.total_cmp(other))
    }
}

impl Plot {
    /// The plot as a `figure`, with an id that is unique on the page; empty if it shows nothing.
    pub fn html(&self, id: &str) -> String {
        let series: Vec<&Series> = self.series.iter().filter(|one| !one.is_empty()).collect();
        if series.is_empty() {
            return String::new();
        }
        let (title, says) = (escape(&self.title), escape(&self.says));
        let mut html = format!("<figure id=\"{id}\"><figcaption><h3>{title}</h3><p>{says}</p>");
        html.push_str(&legend(&series));
        html.push_str("</figcaption><div class=\"plot\">");
        html.push_str(&draw::svg(self, &series, id, &self.description(&series)));
        html.push_str("</div>");
        html.push_str(&self.table(&series));
        html.push_str("</figure>\n");
        html
    }

    /// What someone who cannot see the plot should know of it.
    fn description(&self, series: &[&Series]) -> String {
        let mut text = format!("{} over {}.", self.unit.name(), clock(self.grid.seconds()));
        for one in series {
            let Some((span, most)) = one.most() else { continue };
            let at = clock(self.grid.begin(span));
            let most = self.unit.full(most);
            let last = one.values.iter().rev().find_map(|value| *value).unwrap_or_default();
            let last = self.unit.full(last);
            put(&mut text, format_args!(" {}: at most {most}, at {at}; last {last}.", one.name));
        }
        text
    }

    fn table(&self, series: &[&Series]) -> String {
        let mut html = String::from(
            "<details><summary>Numbers</summary><div class=\"scroll\" tabindex=\"0\"><table>\
             <thead><tr>\
             <th scope=\"col\">from</th>",
        );
        for one in series {
            put(&mut html, format_args!("<th scope=\"col\">{}</th>", escape(&one.name)));
        }
        html.push_str("</tr></thead><tbody>");
        for span in 0..self.grid.count {
            let begin = clock(self.grid.begin(span));
            put(&mut html, format_args!("<tr><th scope=\"row\">{begin}</th>"));
            for one in series {
                let value = one.values.get(span).copied().flatten();
                let value = value.map_or_else(|| "–".to_owned(), |value| self.unit.full(value));
                put(&mut html, format_args!("<td>{value}</td>"));
            }
            html.push_str("</tr>");
        }
        html.push_str("</tbody></table></div></details>");
        html
    }
}

fn legend(series: &[&Series]) -> String {
    let mut html = String::from("<ul class=\"legend\">");
    for one in series {
        let class = match one.look {
            Look::Line => "line",
            Look::Dashed => "dashed",
            Look::Area | Look::Column => "block",
        };
        let (colour, name) = (one.colour % COLOURS, escape(&one.name));
        put(&mut html, format_args!("<li><i class=\"{class} c{colour}\"></i>{name}</li>"));
    }
    html.push_str("</ul>");
    html
}

/// Colours that the page's style names `c0`, `c1` and so on.
pub const COLOURS: usize = 8;

/// Appends formatted text.
pub fn put(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("a String takes all text");
}

#[cfg(test)]
mod tests;
