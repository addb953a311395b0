//! Forms that change a topic or a channel. What loses something says how much before it is done.

use maud::{Markup, html};
use ui::format::counted as counted_u64;
use ui::parts::Action;

use super::at;
use super::numbers::{backlog, counted, unsigned};
use crate::api::Api;
use crate::fleet::{ChannelStats, TopicStats};

/// Subject of a form.
struct Target<'a> {
    api: &'a Api,
    topic: &'a str,
    channel: Option<&'a str>,
    node: Option<&'a str>,
}

impl Target<'_> {
    fn form(
        &self,
        change: &str,
        words: &str,
        confirmation: Option<String>,
        loses: bool,
        inputs: &Markup,
    ) -> Markup {
        let path = at(self.api, &["action"]);
        let mut fields = vec![("change", change), ("topic", self.topic)];
        fields.extend(self.channel.map(|channel| ("channel", channel)));
        fields.extend(self.node.map(|node| ("node", node)));
        Action { path: &path, fields: &fields, words, confirmation, loses }.form_with(inputs)
    }

    fn pause(&self, paused: bool, stops: &str) -> Markup {
        let nothing = html! {};
        if paused {
            self.form("unpause", "Unpause", None, false, &nothing)
        } else {
            let text = format!("{stops} Nothing is lost: messages wait until it is unpaused.");
            self.form("pause", "Pause", Some(text), false, &nothing)
        }
    }
}

/// Of a topic.
pub(super) fn of_topic(api: &Api, topic: &TopicStats) -> Markup {
    let target = Target { api, topic: &topic.topic_name, channel: None, node: None };
    let channels = topic.channels.as_ref().map_or(0, Vec::len);
    let empties = format!(
        "Discards {} that wait in the topic itself, for lack of a channel. Those in its channels stay.",
        counted(topic.depth, "message")
    );
    let deletes = format!(
        "Deletes the topic with {}: {} waiting in them, and those in flight, are lost.",
        counted_u64(channels as u64, "channel"),
        counted(backlog(topic), "message")
    );
    html! {
        (target.pause(topic.paused, "Its channels get no new messages."))
        (target.form("publish", "Publish a message", Some("Publishes one message, as a test.".into()), false, &html! {
            p { label { "Message " textarea name="body" required maxlength="60000" {} } }
            p { label { "Deliver after (ms) " input type="number" name="defer_ms" min="0" max="3600000" value="0"; } }
        }))
        (target.form("create", "Add a channel", Some("Makes a channel. It gets every message published from now on.".into()), false, &html! {
            p { label { "Channel " input name="channel" required maxlength="64" pattern="[.a-zA-Z0-9_\\-]+(#ephemeral)?"; } }
        }))
        a.button href=(at(api, &["messages", &topic.topic_name])) { "Look at messages" }
        a.button href=(at(api, &["settings", &topic.topic_name])) { "Settings" }
        (target.form("empty", "Empty", Some(empties), true, &html! {}))
        (target.form("delete", "Delete", Some(deletes), true, &html! {}))
    }
}

/// Of a channel.
pub(super) fn of_channel(api: &Api, topic: &str, channel: &ChannelStats) -> Markup {
    let target = Target { api, topic, channel: Some(&channel.channel_name), node: None };
    let waiting = channel.depth.saturating_add(channel.deferred_count);
    let empties = format!(
        "Discards {}, deferred ones included. Messages in flight ({}) are not affected.",
        counted(waiting, "waiting message"),
        unsigned(channel.in_flight_count)
    );
    let deletes = format!(
        "Deletes the channel: {} and {} in flight are lost, and {} disconnected.",
        counted(waiting, "waiting message"),
        unsigned(channel.in_flight_count),
        if channel.client_count == 1 {
            "1 consumer is".into()
        } else {
            format!("{} are", counted(channel.client_count, "consumer"))
        }
    );
    let seeks = format!(
        "Reads on from another place or time, as far back as messages are kept. Of {} those before that place are \
         lost to this channel; what is read again is delivered again.",
        counted(waiting, "waiting message")
    );
    let redrives = format!(
        "Returns dead letters to the channel, oldest first; they are delivered again. {} set aside since the start.",
        counted(channel.dead_count, "message")
    );
    html! {
        (target.pause(channel.paused, "Its consumers get no more messages."))
        a.button href=(at(api, &["messages", topic, &channel.channel_name])) { "Look at messages" }
        a.button href=(at(api, &["settings", topic, &channel.channel_name])) { "Settings" }
        (target.form("redrive", "Bring back dead letters", Some(redrives), false, &html! {
            p { label { input type="checkbox" name="last_hour" value="true"; " Only those that died in the last hour" } }
            p { label { "Died from (empty: all) " input name="since" maxlength="40" placeholder="2026-01-31T12:00:00Z"; } }
            p { label { "Died before (empty: all) " input name="until" maxlength="40" placeholder="2026-01-31T13:00:00Z"; } }
            p { label { "At most (empty: all) " input type="number" name="count" min="1"; } }
        }))
        (target.form("seek", "Move", Some(seeks), true, &html! {
            p { label { "To " input name="to" required maxlength="40" placeholder="beginning, end, 2026-01-31T12:00:00Z"; } }
        }))
        (target.form("empty", "Empty", Some(empties), true, &html! {}))
        (target.form("delete", "Delete", Some(deletes), true, &html! {}))
    }
}

/// Tombstone of a topic on a node.
pub(super) fn tombstone(api: &Api, topic: &TopicStats, node: &str) -> Markup {
    let target = Target { api, topic: &topic.topic_name, channel: None, node: Some(node) };
    let text = format!(
        "Hides the topic on this node from consumers for a while and deletes it here: {} are lost.",
        counted(backlog(topic), "waiting message")
    );
    target.form("tombstone", "Tombstone", Some(text), true, &html! {})
}

/// Removal of a topic or channel that no queue has.
pub(super) fn forget(api: &Api, topic: &str, channel: Option<&str>) -> Markup {
    let target = Target { api, topic, channel, node: None };
    target.form(
        "delete",
        "Delete",
        Some("Removes it from the lookups. No queue has it, so no message is lost.".into()),
        true,
        &html! {},
    )
}

/// The form that creates a topic and a channel.
pub(super) fn create(api: &Api) -> Markup {
    html! {
        section {
            h2 { "Create" small { "a topic, and a channel if one is named" } }
            form method="post" action=(at(api, &["action"])) {
                input type="hidden" name="change" value="create";
                div.fields {
                    label { "Topic" input name="topic" required maxlength="64" pattern="[.a-zA-Z0-9_\\-]+(#ephemeral)?"; }
                    label { "Channel" input name="channel" maxlength="64" pattern="[.a-zA-Z0-9_\\-]+(#ephemeral)?"; }
                }
                button { "Create" }
            }
        }
    }
}
