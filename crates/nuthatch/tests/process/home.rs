//! The directory in which a process under test runs: its configuration, its log, and its admin port.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{exchange, free_port, text, wait_for};

/// The directory of one process. A failing test shows the process's log.
pub struct Home {
    directory: tempfile::TempDir,
    /// Port of the admin page.
    pub admin: u16,
}

impl Home {
    /// An empty directory, and a port for the admin page.
    pub fn new() -> Home {
        Home { directory: tempfile::tempdir().expect("a directory"), admin: free_port() }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// Writes `nuthatch.toml`: options of the process, the admin page and the log, then these sections.
    pub fn write(&self, options: &str, sections: &str) {
        self.write_moved(self.admin, options, sections);
    }

    /// [`Home::write`] with the admin page at another port.
    pub fn write_moved(&self, admin: u16, options: &str, sections: &str) {
        let content = format!(
            "threads = 2\n{options}\n[admin]\nlisten = \"127.0.0.1:{admin}\"\n[log]\nfile = \"log\"\n{sections}"
        );
        std::fs::write(self.path("nuthatch.toml"), content).expect("written");
    }

    /// The log so far.
    pub fn log(&self) -> String {
        std::fs::read(self.path("log")).map(|log| text(&log)).unwrap_or_default()
    }

    /// The answer of `/api/status`, once the admin port answers.
    pub fn status(&self) -> Value {
        let status = wait_for("the admin port", || {
            let answer = exchange(self.admin, b"GET /api/status HTTP/1.0\r\n\r\n");
            answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
        });
        serde_json::from_str(&status).expect("JSON")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}
