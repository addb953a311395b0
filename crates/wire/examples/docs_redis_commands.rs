//! Prints the table of Redis commands for docs/compat-twemproxy.md.

use nuthatch_wire::redis::docs_rows;

fn main() {
    println!(
        "| command | what happens | how it splits, or why not | where its keys are | repeated after a lost connection |"
    );
    println!("|---|---|---|---|---|");
    for row in docs_rows() {
        let (happens, how) = match row.proxied.split_once([',', ':']) {
            Some((happens, how)) => (happens, how.trim_start()),
            None => (row.proxied.as_str(), ""),
        };
        let again = if row.retry_safe { "yes" } else { "" };
        println!("| `{}` | {happens} | {how} | {} | {again} |", row.command, row.keys);
    }
}
