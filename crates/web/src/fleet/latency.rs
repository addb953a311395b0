//! Time from publication to FIN, as quantiles: of one queue, and of several combined.
//!
//! Quantiles of several queues cannot be merged; shown are their minimum, their maximum, and their average
//! weighted by messages. nsqadmin shows a wrong minimum.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// Quantiles and the topic, channel and host they belong to.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Latency {
    /// Messages that were measured.
    pub count: i64,
    /// Each with `quantile`, `min`, `max`, `average`, `count`, in nanoseconds; those of a single queue also
    /// have `value`.
    pub percentiles: Option<Vec<Quantile>>,
    /// Topic; set if several queues are combined.
    pub topic: String,
    /// Channel; likewise.
    pub channel: String,
    /// `*` for several queues.
    pub host: String,
}

/// Numbers by name, in JSON's order.
pub type Quantile = BTreeMap<String, f64>;

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Latency, D::Error> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Told {
            count: i64,
            percentiles: Option<Vec<Quantile>>,
        }
        let mut told = Told::deserialize(deserializer)?;
        for quantile in told.percentiles.iter_mut().flatten() {
            let value = number(quantile, "value");
            for name in ["min", "max", "average"] {
                quantile.insert(name.into(), value);
            }
            quantile.insert("count".into(), told.count as f64);
        }
        Ok(Latency { count: told.count, percentiles: told.percentiles, ..Latency::default() })
    }
}

fn number(quantile: &Quantile, name: &str) -> f64 {
    quantile.get(name).copied().unwrap_or(0.0)
}

impl Latency {
    /// Empty quantiles, to combine several queues.
    pub(super) fn of_all(topic: &str, channel: &str) -> Latency {
        Latency { topic: topic.into(), channel: channel.into(), host: "*".into(), ..Latency::default() }
    }

    /// Adds the quantiles of another queue.
    pub(super) fn add(&mut self, other: &Latency) {
        self.host = "*".into();
        self.count = self.count.saturating_add(other.count);
        for told in other.percentiles.iter().flatten() {
            let all = self.percentiles.get_or_insert_default();
            let wanted = number(told, "quantile");
            #[allow(clippy::float_cmp, reason = "a quantile is a name: it was written, not computed")]
            match all.iter_mut().find(|known| number(known, "quantile") == wanted) {
                Some(known) => merge(known, told),
                None => {
                    let mut first = told.clone();
                    first.remove("value");
                    all.push(first);
                }
            }
        }
    }
}

fn merge(known: &mut Quantile, told: &Quantile) {
    let both = |name| (number(known, name), number(told, name));
    let (max, min) = (both("max"), both("min"));
    let (count, average) = (both("count"), both("average"));
    let sum = count.0 + count.1;
    let share = if sum > 0.0 { count.1 / sum } else { 0.5 };
    known.insert("max".into(), max.0.max(max.1));
    known.insert("min".into(), min.0.min(min.1));
    known.insert("average".into(), average.0 + (average.1 - average.0) * share);
    known.insert("count".into(), sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str) -> Latency {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn quantiles_of_several_queues() {
        let mut all = Latency::of_all("t", "c");
        all.add(&told(
            r#"{"count":1,"percentiles":[{"quantile":0.99,"value":100},{"quantile":0.5,"value":10}]}"#,
        ));
        all.add(&told(r#"{"count":3,"percentiles":[{"quantile":0.99,"value":200}]}"#));
        all.add(&told(r#"{"count":0,"percentiles":null}"#));
        assert_eq!(
            serde_json::to_value(&all).unwrap(),
            serde_json::json!({
                "count": 4,
                "percentiles": [
                    {"average": 175.0, "count": 4.0, "max": 200.0, "min": 100.0, "quantile": 0.99},
                    {"average": 10.0, "count": 1.0, "max": 10.0, "min": 10.0, "quantile": 0.5}
                ],
                "topic": "t", "channel": "c", "host": "*"
            })
        );
    }

    #[test]
    fn nothing_measured_is_no_division_by_zero() {
        let mut all = Latency::of_all("t", "");
        for _ in 0..2 {
            all.add(&told(r#"{"count":0,"percentiles":[{"quantile":0.99,"value":0}]}"#));
        }
        assert_eq!(number(&all.percentiles.unwrap()[0], "average"), 0.0);
    }
}
