//! The time between two samples, and rates of change in it.
//!
//! Without time between them every rate is zero.

/// The time between two samples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// Zero if the samples are the same.
    pub seconds: f64,
}

impl Window {
    /// Growth of a counter per second. A counter that went back was reset, and counts from zero.
    pub fn rate(self, before: u64, now: u64) -> f64 {
        self.per_second(now.checked_sub(before).unwrap_or(now) as f64)
    }

    /// Change of a gauge per second; negative if it fell.
    pub fn growth(self, before: u64, now: u64) -> f64 {
        self.per_second(now as f64 - before as f64)
    }

    fn per_second(self, difference: f64) -> f64 {
        if self.seconds > 0.0 { difference / self.seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        let window = Window { seconds: 2.0 };
        assert_eq!(window.rate(10, 30), 10.0);
        assert_eq!(window.rate(30, 10), 5.0, "made anew");
        assert_eq!(window.growth(30, 10), -10.0);
        assert_eq!(Window { seconds: 0.0 }.rate(0, 5), 0.0);
    }
}
