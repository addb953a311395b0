//! Counts of a run, to verify that the simulation reaches every part.

/// Counts of one run, or of several added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Events of the agenda.
    pub events: u64,
    /// Simulated time in microseconds.
    pub time_us: u64,
    /// Messages published with an OK.
    pub published: u64,
    /// Messages refused.
    pub refused: u64,
    /// Refused messages that a byte limit may explain.
    pub full: u64,
    /// Topics that exceeded their allowed disk space, and had released it at the end.
    pub emptied: u64,
    /// Deliveries.
    pub delivered: u64,
    /// Deliveries beyond the first of a message in a channel.
    pub redelivered: u64,
    /// Successful FINs.
    pub finished: u64,
    /// Successful REQs.
    pub requeued: u64,
    /// Messages deferred.
    pub deferred: u64,
    /// Orders of operators.
    pub orders: u64,
    /// Dead letters delivered.
    pub letters: u64,
    /// Dead letters redriven.
    pub redriven: u64,
    /// Ephemeral channels deleted with their last consumer.
    pub deserted: u64,
    /// Messages of ephemeral topics.
    pub ephemeral: u64,
    /// Publications and consumers refused because memory was full.
    pub out_of_memory: u64,
    /// Consumers refused because of the limit on channels.
    pub out_of_channels: u64,
    /// Checks of memory after everything was consumed.
    pub memory_back: u64,
    /// Disk faults.
    pub troubles: u64,
    /// Steps of the wall clock.
    pub steps: u64,
    /// nsqd data directories imported.
    pub imports: u64,
    /// Damaged messages.
    pub rotten: u64,
    /// Damaged headers of segments, checkpoints and inventories.
    pub rotten_headers: u64,
    /// Starts that failed for lack of a resource.
    pub failed_starts: u64,
    /// Lives that ended by `kill -9`.
    pub kills: u64,
    /// Lives that ended by power loss.
    pub power_cuts: u64,
    /// Lives that ended by a stop.
    pub stops: u64,
}

impl Report {
    /// Adds another run's counts.
    pub fn add(&mut self, other: &Report) {
        self.events += other.events;
        self.time_us += other.time_us;
        self.published += other.published;
        self.refused += other.refused;
        self.full += other.full;
        self.emptied += other.emptied;
        self.delivered += other.delivered;
        self.redelivered += other.redelivered;
        self.finished += other.finished;
        self.requeued += other.requeued;
        self.deferred += other.deferred;
        self.orders += other.orders;
        self.letters += other.letters;
        self.redriven += other.redriven;
        self.deserted += other.deserted;
        self.ephemeral += other.ephemeral;
        self.out_of_memory += other.out_of_memory;
        self.out_of_channels += other.out_of_channels;
        self.memory_back += other.memory_back;
        self.troubles += other.troubles;
        self.steps += other.steps;
        self.imports += other.imports;
        self.rotten += other.rotten;
        self.rotten_headers += other.rotten_headers;
        self.failed_starts += other.failed_starts;
        self.kills += other.kills;
        self.power_cuts += other.power_cuts;
        self.stops += other.stops;
    }
}
