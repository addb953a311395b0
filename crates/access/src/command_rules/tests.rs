//! Rules of commands: order, categories, subcommands, first arguments, scripts, and invalid rules.

use super::*;
use wire::redis::command::lookup;

fn rules(text: &str) -> CommandRules {
    CommandRules::parse(text.split_whitespace()).unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
}

fn command(name: &str) -> &'static Command {
    match name.split_once('|') {
        Some((container, sub)) => lookup(container.as_bytes()).unwrap().subcommand(sub.as_bytes()).unwrap(),
        None => lookup(name.as_bytes()).unwrap(),
    }
}

/// Rules, commands they allow, commands they do not. `select:0` is `SELECT 0`.
const CASES: &[(&str, &str, &str)] = &[
    ("", "auth hello reset quit", "get set ping acl|whoami"),
    ("+get", "get auth", "set mget"),
    ("+GET +Config|GET", "get config|get", "config|set set"),
    ("+@all", "get flushall config|set acl|whoami xgroup|create", ""),
    ("allcommands", "get flushall", ""),
    ("+@all nocommands +get", "get auth", "set"),
    ("+@all -@all", "auth", "get"),
    ("+@all -@dangerous", "get set config|help", "keys flushall config|get config|set sort info"),
    ("+@all -@dangerous +config|get", "config|get", "config|set"),
    ("-@dangerous +@all", "keys config|set", ""),
    ("+@all -del", "get unlink", "del"),
    ("+@all -del +del", "del", ""),
    ("+@read -@keyspace", "get hgetall", "exists keys ttl set"),
    ("+@READ", "get", "set"),
    ("+config", "config|get config|set config|help", "get"),
    ("+config -config|set", "config|get", "config|set"),
    ("-config|set +config", "config|set", ""),
    ("+@stream", "xadd xgroup|create xinfo|stream", "get"),
    ("+@all -xgroup", "xadd", "xgroup|create xgroup|destroy"),
    ("+select|0", "select:0", "select:1 select"),
    ("+select|0 +select|1", "select:0 select:1", "select:2"),
    ("+SELECT|ab", "select:AB", ""),
    ("+select|0 -select", "", "select:0 select:1"),
    ("+select|0 +select", "select:0 select:7", ""),
    ("+select|0 +@connection -@connection", "", "select:0"),
    ("+@all +get|x -@all", "", "get:x"),
    ("+get|x", "get:x get:X", "get:y"),
];

#[test]
fn each_rule_changes_what_those_before_it_left() {
    for (text, allowed, denied) in CASES {
        let rules = rules(text);
        for (names, expected) in [(allowed, true), (denied, false)] {
            for name in names.split_whitespace() {
                let (name, first) = name.split_once(':').map_or((name, None), |(n, first)| (n, Some(first)));
                let first = first.map(str::as_bytes);
                assert_eq!(rules.allow(command(name), first), expected, "{text}: {name} {first:?}");
            }
        }
    }
}

#[test]
fn all_means_without_exception() {
    for (text, expected) in [
        ("+@all", true),
        ("allcommands", true),
        ("+@all -get +get", false),
        ("-get +@all", true),
        ("+@all +get", true),
        ("+@all -@dangerous", false),
        ("", false),
    ] {
        assert_eq!(rules(text).all(), expected, "{text}");
    }
}

#[test]
fn scripts_are_given_by_name_where_rights_are_limited() {
    // rules, all keys allowed, EVAL allowed, EVAL withheld
    for (text, all_keys, allowed, withheld) in [
        ("+@all", true, true, false),
        ("+@all", false, false, true),
        ("+@all -del", true, false, true),
        ("+@all -del +eval", true, true, true),
        ("+@all +@scripting", false, true, false),
        ("+@scripting +@all -@dangerous", false, false, true),
        ("+@all -@dangerous -@scripting", false, false, false),
        ("+@all +@scripting -@scripting +@all", false, false, true),
        ("+eval nocommands +@slow", false, false, true),
        ("+eval -@slow +@slow", false, false, true),
        ("+@read", false, false, false),
        ("+@slow", true, false, true),
    ] {
        let mut rules = rules(text);
        assert_eq!(rules.withhold_scripts(all_keys), withheld, "{text}");
        assert_eq!(rules.allow(command("eval"), None), allowed, "{text}");
        assert!(!rules.all() || (text.starts_with("+@all") && rules.allow(command("fcall"), None)), "{text}");
    }
}

#[test]
fn what_is_no_rule() {
    let long = format!("+select|{}", "x".repeat(129));
    for text in [
        "",
        "+",
        "-",
        "+@",
        "get",
        "@read",
        "+nosuch",
        "-nosuch",
        "+@nosuch",
        "+config|nosuch",
        "-config|nosuch",
        "+config|",
        "+config|get|x",
        "+get|",
        "+get|a|b",
        "-get|x",
        "-select|0",
        "+@all|x",
        "(+get",
        "(",
        "~*",
        "on",
        "reset",
        "+|x",
        "+ get",
        "+select|a b",
        "+select|a\u{85}b",
        "+get\0",
        "+gét",
        &long,
    ] {
        let faults = CommandRules::parse([text]).expect_err(text);
        assert!(faults.len() == 1 && !faults[0].ends_with(": "), "{text}: {faults:?}");
    }
    let faults = CommandRules::parse(["+get", "+nosuch", "-@nosuch"]).unwrap_err();
    assert_eq!(faults[0], "\"+nosuch\": there is no such command");
    assert!(
        faults[1].starts_with("\"-@nosuch\": there is no such category; there are keyspace, read,"),
        "{faults:?}"
    );
}

#[test]
fn rules_are_shown_from_the_last_that_sets_all() {
    for (text, shown) in [
        ("", "-@all"),
        ("+get", "-@all +get"),
        ("+GET -@Read", "-@all +get -@read"),
        ("+get +@all -del", "+@all -del"),
        ("allcommands -@dangerous", "+@all -@dangerous"),
        ("+@all nocommands +get", "-@all +get"),
    ] {
        assert_eq!(rules(text).shown(), shown, "{text}");
    }
}
