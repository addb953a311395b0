//! No circle among the modules of a crate: a file does not name, over whatever detour, a file that names it.
//!
//! An arrow is a path in the code, with `use` or without, from a file to the file whose names it takes: `crate::a::B`,
//! `super::B`, or `a::B` of a child. Re-exports are followed to where the name is from and are no arrows themselves, nor is
//! `mod`. Methods are not seen: an `impl` may stand in another file than its type. Unit tests do not count.
//!
//! Crates that still have circles stand in `tidy.toml`, with a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Findings;
use super::exceptions::Exceptions;
use crate::workspace::{Metadata, rust_files};

/// A module by its path in the crate; the root is empty.
type Module = Vec<String>;
type Arrows = BTreeMap<Module, BTreeSet<Module>>;

/// Adds a fault for each circle, and for each exception that is not needed.
pub fn check(metadata: &Metadata, exceptions: &Exceptions, findings: &mut Findings) {
    let mut excused: BTreeSet<&String> = exceptions.circles.keys().collect();
    for (name, package) in metadata.members() {
        let circles = circles(&arrows(&sources(&package.directory().join("src"))));
        let is_excused = exceptions.circles.contains_key(name);
        if is_excused && !circles.is_empty() {
            excused.retain(|known| *known != name);
        }
        for circle in circles.iter().filter(|_| !is_excused) {
            let files: Vec<String> = circle.iter().map(shown).collect();
            findings
                .faults
                .push(format!("crate {name}: modules name each other in a circle: {}", files.join(" ")));
        }
    }
    for name in excused {
        findings.faults.push(format!("xtask/tidy.toml: crate {name} has no circle any more"));
    }
}

fn shown(module: &Module) -> String {
    if module.is_empty() { "the crate's root".to_owned() } else { format!("{}.rs", module.join("/")) }
}

/// The modules of a crate with their code, tests left out.
fn sources(source: &Path) -> BTreeMap<Module, String> {
    let mut modules = BTreeMap::new();
    for path in rust_files(source) {
        let relative = path.strip_prefix(source).unwrap_or(&path).with_extension("");
        let mut module: Module = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if module.iter().any(|part| part == "tests" || part == "testing") || module[0] == "bin" {
            continue;
        }
        if module.len() == 1 && matches!(&*module[0], "lib" | "main") {
            module.clear();
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        modules.insert(module, without_tests(&text));
    }
    modules
}

/// The code before the unit tests, without comments.
fn without_tests(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    let code = text[..end].lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    code.collect::<Vec<_>>().join("\n")
}

/// Modules, each with those it names.
fn arrows(modules: &BTreeMap<Module, String>) -> Arrows {
    let paths: BTreeMap<&Module, Vec<Named>> = modules.iter().map(|(m, text)| (m, named(text))).collect();
    let house = House { modules: modules.keys().collect(), handed_on: handed_on(&paths) };
    let mut arrows = Arrows::new();
    for (from, paths) in &paths {
        let targets =
            paths.iter().filter(|path| !path.handed_on).filter_map(|path| house.find(from, &path.segments));
        let targets: BTreeSet<Module> = targets.filter(|target| target != *from).collect();
        arrows.insert((*from).clone(), targets);
    }
    arrows
}

/// A name that a module hands on, and the path from there to where it is from.
type HandedOn<'a> = BTreeMap<(&'a Module, &'a String), &'a [String]>;

fn handed_on<'a>(paths: &'a BTreeMap<&'a Module, Vec<Named>>) -> HandedOn<'a> {
    let all = paths.iter().flat_map(|(module, paths)| paths.iter().map(move |path| (*module, path)));
    let reexports = all.filter(|(_, path)| path.handed_on);
    reexports
        .filter_map(|(module, path)| Some(((module, path.segments.last()?), &path.segments[..])))
        .collect()
}

struct House<'a> {
    modules: BTreeSet<&'a Module>,
    handed_on: HandedOn<'a>,
}

impl House<'_> {
    /// The module that a path in `from` leads to; None if it leaves the crate.
    fn find(&self, from: &Module, path: &[String]) -> Option<Module> {
        let (mut module, mut rest) = (from.clone(), path);
        match rest.first()?.as_str() {
            "crate" => (module, rest) = (Module::new(), &rest[1..]),
            "self" => rest = &rest[1..],
            "super" => {}
            child if self.modules.contains(&join(&module, child)) => {}
            _ => return None,
        }
        while let Some(next) = rest.first() {
            let inner = join(&module, next);
            if next == "super" {
                module.pop();
            } else if self.modules.contains(&inner) {
                module = inner;
            } else if let Some(origin) = self.handed_on.get(&(&module, next)) {
                return self.find(&module, origin);
            } else {
                break;
            }
            rest = &rest[1..];
        }
        Some(module)
    }
}

fn join(module: &Module, child: &str) -> Module {
    module.iter().cloned().chain([child.to_owned()]).collect()
}

/// A path in the code.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    segments: Vec<String>,
    /// It is re-exported.
    handed_on: bool,
}

/// All paths of more than one segment in a text, each name of a group by itself.
fn named(text: &str) -> Vec<Named> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = is_word(tokens[at]) && tokens.get(at + 1) == Some(&"::");
        if !begins {
            at += 1;
            continue;
        }
        let before = |n: usize| at.checked_sub(n).and_then(|at| tokens.get(at)).copied();
        let handed_on = before(1) == Some("use") && matches!(before(2), Some("pub" | ")"));
        let mut paths = Vec::new();
        at = tree(&tokens, at, &[], &mut paths);
        found.extend(paths.into_iter().map(|segments| Named { segments, handed_on }));
    }
    found
}

/// Reads the path at `at`, with what is in its braces; returns where it ends.
fn tree(tokens: &[&str], mut at: usize, prefix: &[String], out: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match tokens.get(at) {
            Some(&"{") => {
                at += 1;
                while !matches!(tokens.get(at), None | Some(&"}")) {
                    let next = tree(tokens, at, &path, out);
                    at = if next == at { at + 1 } else { next };
                }
                return at + 1;
            }
            Some(word) if is_word(word) => {
                if *word != "self" || path.is_empty() {
                    path.push((*word).to_owned());
                }
                at += 1;
            }
            _ => return at,
        }
        if tokens.get(at) != Some(&"::") || !tokens.get(at + 1).is_some_and(|t| is_word(t) || *t == "{") {
            if tokens.get(at) == Some(&"::") {
                at += 1;
            }
            out.push(path);
            return at;
        }
        at += 1;
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Words, `::` and single marks.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let len = if word > 0 {
            word
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(&rest[..len]);
        rest = rest[len..].trim_start();
    }
    tokens
}

/// Sets of modules that reach each other.
fn circles(arrows: &Arrows) -> Vec<Vec<Module>> {
    let reached: BTreeMap<&Module, BTreeSet<&Module>> =
        arrows.keys().map(|module| (module, reach(arrows, module))).collect();
    let mut circles: Vec<Vec<Module>> = Vec::new();
    for (module, mine) in &reached {
        if mine.contains(*module) && !circles.iter().flatten().any(|known| known == *module) {
            let others =
                mine.iter().filter(|other| reached.get(**other).is_some_and(|o| o.contains(*module)));
            circles.push(others.map(|other| (*other).clone()).collect());
        }
    }
    circles
}

/// Modules that a module names, over whatever detour.
fn reach<'a>(arrows: &'a Arrows, from: &Module) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&Module> = arrows.get(from).into_iter().flatten().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(arrows.get(module).into_iter().flatten());
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of a crate with these files.
    fn check(files: &[(&str, &str)]) -> Vec<String> {
        let module =
            |name: &str| name.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let modules = files.iter().map(|(name, text)| (module(name), without_tests(text))).collect();
        let join = |circle: Vec<Module>| circle.iter().map(|m| m.join("/")).collect::<Vec<_>>().join(" ");
        circles(&arrows(&modules)).into_iter().map(join).collect()
    }

    #[test]
    fn circles_are_found() {
        let root = ("", "mod a; mod b; pub use a::A; pub(crate) use b::{self, B};");
        let a = "pub struct A(crate::b::B);";
        for (a, b, wanted) in [
            (a, "pub struct B;", &[][..]),
            (a, "use crate::a::A;\npub struct B;", &["a b"]),
            (a, "use crate::{a, c::{D, a as e}};", &["a b"]),
            (a, "fn f(a: &super::A) {}", &["a b"]),
            (a, "fn f(a: &crate::A) {}", &["a b"]),
            (a, "// crate::a::A\n#[cfg(test)]\nmod tests {\n use crate::a::A;\n}", &[]),
            ("use super::B;", "use crate::a;", &["a b"]),
            ("use super::B;", "use crate::a::{A};", &["a b"]),
            ("use std::a::b;", "use crate::a::A;", &[]),
            ("use crate::b::c::C;", "mod c;", &[]),
        ] {
            assert_eq!(check(&[root, ("a", a), ("b", b)]), wanted, "{a} | {b}");
        }
    }

    #[test]
    fn parents_and_children_can_be_a_circle() {
        let root = ("", "mod a;");
        let child = ("a/b", "use super::A;");
        assert_eq!(check(&[root, ("a", "mod b;\npub struct A;"), child]), [""; 0]);
        assert_eq!(check(&[root, ("a", "mod b;\npub use b::B;"), child]), [""; 0]);
        assert_eq!(check(&[root, ("a", "mod b;\nuse b::B;"), child]), ["a a/b"]);
        assert_eq!(check(&[root, ("a", "mod b;\nfn f() { b::f() }"), child]), ["a a/b"]);
        let detour = ("c", "use crate::a::b::B;");
        assert_eq!(check(&[root, ("a", "use crate::c::C;"), child, detour]), ["a a/b c"]);
    }
}
