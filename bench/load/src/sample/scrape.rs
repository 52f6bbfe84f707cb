//! The metrics page: Prometheus' text form.

/// One sample of a series, by name and labels as they stand on the page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample<'a> {
    pub series: &'a str,
    pub value: f64,
}

/// Finds the samples of a page; what is no sample is passed over, and so are buckets.
pub(super) fn samples(page: &str) -> impl Iterator<Item = Sample<'_>> {
    page.lines().filter_map(sample).filter(|sample| !is_bucket(sample.series))
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let (series, rest) = line.split_at(series_len(line)?);
    // A time stamp may follow the value.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { series, value })
}

/// A label's text may hold spaces, braces and escaped quotes.
fn series_len(line: &str) -> Option<usize> {
    let name_len = line.find(['{', ' ', '\t'])?;
    if !line[name_len..].starts_with('{') {
        return Some(name_len);
    }
    let (mut quoted, mut escaped) = (false, false);
    for (idx, byte) in line.bytes().enumerate().skip(name_len) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return Some(idx + 1),
            _ => {}
        }
    }
    None
}

fn is_bucket(series: &str) -> bool {
    let name = series.split('{').next().unwrap_or(series);
    name.ends_with("_bucket")
}

#[cfg(test)]
mod tests {
    use super::samples;

    fn check(page: &str, expected: &[(&str, f64)]) {
        let found: Vec<_> = samples(page).map(|sample| (sample.series, sample.value)).collect();
        assert_eq!(found, expected, "{page}");
    }

    #[test]
    fn samples_are_found_with_their_labels() {
        check("a_total 3", &[("a_total", 3.0)]);
        check("# TYPE a counter\n\na 1\nb 2.5e3\n", &[("a", 1.0), ("b", 2_500.0)]);
        check("a{x=\"1\",y=\"2\"} 4 1700000000", &[("a{x=\"1\",y=\"2\"}", 4.0)]);
        check("a{x=\"{a} \\\"b\\\\\"} 7", &[("a{x=\"{a} \\\"b\\\\\"}", 7.0)]);
        check("a{} +Inf", &[("a{}", f64::INFINITY)]);
    }

    #[test]
    fn what_is_no_sample_is_passed_over() {
        check("", &[]);
        check("a", &[]);
        check("a x\nb{c=\"d\" 1\n<html>\n{} 1 2\nb 1", &[("{}", 1.0), ("b", 1.0)]);
        check("t_bucket{le=\"1\"} 9\nt_sum 3\nt_count 9", &[("t_sum", 3.0), ("t_count", 9.0)]);
    }
}
