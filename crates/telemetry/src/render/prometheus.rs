//! The Prometheus text format, version 0.0.4, from the tables.
//!
//! A row `requests` of a server becomes `nuthatch_server_requests_total{pool="…",server="…"}`: counters get
//! `_total`, times and rows of microseconds (`…_us`) become seconds and get `_seconds`, histograms become
//! seconds with the bounds of [`BOUNDS_US`].

use std::fmt::Write;
use std::sync::Arc;

use crate::{CommandClass, HistogramSnapshot, Kind, PoolReport, PoolStats, Row, ServerStats, ShardStats};

/// Content type of the page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the buckets shown, in microseconds. A recorded bucket that straddles a bound counts as
/// above it, which shifts the bound by less than one hundredth.
pub const BOUNDS_US: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000,
];

/// A page being written.
#[derive(Debug, Default)]
pub struct Text(String);

/// A family whose head is written and whose samples follow.
pub struct Family<'a> {
    text: &'a mut String,
    name: String,
    /// True if values are microseconds, shown as seconds.
    in_micros: bool,
}

impl Text {
    /// Starts a family. `name` is the full name without the suffix of its kind.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) -> Family<'_> {
        let (name, in_micros) = full_name(name, kind);
        head(&mut self.0, &name, if kind == Kind::Counter { "counter" } else { "gauge" }, help);
        Family { text: &mut self.0, name, in_micros }
    }

    /// Goes on with a family whose head is on an earlier part of the page.
    pub fn more_of(&mut self, name: &str, kind: Kind) -> Family<'_> {
        let (name, in_micros) = full_name(name, kind);
        Family { text: &mut self.0, name, in_micros }
    }

    /// Bytes written.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if nothing was written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes a family of histograms of microseconds, shown in seconds; `name` ends in `_seconds`.
    pub fn histograms<'a, L, I>(&mut self, name: &str, help: &str, samples: I)
    where
        L: AsRef<[(&'a str, &'a str)]>,
        I: IntoIterator<Item = (L, &'a HistogramSnapshot)>,
    {
        head(&mut self.0, name, "histogram", help);
        for (labels, histogram) in samples {
            histogram_lines(&mut self.0, name, labels.as_ref(), histogram);
        }
    }

    /// The page.
    pub fn finish(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// Bytes of the page so far.
    #[allow(clippy::len_without_is_empty, reason = "a family begins with its head")]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Writes one sample. Times are given in microseconds.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: u64) -> &mut Self {
        self.text.push_str(&self.name);
        label_set(self.text, labels);
        if self.in_micros {
            writeln!(self.text, " {}.{:06}", value / 1_000_000, value % 1_000_000)
                .expect("a string takes all");
        } else {
            self.text.push(' ');
            push_number(self.text, value);
            self.text.push('\n');
        }
        self
    }
}

/// The rows of every shard.
pub(crate) fn shards(text: &mut Text, shards: &[Arc<ShardStats>]) {
    let values: Vec<Vec<u64>> = shards.iter().map(|shard| shard.values()).collect();
    for (at, row) in ShardStats::ROWS.iter().enumerate() {
        let mut family = text.family(&format!("nuthatch_shard_{}", bare(row)), row.kind, row.help);
        for (shard, values) in values.iter().enumerate() {
            family.sample(&[("shard", &shard.to_string())], values[at]);
        }
    }
}

/// The rows and histograms of every pool and of its servers.
pub(crate) fn pools(text: &mut Text, pools: &[PoolReport]) {
    for (at, row) in PoolStats::ROWS.iter().enumerate() {
        let mut family = text.family(&format!("nuthatch_pool_{}", bare(row)), row.kind, row.help);
        for pool in pools {
            family.sample(&[("pool", &pool.name)], pool.values[at]);
        }
    }
    let help = "time from a request's last byte to its reply";
    let samples = pools.iter().map(|pool| ([("pool", &*pool.name)], &pool.latency));
    text.histograms("nuthatch_pool_request_duration_seconds", help, samples);

    let servers = || pools.iter().flat_map(|pool| pool.servers.iter().map(move |server| (pool, server)));
    for (at, row) in ServerStats::ROWS.iter().enumerate() {
        let mut family = text.family(&format!("nuthatch_server_{}", bare(row)), row.kind, row.help);
        for (pool, server) in servers() {
            family.sample(&[("pool", &pool.name), ("server", &server.name)], server.values[at]);
        }
    }
    let help = "time from a request's acceptance to its writing to the server";
    let samples = servers()
        .map(|(pool, server)| ([("pool", &*pool.name), ("server", &*server.name)], &server.queue_time));
    text.histograms("nuthatch_server_queue_duration_seconds", help, samples);
    let help = "time from a request's writing to the server to its reply, by class of command";
    let samples = servers().flat_map(|(pool, server)| {
        let used =
            CommandClass::ALL.iter().zip(&server.response_times).filter(|(_, times)| times.count() > 0);
        used.map(|(class, times)| {
            ([("pool", &*pool.name), ("server", &*server.name), ("class", class.name())], times)
        })
    });
    text.histograms("nuthatch_server_response_duration_seconds", help, samples);
}

/// A row's name without the family's prefix (`server_`) or suffix (`total_`).
fn bare(row: &Row) -> &str {
    let name = row.name.strip_prefix("server_").filter(|_| row.nutcracker && row.name != "server_ejects");
    name.unwrap_or(row.name).trim_start_matches("total_")
}

/// Name of a family with the suffixes of its unit and kind; true if its values are microseconds.
fn full_name(name: &str, kind: Kind) -> (String, bool) {
    let micros = name.strip_suffix("_us");
    let name = micros.unwrap_or(name);
    match kind {
        Kind::Counter if micros.is_some() => (format!("{name}_seconds_total"), true),
        Kind::Counter => (format!("{name}_total"), false),
        Kind::Gauge if micros.is_some() => (format!("{name}_seconds"), true),
        Kind::Gauge => (name.to_owned(), false),
        Kind::Timestamp => (format!("{name}_seconds"), true),
    }
}

fn head(text: &mut String, name: &str, word: &str, help: &str) {
    writeln!(text, "# HELP {name} {}\n# TYPE {name} {word}", help_text(help)).expect("a string takes all");
}

/// Help text with nutcracker's leading `#` spelled out and its time unit replaced by Prometheus', which the
/// samples use; escaped.
fn help_text(help: &str) -> String {
    let plain = help.strip_prefix("# ").map_or(help.to_owned(), |counted| format!("number of {counted}"));
    let plain = plain.replace("in usec", "in seconds").replace("microseconds of", "seconds of");
    plain.replace('\\', "\\\\").replace('\n', "\\n")
}

fn label_set(text: &mut String, labels: &[(&str, &str)]) {
    if labels.is_empty() {
        return;
    }
    for (at, (name, value)) in labels.iter().enumerate() {
        text.push_str(if at == 0 { "{" } else { "," });
        text.push_str(name);
        text.push_str("=\"");
        push_escaped(text, value);
        text.push('"');
    }
    text.push('}');
}

/// Appends the value of a label. A page has hundreds of thousands of them: one without special characters is
/// copied as it is.
fn push_escaped(text: &mut String, value: &str) {
    if !value.bytes().any(|byte| matches!(byte, b'\\' | b'"' | b'\n')) {
        text.push_str(value);
        return;
    }
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

/// Appends a number without the machinery of formatting, which takes longer than the rest of a sample.
fn push_number(text: &mut String, value: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    let mut rest = value;
    loop {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    text.extend(digits[first..].iter().map(|digit| char::from(*digit)));
}

fn histogram_lines(text: &mut String, name: &str, labels: &[(&str, &str)], histogram: &HistogramSnapshot) {
    let mut bucket = |le: &str, count: u64| {
        write!(text, "{name}_bucket").expect("a string takes all");
        label_set(text, &[labels, &[("le", le)]].concat());
        writeln!(text, " {count}").expect("a string takes all");
    };
    for bound in BOUNDS_US {
        bucket(&(bound as f64 / 1e6).to_string(), histogram.count_to(bound));
    }
    bucket("+Inf", histogram.count());
    for (suffix, value) in
        [("sum", (histogram.sum() as f64 / 1e6).to_string()), ("count", histogram.count().to_string())]
    {
        write!(text, "{name}_{suffix}").expect("a string takes all");
        label_set(text, labels);
        writeln!(text, " {value}").expect("a string takes all");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_by_kind() {
        let mut text = Text::default();
        text.family("n_requests", Kind::Counter, "# requests").sample(&[], 3);
        text.family("n_queue", Kind::Gauge, "queue").sample(&[("pool", "a"), ("server", "b")], 4);
        text.family("n_slept_us", Kind::Counter, "microseconds of sleep").sample(&[], 1_000_250);
        text.family("n_ejected_at", Kind::Timestamp, "moment in usec since epoch").sample(&[], 1_500_000);
        assert_eq!(
            text.finish(),
            "# HELP n_requests_total number of requests\n# TYPE n_requests_total counter\nn_requests_total 3\n\
             # HELP n_queue queue\n# TYPE n_queue gauge\nn_queue{pool=\"a\",server=\"b\"} 4\n\
             # HELP n_slept_seconds_total seconds of sleep\n# TYPE n_slept_seconds_total counter\nn_slept_seconds_total 1.000250\n\
             # HELP n_ejected_at_seconds moment in seconds since epoch\n# TYPE n_ejected_at_seconds gauge\nn_ejected_at_seconds 1.500000\n"
        );
    }

    #[test]
    fn numbers_of_all_lengths() {
        for value in [0, 7, 10, 99, 100, 1_234_567, u64::MAX - 1, u64::MAX] {
            let mut text = String::new();
            push_number(&mut text, value);
            assert_eq!(text, value.to_string());
        }
    }

    #[test]
    fn a_family_goes_on_in_another_part() {
        let (mut whole, mut rest) = (Text::default(), Text::default());
        whole.family("n", Kind::Counter, "x").sample(&[("a", "1")], 1).sample(&[("a", "2")], 2);
        let mut part = Text::default();
        part.family("n", Kind::Counter, "x").sample(&[("a", "1")], 1);
        rest.more_of("n", Kind::Counter).sample(&[("a", "2")], 2);
        assert_eq!(part.finish() + &rest.finish(), whole.finish());
    }

    #[test]
    fn labels_are_escaped() {
        let mut text = Text::default();
        text.family("n", Kind::Gauge, "a\\b\nc").sample(&[("pool", "x\"y\\z\n")], 1);
        assert_eq!(text.finish(), "# HELP n a\\\\b\\nc\n# TYPE n gauge\nn{pool=\"x\\\"y\\\\z\\n\"} 1\n");
    }

    #[test]
    fn histograms_are_cumulative_and_in_seconds() {
        let recorder = crate::HistogramRecorder::default();
        for us in [40, 90, 90, 3_000_000] {
            recorder.record(us);
        }
        let mut text = Text::default();
        text.histograms("n_seconds", "time", [([("pool", "a")], &recorder.snapshot())]);
        let page = text.finish();
        for line in [
            "# TYPE n_seconds histogram\n",
            "n_seconds_bucket{pool=\"a\",le=\"0.00005\"} 1\n",
            "n_seconds_bucket{pool=\"a\",le=\"0.0001\"} 3\n",
            "n_seconds_bucket{pool=\"a\",le=\"2.5\"} 3\n",
            "n_seconds_bucket{pool=\"a\",le=\"10\"} 4\n",
            "n_seconds_bucket{pool=\"a\",le=\"+Inf\"} 4\n",
            "n_seconds_sum{pool=\"a\"} 3.00022\n",
            "n_seconds_count{pool=\"a\"} 4\n",
        ] {
            assert!(page.contains(line), "{line} is missing in\n{page}");
        }
    }
}
