//! Series of the last hour: their names, and the host that keeps them.
//!
//! A series has a point each [`STEP_SECONDS`], [`POINTS`] at most, oldest first; NaN where nothing is known.

use http::ManualChange;

use crate::frame::{Level, Verdict};

/// Seconds between two points.
pub const STEP_SECONDS: u64 = 10;
/// Most points of a series: an hour.
pub const POINTS: usize = 360;

/// Name of a series: the words of its subject (`pool`, `alpha`), and what is measured.
pub fn key(subject: &[&str], measure: &str) -> String {
    let mut key = String::new();
    for word in subject {
        key.push_str(word);
        // No name has this character.
        key.push('\u{1f}');
    }
    key.push_str(measure);
    key
}

/// Points that growth is taken over: five minutes.
const GROWTH_POINTS: usize = 30;
/// Fewest points that say something about growth: a minute.
const GROWTH_POINTS_MIN: usize = 6;

/// Growth of a figure per second over the last five minutes of its series; None if less than a minute is
/// known.
pub fn growth(points: Option<&[f32]>) -> Option<f64> {
    let recent = points?.iter().rev().take(GROWTH_POINTS).collect::<Vec<_>>();
    let known = recent.iter().take_while(|point| point.is_finite()).count();
    let (last, first) = (recent.first()?, recent.get(known.checked_sub(1)?)?);
    let seconds = (known - 1) as f64 * STEP_SECONDS as f64;
    (known >= GROWTH_POINTS_MIN).then(|| f64::from(**last - **first) / seconds)
}

/// The process around the pages.
pub trait Host: Send + Sync {
    /// The points of a series; None if it is not kept.
    fn series(&self, key: &str) -> Option<Vec<f32>>;

    /// The state of the process in a word or two.
    fn verdict(&self) -> Option<Verdict>;

    /// Names under which browsers may open the pages, besides addresses and the machine's own.
    fn http_names(&self) -> Vec<String>;

    /// Time until a topic of this process reaches a limit, if it grows: `full in 2 h …`.
    fn full_in(&self, topic: &str) -> Option<(Level, String)>;

    /// Value and origin of an option of `[queue]`; None if it is not known.
    fn queue_setting(&self, option: &str) -> Option<(String, String)>;

    /// Records a change made by a person.
    fn record(&self, change: ManualChange);
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
