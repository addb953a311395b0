//! Patterns of the queue's topics and channels: `orders.*` to publish to, `orders.*:mail*` to consume from.

use crate::glob::{GLOB_BYTES_MAX, Glob};

/// Topics that a user may publish to.
#[derive(Debug, Clone, Default)]
pub struct PublishRules(Vec<Glob>);

impl PublishRules {
    /// Parses globs of topics; each fault names the glob and its error.
    pub fn parse(globs: &[String]) -> Result<PublishRules, Vec<String>> {
        read(globs, glob).map(PublishRules)
    }

    /// True if this topic may be published to.
    pub fn allow(&self, topic: &[u8]) -> bool {
        self.0.iter().any(|glob| glob.matches(topic))
    }

    /// Number of rules.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if nothing may be published.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Channels that a user may consume: pairs of a topic glob and a channel glob.
#[derive(Debug, Clone, Default)]
pub struct ConsumeRules(Vec<(Glob, Glob)>);

impl ConsumeRules {
    /// Parses globs `topic:channel`, or `topic` for all its channels; each fault names the glob and its
    /// error.
    pub fn parse(globs: &[String]) -> Result<ConsumeRules, Vec<String>> {
        let pair = |text: &str| {
            let (topic, channel) = text.split_once(':').unwrap_or((text, "*"));
            Ok((glob(topic)?, glob(channel)?))
        };
        read(globs, pair).map(ConsumeRules)
    }

    /// True if this channel of this topic may be consumed.
    pub fn allow(&self, topic: &[u8], channel: &[u8]) -> bool {
        self.0.iter().any(|(topics, channels)| topics.matches(topic) && channels.matches(channel))
    }

    /// Number of rules.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if nothing may be consumed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn read<T>(globs: &[String], read: impl Fn(&str) -> Result<T, &'static str>) -> Result<Vec<T>, Vec<String>> {
    let mut rules = Vec::new();
    let mut faults = Vec::new();
    for text in globs {
        match read(text) {
            Ok(rule) => rules.push(rule),
            Err(why) => faults.push(format!("\"{}\": {why}", text.escape_default())),
        }
    }
    if faults.is_empty() { Ok(rules) } else { Err(faults) }
}

fn glob(text: &str) -> Result<Glob, &'static str> {
    match text.as_bytes() {
        [] => Err("a name is empty; write * for all"),
        glob if glob.len() > GLOB_BYTES_MAX => Err("it is longer than 1024 bytes"),
        glob if glob.contains(&b':') => Err("one colon stands between topic and channel, and in no name"),
        glob if glob.iter().any(|b| !b.is_ascii_graphic()) => {
            Err("names of topics and channels have letters, digits, '.', '_', '-' and '#'")
        }
        glob => Ok(Glob::new(glob)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(globs: &[&str]) -> Vec<String> {
        globs.iter().map(|glob| (*glob).to_owned()).collect()
    }

    #[test]
    fn topics_and_channels() {
        let publish = PublishRules::parse(&list(&["orders.*", "audit"])).unwrap();
        for (topic, allowed) in
            [("orders.new", true), ("orders.", true), ("orders", false), ("audit", true), ("audit2", false)]
        {
            assert_eq!(publish.allow(topic.as_bytes()), allowed, "{topic}");
        }
        let consume = ConsumeRules::parse(&list(&["orders.*:mail*", "audit", "log:a"])).unwrap();
        for (topic, channel, allowed) in [
            ("orders.new", "mail", true),
            ("orders.new", "mailer#ephemeral", true),
            ("orders.new", "stock", false),
            ("audit", "anything", true),
            ("log", "a", true),
            ("log", "b", false),
            ("other", "mail", false),
        ] {
            assert_eq!(consume.allow(topic.as_bytes(), channel.as_bytes()), allowed, "{topic}:{channel}");
        }
        assert!(!PublishRules::default().allow(b"a") && PublishRules::default().is_empty());
        assert!(!ConsumeRules::default().allow(b"a", b"b") && ConsumeRules::default().is_empty());
    }

    #[test]
    fn what_is_no_pattern() {
        for text in ["", "a:b", "a b", "ä"] {
            assert!(PublishRules::parse(&list(&[text])).is_err(), "{text}");
        }
        for text in ["", ":", "a:", ":b", "a:b:c", "a b"] {
            assert!(ConsumeRules::parse(&list(&[text])).is_err(), "{text}");
        }
        let faults = ConsumeRules::parse(&list(&["a:", "b", "c:d:e"])).unwrap_err();
        assert_eq!(faults.len(), 2);
    }
}
