//! The options table as documentation: a Markdown page, terminal help, and a section of the manual page.
//!
//! Nothing is written twice: a row added to the table appears in all three. `cargo xtask docs` writes the
//! page, and a test compares it.

use crate::native::DEFAULT_FILE;
use crate::options::{Absent, Applies, OptionSpec, Scope};

/// The complete `docs/config.md`.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Configuration\n\n\
         `nuthatch run -c nuthatch.toml` reads one TOML file; `nuthatch check -c nuthatch.toml` names everything that \
         is wrong with it, with line and column; with `--system` also what a start would meet on this machine: paths, \
         ports, names, file descriptors; with `--show` it prints every option with its value and where that came from, without \
         secrets. Durations are texts such as `\"400ms\"`, `\"2s\"`, `\"1m30s\"` \
         (units us, ms, s, m, h, d) or a whole number of milliseconds. Sizes are texts such as `\"16KiB\"`, \
         `\"64MB\"` or a whole number of bytes.\n\n\
         In every text `${NAME}` stands for a variable of the environment; one that is not set is an error. `$${` stands for a \
         literal `${`. So a secret need not stand in the file; or else it is in a file of its own, see `auth_file` and \
         `password_file`. Paths are relative to the directory that the process was started in.\n\n\
         A running process reads its file again on `nuthatch reload`, SIGHUP or `POST /api/reload` (docs/operations.md). The column \
         \"changes apply\" says when a change takes effect:\n\n",
    );
    for applies in Applies::ALL {
        out += &format!("- **{}**: {}.\n", applies.name(), applies.doc());
    }
    out += "\nWithout a file this runs:\n\n```toml\n";
    out += DEFAULT_FILE;
    out += "```\n";
    for scope in Scope::ALL {
        let presence = match scope.presence_applies() {
            Applies::Restart => " Adding or removing the section takes a restart.",
            Applies::Live | Applies::NewConnections => "",
        };
        out += &format!("\n## {}\n\n{}{presence}\n\n", title(*scope), scope.doc());
        out += "| option | type | default | changes apply | meaning |\n|---|---|---|---|---|\n";
        for option in scope.options() {
            out += &format!(
                "| `{}` | {} | {} | {} | {} |\n",
                option.name,
                cell(&option.kind.describe()),
                cell(&absent(option)),
                option.applies.name(),
                cell(&meaning(option))
            );
        }
    }
    out
}

fn title(scope: Scope) -> String {
    match scope {
        Scope::Process => "Top of the file".into(),
        scope => format!("`{}`", scope.heading()),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn absent(option: &OptionSpec) -> String {
    match option.absent {
        Absent::Required => "must be written".into(),
        Absent::Is("") => "empty".into(),
        Absent::Is(text) => format!("`{text}`"),
        Absent::Unset(text) | Absent::Computed(text) => text.into(),
    }
}

fn meaning(option: &OptionSpec) -> String {
    let mut text = option.doc.to_string();
    if let Some(alias) = option.nutcracker.filter(|alias| *alias != option.name) {
        text += &format!(" nutcracker: `{alias}`.");
    }
    if let Some(flag) = option.nsqd.filter(|flag| flag.replace('-', "_") != option.name) {
        text += &format!(" nsqd: `--{flag}`.");
    }
    text
}

/// `nuthatch help options`, for a terminal of `width` columns.
pub fn help(width: usize) -> String {
    let mut out = String::from(
        "Options of nuthatch.toml, by section. Durations: \"400ms\", \"2s\"; sizes: \"16KiB\".\n\
         ${NAME} in a text stands for a variable of the environment, $${ for a literal ${.\n\
         A change of an option takes effect\n",
    );
    for applies in Applies::ALL {
        let text = format!("{}: {}.", applies.name(), applies.doc());
        out += &format!("  {}\n", wrap(&text, width.max(40) - 4).join("\n    "));
    }
    for scope in Scope::ALL {
        out += &format!("\n{}\n", scope.heading());
        for option in scope.options() {
            out += &format!("  {} ({})\n", option.name, facts(option));
            for line in
                wrap(&format!("{} Type: {}.", meaning(option), option.kind.describe()), width.max(40) - 6)
            {
                out += &format!("      {line}\n");
            }
        }
    }
    out
}

/// Default of an option, and when a change of it takes effect.
fn facts(option: &OptionSpec) -> String {
    let default = match option.absent {
        Absent::Required => "required".into(),
        Absent::Is(text) => format!("default: {}", if text.is_empty() { "empty" } else { text }),
        Absent::Unset(text) | Absent::Computed(text) => format!("default: {text}"),
    };
    format!("{default}; changes: {}", option.applies.name())
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    lines.push(line);
    lines
}

/// The options as a section of a manual page, in roff.
pub fn roff() -> String {
    let mut out = String::from(".SH CONFIGURATION\nA change of an option takes effect\n");
    for applies in Applies::ALL {
        out += &format!(".TP\n.B {}\n{}.\n", escape(applies.name()), escape(applies.doc()));
    }
    for scope in Scope::ALL {
        out += &format!(".SS {}\n{}\n", escape(scope.heading()), escape(scope.doc()));
        for option in scope.options() {
            let text = format!("{} Type: {}.", meaning(option), option.kind.describe());
            out += &format!(".TP\n.B {}\n({}) {}\n", option.name, escape(&facts(option)), escape(&text));
        }
    }
    out
}

fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('`', "");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options;

    #[test]
    fn every_option_is_everywhere() {
        let (page, help, roff) = (markdown(), help(80), roff());
        for option in options::all() {
            assert!(page.contains(&format!("| `{}` |", option.name)), "{}", option.name);
            assert!(help.contains(&format!("  {} (", option.name)));
            assert!(roff.contains(&format!(".B {}\n", option.name)));
        }
        for applies in Applies::ALL {
            assert!(page.contains(&format!("| {} |", applies.name())), "{applies:?} is no option's");
            assert!(help.contains(&format!("changes: {})\n", applies.name())));
        }
        assert!(help.lines().all(|line| line.chars().count() <= 110), "{help}");
    }

    #[test]
    fn the_page_is_fresh() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/config.md");
        let Ok(written) = std::fs::read_to_string(&path) else {
            eprintln!("SKIPPED: no {}", path.display());
            return;
        };
        assert!(written.contains(markdown().trim()), "docs/config.md is stale: run cargo xtask docs");
    }
}
