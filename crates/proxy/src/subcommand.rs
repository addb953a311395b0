//! The error of a subcommand that a command has not, or that has arguments which it does not take.

use wire::redis::encode;

/// Most bytes of a client's word that an error repeats.
const WORD_BYTES_MAX: usize = 128;

/// Appends Redis' error; `container` is the command's name in capitals.
pub(crate) fn write_unknown(subcommand: &[u8], container: &str, out: &mut Vec<u8>) {
    let shown = &subcommand[..subcommand.len().min(WORD_BYTES_MAX)];
    let text = [
        b"ERR unknown subcommand or wrong number of arguments for '",
        shown,
        b"'. Try ",
        container.as_bytes(),
        b" HELP.",
    ];
    encode::error(out, &text.concat());
}
