//! Deliberate bugs, to verify that the oracle detects them.

/// A bug that the simulator can inject between the proxy and the oracle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tamper {
    /// Two replies of one client are swapped.
    SwapReplies,
    /// A reply is lost.
    DropReply,
    /// A reply is sent twice.
    DuplicateReply,
    /// A reply goes to another client.
    LeakReply,
    /// A reply holds the value of another key.
    OtherKey,
    /// Two elements of an MGET are swapped.
    SwapElements,
    /// A write reaches its server twice.
    RepeatWrite,
    /// The last byte of a request to a server is lost.
    TearRequest,
    /// An ejected server is sent a request.
    AskEjected,
    /// Memory is held and never released.
    Hoard,
    /// A gather record is never closed.
    LeaveGatherOpen,
    /// A timer is set again whenever it fires, and twice.
    BreedTimers,
    /// A client is closed while replies are owed to it.
    CutClient,
    /// Commands that depend on a refused one are executed.
    GoOnAfterRefusal,
}

impl Tamper {
    /// All deliberate bugs.
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

    /// Number of opportunities in a run, of which one is chosen.
    pub(crate) fn opportunities(self) -> u64 {
        match self {
            // At most one per client, at its end.
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

    /// True once: at the chosen opportunity for `what`.
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

    /// True after the first successful [`Plan::strikes`].
    pub(crate) fn lasts(self, what: Tamper) -> bool {
        self.what == Some(what) && self.done
    }
}
