//! Checks that `docs/compat-memcache-meta.md` holds the current tables. `UPDATE_DOCS=1` rewrites them.

use std::path::Path;

use nuthatch_wire::memcache::{COMMANDS, FLAGS, docs};

#[test]
fn page_holds_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compat-memcache-meta.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- tables -->\n").expect("a place for the tables");
    let (_, after) = rest.split_once("<!-- end of tables -->").expect("an end of the tables");
    let wanted = format!("{before}<!-- tables -->\n{}<!-- end of tables -->{after}", docs::docs_rows());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    assert!(page == wanted || std::env::var_os("UPDATE_DOCS").is_some(), "run with UPDATE_DOCS=1");
}

#[test]
fn every_row_is_there() {
    let commands = docs::commands_table();
    for row in &COMMANDS {
        assert!(commands.contains(&format!("| `{}", row.name)), "{}", row.name);
    }
    let flags = docs::flags_table();
    for flag in &FLAGS {
        assert!(flags.contains(&format!("| {}", flag.letter as char)), "{}", flag.letter as char);
    }
}
