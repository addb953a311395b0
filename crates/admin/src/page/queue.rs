//! The queue on the page: waiting messages, growth, consumers.

use super::html::{Escaped, Html};
use crate::format::{bytes, count, counted, rate};
use crate::status::{ChannelStatus, QueueStatus, TopicStatus};

/// Most rows shown; beyond that the deepest ones.
const ROWS_MAX: usize = 200;

/// A channel of a topic, or a topic without channels.
type Row<'a> = (&'a TopicStatus, Option<&'a ChannelStatus>);

/// Renders the queue.
pub(super) fn queue(html: &mut Html, queue: &QueueStatus) {
    let (class, state) = match (queue.answers, &queue.fault) {
        (false, _) => ("critical", "silent"),
        (true, Some(_)) => ("critical", "failing"),
        (true, None) => ("well", "up"),
    };
    let stored = queue.topics.iter().map(|topic| topic.stored_bytes).sum();
    let published: f64 = queue.topics.iter().map(|topic| topic.messages_per_second).sum();
    html.add(format_args!(
        "<section><h2>Queue <strong class=\"state {class}\">{state}</strong></h2>\n\
         <p class=\"facts\">{} published/s · {} · {} · {} on disk</p>\n",
        rate(published),
        counted(queue.topics.len() as u64, "topic"),
        counted(queue.connections, "connection"),
        bytes(stored),
    ));
    let (rows, hidden) = rows(queue);
    if rows.is_empty() {
        let text = if queue.answers { "No topics yet." } else { "Not known." };
        html.add(format_args!("<p class=\"calm\">{text}</p></section>\n"));
        return;
    }
    html.add(format_args!(
        "<div class=\"scroll\"><table><thead><tr><th>topic<th>channel<th class=\"n\">waiting<th class=\"n\">change/s\
         <th class=\"n\">consumers<th class=\"n\">in flight<th class=\"n wide\">deferred<th class=\"n wide\">in/s\
         <th class=\"n wide\">done/s</thead>\n<tbody>\n"
    ));
    for found in rows {
        row(html, found);
    }
    html.add(format_args!("</tbody></table></div>\n"));
    if hidden > 0 {
        html.add(format_args!(
            "<p class=\"facts\">{} shallower ones are not shown; <a href=\"api/status\">/api/status</a> has \
             all.</p>\n",
            count(hidden as u64)
        ));
    }
    html.add(format_args!("</section>\n"));
}

/// Rows sorted by name, and the number left out.
fn rows(queue: &QueueStatus) -> (Vec<Row<'_>>, usize) {
    let mut rows: Vec<Row<'_>> = queue.topics.iter().flat_map(of_topic).collect();
    let hidden = rows.len().saturating_sub(ROWS_MAX);
    if hidden > 0 {
        rows.sort_by_key(|row| std::cmp::Reverse(depth(row)));
        rows.truncate(ROWS_MAX);
        rows.sort_by_key(|(topic, channel)| (&topic.name, channel.map(|channel| &channel.name)));
    }
    (rows, hidden)
}

/// A topic's channels, preceded by the topic itself if messages wait in it or it has no channel.
fn of_topic(topic: &TopicStatus) -> impl Iterator<Item = Row<'_>> {
    let own = (topic.depth > 0 || topic.channels.is_empty()).then_some((topic, None));
    own.into_iter().chain(topic.channels.iter().map(move |channel| (topic, Some(channel))))
}

fn depth((topic, channel): &Row<'_>) -> u64 {
    channel.map_or(topic.depth, |channel| channel.depth)
}

fn row(html: &mut Html, (topic, channel): Row<'_>) {
    let name = Escaped(&topic.name);
    let pause = |paused| if paused { " <small>paused</small>" } else { "" };
    let Some(channel) = channel else {
        html.add(format_args!(
            "<tr><th scope=\"row\">{name}{}<td class=\"past\">none<td class=\"n\">{}<td class=\"n\">–<td class=\"n\">–\
             <td class=\"n\">–<td class=\"n wide\">–<td class=\"n wide\">{}<td class=\"n wide\">–</tr>\n",
            pause(topic.paused),
            count(topic.depth),
            rate(topic.messages_per_second),
        ));
        return;
    };
    let lonely = channel.consumers == 0 && channel.depth > 0 && !channel.paused;
    let grows = channel.depth > 0 && channel.depth_growth_per_second > 0.0;
    let class = |marked| if marked { "n marked" } else { "n" };
    let sign = if channel.depth_growth_per_second > 0.0 { "+" } else { "" };
    html.add(format_args!(
        "<tr class=\"{}\"><th scope=\"row\">{name}{}<td>{}{}<td class=\"n\">{}<td class=\"{}\">{sign}{}\
         <td class=\"{}\">{}<td class=\"n\">{}<td class=\"n wide\">{}<td class=\"n wide\">{}<td class=\"n wide\">{}\
         </tr>\n",
        if lonely || grows { "warning" } else { "" },
        pause(topic.paused),
        Escaped(&channel.name),
        pause(channel.paused),
        count(channel.depth),
        class(grows),
        rate(channel.depth_growth_per_second),
        class(lonely),
        count(channel.consumers),
        count(channel.in_flight),
        count(channel.deferred),
        rate(channel.messages_per_second),
        rate(channel.finished_per_second),
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{ChannelReport, QueueReport, TopicReport};
    use crate::sample::tests::{facts, sample_at};
    use crate::status::Status;

    fn shown(topics: Vec<TopicReport>) -> String {
        let report = QueueReport { topics, ..Default::default() };
        let sample = sample_at(&facts(), 1, &[], Some(report));
        let status = Status::between(&sample, &sample, &facts(), true);
        let mut html = Html::default();
        queue(&mut html, &status.queue.unwrap());
        html.into_string()
    }

    #[test]
    fn names_are_escaped_and_lonely_channels_marked() {
        let channel = ChannelReport { name: "<b>".into(), depth: 7, ..Default::default() };
        let topic = TopicReport { name: "a&b".into(), channels: vec![channel], ..Default::default() };
        let html = shown(vec![topic]);
        assert!(html.contains("<th scope=\"row\">a&amp;b<td>&lt;b&gt;<td class=\"n\">7"), "{html}");
        assert!(html.contains("<td class=\"n marked\">0"), "{html}");
    }

    #[test]
    fn the_deepest_are_shown() {
        let topic = |n: u64| TopicReport { name: format!("t{n:04}"), depth: n, ..Default::default() };
        let html = shown((0..300).map(topic).collect());
        assert!(html.contains("100 shallower ones"), "{html}");
        assert!(!html.contains("t0099") && html.contains("t0100") && html.contains("t0299"));
        assert_eq!(html.matches("<tr>").count(), ROWS_MAX + 1);
    }
}
