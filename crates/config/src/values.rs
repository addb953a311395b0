//! The options of one section, read from the tree with the options table.
//!
//! [`read`] reports every fault of a section: unknown keys with the likely intention, wrong types, values out
//! of range, missing options. The result has a value for every option of the section that is present or has a
//! default, so sections can be assembled without another check.

use std::path::Path;
use std::time::Duration;

use access::{Glob, Rate};

use crate::checked::{Server, Storage, TopicRule, WrittenListen};
use crate::fault::{Fault, Position, errors};
use crate::options::{Absent, Kind, OptionSpec, Scope};
use crate::secret::Secret;
use crate::setting::Setting;
pub(crate) use crate::settings::Settings;
use crate::tls_table;
use crate::written::{Entry, Value, Written};
use crate::{endpoint, quantity, secret_file, suggest};

/// Reads the entries of a section that starts at `at`; `section` is its name in error texts.
pub(crate) fn read(
    scope: Scope,
    section: &str,
    at: Position,
    entries: &[Entry],
    faults: &mut Vec<Fault>,
) -> Settings {
    let before = errors(faults);
    let mut read = Settings::default();
    for entry in entries {
        let Some(option) = scope.option(&entry.key) else {
            faults.push(unknown(scope, section, entry));
            continue;
        };
        read.places.insert(option.name, entry.value.at);
        if let (Kind::Servers, Value::List(items)) = (option.kind, &entry.value.value) {
            read.server_places = items.iter().map(|item| item.at).collect();
        }
        if let Some(setting) = setting(option, &entry.value, faults) {
            read.settings.insert(option.name, setting);
        }
    }
    secret_files(scope, &mut read, faults);
    for option in scope.options() {
        if !read.places.contains_key(option.name) {
            match option.absent {
                Absent::Required => faults.push(Fault::error(
                    Some(at),
                    format!("{section} has no {}", option.name),
                    format!("add {} = ..., {}", option.name, option.kind.describe()),
                )),
                Absent::Is(_) => {
                    let value = default(option).expect("defaults are valid: a test of the table");
                    read.settings.insert(option.name, value);
                }
                Absent::Unset(_) | Absent::Computed(_) => {}
            }
        }
    }
    read.faulty = errors(faults) > before || entries.iter().any(|entry| entry.value.value.has_unknown());
    read
}

/// Reads the files of secrets into the options whose values they hold.
fn secret_files(scope: Scope, read: &mut Settings, faults: &mut Vec<Fault>) {
    for option in scope.options() {
        let (Kind::SecretFile { of }, Some(Setting::Text(path))) = (option.kind, read.get(option.name))
        else {
            continue;
        };
        let (name, path) = (option.name, Path::new(path));
        let at = read.place(name);
        if read.written(of) {
            let text = format!("{of} and {name} are both written");
            faults.push(Fault::error(at, text, "remove one of them"));
            continue;
        }
        match secret_file::read(path) {
            Ok(content) => {
                let exposed =
                    content.exposed.map(|it| Fault::warning(at, format!("{name}: {}", it.text), it.help));
                faults.extend(exposed);
                match String::from_utf8(content.secret) {
                    Ok(text) => {
                        read.settings.insert(of, Setting::Secret(Secret::of_file(text, path)));
                    }
                    Err(_) => {
                        let text = format!("{name}: {} is not UTF-8", path.display());
                        faults.push(Fault::error(at, text, "save it as UTF-8"));
                    }
                }
            }
            Err(problem) => faults.push(Fault::error(at, format!("{name}: {}", problem.text), problem.help)),
        }
    }
}

/// The default value of an option.
pub(crate) fn default(option: &OptionSpec) -> Result<Setting, String> {
    let Absent::Is(text) = option.absent else { return Err("has no default".into()) };
    let value = match (option.kind, text) {
        (Kind::Bool, text) => Value::Bool(text.parse().map_err(|_| "is not a boolean")?),
        (Kind::Integer { .. }, text) => Value::Integer(text.parse().map_err(|_| "is not an integer")?),
        (_, text) => Value::Text(text.into()),
    };
    let mut faults = Vec::new();
    let place = Position { line: 0, column: 0 };
    setting(option, &Written { at: place, value }, &mut faults)
        .ok_or_else(|| faults.iter().map(|fault| fault.text.clone()).collect())
}

fn unknown(scope: Scope, section: &str, entry: &Entry) -> Fault {
    let nearest = suggest::nearest(&entry.key, scope.options().map(|option| option.name));
    let alias = scope.options().find(|option| {
        option.nutcracker == Some(&entry.key)
            || option.nsqd.is_some_and(|flag| flag.replace('-', "_") == entry.key)
    });
    // A file of nsqd, or a section with a missing heading.
    let elsewhere = Scope::ALL
        .iter()
        .filter(|other| **other != scope)
        .flat_map(|other| other.options().map(move |option| (other, option)))
        .find(|(_, option)| {
            option.name == entry.key || option.nsqd.is_some_and(|flag| flag.replace('-', "_") == entry.key)
        });
    let help = match (alias, elsewhere, nearest) {
        (Some(option), ..) => format!("here it is called {}", option.name),
        (None, Some((other, option)), _) => format!("write {} in {}", option.name, place_of(*other)),
        (None, None, Some(name)) => format!("did you mean {name}?"),
        (None, None, None) => "`nuthatch help options` lists what there is".into(),
    };
    Fault::error(Some(entry.at), format!("unknown option {} in {section}", entry.key), help)
}

fn place_of(scope: Scope) -> &'static str {
    if scope == Scope::Process { "the top of the file" } else { scope.heading() }
}

/// Reads one value; None if it added a fault.
fn setting(option: &OptionSpec, written: &Written, faults: &mut Vec<Fault>) -> Option<Setting> {
    let name = option.name;
    let mut fail = |at: Position, text: String, help: String| {
        faults.push(Fault::error(Some(at), text, help));
        None
    };
    let expected = || format!("expected {}", option.kind.describe());
    match (option.kind, &written.value) {
        (_, Value::Unknown) => None,
        (Kind::Texts | Kind::Secrets | Kind::Quantiles, value @ Value::List(_)) if value.has_unknown() => {
            None
        }
        (Kind::Bool, Value::Bool(value)) => Some(Setting::Bool(*value)),
        (Kind::Integer { min, max }, Value::Integer(value)) if (min..=max).contains(value) => {
            Some(Setting::Integer(*value))
        }
        (Kind::Integer { .. }, Value::Integer(value)) => {
            fail(written.at, format!("{name} = {value} is out of range"), expected())
        }
        (Kind::Duration { min, max, off }, value) => match duration(value, off) {
            Some(Ok(Some(d))) if d >= min && d <= max => Some(Setting::Duration(d)),
            Some(Ok(Some(_))) => fail(written.at, format!("{name} is out of range"), expected()),
            Some(Ok(None)) => Some(Setting::Off),
            Some(Err(reason)) => fail(written.at, format!("{name} {reason}"), expected()),
            None => fail(written.at, format!("{name} is {}", value.describe()), expected()),
        },
        (Kind::Size { min, max }, value) => match size(value) {
            Some(Ok(bytes)) if (min..=max).contains(&bytes) => Some(Setting::Size(bytes)),
            Some(Ok(_)) => fail(written.at, format!("{name} is out of range"), expected()),
            Some(Err(reason)) => fail(written.at, format!("{name} {reason}"), expected()),
            None => fail(written.at, format!("{name} is {}", value.describe()), expected()),
        },
        (Kind::Text | Kind::Secret | Kind::SecretFile { .. } | Kind::Path, Value::Text(text))
            if text.is_empty() =>
        {
            fail(written.at, format!("{name} is empty"), "leave the option out instead".into())
        }
        (Kind::Text | Kind::Path | Kind::PathOrNone | Kind::SecretFile { .. }, Value::Text(text)) => {
            Some(Setting::Text(text.clone()))
        }
        (Kind::Secret, Value::Text(text)) => Some(Setting::Secret(Secret::new(text.as_str()))),
        (Kind::Secrets, Value::Text(text)) => Some(Setting::Secrets(vec![Secret::new(text.as_str())])),
        (Kind::Secrets, Value::List(items)) => texts(items)
            .map(|texts| Setting::Secrets(texts.into_iter().map(Secret::new).collect()))
            .or_else(|| fail(written.at, format!("{name} has an element that is not a text"), expected())),
        (Kind::Texts, Value::Text(text)) => Some(Setting::Texts(vec![text.clone()])),
        (Kind::Rate, Value::Text(text)) => match Rate::parse(text) {
            Ok(rate) => Some(Setting::Rate(rate)),
            Err(why) => fail(written.at, format!("{name} = \"{text}\" is no rate"), why.into()),
        },
        (Kind::Choice(words), Value::Text(text)) if words().contains(&text.as_str()) => {
            Some(Setting::Text(text.clone()))
        }
        (Kind::Choice(words), Value::Text(text)) => {
            let hint = suggest::nearest(text, words()).map(|word| format!("; did you mean \"{word}\"?"));
            fail(
                written.at,
                format!("{name} = \"{text}\" is unknown"),
                expected() + &hint.unwrap_or_default(),
            )
        }
        (Kind::HashTag, Value::Text(text)) => match <[u8; 2]>::try_from(text.as_bytes()) {
            Ok(tag) => Some(Setting::HashTag(tag)),
            Err(_) => fail(written.at, format!("{name} = \"{text}\" is not two characters"), expected()),
        },
        (Kind::Target, Value::Text(text)) => match endpoint::target(text) {
            Ok(target) => Some(Setting::Target(target)),
            Err((what, help)) => fail(written.at, format!("{name}: {what}"), help),
        },
        (Kind::Listen, Value::Text(text)) => match endpoint::listen(text) {
            Ok(listen) => Some(Setting::Listens(vec![listen])),
            Err((what, help)) => fail(written.at, format!("{name}: {what}"), help),
        },
        (Kind::Listens, Value::Text(_) | Value::Table(_)) => {
            listens(name, std::slice::from_ref(written), faults)
        }
        (Kind::Listens, Value::List(items)) if !items.is_empty() => listens(name, items, faults),
        (Kind::Tls, Value::Table(entries)) => {
            let read = read(Scope::Tls, name, written.at, entries, faults);
            tls_table::to_clients(&read, faults).map(Setting::Tls)
        }
        (Kind::ServerTls, value @ (Value::Table(_) | Value::Bool(true))) => {
            let entries = if let Value::Table(entries) = value { entries.as_slice() } else { &[] };
            let read = read(Scope::ServerTls, name, written.at, entries, faults);
            tls_table::to_servers(&read, faults).map(Setting::ServerTls)
        }
        (Kind::ServerTls, Value::Bool(false)) => Some(Setting::Off),
        (Kind::Servers, Value::List(items)) if !items.is_empty() => servers(items, faults),
        (Kind::Topics, Value::List(items)) if !items.is_empty() => topics(items, faults),
        (Kind::Listens | Kind::Servers | Kind::Topics, Value::List(_)) => {
            fail(written.at, format!("{name} is empty"), expected())
        }
        (Kind::Texts, Value::List(items)) => texts(items)
            .map(Setting::Texts)
            .or_else(|| fail(written.at, format!("{name} has an element that is not a text"), expected())),
        (Kind::Quantiles, Value::List(items)) => quantiles(items).map(Setting::Quantiles).or_else(|| {
            fail(written.at, format!("{name} has an element that is not above 0 and at most 1"), expected())
        }),
        (_, value) => fail(written.at, format!("{name} is {}", value.describe()), expected()),
    }
}

/// Parses a duration. None: wrong type. Ok(None): off.
fn duration(value: &Value, off: bool) -> Option<Result<Option<Duration>, String>> {
    let parsed = match value {
        Value::Text(text) if off && text == "off" => return Some(Ok(None)),
        Value::Text(text) => quantity::duration(text),
        Value::Integer(ms) => match u64::try_from(*ms) {
            Ok(ms) => quantity::milliseconds(ms),
            Err(_) => Err("is negative".into()),
        },
        _ => return None,
    };
    Some(parsed.map(|d| Some(d).filter(|d| !(off && d.is_zero()))))
}

fn size(value: &Value) -> Option<Result<u64, String>> {
    match value {
        Value::Text(text) => Some(quantity::size(text)),
        Value::Integer(bytes) => Some(u64::try_from(*bytes).map_err(|_| "is negative".into())),
        _ => None,
    }
}

fn listens(name: &str, items: &[Written], faults: &mut Vec<Fault>) -> Option<Setting> {
    let (mut listens, mut known) = (Vec::new(), true);
    let before = errors(faults);
    for item in items {
        match &item.value {
            Value::Text(text) => match endpoint::listen(text) {
                Ok(address) => listens.push(WrittenListen { address, tls: None }),
                Err((what, help)) => {
                    faults.push(Fault::error(Some(item.at), format!("{name}: {what}"), help));
                }
            },
            Value::Table(entries) => {
                match tls_table::listener(&read(Scope::Listener, "a listener", item.at, entries, faults)) {
                    Some(listen) => listens.push(listen),
                    None => known = false,
                }
            }
            Value::Unknown => known = false,
            other => {
                let text = format!("{name} has {} in it", other.describe());
                faults.push(Fault::error(Some(item.at), text, "write each address as a text or a table"));
            }
        }
    }
    (known && errors(faults) == before).then_some(Setting::WrittenListens(listens))
}

fn servers(items: &[Written], faults: &mut Vec<Fault>) -> Option<Setting> {
    let (mut servers, mut known) = (Vec::new(), true);
    let before = errors(faults);
    for item in items {
        match &item.value {
            Value::Text(text) => match endpoint::server(text) {
                Ok(server) => servers.push(server),
                Err((what, help)) => {
                    faults.push(Fault::error(Some(item.at), format!("servers: {what}"), help));
                }
            },
            Value::Table(entries) => match server_table(item.at, entries, faults) {
                Some(server) => servers.push(server),
                None => known = false,
            },
            Value::Unknown => known = false,
            other => {
                let text = format!("servers has {} in it", other.describe());
                faults.push(Fault::error(Some(item.at), text, "write each server as a text or a table"));
            }
        }
    }
    (known && errors(faults) == before).then_some(Setting::Servers(servers))
}

fn server_table(at: Position, entries: &[Entry], faults: &mut Vec<Fault>) -> Option<Server> {
    let before = errors(faults);
    let read = read(Scope::Server, "a server", at, entries, faults);
    if let Some(name) = read.text("name").filter(|name| name.contains(' ')) {
        faults.push(Fault::error(
            read.place("name"),
            format!("name = \"{name}\" has a space"),
            "use another character",
        ));
    }
    if read.faulty || errors(faults) > before {
        return None;
    }
    let Some(Setting::Target(target)) = read.settings.get("address") else { return None };
    Some(Server {
        identity: read.text("name").map_or_else(|| endpoint::identity(target), Into::into),
        target: target.clone(),
        weight: read.integer("weight") as u32,
        password: read.secret("password"),
    })
}

/// Reads the rules for topics.
fn topics(items: &[Written], faults: &mut Vec<Fault>) -> Option<Setting> {
    let (mut rules, mut known) = (Vec::new(), true);
    for item in items {
        let Value::Table(entries) = &item.value else {
            let text = format!("topic has {} in it", item.value.describe());
            faults.push(Fault::error(Some(item.at), text, "write each rule as [[queue.topic]]"));
            known = false;
            continue;
        };
        match topic_rule(item.at, entries, faults) {
            Some(rule) => rules.push(rule),
            None => known = false,
        }
    }
    known.then_some(Setting::Topics(rules))
}

fn topic_rule(at: Position, entries: &[Entry], faults: &mut Vec<Fault>) -> Option<TopicRule> {
    let read = read(Scope::QueueTopic, "a rule", at, entries, faults);
    let pattern = read.text("match").filter(|_| !read.faulty)?;
    if pattern.len() > access::GLOB_BYTES_MAX || !pattern.bytes().all(|b| b.is_ascii_graphic()) {
        let text = format!("match = \"{}\" matches no topic", pattern.escape_default());
        faults.push(Fault::error(read.place("match"), text, "write a name of topics, with *, ? and [a-z]"));
        return None;
    }
    Some(TopicRule {
        pattern: Glob::new(pattern.as_bytes()),
        storage: read.text("storage").and_then(Storage::named),
        accept_locally: read.text("accept") == Some("local"),
    })
}

fn texts(items: &[Written]) -> Option<Vec<String>> {
    let text = |item: &Written| match &item.value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    items.iter().map(text).collect()
}

fn quantiles(items: &[Written]) -> Option<Vec<f64>> {
    let number = |item: &Written| match item.value {
        Value::Float(number) => Some(number),
        Value::Integer(number) => Some(number as f64),
        _ => None,
    };
    items.iter().map(|item| number(item).filter(|q| *q > 0.0 && *q <= 1.0)).collect()
}
