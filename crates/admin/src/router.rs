//! Routes of the admin port.
//!
//! | path | what |
//! |---|---|
//! | `/` | the page |
//! | `/metrics` | every counter, for Prometheus |
//! | `/live` | 200 `ok`, whatever else is wrong |
//! | `/ready` | 200 `ok`, or 503 and the reasons, a line each: nothing can be served |
//! | `/health` | 200 `ok`, or 503 and the reasons, a line each: something does not work |
//! | `/api/status` | [`crate::status::Status`] as JSON; with `?as=html` the page's body, for its refresh |
//! | `/runbook` | what to do about each trouble |
//! | `/favicon.ico` | the page's icon |
//! | `/api/reload`, `/api/server/…`, `/api/log/level` | actions: [`crate::actions`] |

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use http::login::conceal;
use http::{Caller, LoginDesk};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use telemetry::debug;
use telemetry::render::prometheus;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::actions::{self, Actor, Origin};
use crate::permit::permit;
use crate::{Watch, metrics, page};

/// Time limit for a request's head, and for an idle connection.
const HEAD_DEADLINE: Duration = Duration::from_secs(30);
/// Size limit of a request's head, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

const ICON: &str = "image/svg+xml";

/// The page is self-contained except for its icon, and requests nothing from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The service. Without an actor it changes nothing; without a desk no login is needed.
pub fn router(watch: Arc<Watch>, actor: Option<Arc<dyn Actor>>, desk: Option<Arc<LoginDesk>>) -> Router {
    Router::new()
        .route("/", get(whole_page))
        .route("/metrics", get(all_metrics))
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/health", get(health))
        .route("/api/status", get(status))
        .route("/runbook", get(runbook_page))
        .route("/favicon.ico", get(icon))
        .route("/api/reload", post(actions::reload))
        .route("/api/server/{change}", post(actions::server))
        .route("/api/log/level", post(actions::log_level))
        .layer(Extension(actor))
        .layer(Extension(desk.clone()))
        .layer(middleware::from_fn_with_state(desk, permit))
        .with_state(watch)
}

/// Serves one client until it disconnects or is idle for too long. The value returned by `owing` is held
/// while an answer is pending.
pub async fn serve_client<S, O>(
    client: S,
    origin: Origin,
    caller: Caller,
    router: Router,
    owing: impl Fn() -> O,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let answering = service_fn(|mut request: Request<Incoming>| {
        let owed = owing();
        conceal(request.headers_mut());
        request.extensions_mut().insert(origin);
        request.extensions_mut().insert(caller.clone());
        let answer = service.call(request);
        async move {
            let answer = answer.await;
            drop(owed);
            answer
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(HEAD_BYTES_MAX)
        // Simple clients close their side after the request.
        .half_close(true)
        .serve_connection(TokioIo::new(client), answering)
        .await;
    if let Err(error) = served {
        debug!(%error, "a client of the admin port ended");
    }
}

async fn whole_page(State(watch): State<Arc<Watch>>) -> Response {
    answer(StatusCode::OK, HTML, page::whole(&*watch.look().await))
}

async fn all_metrics(
    State(watch): State<Arc<Watch>>,
    Extension(desk): Extension<Option<Arc<LoginDesk>>>,
) -> Response {
    let status = watch.look().await;
    let text = watch.registry().prometheus()
        + &metrics::families(&watch.facts(), &status, desk.map(|desk| desk.failures()));
    answer(StatusCode::OK, prometheus::CONTENT_TYPE, text)
}

async fn health(State(watch): State<Arc<Watch>>) -> Response {
    let status = watch.look().await;
    verdict(status.healthy, &status.reasons)
}

async fn ready(State(watch): State<Arc<Watch>>) -> Response {
    let status = watch.look().await;
    verdict(status.ready, &status.reasons)
}

/// Checks nothing: the answer itself shows that the process is alive.
async fn live() -> Response {
    verdict(true, &[])
}

fn verdict(well: bool, reasons: &[String]) -> Response {
    if well {
        return answer(StatusCode::OK, TEXT, "ok\n".into());
    }
    let reasons: String = reasons.iter().map(|reason| format!("{reason}\n")).collect();
    answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, reasons)
}

async fn runbook_page() -> Response {
    answer(StatusCode::OK, HTML, page::runbook())
}

async fn icon() -> Response {
    answer(StatusCode::OK, ICON, page::ICON.into())
}

async fn status(State(watch): State<Arc<Watch>>, RawQuery(query): RawQuery) -> Response {
    let status = watch.look().await;
    if query.as_deref() == Some("as=html") {
        return answer(StatusCode::OK, HTML, page::body(&status));
    }
    match serde_json::to_string(&*status) {
        Ok(json) => answer(StatusCode::OK, JSON, json),
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
    }
}

fn answer(code: StatusCode, content_type: &'static str, body: String) -> Response {
    let headers: [(HeaderName, &'static str); 4] = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    (code, headers, body).into_response()
}

#[cfg(test)]
mod tests;
