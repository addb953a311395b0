//! No circles among the modules of a crate: no file names, even indirectly, a file that names it.
//!
//! An arrow is a path in the code, with or without `use`, from a file to the file whose names it uses:
//! `crate::a::B`, `super::B`, or `a::B` of a child; from child to parent as well as from parent to child.
//! Re-exports are followed to the origin of the name; a re-export is an arrow only if its file also uses the
//! name. `mod` is not an arrow. Methods are not seen: an `impl` may be in another file than its type. Unit
//! tests do not count.
//!
//! Exempt crates are listed in `tidy.toml`, with a reason. There are none.

mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use self::names::Named;
use super::exceptions::Exceptions;
use super::findings::Findings;
use crate::workspace::{Metadata, rust_files};

/// Path of a module in its crate; empty for the root.
type Module = Vec<String>;
type Arrows = BTreeMap<Module, BTreeSet<Module>>;

/// Adds a fault for each circle, and for each exception that is no longer needed.
pub fn check(metadata: &Metadata, exceptions: &Exceptions, findings: &mut Findings) {
    let mut excused: BTreeSet<&String> = exceptions.circles.keys().collect();
    for (name, package) in metadata.members() {
        let arrows = arrows(&sources(&package.directory().join("src")));
        let circles = circles(&arrows);
        let is_excused = exceptions.circles.contains_key(name);
        if is_excused && !circles.is_empty() {
            excused.retain(|known| *known != name);
        }
        for circle in circles.iter().filter(|_| !is_excused) {
            let inside = |from| arrows[from].iter().filter(|to| circle.contains(to)).map(shown);
            let files = circle
                .iter()
                .map(|from| format!("{} ({})", shown(from), inside(from).collect::<Vec<_>>().join(" ")));
            findings.faults.push(format!(
                "crate {name}: modules name each other in a circle, each with those it names: {}",
                files.collect::<Vec<_>>().join(", ")
            ));
        }
    }
    for name in excused {
        findings.faults.push(format!("xtask/tidy.toml: crate {name} has no circle any more"));
    }
}

fn shown(module: &Module) -> String {
    if module.is_empty() { "the crate's root".to_owned() } else { format!("{}.rs", module.join("/")) }
}

/// Modules of a crate with their code, without tests.
fn sources(source: &Path) -> BTreeMap<Module, String> {
    let mut modules = BTreeMap::new();
    for path in rust_files(source) {
        let relative = path.strip_prefix(source).unwrap_or(&path).with_extension("");
        let mut module: Module = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if module.iter().any(|part| part == "tests" || part == "testing") || module[0] == "bin" {
            continue;
        }
        // Next to a library, main.rs is a separate crate, which names the library from outside.
        if module == ["lib"] || module == ["main"] && !source.join("lib.rs").exists() {
            module.clear();
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        modules.insert(module, names::code(&text));
    }
    modules
}

/// Modules, each with those it names.
fn arrows(modules: &BTreeMap<Module, String>) -> Arrows {
    let paths: BTreeMap<&Module, Vec<Named>> =
        modules.iter().map(|(m, text)| (m, names::named(text))).collect();
    let tree = Tree { modules: modules.keys().collect(), reexports: reexports(&paths) };
    let mut arrows = Arrows::new();
    for (from, paths) in &paths {
        let targets =
            paths.iter().filter(|path| path.used).filter_map(|path| tree.find(from, &path.segments));
        let targets: BTreeSet<Module> = targets.filter(|target| target != *from).collect();
        arrows.insert((*from).clone(), targets);
    }
    arrows
}

/// A name that a module re-exports, and the path from there to its origin.
type Reexports<'a> = BTreeMap<(&'a Module, &'a str), &'a [String]>;

fn reexports<'a>(paths: &'a BTreeMap<&'a Module, Vec<Named>>) -> Reexports<'a> {
    let all = paths.iter().flat_map(|(module, paths)| paths.iter().map(move |path| (*module, path)));
    let reexports = all.filter(|(_, path)| path.reexported);
    reexports.map(|(module, path)| ((module, &*path.alias), &path.segments[..])).collect()
}

/// The modules of a crate.
struct Tree<'a> {
    modules: BTreeSet<&'a Module>,
    reexports: Reexports<'a>,
}

impl Tree<'_> {
    /// Module that a path in `from` leads to; None if it leaves the crate.
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
            } else if let Some(origin) = self.reexports.get(&(&module, &**next)) {
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

/// Modules that a module names, directly or indirectly.
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

    /// Circles of a crate with these files.
    fn check(files: &[(&str, &str)]) -> Vec<String> {
        let module =
            |name: &str| name.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let modules = files.iter().map(|(name, text)| (module(name), names::code(text))).collect();
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
            (a, "#[cfg(test)]\nmod tests;\n\nuse crate::a::A;", &["a b"]),
            ("use super::B;", "use crate::a;", &["a b"]),
            ("use super::B;", "use crate::a::{A};", &["a b"]),
            ("use std::a::b;", "use crate::a::A;", &[]),
            ("use crate::b::c::C;", "mod c;", &[]),
            (a, r#"const C: &str = "a//b"; use crate::a::A;"#, &["a b"]),
        ] {
            assert_eq!(check(&[root, ("a", a), ("b", b)]), wanted, "{a} | {b}");
        }
    }

    #[test]
    fn parents_and_children_can_be_a_circle() {
        let root = ("", "mod a;");
        let child = ("a/b", "use super::A;");
        assert_eq!(check(&[root, ("a", "mod b;\npub struct A;"), child]), [""; 0]);
        for (parent, wanted) in [
            ("pub use b::B;", &[][..]),
            ("pub use b::B;\npub struct A(B);", &["a a/b"]),
            ("pub use b::{B as C, f};\npub struct A { f: u8 }", &[]),
            ("pub use b::{B as C, f};\nfn g() { f() }", &["a a/b"]),
            ("pub use b::{B as C, f};\npub type A = C;", &["a a/b"]),
        ] {
            assert_eq!(check(&[root, ("a", parent), child]), wanted, "{parent}");
        }
        assert_eq!(check(&[root, ("a", "mod b;\nuse b::B;"), child]), ["a a/b"]);
        assert_eq!(check(&[root, ("a", "mod b;\nfn f() { b::f() }"), child]), ["a a/b"]);
        let visible = ("a/b", "pub(in super::super) fn f() {}");
        assert_eq!(check(&[root, ("a", "mod b;\nfn f() { b::f() }"), visible]), [""; 0]);
        let detour = ("c", "use crate::a::b::B;");
        assert_eq!(check(&[root, ("a", "use crate::c::C;"), child, detour]), ["a a/b c"]);
    }

    #[test]
    fn a_program_beside_a_library_is_outside_of_it() {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("lib.rs", "mod a;\npub use a::A;"),
            ("a.rs", "use crate::A;"),
            ("main.rs", "use library::a;\nfn main() { a::f() }"),
        ] {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        assert!(circles(&arrows(&sources(directory.path()))).is_empty());
    }
}
