use super::*;

const FILE: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\n\
    servers = [\"127.0.0.1:2:1 a\", \"127.0.0.1:3:2 b\"]\n";

fn read(text: &str) -> Config {
    config::native::check(text, 1).config.expect("it is correct")
}

fn after(changes: &[(&str, ServerChange)]) -> Overrides {
    let config = read(FILE);
    let with = |overrides: Overrides, (server, change): &(&str, ServerChange)| {
        overrides.with_server(&config, ("p", server), *change).expect("it is there")
    };
    changes.iter().fold(Overrides::default(), with)
}

#[test]
fn changes_add_up_and_are_taken_back() {
    use ServerChange::{Drain, Eject, Return, Weight};
    for (changes, lines) in [
        (&[("a", Eject)][..], &["pool p: server a ejected"][..]),
        (&[("a", Eject), ("a", Drain)], &["pool p: server a drained"]),
        (&[("a", Drain), ("a", Eject)], &["pool p: server a ejected"]),
        (&[("a", Eject), ("a", Return)], &[]),
        (&[("a", Return)], &[]),
        (&[("b", Weight(Some(7)))], &["pool p: server b weight 7 instead of 2"]),
        (&[("b", Weight(Some(7))), ("b", Weight(None))], &[]),
        (&[("b", Weight(Some(2)))], &[]),
        (
            &[("b", Weight(Some(7))), ("b", Eject), ("a", Drain)],
            &[
                "pool p: server a drained",
                "pool p: server b ejected",
                "pool p: server b weight 7 instead of 2",
            ],
        ),
        (&[("b", Weight(Some(7))), ("b", Eject), ("b", Return)], &["pool p: server b weight 7 instead of 2"]),
    ] {
        assert_eq!(after(changes).lines(&read(FILE)), lines, "{changes:?}");
    }
}

#[test]
fn a_reload_ends_those_whose_own_row_changes() {
    let overrides = after(&[("a", ServerChange::Eject), ("b", ServerChange::Drain)]);
    for (new, kept) in [
        (FILE.to_owned(), &["pool p: server a ejected", "pool p: server b drained"][..]),
        (FILE.to_owned() + "timeout = \"1s\"\n", &["pool p: server a ejected", "pool p: server b drained"]),
        (FILE.replace(":2 b", ":3 b"), &["pool p: server a ejected"]),
        (FILE.replace(":3:2 b", ":4:2 b"), &["pool p: server a ejected"]),
        (FILE.replace(" b", " c"), &["pool p: server a ejected"]),
        (FILE.replace("\"127.0.0.1:2:1 a\", ", ""), &["pool p: server b drained"]),
        (FILE.replace("[pool.p]", "[pool.q]"), &[]),
    ] {
        let (old, new) = (read(FILE), read(&new));
        let after = overrides.after_reload(&old, &new);
        assert_eq!(after.lines(&new), kept);
        assert_eq!(overrides.gone(&after, &old).len(), 2 - kept.len());
    }
}

#[test]
fn a_level_of_the_log_is_kept_until_the_file_has_another_one() {
    let old = read(FILE);
    let overrides = Overrides::default().with_log_level(&old, LogLevel::Debug);
    assert_eq!(overrides.lines(&old), ["log level debug instead of info"]);
    assert_eq!(overrides.after_reload(&old, &read(FILE)), overrides);
    let new = read(&format!("[log]\nlevel = \"warn\"\n{FILE}"));
    assert_eq!(overrides.after_reload(&old, &new), Overrides::default());
    assert_eq!(overrides.with_log_level(&old, LogLevel::Info), Overrides::default());
}

#[test]
fn a_pool_whose_servers_are_all_out_is_named() {
    let config = read(FILE);
    let some = after(&[("a", ServerChange::Eject)]);
    assert_eq!(some.empty_pools(&config), [""; 0]);
    let all = some.with_server(&config, ("p", "b"), ServerChange::Drain).expect("it is there");
    assert_eq!(all.empty_pools(&config), ["p"]);
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let config = read(FILE);
    for (name, error) in [
        (("q", "a"), "there is no pool \"q\"; the pools are: p"),
        (("p", "c"), "pool p has no server \"c\"; its servers are: a, b"),
    ] {
        let overrides = Overrides::default().with_server(&config, name, ServerChange::Eject);
        assert_eq!(overrides, Err(error.to_owned()));
    }
}
