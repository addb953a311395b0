//! A process between the predecessor and the successor, so that the successor is a child of the service
//! manager.
//!
//! systemd does not wait for a main process that is not its own child: `systemctl stop` sends SIGTERM and
//! SIGKILL right after it, and the queue is not stopped but killed. Whose child it is, systemd looks up once,
//! when it is told `MAINPID=`; the predecessor still runs then. So under a service manager the predecessor
//! starts a starter, which is the new program as well: it starts the successor and ends, and the manager
//! adopts the orphan.
//!
//! ```text
//! predecessor ─start▶ starter ─start▶ successor       starter ends ▸ the manager is the successor's parent
//!      └─────────────── channel ───────────┘
//! ```

use std::process::{Command, ExitCode};

use super::predecessor;
use super::program::Program;
use crate::systemd;

/// Set for a starter.
const STARTER: &str = "NUTHATCH_UPGRADE_STARTER";

/// Makes the command start a starter if there is a service manager; true if so. A program that knows no
/// starters is the successor itself then.
pub fn asked_of(command: &mut Command) -> bool {
    let wanted = systemd::is_there();
    if wanted {
        command.env(STARTER, "1");
    }
    wanted
}

/// True if this process is a starter.
pub fn is_this() -> bool {
    std::env::var_os(STARTER).is_some()
}

/// Starts the successor, which inherits the channel.
pub fn main() -> ExitCode {
    let Some(program) = Program::own() else { return ExitCode::FAILURE };
    match program.command().env_remove(STARTER).spawn() {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            predecessor::refuse(&format!("cannot start {}: {error}", program.path.display()));
            ExitCode::FAILURE
        }
    }
}
