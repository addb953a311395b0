//! Numbers of topics and channels, as pages show them.

use maud::{Markup, html};
use ui::format;
use ui::parts::scroll;

use crate::fleet::Latency;

/// A count; negative ones, which only a broken daemon sends, count as zero.
pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// A count for people.
pub(super) fn count(count: i64) -> String {
    format::count(unsigned(count))
}

/// A count with its noun.
pub(super) fn counted(count: i64, noun: &str) -> String {
    format::counted(unsigned(count), noun)
}

/// Places of waiting messages.
pub(super) fn split(memory: i64, disk: i64) -> String {
    format!("{} in memory, {} on disk", count(memory), count(disk))
}

/// Growth of a figure per second over the last minutes of its series; None if too little is known.
pub(super) fn growth(series: Option<&[f32]>) -> Option<f64> {
    let recent = series?.iter().rev().take(30).collect::<Vec<_>>();
    let known = recent.iter().take_while(|point| point.is_finite()).count();
    let (last, first) = (recent.first()?, recent.get(known.checked_sub(1)?)?);
    (known >= 6).then(|| f64::from(**last - **first) / ((known - 1) as f64 * ui::series::STEP_SECONDS as f64))
}

/// Time from publication to FIN.
pub(super) fn latency(latency: Option<&Latency>) -> Markup {
    let quantiles = latency.and_then(|latency| latency.percentiles.as_ref()).filter(|all| !all.is_empty());
    html! {
        @if let Some(quantiles) = quantiles {
            section #latency data-live {
                h2 { "Time from publication to FIN" }
                (scroll("Latency", html! {
                    table {
                        thead { tr { th.n scope="col" { "Quantile" } th.n scope="col" { "Least" } th.n scope="col" { "Average" } th.n scope="col" { "Greatest" } } }
                        tbody {
                            @for quantile in quantiles {
                                @let number = |name: &str| quantile.get(name).copied().unwrap_or(0.0);
                                tr {
                                    th.n scope="row" { (format!("{} %", number("quantile") * 100.0)) }
                                    @for name in ["min", "average", "max"] { td.n { (format::micros((number(name) / 1000.0) as u64)) } }
                                }
                            }
                        }
                    }
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_needs_a_minute() {
        assert_eq!(growth(None), None);
        assert_eq!(growth(Some(&[0.0, 10.0])), None);
        let points: Vec<f32> = (0..40).map(|n| n as f32 * 10.0).collect();
        assert_eq!(growth(Some(&points)), Some(1.0));
        let mut gap = points;
        gap[32] = f32::NAN;
        assert_eq!(growth(Some(&gap)), Some(1.0));
        assert_eq!(growth(Some(&[f32::NAN; 40])), None);
    }
}
