//! Commands from nsqd to an nsqlookupd, after [`super::MAGIC_V1`].
//!
//! Each request gets one response, in order; several may be in flight at once. Names must be valid.

use super::Node;
use crate::nsq::command::length;
use crate::nsq::go::write;

/// Appends IDENTIFY.
pub fn write_identify(out: &mut Vec<u8>, node: &Node) {
    out.extend_from_slice(b"IDENTIFY\n\0\0\0\0");
    let start = out.len();
    node.write_request(out);
    let size = length(out.len() - start);
    out[start - 4..start].copy_from_slice(&size);
}

/// Appends REGISTER of a topic, or of a channel (which also registers its topic).
pub fn write_register(out: &mut Vec<u8>, topic: &str, channel: Option<&str>) {
    write_names(out, "REGISTER", topic, channel);
}

/// Appends UNREGISTER of a channel, or of a topic with all its channels.
pub fn write_unregister(out: &mut Vec<u8>, topic: &str, channel: Option<&str>) {
    write_names(out, "UNREGISTER", topic, channel);
}

/// Appends PING.
pub fn write_ping(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PING\n");
}

fn write_names(out: &mut Vec<u8>, verb: &str, topic: &str, channel: Option<&str>) {
    match channel {
        Some(channel) => write(out, format_args!("{verb} {topic} {channel}\n")),
        None => write(out, format_args!("{verb} {topic}\n")),
    }
}
