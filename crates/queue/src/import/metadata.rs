//! `nsqd.dat`: the topics and channels, and their paused states.
//!
//! ```text
//! {"topics":[{"name":"t","paused":false,"channels":[{"name":"c","paused":true}]},
//!            {"name":"u","paused":false,"channels":null}],"version":"1.3.0"}
//! ```
//! As in nsqd, invalid names are left out with a warning, and anything but such JSON is an error.

use serde::Deserialize;
use wire::nsq::valid_name;

/// Largest `nsqd.dat` that is read, in bytes.
pub const BYTES_MAX: u64 = 256 << 20;

/// Contents of `nsqd.dat`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Topics in file order; names are valid and unique.
    pub topics: Vec<MetadataTopic>,
    /// Warnings about names that were left out.
    pub warnings: Vec<String>,
}

/// A topic of `nsqd.dat`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetadataTopic {
    /// Its name.
    pub name: String,
    /// True if paused: messages wait in the topic.
    pub paused: bool,
    /// Its channels; names are valid and unique.
    pub channels: Vec<MetadataChannel>,
}

/// A channel of `nsqd.dat`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetadataChannel {
    /// Its name.
    pub name: String,
    /// True if paused: messages wait in the channel.
    pub paused: bool,
}

#[derive(Deserialize)]
struct Written {
    topics: Option<Vec<WrittenTopic>>,
}

#[derive(Deserialize)]
struct WrittenTopic {
    #[serde(default)]
    name: String,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    channels: Option<Vec<WrittenChannel>>,
}

#[derive(Deserialize)]
struct WrittenChannel {
    #[serde(default)]
    name: String,
    #[serde(default)]
    paused: bool,
}

impl Metadata {
    /// Parses `nsqd.dat`; an error says where the fault is.
    pub fn parse(bytes: &[u8]) -> Result<Metadata, String> {
        let written: Written = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let mut metadata = Metadata::default();
        for topic in written.topics.unwrap_or_default() {
            metadata.add(topic);
        }
        Ok(metadata)
    }

    fn add(&mut self, written: WrittenTopic) {
        let Metadata { topics, warnings } = self;
        let WrittenTopic { name, paused, channels } = written;
        if valid_name(name.as_bytes()).is_none() {
            warnings.push(format!("topic name {name:?} is not valid: left out"));
            return;
        }
        let i = topics.iter().position(|topic| topic.name == name).unwrap_or_else(|| {
            topics.push(MetadataTopic { name, ..MetadataTopic::default() });
            topics.len() - 1
        });
        let topic = &mut topics[i];
        topic.paused |= paused;
        for WrittenChannel { name, paused } in channels.unwrap_or_default() {
            if valid_name(name.as_bytes()).is_none() {
                warnings
                    .push(format!("channel name {name:?} of topic {:?} is not valid: left out", topic.name));
            } else if let Some(channel) = topic.channels.iter_mut().find(|channel| channel.name == name) {
                channel.paused |= paused;
            } else {
                topic.channels.push(MetadataChannel { name, paused });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(name: &str, paused: bool) -> MetadataChannel {
        MetadataChannel { name: name.into(), paused }
    }

    fn topic(name: &str, paused: bool, channels: Vec<MetadataChannel>) -> MetadataTopic {
        MetadataTopic { name: name.into(), paused, channels }
    }

    #[test]
    fn what_nsqd_writes() {
        let cases = [
            (r#"{"topics":[],"version":"1.3.0"}"#, vec![]),
            (r#"{"topics":null,"version":"1.3.0"}"#, vec![]),
            (r#"{"topics":[{"name":"t","paused":true,"channels":null}]}"#, vec![topic("t", true, vec![])]),
            (
                r#"{"topics":[{"name":"t","paused":false,"channels":[{"name":"a","paused":true},{"name":"b"}],"new":1}]}"#,
                vec![topic("t", false, vec![channel("a", true), channel("b", false)])],
            ),
            (
                r#"{"topics":[{"name":"t","channels":[{"name":"a"}]},{"name":"t","paused":true,"channels":[{"name":"a"}]}]}"#,
                vec![topic("t", true, vec![channel("a", false)])],
            ),
        ];
        for (written, topics) in cases {
            let metadata = Metadata::parse(written.as_bytes()).expect(written);
            assert_eq!(metadata, Metadata { topics, warnings: vec![] }, "{written}");
        }
    }

    #[test]
    fn names_that_are_not_valid_are_left_out() {
        let written =
            r#"{"topics":[{"name":"a b"},{"name":"t","channels":[{"name":"../c"},{"name":"d"}]},{}]}"#;
        let metadata = Metadata::parse(written.as_bytes()).unwrap();
        assert_eq!(metadata.topics, [topic("t", false, vec![channel("d", false)])]);
        assert_eq!(metadata.warnings.len(), 3);
        assert_eq!(metadata.warnings[0], "topic name \"a b\" is not valid: left out");
    }

    #[test]
    fn what_is_not_nsqds_is_refused() {
        for written in ["", "[]x", "{", r#"{"topics":{}}"#, r#"{"topics":[{"name":1}]}"#, "null"] {
            assert!(Metadata::parse(written.as_bytes()).is_err(), "{written}");
        }
    }
}
