use std::sync::Mutex;

use super::*;

/// Records the actions requested, and carries them out.
#[derive(Default)]
struct Noted(Mutex<Vec<Action>>);

impl Actor for Noted {
    fn act(&self, action: Action) -> Acting {
        self.0.lock().unwrap().push(action);
        Box::pin(async { Some(Outcome { ok: true, generation: 2, ..Outcome::default() }) })
    }
}

const LOCAL: Origin = Origin::Local;

/// Status and action of a request with these headers.
async fn asked(
    origin: Origin,
    headers: &[(&'static str, &str)],
    query: &str,
    read: impl FnOnce(&Query) -> Result<Action, String>,
) -> (u16, Option<Action>) {
    let noted = Arc::new(Noted::default());
    let headers = headers.iter().map(|(name, value)| {
        (axum::http::HeaderName::from_static(name), axum::http::HeaderValue::from_str(value).unwrap())
    });
    let actor = Some(Arc::clone(&noted) as Arc<dyn Actor>);
    let response = perform(actor, origin, &headers.collect(), Some(query.to_owned()), read).await;
    let action = noted.0.lock().unwrap().pop();
    (response.status().as_u16(), action)
}

#[tokio::test]
async fn only_this_machine_may_act() {
    for (origin, headers, code) in [
        (LOCAL, &[][..], 200),
        (LOCAL, &[("host", "127.0.0.1:22220")], 200),
        (LOCAL, &[("host", "localhost"), ("origin", "http://localhost")], 200),
        (Origin::Remote, &[], 403),
        (LOCAL, &[("host", "localhost"), ("origin", "https://evil.example")], 403),
        (LOCAL, &[("host", "localhost"), ("sec-fetch-site", "cross-site")], 403),
        (LOCAL, &[("host", "evil.example"), ("origin", "http://evil.example")], 403),
        (LOCAL, &[("x-forwarded-for", "10.0.0.1")], 403),
        (LOCAL, &[("forwarded", "for=10.0.0.1")], 403),
    ] {
        let reload = |query: &Query| of_reload(query);
        let (found, action) = asked(origin, headers, "", reload).await;
        assert_eq!((found, action.is_some()), (code, code == 200), "{origin:?} {headers:?}");
    }
}

#[tokio::test]
async fn requests_are_read() {
    for (query, action) in [
        ("", Some(false)),
        ("dry_run=true", Some(true)),
        ("dry_run=1", Some(true)),
        ("dry_run=false", Some(false)),
        // Not understood: acting on it would reload.
        ("dry_run=yes", None),
        ("dry_run", None),
        ("dry_run=%zz", None),
    ] {
        let (code, found) = asked(LOCAL, &[], query, of_reload).await;
        assert_eq!(found, action.map(|dry_run| Action::Reload { dry_run }), "{query}");
        assert_eq!(code, if action.is_some() { 200 } else { 400 }, "{query}");
    }
    let server = |change| Action::Server { pool: "p".into(), server: "a:1".into(), change };
    for (path, query, action) in [
        ("eject", "pool=p&server=a:1", Some(server(ServerChange::Eject))),
        ("drain", "pool=p&server=a:1", Some(server(ServerChange::Drain))),
        ("return", "pool=p&server=a%3A1", Some(server(ServerChange::Return))),
        ("weight", "pool=p&server=a:1&weight=7", Some(server(ServerChange::Weight(Some(7))))),
        ("weight", "pool=p&server=a:1", Some(server(ServerChange::Weight(None)))),
        ("weight", "pool=p&server=a:1&weight=0", None),
        ("weight", "pool=p&server=a:1&weight=2147483648", None),
        ("eject", "pool=p", None),
        ("eject", "pool=&server=a:1", None),
        ("kill", "pool=p&server=a:1", None),
    ] {
        let (code, found) = asked(LOCAL, &[], query, |query| of_server(path, query)).await;
        assert_eq!(code, if action.is_some() { 200 } else { 400 }, "{path} {query}");
        assert_eq!(found, action, "{path} {query}");
    }
}

#[tokio::test]
async fn without_an_actor_nothing_is_done() {
    let response = perform(None, LOCAL, &HeaderMap::new(), None, of_reload).await;
    assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED);
}
