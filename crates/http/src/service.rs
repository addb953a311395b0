//! From a request to its answer, in nsqd's order: malformed HTTP, admission, the row, the page's site, the
//! user's right, the handler.

use std::sync::Arc;
use std::time::Instant;

use access::User;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, Uri};
use axum::{Extension, Router};
use telemetry::info;

use crate::answer::{self, HttpRefusal};
use crate::browser::{self, Aim, Names};
use crate::login::LoginDesk;
use crate::malformed;
use crate::outgoing::Outgoing;
use crate::query::{Query, escape_path, unescape};
use crate::request::{Asked, Link};
use crate::route::{self, Route, Row};

/// An API: its table, and its differences from others.
pub trait Api: Sized + Send + Sync + 'static {
    /// All rows. The first one of a path and method wins.
    fn rows(&self) -> &'static [Row<Self>];

    /// Calls `with` with the names under which browsers may know this daemon.
    fn names<T>(&self, with: impl FnOnce(&Names<'_>) -> T) -> T;

    /// Refuses clients that may not send any request.
    ///
    /// # Errors
    /// The answer.
    fn admit(&self, link: &Link) -> Result<(), Box<Response<Body>>> {
        let _ = link;
        Ok(())
    }

    /// The desk for logins; `None` if no login is needed.
    fn desk(&self) -> Option<&LoginDesk> {
        None
    }

    /// Learns of a request that has succeeded and may have changed something: its row is none of
    /// [`crate::quiet`], and it is not of this process itself.
    fn changed(&self, change: &Changed) {
        let _ = change;
    }
}

/// A request that has changed something.
#[derive(Debug, Clone)]
pub struct Changed {
    /// Path of its row.
    pub path: &'static str,
    /// Path and query.
    pub uri: Uri,
    /// Its user, if it had to log in.
    pub user: Option<Arc<User>>,
    /// Address of the client, without its port; `@` for a unix socket.
    pub from: String,
}

/// A change made by a person, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManualChange {
    /// Subject: `topic t`, `topic t, channel c`, `pool a, server s`, `queue`.
    pub subject: String,
    /// The change, and its result if that is not plain: `empty channel`, `ejected by hand`.
    pub text: String,
    /// Name of the user; empty if none is known.
    pub user: String,
    /// Address of the client; `@` for a unix socket.
    pub from: String,
}

impl ManualChange {
    /// The subject of a change of a topic, or of one of its channels.
    pub fn subject_of(topic: &str, channel: Option<&str>) -> String {
        match channel {
            Some(channel) => format!("topic {topic}, channel {channel}"),
            None => format!("topic {topic}"),
        }
    }
}

impl Changed {
    /// The change that its row makes, in the words of this table of paths, and its query. None if the table
    /// does not have the row.
    pub fn found_in<'r>(&self, table: &[(&str, &'r str)]) -> Option<(&'r str, Query)> {
        let (_, words) = table.iter().find(|(path, _)| *path == self.path)?;
        Some((words, Query::parse(self.uri.query().unwrap_or_default()).ok()?))
    }

    /// The change for the record.
    pub fn record(&self, subject: String, text: String) -> ManualChange {
        let user = self.user.as_ref().map_or("", |user| user.name()).to_owned();
        ManualChange { subject, text, user, from: self.from.clone() }
    }

    fn of<A>(row: &Row<A>, asked: &Asked) -> Option<Changed> {
        let counts = row.aim == Aim::Change && !row.quiet && !asked.link.own;
        counts.then(|| Changed {
            path: row.path,
            uri: asked.uri.clone(),
            user: asked.user.clone(),
            from: asked.link.host().to_owned(),
        })
    }
}

/// The service. [`crate::serve`] adds a [`Link`] to each request; a client without one counts as one without
/// TLS.
pub fn router<A: Api>(api: Arc<A>) -> Router {
    let outgoing = Arc::new(Outgoing::default());
    Router::new().fallback(move |link: Option<Extension<Link>>, request: Request| {
        let (api, outgoing) = (Arc::clone(&api), Arc::clone(&outgoing));
        async move {
            let link = link.map(|Extension(link)| link).unwrap_or_default();
            let to = link.host().to_owned();
            outgoing.hold(&to, serve(&*api, link, request).await)
        }
    })
}

async fn serve<A: Api>(api: &A, link: Link, request: Request) -> Response<Body> {
    let begun = Instant::now();
    let (parts, body) = request.into_parts();
    if let Some(words) = malformed::fault(&parts) {
        return malformed::refusal(words);
    }
    let (method, uri) = (parts.method, parts.uri.clone());
    let (remote, own) = (link.remote.clone(), link.own);
    let (answer, quiet) = match find(api, &link, method.as_str(), &uri) {
        Ok((row, words)) => {
            let asked = Asked { words, link, uri: parts.uri, headers: parts.headers, body, user: None };
            let answer = answer(api, row, asked).await;
            (answer.unwrap_or_else(|refusal| refusal.answer()), row.quiet)
        }
        Err(answer) => (*answer, false),
    };
    if !quiet && !own {
        let (status, took) = (answer.status().as_u16(), begun.elapsed());
        info!("{status} {method} {uri} ({remote}) {took:?}");
    }
    answer
}

/// The handler's answer, if site and user permit it.
async fn answer<A: Api>(
    api: &A,
    row: &'static Row<A>,
    mut asked: Asked,
) -> Result<Response<Body>, HttpRefusal> {
    api.names(|names| {
        browser::refuse_strangers(row.aim, &asked.headers, names)?;
        browser::refuse_foreign_names(&asked.headers, names)
    })?;
    if let Some(desk) = api.desk().filter(|_| !asked.link.own) {
        asked.user = desk.permit(row.right, &asked.headers, &asked.link.caller).await?;
    }
    let change = Changed::of(row, &asked);
    let answer = (row.handler)(api, asked).await?;
    change.iter().filter(|_| answer.status().is_success()).for_each(|change| api.changed(change));
    Ok(answer)
}

/// A row, and the words matched in the path.
type Found<A> = (&'static Row<A>, Vec<String>);

/// The row, or the answer to a request that reaches none.
fn find<A: Api>(api: &A, link: &Link, method: &str, uri: &Uri) -> Result<Found<A>, Box<Response<Body>>> {
    if method == "OPTIONS" && uri.path() == "*" {
        return Err(Response::new(Body::empty()).into());
    }
    api.admit(link)?;
    let Ok(path) = unescape(uri.path(), false) else {
        return Err(malformed::refusal("400 Bad Request").into());
    };
    match route::resolve(api.rows(), method, &String::from_utf8_lossy(&path)) {
        Route::Found(row, words) => Ok((row, words)),
        Route::Redirect(path) => {
            let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            Err(answer::redirect(method == "GET", &format!("{}{query}", escape_path(&path))).into())
        }
        Route::Methods(list) => Err(answer::methods(&list).into()),
        Route::WrongMethod(list) => Err(answer::wrong_method(&list).into()),
        Route::NotFound => Err(HttpRefusal::missing("NOT_FOUND").answer().into()),
    }
}
