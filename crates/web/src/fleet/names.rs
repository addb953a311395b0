//! Names of topics and channels.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use http::query::escape_query;
use serde::Deserialize;

use super::producers::Producer;
use super::{Fleet, Gathered, Kind, Outcome, sift};

/// Topics without a producer, each with its channels; `None` if it has no channels.
pub type Inactive = BTreeMap<String, Option<Vec<String>>>;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Named {
    topics: Option<Vec<String>>,
    channels: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct OwnTopics {
    topics: Option<Vec<OwnTopic>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct OwnTopic {
    topic_name: String,
}

impl Fleet {
    /// All topics, in order.
    ///
    /// # Errors
    /// If no daemon answers.
    pub async fn topics(&self) -> Outcome<Vec<String>> {
        let (kind, addresses) = self.topic_fleet();
        let answers = self.upstreams.each(addresses.to_vec(), |upstreams, address| async move {
            match kind {
                Kind::Lookup => {
                    let named: Named = upstreams.get(&address, "/topics").await?;
                    Ok(named.topics.unwrap_or_default())
                }
                Kind::Queue => {
                    let own: OwnTopics = upstreams.get(&address, "/stats?format=json").await?;
                    Ok(own.topics.unwrap_or_default().into_iter().map(|topic| topic.topic_name).collect())
                }
            }
        });
        Ok(sift(kind, answers.await)?.map(merged))
    }

    /// Those of `topics` that the lookups know and no queue has. Empty without lookups.
    ///
    /// # Errors
    /// If no lookup answers.
    pub async fn inactive(&self, topics: Vec<String>) -> Outcome<Inactive> {
        if !self.has_lookups() {
            return Ok(Gathered { value: Inactive::new(), warnings: Vec::new() });
        }
        let producers = self.producers().await?;
        let idle = without_producer(topics, &producers.value);
        let channels = self.upstreams.each(idle.clone(), |upstreams, topic| {
            let lookups = self.at.lookups.clone();
            async move {
                let path = format!("/channels?topic={}", escape_query(&topic));
                let mut answers = Vec::new();
                for address in &lookups {
                    answers.extend(upstreams.get::<Named>(address, &path).await.ok());
                }
                answers.into_iter().map(|named| named.channels.unwrap_or_default()).collect()
            }
        });
        let channels =
            channels.await.into_iter().map(merged).map(|names| Some(names).filter(|all| !all.is_empty()));
        Ok(Gathered { value: idle.into_iter().zip(channels).collect(), warnings: producers.warnings })
    }
}

/// Merges lists of names: sorted, without duplicates.
fn merged(lists: Vec<Vec<String>>) -> Vec<String> {
    lists.into_iter().flatten().collect::<BTreeSet<String>>().into_iter().collect()
}

/// Topics without a producer, or with tombstoned ones only.
fn without_producer(topics: Vec<String>, producers: &[Producer]) -> Vec<String> {
    let topics_of = |producer: &'_ Producer| producer.topics.clone().unwrap_or_default();
    let live: HashSet<String> = producers
        .iter()
        .flat_map(topics_of)
        .filter(|topic| !topic.tombstoned)
        .map(|topic| topic.topic)
        .collect();
    topics.into_iter().filter(|topic| !live.contains(topic)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::producers::ProducerTopic;
    use super::*;

    #[test]
    fn names_are_merged_in_order() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (lists, all) in [
            (vec![], vec![]),
            (vec![vec!["b", "a"], vec!["a", "c"]], vec!["a", "b", "c"]),
            (vec![vec![], vec!["x", "x"]], vec!["x"]),
        ] {
            assert_eq!(merged(lists.iter().map(|names| list(names)).collect()), list(&all));
        }
    }

    #[test]
    fn a_topic_under_a_tombstone_has_no_producer() {
        let topic = |name: &str, tombstoned| ProducerTopic { topic: name.into(), tombstoned };
        let producers = [
            Producer { topics: Some(vec![topic("a", false), topic("b", true)]), ..Producer::default() },
            Producer { topics: Some(vec![topic("c", true), topic("d", true)]), ..Producer::default() },
            Producer { topics: Some(vec![topic("c", false)]), ..Producer::default() },
            Producer::default(),
        ];
        let topics = ["a", "b", "c", "d", "e"].map(String::from).to_vec();
        assert_eq!(without_producer(topics, &producers), ["b", "d", "e"]);
    }
}
