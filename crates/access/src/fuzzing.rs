//! Invariants that hold for any input, for fuzzers and tests.

use wire::redis::command::all;

use crate::book::{Book, Login};
use crate::command_rules::CommandRules;
use crate::rate::Rate;
use crate::spec::{PasswordSpec, UserSpec};

/// Builds a user from lines, each a letter for the option and an entry: `c+get`, `k%R~a*`, `h` channel of
/// Redis, `p` topic, `t` topic and channel, `x` certificate, `s`, `a` and `f` password, `r` rate, `n` name.
/// Nothing panics, faults show no password, and rules as shown mean the same as those parsed.
///
/// # Panics
///
/// If an invariant does not hold.
pub fn rules(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut spec = UserSpec { name: "u".to_owned(), ..UserSpec::default() };
    let (mut secrets, mut open) = (Vec::new(), String::new());
    for line in text.lines() {
        let mut letters = line.chars();
        let letter = letters.next();
        let entry = letters.as_str().to_owned();
        match letter {
            Some('c') => spec.commands.push(entry),
            Some('k') => spec.keys.push(entry),
            Some('h') => spec.channels.push(entry),
            Some('p') => spec.publish.push(entry),
            Some('t') => spec.consume.push(entry),
            Some('x') => spec.certificates.push(entry),
            Some('n') => spec.name = entry,
            Some('s') => spec.passwords.push(PasswordSpec::Sha256(entry)),
            Some('a') => spec.passwords.push(PasswordSpec::Argon2(entry)),
            Some('f') => spec.passwords.extend(PasswordSpec::plain(entry.as_bytes())),
            Some('r') => spec.limit_requests = rate(&entry).or(spec.limit_requests),
            _ => {}
        }
        match letter {
            Some('s' | 'a' | 'f') if line.len() > 24 => secrets.push(line[1..].to_owned()),
            Some('s' | 'a' | 'f') => {}
            _ => open += line,
        }
    }
    // A password that also occurs in another option may be shown there.
    secrets.retain(|secret| !open.contains(secret));
    shown_is_meant(&spec.commands);
    match Book::build(std::slice::from_ref(&spec)) {
        Err(faults) => {
            let shown: String = faults.iter().map(|fault| fault.to_string() + "\n").collect();
            assert!(!faults.is_empty() && secrets.iter().all(|secret| !shown.contains(secret)), "{shown}");
        }
        Ok(book) => {
            let Some(user) = book.users().next() else { panic!("the user is gone") };
            let _ = (user.line(), user.may_publish(bytes), user.may_consume(bytes, bytes));
            assert!(!matches!(book.login(user.name().as_bytes(), b"\0wrong"), Login::Granted(_)));
            assert!(book.certified([].iter().copied()).is_none());
        }
    }
}

fn rate(text: &str) -> Option<Rate> {
    let rate = Rate::parse(text).ok()?;
    assert_eq!(Rate::parse(&rate.to_string()), Ok(rate), "{text}");
    Some(rate)
}

fn shown_is_meant(written: &[String]) {
    let Ok(rules) = CommandRules::parse(written.iter().map(String::as_str)) else { return };
    let shown = rules.shown();
    let again = CommandRules::parse(shown.split(' ')).unwrap_or_else(|faults| panic!("{shown}: {faults:?}"));
    for command in all().iter().flat_map(|command| std::iter::once(command).chain(command.subcommands)) {
        assert_eq!(rules.allow(command, None), again.allow(command, None), "{shown}: {}", command.name);
    }
    assert_eq!(rules.all(), again.all(), "{shown}");
}
