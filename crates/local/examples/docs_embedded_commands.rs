//! Prints the commands that the embedded cache supports and that reach it, for docs/compat-twemproxy.md.

use nuthatch_local::redis::commands;

fn main() {
    let reach_it =
        |name: &&str| wire::redis::lookup(name.as_bytes()).is_some_and(wire::redis::Command::is_served);
    let names: Vec<String> =
        commands().filter(reach_it).map(|name| format!("`{}`", name.to_ascii_uppercase())).collect();
    println!("{}.", names.join(" "));
}
