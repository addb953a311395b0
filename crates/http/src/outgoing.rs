//! Answers waiting for their client, with a limit on their total memory.
//!
//! `/stats` of a hundred thousand topics is tens of megabytes, and a client may read it slowly. An answer
//! without room becomes 503 `BUSY`; small ones always have room.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body as _;

use crate::account::{Account, Charge, Overdrawn};
use crate::answer::HttpRefusal;

/// Limit on all answers together; one address gets half of it. A single answer may be larger.
const BYTES_MAX: usize = 256 << 20;
/// Size up to which answers are not counted.
const SMALL: usize = 64 << 10;

/// The account of answers.
#[derive(Debug)]
pub(crate) struct Outgoing {
    account: Arc<Account>,
    bytes_max: usize,
}

/// Bytes charged until the last of them was sent or dropped.
struct Charged {
    bytes: Bytes,
    _charge: Charge,
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Default for Outgoing {
    fn default() -> Outgoing {
        Outgoing::new(BYTES_MAX)
    }
}

impl Outgoing {
    fn new(bytes_max: usize) -> Outgoing {
        Outgoing { account: Account::new(bytes_max), bytes_max }
    }

    /// Charges an answer to its client's address.
    pub(crate) fn hold(&self, to: &str, answer: Response<Body>) -> Response<Body> {
        let bytes = usize::try_from(answer.body().size_hint().lower()).unwrap_or(usize::MAX);
        if bytes <= SMALL {
            return answer;
        }
        let mut charge = self.account.open(to);
        if let Err(Overdrawn) = charge.grow_to(bytes.min(self.bytes_max / 2)) {
            let busy = HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, "BUSY");
            return busy
                .help("too many large answers wait for their clients: read them, or ask later")
                .answer();
        }
        let mut charge = Some(charge);
        answer.map(|body| {
            // The writer drops the body as soon as it has the bytes.
            Body::new(body.map_frame(move |frame| {
                frame.map_data(|bytes| match charge.take() {
                    Some(charge) => Bytes::from_owner(Charged { bytes, _charge: charge }),
                    None => bytes,
                })
            }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: usize = 100_000;

    fn answer(bytes: usize) -> Response<Body> {
        Response::new(Body::from(vec![b'x'; bytes]))
    }

    async fn sent(answer: Response<Body>) -> Bytes {
        answer.into_body().frame().await.unwrap().unwrap().into_data().unwrap()
    }

    #[tokio::test]
    async fn large_answers_that_nobody_reads_leave_no_room_for_others_of_their_address() {
        let outgoing = Outgoing::new(4 * LARGE);
        let status = |answer: &Response<Body>| answer.status().as_u16();
        let held = [outgoing.hold("a", answer(LARGE)), outgoing.hold("a", answer(LARGE))];
        assert_eq!(held.each_ref().map(status), [200, 200]);
        assert_eq!(status(&outgoing.hold("a", answer(LARGE))), 503);
        assert_eq!(status(&outgoing.hold("a", answer(SMALL))), 200);
        let [first, second] = held;
        let bytes = sent(first).await;
        assert_eq!(status(&outgoing.hold("a", answer(LARGE))), 503, "the bytes are still there");
        assert_eq!(bytes.len(), LARGE);
        drop(bytes);
        assert_eq!(status(&outgoing.hold("a", answer(LARGE))), 200);
        drop(second);
    }

    #[tokio::test]
    async fn an_answer_larger_than_the_account_has_room_if_it_is_alone() {
        let outgoing = Outgoing::new(2 * LARGE);
        let first = outgoing.hold("a", answer(10 * LARGE));
        let second = outgoing.hold("b", answer(10 * LARGE));
        assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200), "half for each");
        assert_eq!(outgoing.hold("c", answer(LARGE)).status().as_u16(), 503);
        assert_eq!(sent(second).await.len(), 10 * LARGE);
    }
}
