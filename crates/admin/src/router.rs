//! Routes of the admin port.
//!
//! | path | what |
//! |---|---|
//! | `/`, `/pools…`, `/events`, `/configuration` | the pages of this process: [`crate::page`] |
//! | `/api/pools` | the pools, for the pages of a fleet |
//! | `/api/pools/POOL` | all that is shown of a pool; with `?server=S` the last hour and the counters of that server |
//! | `/keys/POOL`, `/api/keys/POOL` | hot keys and big replies of a pool |
//! | `/slowlog/POOL`, `/api/slowlog/POOL` | the slow log of a pool; `?count=N` of the newest as JSON |
//! | `/change` | forms of these pages |
//! | `/static/…` | their style and script |
//! | `/metrics` | every counter, for Prometheus; as OpenMetrics if that is accepted |
//! | `/live` | 200 `ok`, whatever else is wrong |
//! | `/ready` | 200 `ok`, or 503 and the reasons, a line each: nothing can be served |
//! | `/startup` | 200 `ok` once the process serves |
//! | `/health` | 200 `ok`, or 503 and the reasons, a line each: something does not work |
//! | `/api/status` | [`crate::status::Status`] as JSON |
//! | `/runbook` | what to do about each trouble |
//! | `/favicon.ico` | the page's icon |
//! | `/api/reload`, `/api/server/…`, `/api/log/level` | actions: [`crate::actions`] |

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, Path, Query, RawQuery, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use http::login::conceal;
use http::{Caller, Link, LoginDesk};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use telemetry::debug;
use telemetry::render::prometheus::{self, Text};
use tokio::io::{AsyncRead, AsyncWrite};
use ui::pools::{self, Place, PoolPage, PoolSource, Written};
use ui::{assets, respond};

use crate::actions::{self, Actor, Origin};
use crate::page::Site;
use crate::permit::{Gate, permit};
use crate::reload::Difference;
use crate::{Watch, change, metrics, open_metrics, page, scrape};

/// Time limit for a request's head, and for an idle connection.
const HEAD_DEADLINE: Duration = Duration::from_secs(30);
/// Size limit of a request's head, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The service. Without an actor it changes nothing; without a desk no login is needed. `behind` answers
/// every other path, after the same checks.
pub fn router(
    watch: Arc<Watch>,
    actor: Option<Arc<dyn Actor>>,
    desk: Option<Arc<LoginDesk>>,
    behind: Option<Router>,
) -> Router {
    let router = Router::new()
        .route("/", get(overview_page))
        .route("/pools", get(pools_page))
        .route("/pools/{pool}", get(pool_page))
        .route("/pools/{pool}/{server}", get(server_page))
        .route("/api/pools", get(pools_report))
        .route("/api/pools/{pool}", get(pool_view))
        .route("/keys/{pool}", get(hot_keys_page))
        .route("/api/keys/{pool}", get(hot_keys))
        .route("/slowlog/{pool}", get(slow_log_page))
        .route("/api/slowlog/{pool}", get(slow_log))
        .route("/events", get(events_page))
        .route("/configuration", get(configuration_page))
        .route("/change", post(change::change))
        .route("/static/{name}", get(asset))
        .route("/metrics", get(all_metrics))
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/startup", get(startup))
        .route("/health", get(health))
        .route("/api/status", get(status))
        .route("/runbook", get(runbook_page))
        .route("/favicon.ico", get(icon))
        .route("/api/reload", post(actions::reload))
        .route("/api/server/{change}", post(actions::server))
        .route("/api/log/level", post(actions::log_level));
    let router = match behind {
        Some(behind) => router.fallback_service(behind),
        None => router,
    };
    router
        .layer(Extension(actor))
        .layer(Extension(desk.clone()))
        .layer(middleware::from_fn_with_state(Gate { watch: Arc::clone(&watch), desk }, permit))
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
        // The gate checks users and sites before any page.
        let remote = caller.ip.map_or_else(|| "@".into(), |ip| SocketAddr::new(ip, 0).to_string());
        request.extensions_mut().insert(Link { own: true, ..Link::new(remote, false) });
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

/// Query of a page: the word of the change just made.
#[derive(Deserialize)]
struct After {
    did: Option<String>,
    /// Key whose server is looked for.
    key: Option<String>,
}

async fn shown(
    watch: &Watch,
    after: &After,
    headers: &HeaderMap,
    render: impl FnOnce(&Site<'_>) -> Option<Markup>,
) -> Response {
    let status = watch.look().await;
    let site = Site { status: &status, watch, did: after.did.as_deref() };
    match render(&site) {
        Some(page) => respond::page(headers, page).into_response(),
        None => {
            let gone = html! { (ui::parts::note(ui::Level::Notice, "There is no such page. The pool or server may be gone since a reload.")) };
            let page = site.standing_page("Not found", gone).into_string();
            respond::with_status(StatusCode::NOT_FOUND, page).into_response()
        }
    }
}

async fn overview_page(
    State(watch): State<Arc<Watch>>,
    Query(after): Query<After>,
    headers: HeaderMap,
) -> Response {
    shown(&watch, &after, &headers, |site| Some(page::overview(site))).await
}

async fn pools_page(
    State(watch): State<Arc<Watch>>,
    Query(after): Query<After>,
    headers: HeaderMap,
) -> Response {
    shown(&watch, &after, &headers, |site| Some(page::pools(site))).await
}

async fn pool_page(
    State(watch): State<Arc<Watch>>,
    Path(pool): Path<String>,
    Query(after): Query<After>,
    headers: HeaderMap,
) -> Response {
    let key = after.key.clone();
    of_pool(&watch, &after, &headers, &pool, PoolPage::Pool(key.as_deref())).await
}

async fn server_page(
    State(watch): State<Arc<Watch>>,
    Path((pool, server)): Path<(String, String)>,
    Query(after): Query<After>,
    headers: HeaderMap,
) -> Response {
    of_pool(&watch, &after, &headers, &pool, PoolPage::Server(&server)).await
}

async fn hot_keys_page(
    State(watch): State<Arc<Watch>>,
    Path(pool): Path<String>,
    Query(after): Query<After>,
    headers: HeaderMap,
) -> Response {
    of_pool(&watch, &after, &headers, &pool, PoolPage::Keys).await
}

async fn slow_log_page(
    State(watch): State<Arc<Watch>>,
    Path(pool): Path<String>,
    Query(after): Query<After>,
    headers: HeaderMap,
) -> Response {
    of_pool(&watch, &after, &headers, &pool, PoolPage::SlowLog).await
}

/// A page of a pool of this process.
async fn of_pool(
    watch: &Watch,
    after: &After,
    headers: &HeaderMap,
    pool: &str,
    page: PoolPage<'_>,
) -> Response {
    let written = pools::write(watch, &Place::here(), pool, page).await.unwrap_or_default();
    shown(watch, after, headers, |site| {
        let Written { title, trail, content } = written?;
        let mut whole = vec![("Pools", "/pools".to_owned())];
        whole.extend(trail.iter().map(|(words, path)| (words.as_str(), path.clone())));
        Some(site.page("pools", &title, &whole, content))
    })
    .await
}

/// The pools, for the pages of a fleet.
async fn pools_report(State(watch): State<Arc<Watch>>) -> Response {
    json(&watch.pools_report().await)
}

/// Query of a pool.
#[derive(Deserialize)]
struct OfServer {
    server: Option<String>,
}

async fn pool_view(
    State(watch): State<Arc<Watch>>,
    Path(pool): Path<String>,
    Query(OfServer { server }): Query<OfServer>,
) -> Response {
    of_source(watch.view(&pool, server.as_deref()).await, |view| json(&view))
}

async fn hot_keys(State(watch): State<Arc<Watch>>, Path(pool): Path<String>) -> Response {
    of_source(watch.keys(&pool).await, |keys| json(&keys))
}

/// Query of a slow log.
#[derive(Deserialize)]
struct Newest {
    count: Option<usize>,
}

async fn slow_log(
    State(watch): State<Arc<Watch>>,
    Path(pool): Path<String>,
    Query(newest): Query<Newest>,
) -> Response {
    of_source(watch.slow_log(&pool).await, |mut entries| {
        entries.truncate(newest.count.unwrap_or(usize::MAX));
        json(&entries)
    })
}

/// The answer about a pool, if there is one.
fn of_source<T>(found: Result<Option<T>, String>, answer_with: impl FnOnce(T) -> Response) -> Response {
    match found {
        Ok(Some(found)) => answer_with(found),
        Ok(None) => answer(StatusCode::NOT_FOUND, TEXT, "there is no such pool\n"),
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
    }
}

async fn events_page(
    State(watch): State<Arc<Watch>>,
    Query(after): Query<After>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let all = watch.events().await;
    let query = http::Query::parse(query.as_deref().unwrap_or_default()).unwrap_or_default();
    shown(&watch, &after, &headers, |site| Some(page::events(site, &all, &query))).await
}

async fn configuration_page(
    State(watch): State<Arc<Watch>>,
    Extension(actor): Extension<Option<Arc<dyn Actor>>>,
    Query(after): Query<After>,
    headers: HeaderMap,
) -> Response {
    let difference = match actor {
        Some(actor) => watch.difference(&*actor).await,
        None => Difference::Unknown,
    };
    shown(&watch, &after, &headers, |site| Some(page::configuration(site, &difference))).await
}

async fn asset(Path(name): Path<String>) -> Response {
    assets::answer(&name).map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}

async fn all_metrics(
    State(watch): State<Arc<Watch>>,
    Extension(desk): Extension<Option<Arc<LoginDesk>>>,
    headers: HeaderMap,
) -> Response {
    let status = watch.look().await;
    let facts = watch.facts();
    let mut text = Text::default();
    watch.registry().write(&mut text);
    metrics::families(&mut text, &facts, &status, desk.map(|desk| desk.failures()));
    let accepted = headers.get(ACCEPT).and_then(|accepted| accepted.to_str().ok()).unwrap_or_default();
    let open = accepted.contains("application/openmetrics-text");
    let page = scrape::Page::new(text, status, facts.metrics, open);
    watch.note_hidden(page.hidden());
    let content_type = if open { open_metrics::CONTENT_TYPE } else { prometheus::CONTENT_TYPE };
    match page.body(watch.scrapes()) {
        Ok(body) => answer(StatusCode::OK, content_type, body),
        Err(scrape::Busy) => {
            let reason = format!("{} clients read this page already, try again later\n", scrape::PAGES_MAX);
            answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, reason)
        }
    }
}

async fn health(State(watch): State<Arc<Watch>>) -> Response {
    let status = watch.look().await;
    verdict(status.healthy, &status.reasons)
}

async fn ready(State(watch): State<Arc<Watch>>) -> Response {
    let status = watch.look().await;
    verdict(status.ready, &status.reasons)
}

/// 200 once the process serves: the port is opened after the start, so the answer itself shows it.
async fn startup() -> Response {
    verdict(true, &[])
}

/// Checks nothing: the answer itself shows that the process is alive.
async fn live() -> Response {
    verdict(true, &[])
}

fn verdict(well: bool, reasons: &[String]) -> Response {
    if well {
        return answer(StatusCode::OK, TEXT, "ok\n");
    }
    let reasons: String = reasons.iter().map(|reason| format!("{reason}\n")).collect();
    answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, reasons)
}

async fn runbook_page(State(watch): State<Arc<Watch>>, headers: HeaderMap) -> Response {
    shown(&watch, &After { did: None, key: None }, &headers, |site| Some(page::runbook(site))).await
}

async fn icon() -> Response {
    asset(Path("icon.svg".into())).await
}

async fn status(State(watch): State<Arc<Watch>>) -> Response {
    json(&*watch.look().await)
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(json) => answer(StatusCode::OK, JSON, json),
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
    }
}

fn answer(code: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let headers: [(HeaderName, &'static str); 4] = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, respond::POLICY),
    ];
    (code, headers, body.into()).into_response()
}

#[cfg(test)]
mod tests;
