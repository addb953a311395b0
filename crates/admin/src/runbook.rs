//! The runbook: a section for each kind of trouble. docs/runbook.md is part of the binary, so that the page
//! can show it without a network.

/// The runbook in Markdown.
pub(crate) const TEXT: &str = include_str!("../../../docs/runbook.md");

/// Start and end of a line with an anchor.
const ANCHOR: (&str, &str) = ("<a id=\"", "\"></a>");

/// The section about a kind of trouble, from the class of its subject and the kind.
pub(crate) fn anchor(subject: &str, kind: &str) -> String {
    let class = match subject.split_once(' ') {
        Some(("pool", rest)) if rest.contains(", server ") => "server",
        Some(("topic", rest)) if rest.contains(", channel ") => "channel",
        Some((class, _)) => class,
        None => subject,
    };
    format!("{class}-{}", kind.replace(' ', "-"))
}

/// True if a section of this name exists.
pub(crate) fn has(anchor: &str) -> bool {
    anchors().any(|known| known == anchor)
}

/// Names of all sections.
fn anchors() -> impl Iterator<Item = &'static str> {
    TEXT.lines().filter_map(anchor_in)
}

/// The anchor name in an anchor line (`<a id="…"></a>`).
pub(crate) fn anchor_in(line: &str) -> Option<&str> {
    line.strip_prefix(ANCHOR.0)?.strip_suffix(ANCHOR.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{POOL_ERRORS, SERVER_ERRORS};

    #[test]
    fn every_kind_of_trouble_has_its_section() {
        for (subject, kinds) in [
            ("pool a", &POOL_ERRORS[..]),
            ("pool a", &["down"]),
            ("pool a, server s", &["ejected", "slow"]),
            ("memory", &["tight", "full"]),
            ("process", &["descriptors", "upgrade"]),
            ("configuration", &["reload", "restart", "by hand"]),
            ("queue", &["mute", "fault", "damage", "memory", "condition"]),
            ("topic t", &["paused", "no channel", "full"]),
            ("topic t, channel c", &["paused", "no consumer", "grows", "timeouts", "dead", "requeues"]),
        ] {
            for kind in kinds {
                let anchor = anchor(subject, kind);
                assert!(has(&anchor), "docs/runbook.md has no section {anchor}");
            }
        }
        let told = SERVER_ERRORS.iter().filter(|kind| !ui::pools::HARMLESS.contains(kind));
        for kind in told {
            let anchor = anchor("pool a, server s", kind);
            assert!(has(&anchor), "docs/runbook.md has no section {anchor}");
        }
        assert!(has("certificate") && has("sentinels"));
    }

    #[test]
    fn no_section_is_there_twice_and_links_lead_to_sections() {
        let mut names: Vec<&str> = anchors().collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        for link in TEXT.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(has(link), "no section {link}");
        }
    }
}
