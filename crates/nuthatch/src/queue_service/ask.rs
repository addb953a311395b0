//! Requests of the control thread to the queue's shard: from the HTTP API, and from the push to statsd.
//!
//! They count towards the limit on requests queued for a shard; if one is refused, its caller answers it.

use net::Handle;
use queue::Mail;
use queue::http::SendRequest;

/// Returns a function that sends requests to a shard.
pub(super) fn ask(shard: &Handle<Mail>) -> SendRequest {
    let shard = shard.clone();
    Box::new(move |request, reply| shard.request(Mail::Request(request, reply)))
}
