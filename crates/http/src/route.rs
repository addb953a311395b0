//! Routes: an API's own table, and nsqd's router rules for everything else.
//!
//! In this order: a row with the path and the method; a redirect to the row that was probably meant (a slash
//! too many or too few, `//` or `..`, wrong case), if that row has the method; the list of methods, for
//! `OPTIONS` and for a wrong method; not found.

use std::pin::Pin;

use axum::body::Body;
use axum::http::Response;

use crate::answer::HttpRefusal;
use crate::browser::Aim;
use crate::login::Right;
use crate::request::Asked;

/// A future answer.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Response<Body>, HttpRefusal>> + Send + 'a>>;

/// Handler of a routed request.
pub type Handler<A> = for<'a> fn(&'a A, Asked) -> Answering<'a>;

/// A path with one method and its handler. A path part that begins with `:` matches any one word.
pub struct Row<A> {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) handler: Handler<A>,
    pub(crate) aim: Aim,
    pub(crate) quiet: bool,
    pub(crate) right: Right,
}

/// A row that changes nothing.
pub const fn get<A>(path: &'static str, handler: Handler<A>) -> Row<A> {
    Row { method: "GET", path, handler, aim: Aim::Other, quiet: false, right: Right::View }
}

/// A row that may change something.
pub const fn post<A>(path: &'static str, handler: Handler<A>) -> Row<A> {
    Row { method: "POST", path, handler, aim: Aim::Change, quiet: false, right: Right::Operate }
}

/// A row that replaces something.
pub const fn put<A>(path: &'static str, handler: Handler<A>) -> Row<A> {
    Row { method: "PUT", path, handler, aim: Aim::Change, quiet: false, right: Right::Operate }
}

/// A row that removes something.
pub const fn delete<A>(path: &'static str, handler: Handler<A>) -> Row<A> {
    Row { method: "DELETE", path, handler, aim: Aim::Change, quiet: false, right: Right::Operate }
}

/// Marks a row as too frequent to log each request.
pub const fn quiet<A>(row: Row<A>) -> Row<A> {
    Row { quiet: true, ..row }
}

/// Marks a row whose answers show messages; only users who may operate get them.
pub const fn messages<A>(row: Row<A>) -> Row<A> {
    Row { aim: Aim::Messages, right: Right::Operate, ..row }
}

/// Marks a row as open to everyone, even if others need a login.
pub const fn open<A>(row: Row<A>) -> Row<A> {
    Row { right: Right::Anybody, ..row }
}

/// Marks a row whose handler checks the right to the named topic ([`Asked::user`]).
pub const fn by_topic<A>(row: Row<A>) -> Row<A> {
    Row { right: Right::Topic, ..row }
}

/// Merges these tables, with every path below `base` (`/`, or without a trailing slash). The result lives as
/// long as the process, so call this once.
pub fn under<A>(base: &str, tables: &[&'static [Row<A>]]) -> &'static [Row<A>] {
    let base = base.strip_suffix('/').unwrap_or(base);
    let path = |row: &Row<A>| match row.path {
        "/" if !base.is_empty() => base.to_owned(),
        path => format!("{base}{path}"),
    };
    let rows = tables.iter().copied().flatten();
    rows.map(|row| Row { path: path(row).leak(), ..*row }).collect::<Vec<_>>().leak()
}

impl<A> std::fmt::Debug for Row<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Outcome of routing a request.
#[derive(Debug)]
pub(crate) enum Route<A: 'static> {
    /// The row, with the words matched by its `:` parts.
    Found(&'static Row<A>, Vec<String>),
    /// Redirect to this path (not escaped).
    Redirect(String),
    /// Answer to `OPTIONS`: the methods.
    Methods(String),
    /// The allowed methods; the request used none of them.
    WrongMethod(String),
    /// No such path.
    NotFound,
}

/// Finds the route for a method and an unescaped path.
pub(crate) fn resolve<A>(rows: &'static [Row<A>], method: &str, path: &str) -> Route<A> {
    if let Some((row, words)) = find(rows, method, path) {
        return Route::Found(row, words);
    }
    if let Some(meant) = meant(rows, method, path) {
        return Route::Redirect(meant);
    }
    match methods(rows, path) {
        None => Route::NotFound,
        Some(list) if method == "OPTIONS" => Route::Methods(list),
        Some(list) => Route::WrongMethod(list),
    }
}

type Same = fn(&str, &str) -> bool;

fn find<A>(rows: &'static [Row<A>], method: &str, path: &str) -> Option<(&'static Row<A>, Vec<String>)> {
    let mut of_method = rows.iter().filter(|row| row.method == method);
    of_method.find_map(|row| {
        let words = matched(row.path, path, str::eq)?;
        Some((row, words.into_iter().map(str::to_owned).collect()))
    })
}

/// The words matched by the `:` parts of `row`, if it matches `path`.
fn matched<'a>(row: &str, path: &'a str, same: Same) -> Option<Vec<&'a str>> {
    let (mut wanted, mut given) = (row.split('/'), path.split('/'));
    let mut words = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(words),
            (Some(part), Some(word)) if part.starts_with(':') && !word.is_empty() => words.push(word),
            (Some(part), Some(word)) if same(part, word) => {}
            _ => return None,
        }
    }
}

/// The path that was probably meant, if it has this method.
fn meant<A>(rows: &'static [Row<A>], method: &str, path: &str) -> Option<String> {
    if method == "CONNECT" || path == "/" {
        return None;
    }
    let other = other_slash(path);
    if find(rows, method, &other).is_some() {
        return Some(other);
    }
    let clean = clean(path);
    [clean.clone(), other_slash(&clean)].into_iter().find_map(|candidate| {
        rows.iter().filter(|row| row.method == method).find_map(|row| {
            let words = matched(row.path, &candidate, str::eq_ignore_ascii_case)?;
            Some(filled(row.path, &words))
        })
    })
}

/// The path of a row with these words filled in.
fn filled(row: &str, words: &[&str]) -> String {
    let mut words = words.iter().copied();
    let part = |part| if str::starts_with(part, ':') { words.next().unwrap_or_default() } else { part };
    row.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn other_slash(path: &str) -> String {
    match path.strip_suffix('/') {
        Some(without) => without.to_owned(),
        None => format!("{path}/"),
    }
}

/// The path without empty parts, `.` and `..`; a trailing slash stays.
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

/// The value of `Allow`: methods in alphabetical order.
fn methods<A>(rows: &'static [Row<A>], path: &str) -> Option<String> {
    let there = rows.iter().filter(|row| matched(row.path, path, str::eq).is_some());
    let mut list: Vec<&str> = there.map(|row| row.method).collect();
    if list.is_empty() {
        return None;
    }
    list.push("OPTIONS");
    list.sort_unstable();
    Some(list.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    const fn nothing(_: &Nothing, _: Asked) -> Answering<'_> {
        panic!("not called")
    }

    const ROWS: &[Row<Nothing>] = &[
        get("/ping", nothing),
        get("/info", nothing),
        get("/stats", nothing),
        post("/pub", nothing),
        post("/topic/unpause", nothing),
        get("/config/:opt", nothing),
        put("/config/:opt", nothing),
        get("/debug/pprof/", nothing),
        get("/topics/:topic/:channel", nothing),
        delete("/topics/:topic", nothing),
    ];

    fn shown(method: &str, path: &str) -> String {
        match resolve(ROWS, method, path) {
            Route::Found(row, words) => format!("{row:?} {}", words.join(",")),
            Route::Redirect(path) => format!("to {path}"),
            Route::Methods(list) => format!("methods {list}"),
            Route::WrongMethod(list) => format!("wrong {list}"),
            Route::NotFound => "none".into(),
        }
    }

    #[test]
    fn tables_below_a_base() {
        const MORE: &[Row<Nothing>] = &[get("/", nothing)];
        let shown = |base: &str| format!("{:?}", &under(base, &[MORE, ROWS])[..3]);
        assert_eq!(shown("/"), "[GET /, GET /ping, GET /info]");
        assert_eq!(shown("/sub"), "[GET /sub, GET /sub/ping, GET /sub/info]");
    }

    #[test]
    fn ways() {
        for (method, path, expected) in [
            ("GET", "/ping", "GET /ping "),
            ("PUT", "/config/log_level", "PUT /config/:opt log_level"),
            ("POST", "/topic/unpause", "POST /topic/unpause "),
            ("GET", "/topics/a/b", "GET /topics/:topic/:channel a,b"),
            ("DELETE", "/topics/a", "DELETE /topics/:topic a"),
            ("GET", "/topics/a", "wrong DELETE, OPTIONS"),
            ("GET", "/TOPICS/A/b/", "to /topics/A/b"),
            ("GET", "/", "none"),
            ("GET", "/nope", "none"),
            ("GET", "/topic", "none"),
            ("GET", "/config", "none"),
            ("GET", "/config/", "none"),
            ("GET", "/config/a/b", "none"),
            ("GET", "/config/a/", "to /config/a"),
            ("GET", "/ping/", "to /ping"),
            ("GET", "/PING", "to /ping"),
            ("GET", "/PING/", "to /ping"),
            ("GET", "//ping", "to /ping"),
            ("GET", "/stats//", "to /stats"),
            ("GET", "/topic/../ping", "to /ping"),
            ("GET", "/./ping/.", "to /ping"),
            ("POST", "/pub/", "to /pub"),
            ("GET", "/pub/", "none"),
            ("DELETE", "/ping/", "none"),
            ("PUT", "/CONFIG/Log_Level", "to /config/Log_Level"),
            ("GET", "/debug/pprof", "to /debug/pprof/"),
            ("PUT", "/pub", "wrong OPTIONS, POST"),
            ("HEAD", "/info", "wrong GET, OPTIONS"),
            ("DELETE", "/config/x", "wrong GET, OPTIONS, PUT"),
            ("OPTIONS", "/config/x", "methods GET, OPTIONS, PUT"),
            ("OPTIONS", "/nope", "none"),
            ("OPTIONS", "/ping/", "none"),
            ("GET", "", "none"),
            ("GET", "/..", "none"),
            ("GET", "/confi\u{e4}/x", "none"),
        ] {
            assert_eq!(shown(method, path), expected, "{method} {path}");
        }
    }
}
