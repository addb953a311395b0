//! Deliberate bugs of nodes and clients, to verify that the oracle detects them.

/// A bug that the simulation of a cluster can inject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tamper {
    /// A push reaches its list twice.
    RepeatPush,
    /// A push is acknowledged and not executed.
    LosePush,
    /// Two pushes of a client change places.
    SwapPushes,
    /// Something gets between the two pushes of a transaction.
    SplitTransaction,
    /// A counter returns a value a second time.
    RepeatCount,
    /// A key that has moved reads as missing.
    NilForMoved,
    /// A read returns the value of another key.
    OtherKey,
    /// A read returns the value before the last one.
    OldValue,
    /// A reply is lost on its way to its client.
    DropReply,
    /// A read gets an error while the cluster works.
    FailRead,
    /// A client sees a redirect.
    ShowMoved,
}

impl Tamper {
    /// All deliberate bugs.
    pub const ALL: [Tamper; 11] = [
        Tamper::RepeatPush,
        Tamper::LosePush,
        Tamper::SwapPushes,
        Tamper::SplitTransaction,
        Tamper::RepeatCount,
        Tamper::NilForMoved,
        Tamper::OtherKey,
        Tamper::OldValue,
        Tamper::DropReply,
        Tamper::FailRead,
        Tamper::ShowMoved,
    ];
}

/// Applies one deliberate bug, once, after some opportunities have passed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Plan {
    what: Option<Tamper>,
    wait: u64,
    /// It was applied.
    pub(super) done: bool,
}

impl Plan {
    /// Applies `what` after this many opportunities; nothing if it is None.
    pub(super) fn new(what: Option<Tamper>, wait: u64) -> Plan {
        Plan { what, wait, done: false }
    }

    /// True once: at the chosen opportunity for `what`.
    pub(super) fn strikes(&mut self, what: Tamper) -> bool {
        if self.what != Some(what) || self.done {
            return false;
        }
        self.done = self.wait == 0;
        self.wait = self.wait.saturating_sub(1);
        self.done
    }
}
