//! The last hour as SVG: a chart with its caption and axis, or a spark in a row of a table.
//!
//! Only attributes of SVG and classes are used, since the policy forbids inline style.

use maud::{Markup, html};

use crate::format;
use crate::series::{POINTS, STEP_SECONDS};

/// Width of a chart in its own units: one for each point.
const WIDTH: usize = POINTS;
/// Height of a chart in its own units.
const HEIGHT: f32 = 80.0;
/// Fewest points of a chart: ten minutes.
const SHORTEST: usize = 60;
/// Width and height of a spark, and points in it.
const SPARK: (usize, f32) = (60, 18.0);

/// Unit of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A rate.
    PerSecond,
    /// A count.
    Count,
    /// Bytes.
    Bytes,
    /// Microseconds.
    Micros,
    /// Percent.
    Percent,
}

impl Unit {
    /// A value with its unit; a dash if it is not known.
    pub fn show(self, value: f32) -> String {
        if !value.is_finite() {
            return "–".into();
        }
        let whole = f64::from(value.max(0.0)).round() as u64;
        match self {
            Unit::PerSecond => format!("{}/s", format::rate(f64::from(value))),
            Unit::Count => format::count(whole),
            Unit::Bytes => format::bytes(whole),
            Unit::Micros => format::micros(whole),
            Unit::Percent => format!("{} %", format::rate(f64::from(value))),
        }
    }
}

/// A chart of the last hour. `now` is the value shown beside the title, if it is more exact than the last
/// point.
pub fn chart(title: &str, unit: Unit, points: Option<&[f32]>, now: Option<f32>) -> Markup {
    let points = known(padded(points.unwrap_or_default(), POINTS));
    let last = now.or_else(|| points.last().copied()).unwrap_or(f32::NAN);
    // The value now may be beyond every point kept.
    let (name, extreme, scale) = match unit {
        Unit::Percent => ("lowest", points.iter().copied().fold(last, f32::min), 100.0),
        _ => ("peak", peak(&points).max(last), peak(&points).max(last)),
    };
    let begun = points.iter().filter(|point| point.is_finite()).count() > 1;
    let label = format!("{title} over time: now {}, {name} {}", unit.show(last), unit.show(extreme));
    let (line, area) = paths(&points, WIDTH, HEIGHT, scale);
    let begin = format::duration(points.len() as u64 * STEP_SECONDS * 1000);
    html! {
        figure.chart {
            figcaption { span { (title) } b { (unit.show(last)) } }
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(label) {
                @for part in [0.0_f32, 0.5, 1.0] {
                    @let y = 1.0 + (HEIGHT - 2.0) * part;
                    line.grid x1="0" x2=(WIDTH) y1=(y) y2=(y) vector-effect="non-scaling-stroke" {}
                }
                path.area d=(area) {}
                path.line d=(line) vector-effect="non-scaling-stroke" {}
            }
            div.axis aria-hidden="true" {
                span { (begin) " ago" }
                span { @if begun { (name) " " (unit.show(extreme)) } @else { "collecting" } }
                span { "now" }
            }
        }
    }
}

/// The last hour in a row of a table, or as much of it as is given: ten minutes at least. Nothing if nothing
/// happened in it.
pub fn spark(title: &str, unit: Unit, points: Option<&[f32]>) -> Markup {
    let Some(points) = points else { return html! {} };
    let points = thinned(&padded(points, points.len().clamp(SHORTEST, POINTS)), SPARK.0);
    let peak = peak(&points);
    if peak.is_nan() || peak <= 0.0 {
        return html! {};
    }
    let (line, area) = paths(&points, SPARK.0, SPARK.1, peak);
    let label = format!("{title}, last hour: peak {}", unit.show(peak));
    html! {
        svg.spark viewBox=(format!("0 0 {} {}", SPARK.0, SPARK.1)) preserveAspectRatio="none" role="img" aria-label=(label) {
            path.area d=(area) {}
            path.line d=(line) vector-effect="non-scaling-stroke" {}
        }
    }
}

/// A bar filled to `percent`.
pub fn bar(label: &str, percent: u64) -> Markup {
    let percent = percent.min(100);
    html! {
        svg.bar viewBox="0 0 100 1" preserveAspectRatio="none" role="img" aria-label=(format!("{label}: {percent} %")) {
            rect.ground width="100" height="1" {}
            rect.fill width=(percent) height="1" {}
        }
    }
}

/// Bars of a distribution: each has a name, a count and a title.
pub fn distribution(title: &str, bars: &[(String, u64)]) -> Markup {
    let most = bars.iter().map(|bar| bar.1).max().unwrap_or(0).max(1);
    let total: u64 = bars.iter().map(|bar| bar.1).sum::<u64>().max(1);
    html! {
        @if bars.is_empty() { p.facts { "No request lately." } } @else { table.distribution {
            caption { (title) }
            thead { tr { th.n scope="col" { "up to" } th scope="col" { "share" } th.n scope="col" { "requests" } } }
            tbody {
                @for (name, count) in bars {
                    tr {
                        th.n scope="row" { (name) }
                        td { (bar(name, count * 100 / most)) }
                        td.n title=(format!("{} %", format::rate(*count as f64 * 100.0 / total as f64))) { (format::count(*count)) }
                    }
                }
            }
        } }
    }
}

/// The newest points, exactly `to`: unknown ones first.
fn padded(points: &[f32], to: usize) -> Vec<f32> {
    let points = points.get(points.len().saturating_sub(to)..).unwrap_or_default();
    let mut all = vec![f32::NAN; to - points.len()];
    all.extend_from_slice(points);
    all
}

/// The points from the first known one on, and ten minutes at least: a young process fills its charts.
fn known(mut points: Vec<f32>) -> Vec<f32> {
    let first = points.iter().position(|point| point.is_finite()).unwrap_or(points.len());
    points.drain(..first.min(points.len().saturating_sub(SHORTEST)));
    points
}

/// The greatest of each group of points, so that no peak is lost.
fn thinned(points: &[f32], to: usize) -> Vec<f32> {
    points.chunks(points.len().div_ceil(to).max(1)).map(peak).collect()
}

/// The greatest known value; NaN if none is known.
fn peak(points: &[f32]) -> f32 {
    points.iter().copied().fold(f32::NAN, f32::max)
}

/// Paths of the line and of the area below it. Gaps are left out.
fn paths(points: &[f32], width: usize, height: f32, peak: f32) -> (String, String) {
    let scale = if peak > 0.0 { (height - 2.0) / peak } else { 0.0 };
    let step = width as f32 / points.len().saturating_sub(1).max(1) as f32;
    let (mut line, mut area) = (String::new(), String::new());
    let mut runs = Vec::new();
    let mut run = Vec::new();
    for (at, value) in points.iter().enumerate() {
        if value.is_finite() {
            run.push((at as f32 * step, height - 1.0 - value.max(0.0) * scale));
        } else if !run.is_empty() {
            runs.push(std::mem::take(&mut run));
        }
    }
    runs.extend((!run.is_empty()).then_some(run));
    for mut run in runs {
        if let [(x, y)] = run[..] {
            run.push((x + step.min(1.0), y));
        }
        for (at, (x, y)) in run.iter().enumerate() {
            line += &format!("{}{x:.1} {y:.1}", if at == 0 { "M" } else { "L" });
        }
        let ends = run.first().zip(run.last());
        if let Some(((first, _), (last, _))) = ends {
            area += &format!("M{first:.1} {height}");
            run.iter().for_each(|(x, y)| area += &format!("L{x:.1} {y:.1}"));
            area += &format!("L{last:.1} {height}Z");
        }
    }
    (line, area)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_left_out() {
        let (line, area) = paths(&[1.0, 2.0, f32::NAN, 2.0, 0.0], 4, 12.0, 2.0);
        assert_eq!(line, "M0.0 6.0L1.0 1.0M3.0 1.0L4.0 11.0");
        assert_eq!(area, "M0.0 12L0.0 6.0L1.0 1.0L1.0 12ZM3.0 12L3.0 1.0L4.0 11.0L4.0 12Z");
        assert_eq!(paths(&[f32::NAN; 3], 4, 12.0, f32::NAN), (String::new(), String::new()));
    }

    #[test]
    fn peaks_survive_in_a_spark() {
        let mut points = vec![1.0; POINTS];
        points[77] = 9.0;
        assert_eq!(peak(&thinned(&points, 60)), 9.0);
        assert_eq!(thinned(&points, 60).len(), 60);
    }

    #[test]
    fn a_young_process_fills_its_charts() {
        let with = |known: usize| super::known(padded(&vec![1.0; known], POINTS)).len();
        assert_eq!([0, 1, 60, 61, 360].map(with), [60, 60, 60, 61, 360]);
    }

    #[test]
    fn the_peak_is_not_below_the_value_now() {
        let chart = chart("rss", Unit::Count, Some(&[1.0, 2.0]), Some(9.0)).into_string();
        assert!(chart.contains("now 9, peak 9") && chart.contains(">peak 9<"), "{chart}");
    }

    #[test]
    fn of_a_share_the_lowest_counts() {
        let chart = chart("hits", Unit::Percent, Some(&[90.0, 50.0, f32::NAN]), Some(75.0)).into_string();
        assert!(chart.contains("now 75 %, lowest 50 %") && chart.contains(">lowest 50 %<"), "{chart}");
        let (half, of_all) = (" 40.0", 1.0 + (HEIGHT - 2.0) / 2.0);
        assert!((of_all - 40.0).abs() < f32::EPSILON && chart.contains(half), "the scale is 100 %: {chart}");
    }

    #[test]
    fn a_spark_of_nothing_is_nothing() {
        assert_eq!(spark("waiting", Unit::Count, Some(&[0.0; POINTS])).into_string(), "");
        assert!(spark("waiting", Unit::Count, Some(&[1.0])).into_string().contains("<svg"));
    }

    #[test]
    fn a_spark_of_a_young_process_is_wide() {
        let first = |points: usize| {
            let spark = spark("requests", Unit::Count, Some(&vec![1.0; points])).into_string();
            spark.split("d=\"M").nth(2).and_then(|line| line.split(' ').next()?.parse::<f32>().ok()).unwrap()
        };
        assert_eq!([60, 61, 360, 500].map(first), [0.0; 4]);
        assert!((29.0..32.0).contains(&first(30)), "half of ten minutes: {}", first(30));
    }

    #[test]
    fn a_chart_of_nothing_says_so() {
        let chart = chart("requests", Unit::PerSecond, None, None).into_string();
        assert!(chart.contains("collecting") && chart.contains("now –"), "{chart}");
    }

    #[test]
    fn units() {
        for (unit, value, shown) in [
            (Unit::PerSecond, 1234.0, "1,234/s"),
            (Unit::Micros, 1500.0, "1.5 ms"),
            (Unit::Bytes, 2048.0, "2 KiB"),
            (Unit::Count, 12.0, "12"),
            (Unit::Percent, 50.0, "50 %"),
            (Unit::Count, f32::NAN, "–"),
        ] {
            assert_eq!(unit.show(value), shown);
        }
    }
}
