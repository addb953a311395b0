//! Which request goes where: one table, and the rules of nsqd's router for everything that is not in it.
//!
//! In this order: a row with the path and the method; a redirect to the row that was probably meant (a slash too many or too
//! few, `//` or `..`, wrong case), if that row has the method; the list of methods, for `OPTIONS` and for a wrong method; not
//! found.

use super::Endpoint;

/// A path and what its methods do. A last part `:opt` stands for any one word.
type Row = (&'static str, &'static [(&'static str, Endpoint)]);

/// The table.
pub(super) const ROUTES: &[Row] = &[
    ("/ping", &[("GET", Endpoint::Ping)]),
    ("/info", &[("GET", Endpoint::Info)]),
    ("/pub", &[("POST", Endpoint::Publish)]),
    ("/mpub", &[("POST", Endpoint::PublishMany)]),
    ("/stats", &[("GET", Endpoint::Stats)]),
    ("/topic/create", &[("POST", Endpoint::CreateTopic)]),
    ("/topic/delete", &[("POST", Endpoint::DeleteTopic)]),
    ("/topic/empty", &[("POST", Endpoint::EmptyTopic)]),
    ("/topic/pause", &[("POST", Endpoint::PauseTopic(true))]),
    ("/topic/unpause", &[("POST", Endpoint::PauseTopic(false))]),
    ("/channel/create", &[("POST", Endpoint::CreateChannel)]),
    ("/channel/delete", &[("POST", Endpoint::DeleteChannel)]),
    ("/channel/empty", &[("POST", Endpoint::EmptyChannel)]),
    ("/channel/pause", &[("POST", Endpoint::PauseChannel(true))]),
    ("/channel/unpause", &[("POST", Endpoint::PauseChannel(false))]),
    ("/config/:opt", &[("GET", Endpoint::ReadOption), ("PUT", Endpoint::WriteOption)]),
    ("/debug/pprof/", &[("GET", Endpoint::ProfileIndex)]),
    ("/debug/pprof/cmdline", &[("GET", Endpoint::CommandLine)]),
    ("/debug/pprof/symbol", &[("GET", Endpoint::Symbol), ("POST", Endpoint::Symbol)]),
    ("/debug/pprof/heap", &[("GET", Endpoint::HeapProfile)]),
    ("/debug/pprof/profile", &[("GET", Endpoint::NoProfile)]),
    ("/debug/pprof/goroutine", &[("GET", Endpoint::NoProfile)]),
    ("/debug/pprof/block", &[("GET", Endpoint::NoProfile)]),
    ("/debug/pprof/threadcreate", &[("GET", Endpoint::NoProfile)]),
    ("/debug/setblockrate", &[("PUT", Endpoint::SetBlockRate)]),
    ("/debug/freememory", &[("POST", Endpoint::FreeMemory)]),
    // beyond nsqd
    ("/topic/settings", &[("GET", Endpoint::ReadTopicSettings), ("PUT", Endpoint::WriteTopicSettings)]),
    ("/topic/peek", &[("GET", Endpoint::PeekTopic)]),
    ("/channel/settings", &[("GET", Endpoint::ReadChannelSettings), ("PUT", Endpoint::WriteChannelSettings)]),
    ("/channel/seek", &[("POST", Endpoint::Seek)]),
    ("/channel/peek", &[("GET", Endpoint::PeekChannel)]),
    ("/channel/redrive", &[("POST", Endpoint::Redrive)]),
];

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// It is served; with the word that stood for `:opt`.
    Found(Endpoint, String),
    /// The client is to ask for this path (not escaped) instead.
    Redirect(String),
    /// `OPTIONS`: the methods.
    Methods(String),
    /// The methods, none of which was used.
    WrongMethod(String),
    /// There is nothing there.
    NotFound,
}

/// Finds the way for a method and an unescaped path.
pub(super) fn resolve(method: &str, path: &str) -> Route {
    if let Some((endpoint, word)) = find(method, path, str::eq) {
        return Route::Found(endpoint, word);
    }
    if let Some(meant) = meant(method, path) {
        return Route::Redirect(meant);
    }
    match methods(path) {
        None => Route::NotFound,
        Some(list) if method == "OPTIONS" => Route::Methods(list),
        Some(list) => Route::WrongMethod(list),
    }
}

type Same = fn(&str, &str) -> bool;

fn find(method: &str, path: &str, same: Same) -> Option<(Endpoint, String)> {
    let (actions, word) =
        ROUTES.iter().find_map(|(row, actions)| matched(row, path, same).map(|word| (actions, word)))?;
    let (_, endpoint) = actions.iter().find(|(name, _)| *name == method)?;
    Some((*endpoint, word.to_owned()))
}

/// The word that stands for `:opt` in `path`, or an empty one, if `path` is what `row` names.
fn matched<'a>(row: &str, path: &'a str, same: Same) -> Option<&'a str> {
    match row.strip_suffix(":opt") {
        None => same(row, path).then_some(""),
        Some(before) => {
            let (head, word) = path.split_at_checked(before.len())?;
            (same(before, head) && !word.is_empty() && !word.contains('/')).then_some(word)
        }
    }
}

/// The path that was probably meant, if it has this method.
fn meant(method: &str, path: &str) -> Option<String> {
    if method == "CONNECT" || path == "/" {
        return None;
    }
    let other = other_slash(path);
    if find(method, &other, str::eq).is_some() {
        return Some(other);
    }
    let clean = clean(path);
    [clean.clone(), other_slash(&clean)].into_iter().find_map(|candidate| {
        let same: Same = str::eq_ignore_ascii_case;
        ROUTES.iter().find_map(|(row, actions)| {
            let word = matched(row, &candidate, same)?;
            let has = actions.iter().any(|(name, _)| *name == method);
            has.then(|| format!("{}{word}", row.trim_end_matches(":opt")))
        })
    })
}

fn other_slash(path: &str) -> String {
    match path.strip_suffix('/') {
        Some(without) => without.to_owned(),
        None => format!("{path}/"),
    }
}

/// Without empty parts, `.` and `..`; a slash at the end stays.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let slash = (path.ends_with('/') || path.ends_with("/.")) && !parts.is_empty();
    format!("/{}{}", parts.join("/"), if slash { "/" } else { "" })
}

/// The value of `Allow`: methods in order of the alphabet.
fn methods(path: &str) -> Option<String> {
    let (_, actions) = ROUTES.iter().find(|(row, _)| matched(row, path, str::eq).is_some())?;
    let mut list: Vec<&str> = actions.iter().map(|(method, _)| *method).chain(["OPTIONS"]).collect();
    list.sort_unstable();
    Some(list.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways() {
        let found = |endpoint, word: &str| Route::Found(endpoint, word.to_owned());
        let to = |path: &str| Route::Redirect(path.to_owned());
        let wrong = |list: &str| Route::WrongMethod(list.to_owned());
        for (method, path, expected) in [
            ("GET", "/ping", found(Endpoint::Ping, "")),
            ("PUT", "/config/log_level", found(Endpoint::WriteOption, "log_level")),
            ("POST", "/topic/unpause", found(Endpoint::PauseTopic(false), "")),
            ("GET", "/", Route::NotFound),
            ("GET", "/nope", Route::NotFound),
            ("GET", "/topic", Route::NotFound),
            ("GET", "/config", Route::NotFound),
            ("GET", "/config/", Route::NotFound),
            ("GET", "/config/a/b", Route::NotFound),
            ("GET", "/config/a/", to("/config/a")),
            ("GET", "/ping/", to("/ping")),
            ("GET", "/PING", to("/ping")),
            ("GET", "/PING/", to("/ping")),
            ("GET", "//ping", to("/ping")),
            ("GET", "/stats//", to("/stats")),
            ("GET", "/topic/../ping", to("/ping")),
            ("GET", "/./ping/.", to("/ping")),
            ("POST", "/pub/", to("/pub")),
            ("GET", "/pub/", Route::NotFound),
            ("DELETE", "/ping/", Route::NotFound),
            ("PUT", "/CONFIG/Log_Level", to("/config/Log_Level")),
            ("GET", "/debug/pprof", to("/debug/pprof/")),
            ("PUT", "/pub", wrong("OPTIONS, POST")),
            ("HEAD", "/info", wrong("GET, OPTIONS")),
            ("DELETE", "/config/x", wrong("GET, OPTIONS, PUT")),
            ("OPTIONS", "/config/x", Route::Methods("GET, OPTIONS, PUT".into())),
            ("OPTIONS", "/nope", Route::NotFound),
            ("OPTIONS", "/ping/", Route::NotFound),
            ("GET", "", Route::NotFound),
            ("GET", "/..", Route::NotFound),
            ("GET", "/confi\u{e4}/x", Route::NotFound),
        ] {
            assert_eq!(resolve(method, path), expected, "{method} {path}");
        }
    }
}
