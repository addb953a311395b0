//! Deliberate bugs, to see that the oracle finds them.

/// A bug that the simulator can make up between the proxy and the oracle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tamper {
    /// Two replies of one client change places.
    SwapReplies,
    /// A reply is lost.
    DropReply,
    /// A reply comes twice.
    DuplicateReply,
    /// A reply goes to another client.
    LeakReply,
    /// A value of another key.
    OtherKey,
    /// Two elements of a MGET change places.
    SwapElements,
    /// A write reaches its server twice.
    RepeatWrite,
    /// The last byte of a request is lost on the way to its server.
    TearRequest,
    /// An ejected server is sent a request.
    AskEjected,
    /// Memory is kept that nobody gives back.
    Hoard,
    /// A gather record is never closed.
    LeaveGatherOpen,
    /// A timer is set anew whenever it fires, and twice.
    BreedTimers,
    /// A client is closed though it is owed replies.
    CutClient,
    /// Commands behind a refused one, on which they depend, are executed.
    GoOnAfterRefusal,
}

impl Tamper {
    /// Every one of them.
    pub const ALL: [Tamper; 14] = [
        Tamper::SwapReplies,
        Tamper::DropReply,
        Tamper::DuplicateReply,
        Tamper::LeakReply,
        Tamper::OtherKey,
        Tamper::SwapElements,
        Tamper::RepeatWrite,
        Tamper::TearRequest,
        Tamper::AskEjected,
        Tamper::Hoard,
        Tamper::LeaveGatherOpen,
        Tamper::BreedTimers,
        Tamper::CutClient,
        Tamper::GoOnAfterRefusal,
    ];

    /// From how many opportunities in a run the one is chosen.
    pub(crate) fn opportunities(self) -> u64 {
        match self {
            // At most one for each client, at its end.
            Tamper::GoOnAfterRefusal => 2,
            _ => 30,
        }
    }
}

/// Applies one deliberate bug, once, after some opportunities have passed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    what: Option<Tamper>,
    wait: u32,
    pub(crate) done: bool,
}

impl Plan {
    pub(crate) fn none() -> Plan {
        Plan { what: None, wait: 0, done: false }
    }

    pub(crate) fn new(what: Tamper, wait: u32) -> Plan {
        Plan { what: Some(what), wait, done: false }
    }

    /// True once: when it is time to do `what`.
    pub(crate) fn strikes(&mut self, what: Tamper) -> bool {
        if self.what != Some(what) || self.done {
            return false;
        }
        if self.wait > 0 {
            self.wait -= 1;
            return false;
        }
        self.done = true;
        true
    }

    /// True from the time of the first [`Plan::strikes`] on.
    pub(crate) fn lasts(self, what: Tamper) -> bool {
        self.what == Some(what) && self.done
    }
}
