//! Counts of a run: enough to see that the simulation reaches every part.

/// Counts of one run, or of many added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Events of the agenda.
    pub events: u64,
    /// Simulated time in microseconds.
    pub time_us: u64,
    /// Messages whose publication got its OK.
    pub published: u64,
    /// Messages whose publication was refused.
    pub refused: u64,
    /// Refused messages that a limit on bytes may account for.
    pub full: u64,
    /// Topics that had more on the disk than may stay there, and had given it back at the end.
    pub emptied: u64,
    /// Deliveries.
    pub delivered: u64,
    /// Deliveries beyond the first of a message in a channel.
    pub redelivered: u64,
    /// FIN that counted.
    pub finished: u64,
    /// REQ that counted.
    pub requeued: u64,
    /// Messages that waited for their time.
    pub deferred: u64,
    /// Orders of operators.
    pub orders: u64,
    /// Dead letters that somebody got.
    pub letters: u64,
    /// Dead letters that were brought back.
    pub redriven: u64,
    /// Ephemeral channels that went with their last consumer.
    pub deserted: u64,
    /// Messages of ephemeral topics.
    pub ephemeral: u64,
    /// Publications and consumers that were refused since memory was full.
    pub out_of_memory: u64,
    /// Consumers that were refused since the topic had as many channels as it may.
    pub out_of_channels: u64,
    /// Checks of memory after everything was consumed.
    pub memory_back: u64,
    /// Faults of the disk.
    pub troubles: u64,
    /// Steps of the wall clock.
    pub steps: u64,
    /// Data directories of nsqd that were taken over.
    pub imports: u64,
    /// Damaged messages.
    pub rotten: u64,
    /// Damaged headers of segments, checkpoints and inventories.
    pub rotten_headers: u64,
    /// Starts that failed for lack of something.
    pub failed_starts: u64,
    /// Lives that ended by `kill -9`.
    pub kills: u64,
    /// Lives that ended with the power.
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
