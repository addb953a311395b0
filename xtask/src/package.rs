//! `cargo xtask package [deb|static] [--profile PROFILE]`: what operators install, in `target/package`.
//!
//! ```text
//! deb      cargo build ▸ the binary writes its manual pages and completions ▸ cargo-deb (crates/nuthatch/Cargo.toml says what is in it)
//! static   cargo build for a target without shared libraries ▸ nuthatch, the context of contrib/Containerfile, a .tar.gz
//! ```
//! The profile is `dist` unless another is named; the test suite packs the release binary, which it has built
//! already, and builds the static one without optimisation.

use std::env::consts::ARCH;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::run::{self, Fault, may_install};
use crate::workspace::{Metadata, cargo, root};

/// A build with everything may take this long.
const BUILD: Duration = Duration::from_hours(1);
/// Everything else takes seconds.
const SHORT: Duration = Duration::from_mins(5);

/// Version of cargo-deb.
const CARGO_DEB: &str = "3.8.0";

/// Ways to link everything statically, best first. std's musl is made for it. glibc loads parts of itself
/// (NSS) at run time, so the second one resolves names from files and DNS alone.
const STATIC_LINKS: [StaticLink; 2] = [
    StaticLink { libc: "musl", compiler: "musl-gcc", flags: "" },
    StaticLink { libc: "gnu", compiler: "cc", flags: "-C target-feature=+crt-static" },
];

/// A way to link everything statically.
#[derive(Debug, Clone, Copy)]
struct StaticLink {
    /// Last part of the target's name.
    libc: &'static str,
    /// Builds the C of crates; also shows that this libc is installed.
    compiler: &'static str,
    /// Flags of rustc.
    flags: &'static str,
}

/// Completion scripts: the shell, and the file name that it looks for.
const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "nuthatch.bash"), ("zsh", "_nuthatch"), ("fish", "nuthatch.fish")];

/// Directory and profile of a build.
pub struct Place {
    /// cargo's directory of builds.
    pub target: PathBuf,
    /// Profile of the binary.
    pub profile: String,
}

impl Place {
    /// Directory of the packages.
    pub fn output(&self) -> PathBuf {
        self.target.join("package")
    }

    /// Directory of the binary, built for a target or for this machine.
    fn built(&self, target: Option<&str>) -> PathBuf {
        let directory = target.map_or_else(|| self.target.clone(), |target| self.target.join(target));
        // cargo's one profile whose directory has another name.
        directory.join(if self.profile == "dev" { "debug" } else { &self.profile })
    }
}

/// Builds what the words name.
pub fn run(words: &[&str]) -> Result<(), Fault> {
    let mut kinds = Vec::new();
    let mut profile = "dist";
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--profile" => profile = words.next().ok_or("package: --profile needs a name")?,
            kind @ ("deb" | "static") => kinds.push(kind),
            other => return Err(format!("package: no {other}; there are deb and static")),
        }
    }
    if kinds.is_empty() {
        kinds = vec!["deb", "static"];
    }
    let place = Place { target: Metadata::load()?.target_directory, profile: profile.to_owned() };
    for kind in kinds {
        let made = match kind {
            "deb" => deb(&place)?,
            _ => static_binary(&place)?.archive,
        };
        println!("package: {}", made.display());
    }
    Ok(())
}

/// Builds the Debian package; its path.
pub fn deb(place: &Place) -> Result<PathBuf, Fault> {
    let profile = ["--profile", &place.profile];
    run::shown(cargo().args(["build", "--package", "nuthatch"]).args(profile), BUILD)?;
    let built = place.built(None);
    stage(&built.join("nuthatch"), &built.join("package"))?;
    make(&place.output())?;
    let path = place.output().join("nuthatch.deb");
    let mut deb = Command::new(cargo_deb(&place.target)?);
    deb.current_dir(root()).args([
        "--package",
        "nuthatch",
        "--no-build",
        "--strip",
        "--quiet",
        "--deb-revision",
        "1",
    ]);
    run::shown(deb.args(profile).arg("--output").arg(&path), SHORT)?;
    Ok(path)
}

/// cargo-deb, which is installed below the target directory if it is nowhere and may be.
pub fn cargo_deb(target: &Path) -> Result<PathBuf, Fault> {
    if run::is_installed("cargo-deb") {
        return Ok("cargo-deb".into());
    }
    let tools = target.join("tools");
    let program = tools.join("bin/cargo-deb");
    if !program.is_file() {
        if !may_install() {
            return Err("cargo-deb is not installed, and NUTHATCH_NO_INSTALL forbids it".into());
        }
        println!("install: cargo-deb into {}", tools.display());
        // Without optimisation: what takes time is done by xz, which is a program of its own then.
        let mut install = cargo();
        install.args(["install", "--quiet", "--locked", "--debug", "--no-default-features"]);
        install.args(["--version", CARGO_DEB, "cargo-deb", "--root"]).arg(&tools);
        run::shown(install.arg("--target-dir").arg(tools.join("build")), BUILD)?;
        let _ = std::fs::remove_dir_all(tools.join("build"));
    }
    Ok(program)
}

/// Writes manual pages and completions of a binary into `directory`, which is emptied first.
fn stage(binary: &Path, directory: &Path) -> Result<(), Fault> {
    let completions = directory.join("completions");
    let _ = std::fs::remove_dir_all(directory);
    make(&completions)?;
    let manual = directory.join("man");
    run::shown(Command::new(binary).args(["man", "--all"]).arg(&manual), SHORT)?;
    let pages = std::fs::read_dir(&manual).map_err(|error| format!("{}: {error}", manual.display()))?;
    let changes = directory.join("changelog");
    copy(&root().join("CHANGELOG.md"), &changes)?;
    let mut gzip = Command::new("gzip");
    run::shown(gzip.args(["-9", "-n"]).arg(changes).args(pages.flatten().map(|page| page.path())), SHORT)?;
    for (shell, file) in COMPLETIONS {
        let script = run::output(Command::new(binary).args(["completions", shell]), SHORT)?;
        write(&completions.join(file), &script)?;
    }
    Ok(())
}

/// A static binary and what was packed with it.
pub struct Static {
    /// The archive.
    pub archive: PathBuf,
    /// The C library that was linked in: `musl` or `gnu`.
    pub libc: &'static str,
}

/// Builds the static binary, the context of the image, and an archive of both with manual pages.
pub fn static_binary(place: &Place) -> Result<Static, Fault> {
    let link = static_link()?;
    let target = link.target();
    let mut build = cargo();
    build.args(["build", "--package", "nuthatch", "--profile", &place.profile, "--target", &target]);
    if !link.flags.is_empty() {
        build.env("RUSTFLAGS", link.flags);
    }
    run::shown(&mut build, BUILD)?;
    let output = place.output();
    let binary = output.join("nuthatch");
    make(&output)?;
    copy(&place.built(Some(&target)).join("nuthatch"), &binary)?;
    image_context(&output)?;
    Ok(Static { archive: archive(place, &binary)?, libc: link.libc })
}

/// Adds musl's target to the toolchain if it is missing and rustup can fetch it.
pub fn add_musl_target() {
    let target = STATIC_LINKS[0].target();
    if may_install() && run::is_installed("rustup") && !is_target_installed(&target).unwrap_or(true) {
        println!("install: rustup target add {target}");
        if let Err(why) = run::shown(Command::new("rustup").args(["target", "add", &target]), SHORT) {
            println!("install: {why}");
        }
    }
}

/// The configuration and the empty data directory of contrib/Containerfile.
fn image_context(output: &Path) -> Result<(), Fault> {
    let container = output.join("container");
    make(&container.join("data"))?;
    let example = std::fs::read_to_string(root().join("contrib/nuthatch.example.toml"));
    let example = example.map_err(|error| format!("contrib/nuthatch.example.toml: {error}"))?;
    // What listens on loopback in a container is reached by nobody.
    write(&container.join("nuthatch.toml"), &example.replace("\"127.0.0.1:", "\"0.0.0.0:"))
}

fn archive(place: &Place, binary: &Path) -> Result<PathBuf, Fault> {
    let name = format!("nuthatch-linux-{ARCH}-static");
    let directory = place.output().join(&name);
    stage(binary, &directory)?;
    copy(binary, &directory.join("nuthatch"))?;
    for file in ["LICENSE", "README.md", "contrib/nuthatch.example.toml", "contrib/systemd/nuthatch.service"]
    {
        let path = Path::new(file);
        copy(&root().join(path), &directory.join(path.file_name().unwrap_or_default()))?;
    }
    let path = place.output().join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "-czf"]).arg(&path);
    run::shown(tar.arg("-C").arg(place.output()).arg(&name), SHORT)?;
    Ok(path)
}

impl StaticLink {
    /// Target of this machine's processor.
    fn target(self) -> String {
        format!("{ARCH}-unknown-linux-{}", self.libc)
    }
}

/// The first way whose standard library and C compiler are installed.
fn static_link() -> Result<StaticLink, Fault> {
    for link in STATIC_LINKS {
        if run::is_installed(link.compiler) && is_target_installed(&link.target())? {
            return Ok(link);
        }
    }
    let wanted = STATIC_LINKS[0];
    Err(format!("no static binary: it needs {} and rustup target add {}", wanted.compiler, wanted.target()))
}

/// True if the toolchain has the standard library for a target.
fn is_target_installed(target: &str) -> Result<bool, Fault> {
    let libraries = run::output(Command::new("rustc").args(["--print", "sysroot"]), SHORT)?;
    Ok(Path::new(libraries.trim()).join("lib/rustlib").join(target).join("lib").is_dir())
}

fn make(directory: &Path) -> Result<(), Fault> {
    std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))
}

fn write(path: &Path, text: &str) -> Result<(), Fault> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn copy(from: &Path, to: &Path) -> Result<(), Fault> {
    std::fs::copy(from, to).map(drop).map_err(|error| format!("{}: {error}", from.display()))
}
