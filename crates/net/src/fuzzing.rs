//! Fuzz target bodies for the compression layers: arbitrary bytes from a peer and from the app.
//!
//! The first byte chooses the pieces in which the others arrive. Invariants: in pieces or whole, the output
//! or the error is identical; one call produces at most what it is allowed, plus one chunk; what we encode
//! decodes to the original.

use bytes::BytesMut;

use crate::Layer;
use crate::layer::{LayerError, PLAIN_MAX, Stack};

/// Most plain bytes a stream may produce here: short input can stand for gigabytes.
const PLAIN_TOTAL_MAX: usize = 4 << 20;
/// Content of the longest chunk, which is decoded as a whole.
const CHUNK_MAX: usize = 64 * 1024;

/// Output of a stream, and the way it ended.
type Decoded = (Vec<u8>, Result<(), LayerError>);

/// The snappy framing format.
pub fn snappy(data: &[u8]) {
    check(&Layer::Snappy, data);
}

/// Raw deflate.
pub fn deflate(data: &[u8]) {
    check(&Layer::Deflate(6), data);
}

/// Seed inputs for [`snappy`].
pub fn snappy_seeds() -> Vec<Vec<u8>> {
    let hostile: [&[u8]; 4] = [
        b"\xff\x06\0\0sNaPpY\xfe\xff\xff\xff",
        b"\xff\x06\0\0sNaPpY\0\x0a\0\0\0\0\0\0\xff\xff\xff\xff\x0f\0",
        b"\xff\x06\0\0sNaPpY\x01\x05\0\0\0\0\0\0x",
        b"\x80\x01\0\0x",
    ];
    seeds(&[Layer::Snappy], &hostile)
}

/// Seed inputs for [`deflate`].
pub fn deflate_seeds() -> Vec<Vec<u8>> {
    // a dynamic block without codes; a stored block with a wrong length; a distance before the beginning
    let hostile: [&[u8]; 4] =
        [b"\x04\0\xfe\xff", b"\x01\x05\0\0\0abcde", b"\x4b\x04\x31\x00", b"\x03\0behind the end"];
    seeds(&[Layer::Deflate(1), Layer::Deflate(9)], &hostile)
}

fn seeds(layers: &[Layer], hostile: &[&[u8]]) -> Vec<Vec<u8>> {
    let plain: [Vec<u8>; 4] = [
        b"a short text".to_vec(),
        vec![0; 100_000],
        (0..3000u32).map(|i| ((i * i) >> 3) as u8).collect(),
        b"abcd".repeat(500),
    ];
    let mut streams: Vec<Vec<u8>> = hostile.iter().map(|stream| stream.to_vec()).collect();
    for layer in layers {
        streams.extend(plain.iter().map(|plain| encoded(layer, std::slice::from_ref(plain))));
        streams.push(encoded(layer, &plain));
    }
    let behind = |(at, stream): (usize, &Vec<u8>)| [&[at as u8], stream.as_slice()].concat();
    streams.iter().enumerate().map(behind).collect()
}

fn stack(layer: &Layer) -> Stack {
    let mut stack = Stack::default();
    assert_eq!(stack.push(layer, &[]), Ok(()));
    stack
}

fn encoded(layer: &Layer, pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut stack = stack(layer);
    let mut wire = Vec::new();
    for piece in pieces {
        stack.send(piece, &mut wire);
        stack.flush(&mut wire);
    }
    wire
}

fn check(layer: &Layer, data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let step = [1, 2, 3, 7, 61, 255, 1024, 4099][usize::from(choice % 8)];
    let (whole, ended) = decoded(layer, bytes, bytes.len().max(1));
    let (pieces, ended_too) = decoded(layer, bytes, step);
    assert_eq!(ended, ended_too, "whole, and in pieces of {step}");
    // An error may come before or after the output of the same call.
    let common = whole.len().min(pieces.len());
    assert!(whole[..common] == pieces[..common], "whole, and in pieces of {step}");
    assert!(
        ended.is_err() || whole.len() == pieces.len() || common >= PLAIN_TOTAL_MAX,
        "{} {}",
        whole.len(),
        pieces.len()
    );
    let (again, ended) = decoded(layer, &encoded(layer, &[bytes.to_vec()]), step);
    assert!(ended == Ok(()) && again == bytes, "what was encoded is not decoded");
}

fn decoded(layer: &Layer, wire: &[u8], step: usize) -> Decoded {
    let mut stack = stack(layer);
    let mut all = Vec::new();
    let mut pieces = wire.chunks(step);
    let mut piece = pieces.next();
    while let Some(bytes) = piece {
        let (mut plain, mut out) = (BytesMut::new(), Vec::new());
        let received = stack.receive(&mut bytes.to_vec(), &mut plain, PLAIN_MAX, &mut out);
        assert!(plain.len() < PLAIN_MAX + CHUNK_MAX, "{} at once", plain.len());
        assert_eq!(out, b"", "a compression has nothing to say by itself");
        all.extend_from_slice(&plain);
        match received {
            Err(error) => return (all, Err(error)),
            Ok(_) if all.len() >= PLAIN_TOTAL_MAX => return (all, Ok(())),
            Ok(received) => piece = if received.more { Some(&[]) } else { pieces.next() },
        }
    }
    (all, Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_hold() {
        for seed in &snappy_seeds() {
            snappy(seed);
        }
        for seed in &deflate_seeds() {
            deflate(seed);
        }
        let sound = snappy_seeds().pop().unwrap();
        assert!(decoded(&Layer::Snappy, &sound[1..], 10).1.is_ok());
        assert!(decoded(&Layer::Snappy, &snappy_seeds()[1][1..], 10).1.is_err());
    }
}
