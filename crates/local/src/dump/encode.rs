//! Lengths and strings, as they are written.

/// Appends a length.
pub(super) fn length(out: &mut Vec<u8>, length: u64) {
    match length {
        0..0x40 => out.push(length as u8),
        0x40..0x4000 => out.extend_from_slice(&(0x4000 | length as u16).to_be_bytes()),
        _ => match u32::try_from(length) {
            Ok(length) => {
                out.push(0x80);
                out.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                out.push(0x81);
                out.extend_from_slice(&length.to_be_bytes());
            }
        },
    }
}

/// Appends a string.
pub(super) fn string(out: &mut Vec<u8>, string: &[u8]) {
    length(out, string.len() as u64);
    out.extend_from_slice(string);
}
