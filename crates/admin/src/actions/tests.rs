use std::sync::Mutex;

use super::*;

/// Records the actions requested, and carries them out.
#[derive(Default)]
struct Noted(Mutex<Vec<Action>>);

impl Actor for Noted {
    fn act(&self, action: Action, by: String) -> Acting {
        assert_eq!(by, "joe from 10.0.0.1");
        self.0.lock().unwrap().push(action);
        Box::pin(async { Some(Outcome { ok: true, generation: 2, ..Outcome::default() }) })
    }
}

/// Status and action of a request.
async fn asked(query: &str, read: impl FnOnce(&Query) -> Result<Action, String>) -> (u16, Option<Action>) {
    let noted = Arc::new(Noted::default());
    let actor = Some(Arc::clone(&noted) as Arc<dyn Actor>);
    let response = perform(actor, Author("joe from 10.0.0.1".into()), Some(query.to_owned()), read).await;
    let action = noted.0.lock().unwrap().pop();
    (response.status().as_u16(), action)
}

#[test]
fn only_this_machine_and_operators_may_act() {
    const LOCAL: Origin = Origin::Local;
    let listed = ["dash.example.com".to_owned()];
    let names = Names { known: ["box", ""], listed: &listed, option: "" };
    // Of a client that has not logged in, and of one that has.
    for (origin, headers, anybody, operator) in [
        (LOCAL, &[][..], true, true),
        (LOCAL, &[("host", "127.0.0.1:22220")], true, true),
        (LOCAL, &[("host", "localhost"), ("origin", "http://localhost")], true, true),
        (LOCAL, &[("host", "dash.example.com"), ("origin", "http://dash.example.com")], true, true),
        (Origin::Remote, &[], false, true),
        (LOCAL, &[("host", "localhost"), ("origin", "https://evil.example")], false, false),
        (LOCAL, &[("host", "localhost"), ("sec-fetch-site", "cross-site")], false, false),
        (LOCAL, &[("host", "evil.example"), ("origin", "http://evil.example")], false, false),
        (Origin::Remote, &[("host", "evil.example"), ("origin", "http://evil.example")], false, false),
        (LOCAL, &[("x-forwarded-for", "10.0.0.1")], false, true),
        (LOCAL, &[("forwarded", "for=10.0.0.1")], false, true),
    ] {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (axum::http::HeaderName::from_static(name), axum::http::HeaderValue::from_static(value))
            })
            .collect();
        for (logged_in, expected) in [(false, anybody), (true, operator)] {
            let found = may_act(origin, logged_in, &headers, &names).is_ok();
            assert_eq!(found, expected, "{origin:?} {headers:?} logged in: {logged_in}");
        }
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
        let (code, found) = asked(query, of_reload).await;
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
        let (code, found) = asked(query, |query| of_server(path, query)).await;
        assert_eq!(code, if action.is_some() { 200 } else { 400 }, "{path} {query}");
        assert_eq!(found, action, "{path} {query}");
    }
}

#[tokio::test]
async fn without_an_actor_nothing_is_done() {
    let response = perform(None, Author::default(), None, of_reload).await;
    assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED);
}

#[test]
fn who_asks_and_from_where() {
    let mut headers = HeaderMap::new();
    let ip = Some("::ffff:10.0.0.1".parse().expect("an address"));
    assert_eq!(Author::of(Some("joe"), ip, &headers).0, "joe from 10.0.0.1");
    assert_eq!(Author::of(None, None, &headers).0, "a unix socket");
    headers.insert("x-forwarded-for", "1".repeat(1000).parse().expect("a header"));
    assert_eq!(Author::of(None, ip, &headers).0, format!("10.0.0.1 for {}", "1".repeat(64)));
}
