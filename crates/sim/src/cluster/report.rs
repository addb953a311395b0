//! Counts of a run.

use super::store::Declines;

/// Counts of one run, or of several added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Events of the queue.
    pub events: u64,
    /// Replies that clients read and found correct, errors included,
    pub replies: u64,
    /// and errors among them.
    pub errors: u64,
    /// Slots that have moved.
    pub moves: u64,
    /// Masters that were replaced, as planned or not.
    pub failovers: u64,
    /// Nodes killed,
    pub kills: u64,
    /// frozen,
    pub freezes: u64,
    /// and cut off from the others.
    pub cuts: u64,
    /// Connections to nodes that were lost.
    pub losses: u64,
    /// Views that lied.
    pub lies: u64,
    /// Questions of the control thread, each to two nodes.
    pub questions: u64,
    /// Maps that shards took over.
    pub maps: u64,
    /// Requests that nodes declined.
    pub declined: Declines,
    /// Redirects that were followed.
    pub redirects: u64,
    /// Requests that took a detour.
    pub detours: u64,
    /// Reads that went to replicas,
    pub replica_reads: u64,
    /// those that were sent twice,
    pub hedged_reads: u64,
    /// and those of them that the second node answered first.
    pub hedges_won: u64,
    /// Replicas that stood still for a while,
    pub stalls: u64,
    /// and that have started again.
    pub restarts: u64,
    /// Watched numbers that were replaced,
    pub swaps: u64,
    /// and transactions that were not executed since one had changed.
    pub broken_watches: u64,
    /// Elements that were popped.
    pub popped: u64,
    /// True if the deliberate bug was applied.
    pub tampered: bool,
}

impl Report {
    /// Adds another run's counts.
    pub fn add(&mut self, other: &Report) {
        let sums = [
            (&mut self.events, other.events),
            (&mut self.replies, other.replies),
            (&mut self.errors, other.errors),
            (&mut self.moves, other.moves),
            (&mut self.failovers, other.failovers),
            (&mut self.kills, other.kills),
            (&mut self.freezes, other.freezes),
            (&mut self.cuts, other.cuts),
            (&mut self.losses, other.losses),
            (&mut self.lies, other.lies),
            (&mut self.questions, other.questions),
            (&mut self.maps, other.maps),
            (&mut self.declined.moved, other.declined.moved),
            (&mut self.declined.ask, other.declined.ask),
            (&mut self.declined.try_again, other.declined.try_again),
            (&mut self.declined.down, other.declined.down),
            (&mut self.redirects, other.redirects),
            (&mut self.detours, other.detours),
            (&mut self.replica_reads, other.replica_reads),
            (&mut self.hedged_reads, other.hedged_reads),
            (&mut self.hedges_won, other.hedges_won),
            (&mut self.stalls, other.stalls),
            (&mut self.restarts, other.restarts),
            (&mut self.swaps, other.swaps),
            (&mut self.broken_watches, other.broken_watches),
            (&mut self.popped, other.popped),
        ];
        for (sum, value) in sums {
            *sum += value;
        }
        self.tampered |= other.tampered;
    }
}
