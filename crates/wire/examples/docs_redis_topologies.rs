//! Prints the table of redis commands by topology, for the documentation.

use nuthatch_wire::redis::command::topology_rows;

fn main() {
    println!("| command | pool with one server | pool with several servers | needs |");
    println!("|---|---|---|---|");
    for row in topology_rows() {
        let allow =
            if row.allow.is_empty() { String::new() } else { format!("`allow = [\"{}\"]`", row.allow) };
        println!("| `{}` | {} | {} | {allow} |", row.command, row.one, row.several);
    }
}
