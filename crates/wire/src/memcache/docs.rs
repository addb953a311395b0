//! Renders the tables as Markdown, for `docs/compat-memcache-meta.md`.

use std::fmt::Write;

use super::{COMMANDS, FLAGS, Flag, Merge, Retry, Route, Row, TokenKind};

/// Both tables, with their headings.
pub fn docs_rows() -> String {
    format!("## Commands\n\n{}\n## Meta flags\n\n{}", commands_table(), flags_table())
}

/// The table of commands.
pub fn commands_table() -> String {
    let mut out = String::from(
        "| command | goes to | replies become | noreply | repeated after a lost connection | notes |\n\
         |---|---|---|---|---|---|\n",
    );
    for row in &COMMANDS {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            syntax(row),
            route(row),
            merge(row),
            if row.noreply { "swallowed" } else { "" },
            retry(row.retry),
            row.note
        );
    }
    out
}

/// The table of meta flags.
pub fn flags_table() -> String {
    let mut out = String::from("| flag | commands | meaning | Nuthatch |\n|---|---|---|---|\n");
    for flag in &FLAGS {
        let proxy = if flag.proxy.is_empty() { "passes it on" } else { flag.proxy };
        let _ = writeln!(out, "| {} | {} | {} | {} |", letter(flag), flag.commands, flag.meaning, proxy);
    }
    out
}

fn syntax(row: &Row) -> String {
    format!("`{} {}`", row.name, row.arguments).replace(" `", "`")
}

fn letter(flag: &Flag) -> String {
    let token = match flag.token {
        TokenKind::None => "",
        TokenKind::Seconds => "\\<seconds\\>",
        TokenKind::Unsigned => "\\<number\\>",
        TokenKind::Mode => "\\<mode\\>",
        TokenKind::Opaque => "\\<up to 31 bytes\\>",
    };
    format!("{}{token}", flag.letter as char)
}

fn route(row: &Row) -> &'static str {
    match row.route {
        Route::Key => "the key's server",
        Route::EachKey => "each key's server",
        Route::OneServer => "one server",
        Route::EveryServer => "every server",
        Route::OnlyServer(_) => "the server, refused if the pool has several",
        Route::Here => "nowhere: answered here",
        Route::Refused(_) if row.stateful => "nowhere: refused and the client closed",
        Route::Refused(_) => "nowhere: refused",
    }
}

fn merge(row: &Row) -> &'static str {
    match (row.route, row.merge) {
        (Route::Refused(_) | Route::Here, _) => "",
        (_, Merge::One) => "the server's reply",
        (_, Merge::Values) => "blocks in request order",
        (_, Merge::AllOk) => "`OK`, or the first error",
        (_, Merge::Stats) => "sums",
    }
}

fn retry(retry: Retry) -> String {
    match retry {
        Retry::Safe => "yes".into(),
        Retry::SafeWithout(letters) => {
            let letters: Vec<String> = letters.iter().map(|&letter| (letter as char).to_string()).collect();
            format!("yes, without {}", letters.join(" "))
        }
        Retry::No => "no".into(),
    }
}
