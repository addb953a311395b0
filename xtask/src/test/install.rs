//! Installs the servers and clients that suites need, where that needs no questions.
//!
//! Servers come from apt, if we are root on a system that has it. Python and JavaScript clients go into
//! separate environments below the target directory. `NUTHATCH_NO_INSTALL=1` forbids all three. Missing ones
//! are reported, and the suites that need them skip and say so.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::run::{self, Fault};

/// Programs that suites use, and their Debian packages.
const PROGRAMS: [(&str, &str); 15] = [
    ("nutcracker", "nutcracker"),
    ("redis-server", "redis-server"),
    ("redis-cli", "redis-tools"),
    ("memcached", "memcached"),
    ("nats-server", "nats-server"),
    ("python3", "python3"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("openssl", "openssl"),
    ("chromium", "chromium"),
    ("promtool", "prometheus"),
    ("valgrind", "valgrind"),
    ("dpkg-shlibdeps", "dpkg-dev"),
    ("lintian", "lintian"),
    ("musl-gcc", "musl-tools"),
];

/// Tools to test with.
#[derive(Debug, Default)]
pub struct Tools {
    /// Python interpreter, with the clients if they could be installed.
    pub python: PathBuf,
    /// Reason pytest is missing, if it is.
    pub no_pytest: Option<String>,
    /// Directory of the JavaScript clients.
    pub node_modules: Option<PathBuf>,
    /// True if missing tools may be fetched.
    pub may_install: bool,
    /// Missing tools, with reasons.
    pub missing: Vec<String>,
}

/// Installs missing tools, as far as permitted.
pub fn prepare(root: &Path, target: &Path) -> Tools {
    let may_install = run::may_install();
    let mut missing = Vec::new();
    if may_install && let Err(why) = programs() {
        println!("install: {why}");
    }
    for (program, package) in PROGRAMS.iter().filter(|(program, _)| !run::is_installed(program)) {
        missing.push(format!("{program} (Debian package {package}); the tests that need it are skipped"));
    }
    let clients = root.join("tests/integration");
    let mut note = |what: &str, result: Result<PathBuf, Fault>| {
        result.map_err(|why| missing.push(format!("{what}: {why}"))).ok()
    };
    let venv = note("Python clients", python_clients(&clients, target, may_install));
    let node_modules = note("JavaScript clients", node_clients(&clients, target, may_install));
    let python = venv.unwrap_or_else(|| "python3".into());
    let no_pytest = run::taken(Command::new(&python).args(["-c", "import pytest"]), Duration::from_mins(1))
        .map_or(true, |ended| !ended.status.success())
        .then(|| "pytest is not installed".to_owned());
    Tools { python, no_pytest, node_modules, may_install, missing }
}

/// Installs missing programs with apt.
fn programs() -> Result<(), Fault> {
    let packages: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| !run::is_installed(program)).map(|row| row.1).collect();
    if packages.is_empty() {
        return Ok(());
    }
    let user = run::output(Command::new("id").arg("-u"), Duration::from_secs(10))?;
    if user.trim() != "0" || !run::is_installed("apt-get") {
        return Err(format!("missing {}; installing needs root and apt-get", packages.join(", ")));
    }
    println!("install: apt-get install {}", packages.join(" "));
    let apt = || {
        let mut command = Command::new("apt-get");
        // RUNLEVEL=1 keeps the packages' own services from being started.
        command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1").arg("-qq");
        command
    };
    run::shown(apt().arg("update"), Duration::from_mins(5))?;
    run::shown(
        apt().args(["install", "--yes", "--no-install-recommends"]).args(packages),
        Duration::from_mins(10),
    )
}

/// Creates an environment with the packages of `requirements.txt`; returns its `python`.
fn python_clients(clients: &Path, target: &Path, may_install: bool) -> Result<PathBuf, Fault> {
    let wanted = read(&clients.join("requirements.txt"))?;
    let venv = target.join("test-venv");
    let stamp = venv.join("installed.txt");
    let python = venv.join("bin/python");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    allowed(may_install)?;
    println!("install: Python clients into {}", venv.display());
    run::shown(Command::new("python3").args(["-m", "venv"]).arg(&venv), Duration::from_mins(2))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    run::shown(pip.arg(clients.join("requirements.txt")), Duration::from_mins(10))?;
    write(&stamp, &wanted)?;
    Ok(python)
}

/// Creates a directory with the packages of `package.json`; returns its `node_modules`.
fn node_clients(clients: &Path, target: &Path, may_install: bool) -> Result<PathBuf, Fault> {
    let wanted = read(&clients.join("package.json"))?;
    let directory = target.join("test-node");
    let stamp = directory.join("installed.json");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(directory.join("node_modules"));
    }
    allowed(may_install)?;
    println!("install: JavaScript clients into {}", directory.display());
    std::fs::create_dir_all(&directory).map_err(|e| e.to_string())?;
    write(&directory.join("package.json"), &wanted)?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&directory);
    run::shown(&mut npm, Duration::from_mins(10))?;
    write(&stamp, &wanted)?;
    Ok(directory.join("node_modules"))
}

fn allowed(may_install: bool) -> Result<(), Fault> {
    if may_install { Ok(()) } else { Err("not installed, and NUTHATCH_NO_INSTALL forbids it".into()) }
}

fn read(path: &Path) -> Result<String, Fault> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), Fault> {
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}
