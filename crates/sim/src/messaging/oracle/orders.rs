//! What operators order over HTTP.

use net::Instant;
use queue::ask::{Answer, Ask};

use super::Oracle;

impl Oracle {
    /// An order was carried out, or refused.
    pub(crate) fn ordered(&mut self, ask: &Ask, answer: Option<&Answer>, at: Instant, wall: i64) {
        let now = self.now(at, wall);
        if !matches!(answer, Some(Answer::Done)) {
            return;
        }
        match ask {
            Ask::CreateTopic(topic, _) => self.topic(topic).known = true,
            Ask::CreateChannel(topic, channel) => {
                self.topic(topic).create_channel(channel, now);
            }
            _ => {}
        }
    }
}
