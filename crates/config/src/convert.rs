//! Conversion of a nutcracker.yml or nsqd.cfg to an equivalent nuthatch.toml.
//!
//! Only values that differ from the native file's defaults are written. A note lists settings that the source
//! file does not contain, such as those of a command line, and those without an option here.

use std::fmt::Write;

use crate::checked::{Listen, Pool};
use crate::effective;
use crate::endpoint::show_listen;
use crate::go_flags::{GoValue, GoValues};
use crate::native::{default_pool, default_queue_flags};
use crate::nsqd::{self, Refusal, flags::FLAGS};
use crate::nutcracker::Accepted;
use crate::options::{Kind, Scope};
use crate::setting::{Setting, key, quoted};

/// The pools of a nutcracker.yml as a nuthatch.toml.
pub fn nutcracker(accepted: &Accepted) -> String {
    let mut text = String::from(
        "# nutcracker's statistics port, where its command line did not set another.\n\
         [stats]\nlisten = \"0.0.0.0:22222\"\n\n\
         # Metrics and the page, on 127.0.0.1:22220.\n[admin]\n",
    );
    for ignored in &accepted.ignored {
        let _ =
            writeln!(text, "\n# pool {}: {} had no effect and is left out.", ignored.pool, ignored.directive);
    }
    for written in &accepted.pools {
        pool(&mut text, written);
    }
    text
}

fn pool(text: &mut String, pool: &Pool) {
    let usual = effective::pool(&default_pool(&pool.name, Vec::new()));
    let mut lines = Lines::section(text, &format!("pool.{}", key(&pool.name)));
    for (option, value) in effective::pool(pool).settings() {
        match value.filter(|value| usual.get(option.name) != Some(value)) {
            Some(Setting::Secret(secret)) => lines.add(option.name, quoted(secret.reveal())),
            Some(value) => lines.add(option.name, value.toml()),
            None => {}
        }
    }
}

/// The settings of an nsqd.cfg as a nuthatch.toml.
///
/// # Errors
///
/// nsqd would not start with these settings.
pub fn nsqd(file: GoValues) -> Result<String, Refusal> {
    let file_sets_segments = file.contains_key("max-bytes-per-file");
    let wanted = nsqd::resolve(GoValues::new(), file);
    let checked = nsqd::check(&wanted)?.queue;
    let usual = nsqd::resolve(default_queue_flags(), GoValues::new());
    let mut text = String::from("# Metrics and the page, on 127.0.0.1:22220.\n[admin]\n");
    if wanted["log-level"] != usual["log-level"] {
        Lines::section(&mut text, "log").add("level", shown(&wanted["log-level"], &Kind::Text));
    }
    let mut lines = Lines::section(&mut text, "queue");
    for option in Scope::Queue.options() {
        let Some(flag) = option.nsqd.filter(|flag| wanted[flag] != usual[flag]) else { continue };
        let value = match option.name {
            "tcp" => Some(listener(&checked.tcp)),
            "http" => checked.http.as_ref().map(listener),
            "https" => checked.https.as_ref().map(listener),
            // nsqd's default is its working directory.
            "data_path" => Some(quoted(&checked.data_path.display().to_string())),
            // nsqd's own default is too large for a journal, under its face too.
            "max_bytes_per_file" if !file_sets_segments => None,
            _ => Some(shown(&wanted[flag], &option.kind)),
        };
        if let Some(value) = value {
            lines.add(option.name, value);
        }
    }
    if checked.http.is_none() {
        text.push_str("# nsqd was told to serve no HTTP; there is no option for that here.\n");
    }
    for flag in unsupported(&wanted) {
        let _ = writeln!(text, "# {flag} has no option here.");
    }
    Ok(text)
}

/// Flags set without an option here, except deprecated and native ones.
fn unsupported(wanted: &GoValues) -> impl Iterator<Item = &'static str> {
    let has_option = |flag: &str| Scope::Queue.options().any(|option| option.nsqd == Some(flag));
    let usual = nsqd::resolve(GoValues::new(), GoValues::new());
    FLAGS
        .iter()
        .filter(|flag| !["log-level", "verbose", "worker-id", "config", "version"].contains(&flag.name))
        .filter(move |flag| wanted[flag.name] != usual[flag.name] && !has_option(flag.name))
        .map(|flag| flag.name)
        .collect::<Vec<_>>()
        .into_iter()
}

fn listener(listen: &Listen) -> String {
    quoted(&show_listen(listen))
}

/// A flag's value in the syntax of an option of this kind.
fn shown(value: &GoValue, kind: &Kind) -> String {
    effective::of_flag(value, kind).map_or_else(|| quoted(""), |value| value.toml())
}

/// The lines of a section.
struct Lines<'a>(&'a mut String);

impl<'a> Lines<'a> {
    fn section(text: &'a mut String, name: &str) -> Lines<'a> {
        let _ = writeln!(text, "\n[{name}]");
        Lines(text)
    }

    fn add(&mut self, option: &str, value: String) {
        let _ = writeln!(self.0, "{option} = {value}");
    }
}

#[cfg(test)]
mod tests;
