//! Rules of commands, in the syntax of `ACL SETUSER`:
//! `+get -del +@read -@dangerous +config|get +select|0 allcommands`. Each changes the result of those before
//! it, starting with no commands allowed.
//!
//! Scripts are treated more strictly than by Redis. A script or a function may run any command on any key of
//! its server; Redis checks the user's rights inside it, which a proxy cannot. `+@all` and `+@write`
//! therefore do not allow `EVAL` and the like for a user whose commands or keys are limited; an explicit
//! `+eval` or `+@scripting` does.

use wire::redis::Command;
use wire::redis::command::{IDS_MAX, all, categories, flags, lookup};

/// Bytes of the longest first argument in a rule such as `+select|0`.
const FIRST_ARGUMENT_BYTES_MAX: usize = 128;
/// Commands that run code on a server.
const SCRIPTS: [&str; 6] = ["eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro"];
const WORDS: usize = IDS_MAX / 64;

/// The commands that a user may run.
#[derive(Debug, Clone)]
pub struct CommandRules {
    allowed: Ids,
    /// Scripts named by a rule, individually or by `@scripting`.
    scripts_named: Ids,
    /// Every command, including those of future versions.
    all: bool,
    /// Commands allowed with this first argument although their bit is not set.
    first_arguments: Vec<(u16, Box<[u8]>)>,
    written: Vec<String>,
}

impl CommandRules {
    /// Parses rules; each fault names the rule and its error.
    pub fn parse<'a>(rules: impl IntoIterator<Item = &'a str>) -> Result<CommandRules, Vec<String>> {
        let mut read = CommandRules {
            allowed: Ids::NONE,
            scripts_named: Ids::NONE,
            all: false,
            first_arguments: Vec::new(),
            written: Vec::new(),
        };
        let rule =
            |text: &str| read.apply(text).err().map(|why| format!("\"{}\": {why}", text.escape_default()));
        let faults: Vec<String> = rules.into_iter().filter_map(rule).collect();
        if faults.is_empty() { Ok(read) } else { Err(faults) }
    }

    /// True if the command may be run, whatever its arguments after the first. For a container's subcommand
    /// `command` is the subcommand and `first_argument` the word after the container's name. AUTH, HELLO,
    /// RESET and QUIT are always allowed.
    #[inline]
    pub fn allow(&self, command: &Command, first_argument: Option<&[u8]>) -> bool {
        self.allowed.has(command.id)
            || command.flags & flags::NO_AUTH != 0
            || (!self.first_arguments.is_empty() && self.allow_by_argument(command, first_argument))
    }

    #[cold]
    fn allow_by_argument(&self, command: &Command, first_argument: Option<&[u8]>) -> bool {
        let fits = |rule: &(u16, Box<[u8]>)| {
            rule.0 == command.id && first_argument.is_some_and(|first| first.eq_ignore_ascii_case(&rule.1))
        };
        self.first_arguments.iter().any(fits)
    }

    /// True if every command is allowed.
    pub fn all(&self) -> bool {
        self.all
    }

    /// Withdraws scripts that no rule has named from a user whose rights are limited. True if there were any.
    pub(crate) fn withhold_scripts(&mut self, all_keys: bool) -> bool {
        let mut withheld = false;
        if self.all && all_keys {
            return withheld;
        }
        for script in SCRIPTS.iter().filter_map(|name| lookup(name.as_bytes())) {
            if self.allowed.has(script.id) && !self.scripts_named.has(script.id) {
                self.allowed.set(script.id, false);
                (self.all, withheld) = (false, true);
            }
        }
        withheld
    }

    /// The rules in order, as Redis shows them: `-@all +get`.
    pub fn shown(&self) -> String {
        let starts = |rule: &String| rule == "+@all" || rule == "-@all";
        let from = self.written.iter().rposition(starts);
        let rules = match from {
            Some(from) => self.written[from..].to_vec(),
            None => std::iter::once("-@all".to_owned()).chain(self.written.iter().cloned()).collect(),
        };
        rules.join(" ")
    }

    fn apply(&mut self, text: &str) -> Result<(), String> {
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("a rule has no space in it; each is an entry of its own".to_owned());
        }
        let (allow, target) = match text.to_ascii_lowercase().as_str() {
            "allcommands" => (true, "@all"),
            "nocommands" => (false, "@all"),
            lower if lower.starts_with('+') => (true, &text[1..]),
            lower if lower.starts_with('-') => (false, &text[1..]),
            lower if lower.starts_with('(') => {
                return Err("selectors are not supported; make another user".to_owned());
            }
            _ => return Err("a rule begins with + or -: +get, -@dangerous".to_owned()),
        };
        match target.strip_prefix('@') {
            Some(category) => self.category(category, allow)?,
            None => self.named(target, allow)?,
        }
        let sign = if allow { '+' } else { '-' };
        self.written.push(format!("{sign}{}", target.to_ascii_lowercase()));
        Ok(())
    }

    fn category(&mut self, category: &str, allow: bool) -> Result<(), String> {
        let category = category.to_ascii_lowercase();
        if category == "all" {
            self.allowed = if allow { Ids::ALL } else { Ids::NONE };
            self.all = allow;
            self.scripts_named = Ids::NONE;
            self.first_arguments.clear();
            return Ok(());
        }
        if !categories().contains(&category.as_str()) {
            return Err(format!("there is no such category; there are {}", categories().join(", ")));
        }
        for command in all() {
            let is_in = |command: &Command| command.categories().any(|name| name == category);
            if is_in(command) {
                self.set(command, allow, category == "scripting");
            }
            command.subcommands.iter().filter(|sub| is_in(sub)).for_each(|sub| self.set(sub, allow, false));
        }
        Ok(())
    }

    fn named(&mut self, name: &str, allow: bool) -> Result<(), String> {
        let Some((container, rest)) = name.split_once('|') else {
            let command = lookup(name.as_bytes()).ok_or("there is no such command")?;
            self.set(command, allow, true);
            return Ok(());
        };
        let command = lookup(container.as_bytes()).ok_or("there is no such command")?;
        if !command.subcommands.is_empty() {
            if rest.contains('|') {
                return Err("a first argument cannot be allowed for a subcommand".to_owned());
            }
            let sub = command.subcommand(rest.as_bytes()).ok_or("there is no such subcommand")?;
            self.set(sub, allow, true);
            return Ok(());
        }
        match rest {
            _ if !allow => Err("a first argument can be allowed only, not taken away".to_owned()),
            "" => Err("the first argument is missing".to_owned()),
            rest if rest.contains('|') => Err("there is no such command".to_owned()),
            rest if rest.len() > FIRST_ARGUMENT_BYTES_MAX => Err("the first argument is too long".to_owned()),
            rest => {
                self.first_arguments.push((command.id, rest.as_bytes().into()));
                Ok(())
            }
        }
    }

    /// Sets a command and, if it is a container, all of its subcommands.
    fn set(&mut self, command: &Command, allow: bool, is_named: bool) {
        self.all &= allow;
        for command in std::iter::once(command).chain(command.subcommands) {
            self.allowed.set(command.id, allow);
            if is_named || !allow {
                self.scripts_named.set(command.id, allow);
            }
        }
        self.first_arguments.retain(|rule| rule.0 != command.id);
    }
}

/// A set of commands, by their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ids([u64; WORDS]);

impl Ids {
    const NONE: Ids = Ids([0; WORDS]);
    const ALL: Ids = Ids([u64::MAX; WORDS]);

    #[inline]
    fn has(&self, id: u16) -> bool {
        self.0.get(usize::from(id / 64)).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    fn set(&mut self, id: u16, value: bool) {
        if let Some(word) = self.0.get_mut(usize::from(id / 64)) {
            *word = *word & !(1 << (id % 64)) | u64::from(value) << (id % 64);
        }
    }
}

#[cfg(test)]
mod tests;
