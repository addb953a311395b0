//! The text of nutcracker's `-D` / `--describe-stats`, and the same for all our rows.
//!
//! A block has a title, then a line per row: two spaces, the name in 20 columns, the description in quotes.
//! Blocks are separated by an empty line. Descriptions are those of the tables.

use crate::{ChannelReport, PoolStats, Row, ServerStats, ShardStats, TopicReport};

/// The two blocks that nutcracker 0.5.0 prints after its banner, without the banner.
pub fn nutcracker() -> String {
    let mut text = String::new();
    let theirs = |row: &&Row| row.nutcracker;
    block(&mut text, "pool stats", PoolStats::ROWS.iter().filter(theirs));
    block(&mut text, "server stats", ServerStats::ROWS.iter().filter(theirs));
    text
}

/// Every row of every table, in the same layout.
pub fn all() -> String {
    let mut text = String::new();
    block(&mut text, "shard stats", ShardStats::ROWS.iter());
    block(&mut text, "pool stats", PoolStats::ROWS.iter());
    block(&mut text, "server stats", ServerStats::ROWS.iter());
    block(&mut text, "topic stats", TopicReport::ROWS.iter());
    block(&mut text, "channel stats", ChannelReport::ROWS.iter());
    text
}

fn block<'a>(text: &mut String, title: &str, rows: impl Iterator<Item = &'a Row>) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(title);
    text.push_str(":\n");
    for row in rows {
        text.push_str(&format!("  {:<20}\"{}\"\n", row.name, row.help));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::nutcracker::tests::golden;

    #[test]
    fn is_what_nutcracker_prints() {
        let Some(cases) = golden("tool_outputs.jsonl") else { return };
        let mut checked = 0;
        for line in cases.lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            if case["bin"] == "nutcracker" && case["args"] == serde_json::json!(["-D"]) {
                let stderr = case["stderr"].as_str().unwrap();
                let banner = "This is nutcracker-0.5.0\nasync event backend: epoll\n\n";
                assert_eq!(stderr.strip_prefix(banner).unwrap(), nutcracker());
                checked += 1;
            }
        }
        assert_eq!(checked, 1);
    }

    #[test]
    fn every_row_is_described() {
        let text = all();
        let tables =
            [ShardStats::ROWS, PoolStats::ROWS, ServerStats::ROWS, TopicReport::ROWS, ChannelReport::ROWS];
        for rows in tables {
            for row in rows {
                assert!(text.contains(&format!("  {:<20}\"{}\"\n", row.name, row.help)));
            }
        }
    }
}
