//! Requests of the API to the queue: refused ones, and memory held until they are answered.

use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use axum::http::StatusCode;
use net::NotTaken;

use super::daemon::{Knobs, settings};
use crate::http::{About, Api, SendRequest};
use crate::request::{Answer, Reply, Request};
use ::http::HttpRefusal;

fn api(send: SendRequest) -> Api {
    let about = About { hostname: "host".into(), tcp_port: 1, http_port: 2, https_port: -1, started: 0 };
    Api::new(about, Arc::new(settings(&[])), send, Arc::new(Knobs::default()))
}

#[test]
fn a_request_that_the_queue_has_no_room_for_is_told_to_come_again() {
    let busy = HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, "BUSY");
    for (why, refusal) in [(NotTaken::Full, busy), (NotTaken::Stopped, HttpRefusal::EXITING)] {
        let api = api(Box::new(move |_, _| Err(why)));
        let mut asking = Box::pin(api.ask(Request::Health));
        let std::task::Poll::Ready(answer) = asking.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("it waits")
        };
        assert_eq!(answer.unwrap_err(), refusal);
    }
}

/// Otherwise clients that send a body and disconnect could make the queue hold any number of bodies.
#[test]
fn a_body_stays_counted_until_the_queue_is_done_with_it_though_its_client_has_left() {
    let asked: Arc<Mutex<Vec<Reply>>> = Arc::default();
    let sent = Arc::clone(&asked);
    let api = api(Box::new(move |_, reply| {
        sent.lock().unwrap().push(reply);
        Ok(())
    }));
    let charge = Arc::new(());
    let mut asking = Box::pin(api.ask_holding(Request::Health, Arc::clone(&charge)));
    assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(asking);
    assert_eq!(Arc::strong_count(&charge), 2);
    asked.lock().unwrap().remove(0).send(Answer::Health(None));
    assert_eq!(Arc::strong_count(&charge), 1);
}
