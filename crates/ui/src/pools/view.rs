//! All that is shown of one pool, as `/api/pools/POOL` has it: the source of its pages, in this process and
//! over HTTP.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PoolStatus, Topology};
use crate::frame::Level;
use crate::series::{POINTS, key};
use crate::settings::SettingRow;

/// Most servers whose requests of the last hour a pool's page has; further ones have it on their own pages.
pub const SPARKS_MAX: usize = 200;

/// A pool, for its pages.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PoolView {
    /// Version of the program.
    pub version: String,
    /// Time of the view, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// Its figures.
    pub pool: PoolStatus,
    /// Its settings in force; empty if they are not known.
    pub settings: Vec<SettingRow>,
    /// Recent events of it, its servers and the configuration, newest first.
    pub events: Vec<Happening>,
    /// Every counter of the pool, or of the server that was asked for.
    pub counters: Vec<Counter>,
    /// Its topology.
    pub topology: Topology,
    /// The last hour of its figures, by [`crate::series::key`].
    pub series: Series,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// Its time, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Its grade.
    pub level: Level,
    /// Subject: `pool a, server b`.
    pub subject: String,
    /// The event.
    pub text: String,
}

/// A counter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counter {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its value.
    pub value: u64,
    /// It is a time, in microseconds since the Unix epoch.
    pub is_time: bool,
    /// Its meaning.
    pub help: Cow<'static, str>,
}

/// Series of the last hour. Points that are not known are none; those before the first known one are left
/// out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Series(BTreeMap<String, Vec<Option<f32>>>);

impl Series {
    /// Adds a series, if it is kept.
    pub fn put(&mut self, subject: &[&str], measure: &str, points: Option<Vec<f32>>) {
        let known = |point: &f32| point.is_finite().then(|| rounded(*point));
        let Some(points) = points else { return };
        let points = points.iter().map(known).skip_while(Option::is_none).collect();
        self.0.insert(key(subject, measure), points);
    }

    /// The newest points of a series.
    pub fn get(&self, subject: &[&str], measure: &str) -> Option<Vec<f32>> {
        let points = self.0.get(&key(subject, measure))?;
        let newest = points.get(points.len().saturating_sub(POINTS)..)?;
        Some(newest.iter().map(|point| point.unwrap_or(f32::NAN)).collect())
    }
}

/// Three significant digits: more cannot be seen in a chart.
fn rounded(value: f32) -> f32 {
    if value == 0.0 {
        return 0.0;
    }
    let scale = 10f32.powi(2 - value.abs().log10().floor() as i32);
    if scale.is_finite() && scale > 0.0 { (value * scale).round() / scale } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_survives_its_way() {
        let mut series = Series::default();
        series.put(&["pool", "p"], "requests", Some(vec![f32::NAN, 0.0, f32::NAN, 1234.5, 0.012_345]));
        series.put(&["pool", "p"], "p99", None);
        let points = series.get(&["pool", "p"], "requests").unwrap();
        assert_eq!((points[0], points[2], points[3]), (0.0, 1230.0, 0.0123));
        assert!(points[1].is_nan() && points.len() == 4);
        assert_eq!(series.get(&["pool", "p"], "p99"), None);
    }

    #[test]
    fn no_value_is_beyond_rounding() {
        for value in [f32::MAX, f32::MIN_POSITIVE, 1e-40, -5.0, 1e30] {
            assert!(rounded(value).is_finite(), "{value}");
        }
    }
}
