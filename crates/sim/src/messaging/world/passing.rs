//! Passes the steps between the shard and its loop to the oracle.

use super::World;
use crate::io::Passed;
use crate::messaging::session::Fact;
use crate::messaging::tamper::distort;

impl World {
    pub(super) fn pass_on(&mut self) {
        let (now, wall) = (self.now(), self.wall_now());
        let Some(daemon) = &mut self.daemon else { return };
        let mut told = Vec::new();
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
                    if std::mem::replace(&mut self.sessions[session].closed, true) {
                        Vec::new()
                    } else {
                        vec![Fact::Gone]
                    }
                }
                Passed::Mail(_) => Vec::new(),
            };
            told.extend(facts.into_iter().map(|fact| (session, fact)));
        }
        if let Some(tamper) = self.tamper {
            distort(tamper, &mut told);
        }
        for (session, fact) in told {
            if self.trace {
                eprintln!("           session {session}: {fact:?}");
            }
            self.oracle.fact(session, fact, now, wall);
        }
        self.oracle.end_turn();
        self.hear_answers();
    }
}
