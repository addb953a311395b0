//! `/metrics` in the form of `OpenMetrics` 1.0.

use std::fmt::Write;

/// Content type of the page.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Last line of the page.
pub(crate) const END: &str = "# EOF\n";

/// Whole families, or samples, in the form of `OpenMetrics` 1.0: families of counters are named without
/// `_total`, bounds of buckets have a point, quotes in help are escaped.
pub(crate) fn converted(page: &str) -> String {
    let mut text = String::with_capacity(page.len() + page.len() / 64);
    // The head of a counter is known by its second line.
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap_or((help, ""));
            let counter = lines.peek().is_some_and(|kind| kind.ends_with(" counter"));
            let family = if counter { name.strip_suffix("_total").unwrap_or(name) } else { name };
            writeln!(text, "# HELP {family} {}", help.replace('"', "\\\"")).expect("a string takes all");
            if let Some(word) = lines.next().and_then(|kind| kind.rsplit(' ').next()) {
                writeln!(text, "# TYPE {family} {word}").expect("a string takes all");
            }
        } else if let Some((series, rest)) = line.rsplit_once("le=\"").filter(|_| is_bucket(line)) {
            let (bound, rest) = rest.split_once('"').unwrap_or((rest, ""));
            let point = if bound.contains('.') || bound == "+Inf" { "" } else { ".0" };
            writeln!(text, "{series}le=\"{bound}{point}\"{rest}").expect("a string takes all");
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// True for a sample of a histogram's bucket, whose bound is its last label.
fn is_bucket(sample: &str) -> bool {
    sample.split_once('{').is_some_and(|(name, _)| name.ends_with("_bucket"))
}

#[cfg(test)]
mod tests {
    use telemetry::Kind;
    use telemetry::render::prometheus::Text;

    use super::*;

    #[test]
    fn open_metrics_names_families_of_counters_without_total() {
        let recorder = telemetry::HistogramRecorder::default();
        recorder.record(40);
        let mut text = Text::default();
        text.family("n_requests", Kind::Counter, "a \"b\"").sample(&[("a", "b,le=")], 3);
        text.family("n_queue", Kind::Gauge, "queue").sample(&[], 4);
        text.histograms("n_seconds", "time", [([("pool", "a")], &recorder.snapshot())]);
        let page = converted(&text.finish());
        assert!(page.starts_with(
            "# HELP n_requests a \\\"b\\\"\n# TYPE n_requests counter\nn_requests_total{a=\"b,le=\"} 3\n# HELP n_queue queue\n"
        ));
        for line in
            ["n_seconds_bucket{pool=\"a\",le=\"10.0\"} 1\n", "n_seconds_bucket{pool=\"a\",le=\"+Inf\"} 1\n"]
        {
            assert!(page.contains(line), "{line} is missing in\n{page}");
        }
        assert!(page.ends_with("\nn_seconds_count{pool=\"a\"} 1\n"));
    }
}
