//! The program of this process, to start it again.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

static OWN: OnceLock<Program> = OnceLock::new();

/// Path, name and arguments of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The file from which the process was started: replacing it, also behind a
    /// symbolic link, replaces the program.
    pub path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// Records how this process was started. Call it at the beginning, before the file may be replaced.
    pub fn remember(arguments: &[OsString]) {
        let _ = OWN.set(Program { path: own_path(), arguments: arguments.to_vec() });
    }

    /// The program of this process; None if it was not recorded.
    pub fn own() -> Option<&'static Program> {
        OWN.get()
    }

    /// Command with the same name, arguments, directory and environment, except for
    /// variables meant for this process alone.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        if let Some(name) = self.arguments.first() {
            command.arg0(name);
        }
        command.args(self.arguments.iter().skip(1));
        for variable in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"] {
            command.env_remove(variable);
        }
        command
    }
}

/// The executed path if it still leads to this program, else the path that the system reports.
fn own_path() -> PathBuf {
    let running = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"));
    let executed = executed().and_then(|path| std::path::absolute(path).ok());
    executed.filter(|path| is_same(path, &running)).unwrap_or(running)
}

#[cfg(target_os = "linux")]
fn executed() -> Option<PathBuf> {
    let path = rustix::param::linux_execfn();
    (!path.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(path.to_bytes())))
}

#[cfg(not(target_os = "linux"))]
fn executed() -> Option<PathBuf> {
    None
}

/// True if both paths lead to the same file.
fn is_same(one: &Path, other: &Path) -> bool {
    let of = |path| std::fs::metadata(path).map(|file| (file.dev(), file.ino()));
    matches!((of(one), of(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_path_is_that_of_the_running_program() {
        let path = own_path();
        assert!(
            path.is_absolute() && is_same(&path, &std::env::current_exe().unwrap()),
            "{}",
            path.display()
        );
    }

    #[test]
    fn name_and_arguments_stay() {
        let arguments = ["nutcracker", "-c", "a b"].map(OsString::from).to_vec();
        let program = Program { path: "/bin/sh".into(), arguments };
        let command = program.command();
        assert_eq!(command.get_program(), "/bin/sh");
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["-c", "a b"]);
        let nobodys = Program { path: "/bin/sh".into(), arguments: Vec::new() };
        assert_eq!(nobodys.command().get_args().count(), 0);
    }
}
