//! The report of a load: rate, percentiles, and latencies as bars on a 1-2-5 scale.

use std::fmt::Write;
use std::time::Duration;

use serde_json::json;
use telemetry::HistogramSnapshot;

use crate::progress::grouped;

/// Percentiles shown: name and fraction.
const PERCENTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];
/// Width of the longest bar, in columns.
const WIDTH: u64 = 40;

/// Result of a load, or of one direction of it.
#[derive(Debug)]
pub(super) struct Report {
    /// A line that describes the load.
    pub title: String,
    /// Unit that is counted.
    pub what: &'static str,
    pub count: u64,
    pub errors: u64,
    pub time: Duration,
    /// Microseconds.
    pub latency: HistogramSnapshot,
}

impl Report {
    fn per_second(&self) -> f64 {
        self.count as f64 / self.time.as_secs_f64().max(1e-9)
    }

    /// Text for people.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.title);
        let (count, rate) = (grouped(self.count), grouped(self.per_second() as u64));
        let _ = writeln!(
            text,
            "  {count} {} in {:.1} s: {rate}/s, {} errors",
            self.what,
            self.time.as_secs_f64(),
            grouped(self.errors)
        );
        let shown = PERCENTILES.map(|(name, q)| format!("{name} {}", micros(self.latency.quantile(q))));
        let _ = writeln!(text, "  {}\n", shown.join("   "));
        text + &bars(&self.latency) + "\n"
    }

    fn json(&self) -> serde_json::Value {
        let mut value = json!({
            "title": self.title,
            "what": self.what,
            "count": self.count,
            "errors": self.errors,
            "seconds": self.time.as_secs_f64(),
            "per_second": self.per_second(),
        });
        for (name, q) in PERCENTILES {
            value[format!("{}_us", name.replace('.', ""))] = self.latency.quantile(q).into();
        }
        value
    }
}

/// JSON list for scripts.
pub(super) fn json(reports: &[Report]) -> String {
    format!("{:#}\n", reports.iter().map(Report::json).collect::<serde_json::Value>())
}

/// A bar for each step of the scale from the fastest to the slowest, with its share.
fn bars(latency: &HistogramSnapshot) -> String {
    let total = latency.count();
    let mut below = 0;
    let mut rows: Vec<(u64, u64)> = Vec::new();
    for limit in scale() {
        let to = latency.count_to(limit);
        if to > 0 {
            rows.push((limit, to - below));
        }
        below = to;
        if to == total {
            break;
        }
    }
    let longest = rows.iter().map(|row| row.1).max().unwrap_or(1).max(1);
    let mut text = String::new();
    for (limit, count) in rows {
        // Every step that has any replies gets at least one column.
        let columns = (count * WIDTH).div_ceil(longest);
        let bar = "█".repeat(columns as usize);
        let share = count as f64 * 100.0 / total.max(1) as f64;
        let _ =
            writeln!(text, "  ≤ {:>7} │{bar:<width$} {share:>5.1} %", micros(limit), width = WIDTH as usize);
    }
    text
}

/// Steps of 1, 2, 5, 10, … µs, up to more than any reply takes.
fn scale() -> impl Iterator<Item = u64> {
    (0..9).flat_map(|power| [1, 2, 5].map(|step| step * 10_u64.pow(power)))
}

fn micros(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => scaled(micros as f64 / 1e3, "ms"),
        _ => scaled(micros as f64 / 1e6, "s"),
    }
}

fn scaled(value: f64, unit: &str) -> String {
    if value < 10.0 && value.fract() > 0.05 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use telemetry::HistogramRecorder;

    use super::*;

    #[test]
    fn a_report_with_its_picture() {
        let recorder = HistogramRecorder::default();
        recorder.record_many(90, 80);
        recorder.record_many(180, 19);
        recorder.record(4_000);
        let report = Report {
            title: "redis get at a:1".into(),
            what: "requests",
            count: 100,
            errors: 0,
            time: Duration::from_millis(500),
            latency: recorder.snapshot(),
        };
        let text = report.text();
        for part in [
            "redis get at a:1\n  100 requests in 0.5 s: 200/s, 0 errors\n",
            "p50 90 µs   p90 180 µs",
            "  ≤  100 µs │████████████████████████████████████████  80.0 %\n",
            "  ≤  200 µs │██████████                                19.0 %\n",
            "  ≤    1 ms │                                           0.0 %\n",
            "  ≤    5 ms │█                                          1.0 %\n",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        assert!(!text.contains("10 ms"), "{text}");
        assert!(json(&[report]).contains("\"p999_us\": "));
    }

    #[test]
    fn times() {
        for (time, shown) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1 ms"),
            (1_500, "1.5 ms"),
            (50_000, "50 ms"),
            (2_000_000, "2 s"),
        ] {
            assert_eq!(micros(time), shown);
        }
    }
}
