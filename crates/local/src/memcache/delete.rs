//! `delete key [0] [noreply]`
//!
//! The 0 is a relic of a hold time that old clients still send; any other number is refused, with the only
//! error line of memcached that explains itself.

use super::refusal::Refusal;
use super::request::Request;

pub(super) fn delete(request: &mut Request<'_>) -> Result<(), Refusal> {
    const USAGE: Refusal = "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";
    let words = request.words;
    let zero = words.get(2) == b"0";
    request.unless_noreply(|request| {
        let valid = match words.count() {
            2 => true,
            3 => zero || request.noreply,
            _ => zero && request.noreply,
        };
        if !valid {
            return Err(USAGE);
        }
        let (key, now_ms) = (request.key()?, request.now_ms());
        let removed = request.store.remove(key, now_ms);
        request.store.commands.deletes.note(removed);
        request.answer(if removed { "DELETED" } else { "NOT_FOUND" })
    })
}
