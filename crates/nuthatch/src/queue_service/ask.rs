//! Questions to the queue's shard from the control thread: of the HTTP API, and of the push to statsd.
//!
//! They count against the requests that may wait for a shard; one that is not taken is answered by its
//! caller.

use net::Handle;
use queue::Mail;
use queue::http::SendRequest;

/// Sends questions to a shard.
pub(super) fn ask(shard: &Handle<Mail>) -> SendRequest {
    let shard = shard.clone();
    Box::new(move |request, reply| shard.request(Mail::Request(request, reply)))
}
