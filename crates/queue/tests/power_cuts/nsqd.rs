//! A data directory as an nsqd leaves it.

use std::path::Path;

use journal::MemFiles;

use super::ledger::Ledger;

pub const TOPIC: &str = "old";
pub const CHANNELS: [&str; 2] = ["a", "b"];

const METADATA: &[u8] = br#"{"topics":[{"name":"old","paused":false,"channels":[
    {"name":"a","paused":false},{"name":"b","paused":false}]}],"version":"1.3.0"}"#;

/// Messages of both channels, one of them large, and one of the topic itself.
pub fn left_behind(seed: u64, ledger: &mut Ledger) -> MemFiles {
    let files = MemFiles::new(seed);
    put(&files, "nsqd.dat", METADATA);
    let long = format!("old-long{}", ".".repeat(3000));
    queue(&files, TOPIC, &["old-both"]);
    for channel in &CHANNELS {
        ledger.have(TOPIC, channel, "old-both");
    }
    for (channel, bodies) in CHANNELS.into_iter().zip([["old-1", &long], ["old-2", "old-3"]]) {
        queue(&files, &format!("{TOPIC}:{channel}"), &bodies);
        for body in &bodies {
            ledger.have(TOPIC, channel, body);
        }
    }
    files
}

fn queue(files: &MemFiles, name: &str, bodies: &[&str]) {
    let records: Vec<u8> = bodies.iter().flat_map(|body| record(body)).collect();
    let meta = format!("{}\n0,0\n0,{}\n", bodies.len(), records.len());
    put(files, &format!("{name}.diskqueue.000000.dat"), &records);
    put(files, &format!("{name}.diskqueue.meta.dat"), meta.as_bytes());
}

fn record(body: &str) -> Vec<u8> {
    let id = body.bytes().fold(0u64, |n, byte| n.wrapping_mul(31) + u64::from(byte));
    let mut bytes = (26 + body.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(&super::driver::WALL.to_be_bytes());
    bytes.extend_from_slice(&1u16.to_be_bytes());
    bytes.extend_from_slice(format!("{id:016x}").as_bytes());
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

fn put(files: &MemFiles, name: &str, bytes: &[u8]) {
    files.set_content(&Path::new(".").join(name), bytes.to_vec());
}
