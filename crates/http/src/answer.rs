//! Answers in nsqd's shape: text, JSON, an empty body, or an error as `{"message":"CODE"}`.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{ALLOW, CONNECTION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::go_json;

/// Headers of every answer except `/ping`'s, redirects and lists of methods.
const NSQ: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-nsq-content-type"), HeaderValue::from_static("nsq; version=1.0"));

/// Content type of structured answers.
pub const JSON: &str = "application/json; charset=utf-8";
/// Content type of texts.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// Content type of pages.
pub const HTML: &str = "text/html; charset=utf-8";

/// An error: a status, a code as `message`, and `help` for people on requests that nsqd does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRefusal {
    status: StatusCode,
    message: Cow<'static, str>,
    help: Cow<'static, str>,
    closing: bool,
    challenging: bool,
}

impl HttpRefusal {
    /// A refusal whose message depends on the request.
    pub fn said(status: StatusCode, message: impl Into<String>) -> HttpRefusal {
        HttpRefusal { message: Cow::Owned(message.into()), ..HttpRefusal::new(status, "") }
    }

    /// A refusal without help.
    pub const fn new(status: StatusCode, message: &'static str) -> HttpRefusal {
        HttpRefusal {
            status,
            message: Cow::Borrowed(message),
            help: Cow::Borrowed(""),
            closing: false,
            challenging: false,
        }
    }

    /// Adds a sentence that tells the user what to do.
    #[must_use]
    pub fn help(self, help: impl Into<Cow<'static, str>>) -> HttpRefusal {
        HttpRefusal { help: help.into(), ..self }
    }

    /// Closes the connection after the answer.
    pub(crate) fn closing(self) -> HttpRefusal {
        HttpRefusal { closing: true, ..self }
    }

    /// Requests a login.
    pub(crate) fn challenging(self) -> HttpRefusal {
        HttpRefusal { challenging: true, ..self }
    }

    /// 400.
    pub const fn bad(message: &'static str) -> HttpRefusal {
        HttpRefusal::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404.
    pub const fn missing(message: &'static str) -> HttpRefusal {
        HttpRefusal::new(StatusCode::NOT_FOUND, message)
    }

    /// 413.
    pub const fn too_big(message: &'static str) -> HttpRefusal {
        HttpRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// 503, also for disk errors: nsqd has no other code.
    pub const EXITING: HttpRefusal = HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, "EXITING");

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The HTTP response.
    pub fn answer(&self) -> Response<Body> {
        #[derive(Serialize)]
        struct Message<'a> {
            message: &'a str,
            #[serde(skip_serializing_if = "str::is_empty")]
            help: &'a str,
        }
        let body = go_json::to_vec(&Message { message: &self.message, help: &self.help });
        let mut answer = nsq(with_type(self.status, JSON, body));
        if self.closing {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if self.challenging {
            let basic = HeaderValue::from_static("Basic realm=\"nuthatch\", charset=\"UTF-8\"");
            answer.headers_mut().insert(WWW_AUTHENTICATE, basic);
        }
        answer
    }
}

/// A text; an empty one has no content type.
pub fn text(text: impl Into<String>) -> Response<Body> {
    let text = text.into();
    if text.is_empty() { empty() } else { nsq(with_type(StatusCode::OK, TEXT, text)) }
}

/// An empty body.
pub fn empty() -> Response<Body> {
    nsq(Response::new(Body::empty()))
}

/// Structured data.
pub fn json(value: &impl Serialize) -> Response<Body> {
    nsq(with_type(StatusCode::OK, JSON, go_json::to_vec(value)))
}

/// Answer to plain HTTP where TLS is required: nsqadmin and the tools retry at this port.
pub fn tls_required(https_port: i64) -> Response<Body> {
    let body = format!("{{\"message\": \"TLS_REQUIRED\", \"https_port\": {https_port}}}");
    nsq(with_type(StatusCode::FORBIDDEN, JSON, body))
}

/// The list of methods.
pub fn methods(list: &str) -> Response<Body> {
    allowing(Response::new(Body::empty()), list)
}

/// Answer to a method not allowed.
pub fn wrong_method(list: &str) -> Response<Body> {
    allowing(HttpRefusal::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED").answer(), list)
}

fn allowing(mut answer: Response<Body>, list: &str) -> Response<Body> {
    if let Ok(list) = HeaderValue::from_str(list) {
        answer.headers_mut().insert(ALLOW, list);
    }
    answer
}

/// A redirect to an escaped path with its query: permanent for GET, otherwise one that keeps the method and
/// body.
pub fn redirect(get: bool, place: &str) -> Response<Body> {
    let mut answer = if get {
        let shown = place.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let shown = shown.replace('"', "&#34;").replace('\'', "&#39;");
        let page = format!("<a href=\"{shown}\">Moved Permanently</a>.\n\n");
        with_type(StatusCode::MOVED_PERMANENTLY, HTML, page)
    } else {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        answer
    };
    if let Ok(place) = HeaderValue::from_str(place) {
        answer.headers_mut().insert(LOCATION, place);
    }
    answer
}

/// An answer with a status, content type and body, without nsqd's own header.
pub fn with_type(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn nsq(mut answer: Response<Body>) -> Response<Body> {
    let (name, value) = NSQ;
    answer.headers_mut().insert(name, value);
    answer
}
