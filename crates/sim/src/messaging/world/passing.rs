//! What passed between the shard and its loop is told to the oracle.

use super::World;
use crate::io::Passed;

impl World {
    pub(super) fn pass_on(&mut self) {
        let (now, wall) = (self.now(), self.wall_now());
        let Some(daemon) = &mut self.daemon else { return };
        for passed in daemon.passed() {
            let conn = match &passed {
                Passed::Took(conn, _) | Passed::Sent(conn, _) | Passed::Closed(conn) | Passed::Gone(conn) => {
                    *conn
                }
                Passed::Mail(_) => continue,
            };
            let Some(session) = daemon.session_of(conn, &self.net, &self.sessions) else { continue };
            let facts = match passed {
                Passed::Took(_, bytes) => self.sessions[session].took(bytes),
                Passed::Sent(_, bytes) => self.sessions[session].got(&bytes),
                Passed::Closed(_) | Passed::Gone(_) => {
                    if !std::mem::replace(&mut self.sessions[session].closed, true) {
                        self.oracle.gone(session, now, wall);
                    }
                    Vec::new()
                }
                Passed::Mail(_) => Vec::new(),
            };
            for fact in facts {
                if self.trace {
                    eprintln!("           session {session}: {fact:?}");
                }
                self.oracle.fact(session, fact, now, wall);
            }
        }
    }
}
