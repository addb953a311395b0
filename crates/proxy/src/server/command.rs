//! Requests of the proxy itself to a server.

use wire::redis::encode;

/// Encodes a request to a redis server.
pub(crate) fn command(args: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::array(&mut out, args.len());
    for arg in args {
        encode::bulk(&mut out, arg);
    }
    out
}
