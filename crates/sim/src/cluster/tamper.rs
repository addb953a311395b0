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
    /// A transaction is executed though a watched key has changed.
    IgnoreWatch,
    /// A transaction is not executed, and executed all the same.
    ExecuteDiscarded,
    /// An element that is popped reaches nobody.
    LosePop,
    /// An element is popped twice.
    RepeatPop,
    /// A replica answers with data that are older than it says.
    OldCopy,
}

impl Tamper {
    /// The deliberate bugs that every seed shows in which they strike.
    pub const ALL: [Tamper; 14] = [
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
        Tamper::IgnoreWatch,
        Tamper::ExecuteDiscarded,
        Tamper::RepeatPop,
    ];

    /// Those that may hide, behind a client that got an error, or a read that waited.
    pub const MAY_HIDE: [Tamper; 2] = [Tamper::LosePop, Tamper::OldCopy];

    /// True if it shows only where clients watch keys and block.
    pub(super) fn needs_sessions(self) -> bool {
        use Tamper::{ExecuteDiscarded, IgnoreWatch, LosePop, RepeatPop};
        matches!(self, IgnoreWatch | ExecuteDiscarded | LosePop | RepeatPop)
    }

    /// True if it shows only in reads that were sent shortly before they are answered.
    pub(super) fn needs_short_lines(self) -> bool {
        matches!(self, Tamper::OldValue | Tamper::OldCopy)
    }

    /// True if it shows only where replicas are read from.
    pub(super) fn needs_copies(self) -> bool {
        self == Tamper::OldCopy
    }
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
