//! The last hour of figures on its way to a page: of a pool, or of all pools of a process by minutes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::series::{POINTS, STEP_SECONDS, key};

/// Points of a minute.
const POINTS_OF_MINUTE: usize = 60 / STEP_SECONDS as usize;

/// Series of the last hour. Points that are not known are none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Series(BTreeMap<String, Vec<Option<f32>>>);

impl Series {
    /// Adds a series, if it is kept.
    pub fn put(&mut self, subject: &[&str], measure: &str, points: Option<Vec<f32>>) {
        let known = |point: &f32| point.is_finite().then(|| rounded(*point));
        let Some(points) = points else { return };
        self.0.insert(key(subject, measure), points.iter().map(known).collect());
    }

    /// Adds a series by its minutes, of each the greatest point: enough for a spark.
    pub fn put_minutes(&mut self, subject: &[&str], measure: &str, points: Option<Vec<f32>>) {
        let greatest = |minute: &[f32]| minute.iter().copied().fold(f32::NAN, f32::max);
        let minutes = points.map(|points| points.rchunks(POINTS_OF_MINUTE).rev().map(greatest).collect());
        self.put(subject, measure, minutes);
    }

    /// A series added by its minutes, with as many points as it had before.
    pub fn minutes(&self, subject: &[&str], measure: &str) -> Option<Vec<f32>> {
        let minutes = self.get(subject, measure)?;
        let newest = minutes.get(minutes.len().saturating_sub(POINTS / POINTS_OF_MINUTE)..)?;
        Some(newest.iter().flat_map(|minute| [*minute; POINTS_OF_MINUTE]).collect())
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
        assert_eq!((points[1], points[3], points[4]), (0.0, 1230.0, 0.0123));
        assert!(points[0].is_nan() && points[2].is_nan() && points.len() == 5);
        assert_eq!(series.get(&["pool", "p"], "p99"), None);
    }

    #[test]
    fn minutes_keep_their_peaks() {
        let mut points = vec![1.0; 20];
        points[13] = 9.0;
        let mut series = Series::default();
        series.put_minutes(&["pool", "p"], "requests", Some(points));
        assert_eq!(series.get(&["pool", "p"], "requests"), Some(vec![1.0, 1.0, 9.0, 1.0]));
        let minutes = series.minutes(&["pool", "p"], "requests").unwrap();
        assert_eq!(minutes, [[1.0; 6], [1.0; 6], [9.0; 6], [1.0; 6]].concat());
        series.put(&["pool", "p"], "requests", Some(vec![1.0; 1_000]));
        assert_eq!(series.minutes(&["pool", "p"], "requests").unwrap().len(), POINTS);
    }

    #[test]
    fn no_value_is_beyond_rounding() {
        for value in [f32::MAX, f32::MIN_POSITIVE, 1e-40, -5.0, 1e30] {
            assert!(rounded(value).is_finite(), "{value}");
        }
    }
}
