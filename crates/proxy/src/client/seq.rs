//! Numbers of a client's requests.
//!
//! The first request of a line has the lowest number; the requests of all clients are numbered separately.

/// Identifies a slot while it is in the line. Wraps; a line is always far shorter than 2^32.
pub(crate) type Seq = u32;
