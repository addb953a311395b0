//! `/metrics` as an answer: written in pieces while the client reads, so that its memory does not grow with
//! the number of topics.
//!
//! A page of several pieces holds the status that it shows. [`PAGES_MAX`] are read at a time, each for
//! [`READ_DEADLINE`] at most; the next one is refused with 503, and one that is read too slowly is cut off.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use config::checked::MetricsLimits;
use hyper::body::Frame;
use telemetry::render::prometheus::Text;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::metrics::QueueRows;
use crate::open_metrics;
use crate::status::Status;

/// Most pages of several pieces that are read at the same time.
pub(crate) const PAGES_MAX: usize = 8;
/// Time in which a page is to be read.
const READ_DEADLINE: Duration = Duration::from_secs(30);
/// Bytes from which on a piece is complete.
const PIECE_BYTES: usize = 64 << 10;

/// Places for pages that are being read.
#[derive(Debug)]
pub(crate) struct Scrapes {
    places: Arc<Semaphore>,
    /// Time in which a page is to be read.
    deadline: Duration,
}

impl Default for Scrapes {
    fn default() -> Scrapes {
        Scrapes { places: Arc::new(Semaphore::new(PAGES_MAX)), deadline: READ_DEADLINE }
    }
}

/// Reason that there is no page: [`PAGES_MAX`] are being read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// A page being written.
pub(crate) struct Page {
    /// Families that do not grow with the queue, until they are written.
    head: Text,
    status: Arc<Status>,
    rows: Option<QueueRows>,
    open_metrics: bool,
    ended: bool,
}

impl Page {
    /// A page that begins with `head`.
    pub fn new(mut head: Text, status: Arc<Status>, limits: MetricsLimits, open_metrics: bool) -> Page {
        let rows = status.queue.as_ref().map(|queue| QueueRows::new(queue, limits));
        if let Some(rows) = &rows {
            rows.write_hidden(&mut head);
        }
        Page { head, status, rows, open_metrics, ended: false }
    }

    /// Numbers of topics and channels without rows of their own.
    pub fn hidden(&self) -> (usize, usize) {
        self.rows.as_ref().map_or((0, 0), QueueRows::hidden)
    }

    /// The next piece; None after the last.
    fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let mut text = std::mem::take(&mut self.head);
        self.ended = match (&mut self.rows, &self.status.queue) {
            (Some(rows), Some(queue)) => !rows.write(&mut text, queue, PIECE_BYTES),
            _ => true,
        };
        let mut piece = text.finish();
        if self.open_metrics {
            piece = open_metrics::converted(&piece);
            piece.push_str(if self.ended { open_metrics::END } else { "" });
        }
        Some(piece.into())
    }

    /// The page as one text.
    pub fn whole(mut self) -> String {
        let pieces = std::iter::from_fn(|| self.next());
        pieces.map(|piece| String::from_utf8_lossy(&piece).into_owned()).collect()
    }

    /// The page as the body of an answer.
    ///
    /// # Errors
    /// If it has several pieces, and no place is free.
    pub fn body(mut self, scrapes: &Scrapes) -> Result<Body, Busy> {
        let first = self.next().unwrap_or_default();
        if self.ended {
            return Ok(first.into());
        }
        let place = Arc::clone(&scrapes.places).try_acquire_owned().map_err(|_| Busy)?;
        let page = Arc::new(Mutex::new(Some(self)));
        let (late, deadline) = (Arc::clone(&page), sleep(scrapes.deadline));
        let deadline = tokio::spawn(async move {
            deadline.await;
            drop(lock(&late).take());
        });
        let deadline = deadline.abort_handle();
        Ok(Body::new(Pieces { first: Some(first), page, deadline, _place: place }))
    }
}

/// A page of several pieces, as its client reads it.
struct Pieces {
    first: Option<Bytes>,
    /// None once its time has passed.
    page: Arc<Mutex<Option<Page>>>,
    deadline: AbortHandle,
    _place: OwnedSemaphorePermit,
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.deadline.abort();
    }
}

impl axum::body::HttpBody for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let piece = match &mut *lock(&self.page) {
            Some(page) => page.next().map(|piece| Ok(Frame::data(piece))),
            None => Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the page was read too slowly"))),
        };
        Poll::Ready(piece)
    }
}

fn lock(page: &Mutex<Option<Page>>) -> MutexGuard<'_, Option<Page>> {
    page.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;
    use crate::queue::{ChannelReport, QueueReport, TopicReport};
    use crate::sample::tests::{facts, sample_at};

    fn page(topics: usize, open_metrics: bool) -> Page {
        let topic = |n: usize| TopicReport {
            name: format!("t{n:05}"),
            channels: vec![ChannelReport { name: "c".into(), ..Default::default() }],
            ..Default::default()
        };
        let report = QueueReport { topics: (0..topics).map(topic).collect(), ..Default::default() };
        let sample = sample_at(&facts(), 0, &[], Some(report));
        let status = Arc::new(Status::between(&sample, &sample, &facts(), true));
        Page::new(Text::default(), status, MetricsLimits::default(), open_metrics)
    }

    #[tokio::test]
    async fn a_page_of_many_pieces_is_whole() {
        let scrapes = Scrapes::default();
        for open_metrics in [false, true] {
            let body = page(500, open_metrics).body(&scrapes).expect("a place");
            let text = to_bytes(body, usize::MAX).await.expect("whole");
            let text = std::str::from_utf8(&text).expect("text");
            assert_eq!(text.matches("# TYPE nuthatch_channel_depth gauge\n").count(), 1);
            assert_eq!(text.matches("\nnuthatch_channel_depth{").count(), 500);
            assert_eq!(text.ends_with("# EOF\n"), open_metrics);
        }
    }

    #[tokio::test]
    async fn pages_that_are_read_at_a_time_are_limited() {
        let scrapes = Scrapes::default();
        let held: Vec<Body> =
            (0..PAGES_MAX).map(|_| page(500, false).body(&scrapes).expect("a place")).collect();
        assert_eq!(page(500, false).body(&scrapes).err(), Some(Busy));
        assert!(page(1, false).body(&scrapes).is_ok(), "a page of one piece needs no place");
        drop(held);
        assert!(page(500, false).body(&scrapes).is_ok());
    }

    #[tokio::test]
    async fn a_page_that_is_read_too_slowly_is_cut_off() {
        let scrapes = Scrapes { deadline: Duration::ZERO, ..Scrapes::default() };
        let body = page(500, false).body(&scrapes).expect("a place");
        // This timer fires after the other, whose task then has its turn.
        sleep(Duration::from_millis(10)).await;
        tokio::task::yield_now().await;
        assert!(to_bytes(body, usize::MAX).await.is_err());
    }
}
