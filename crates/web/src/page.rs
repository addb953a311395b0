//! nsqadmin's pages, rendered on the server: topics, a topic, a channel, nodes, a node, messages by channel,
//! topics without producers.
//!
//! They need no script and load nothing. Names and texts from outside are escaped ([`html::Html`]), and a
//! policy in the header forbids scripts as well. Changes are forms sent to `/action`; a form from another
//! site's page is refused before it gets here. As in nsqadmin, a page about something unknown is 200 and says
//! so.

mod action;
mod channel;
mod fleet;
mod html;
mod node;
mod topic;

use axum::body::Body;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, Response, StatusCode};
use http::answer::with_type;

pub(crate) use self::action::action;
pub(crate) use self::channel::channel;
pub(crate) use self::fleet::{counter, lookup, nodes, topics};
use self::html::Html;
pub(crate) use self::node::node;
pub(crate) use self::topic::topic;
use crate::api::{Api, Warnings};
use crate::fleet::Unavailable;

/// Content type of a page, as in nsqadmin.
const PAGE: &str = "text/html";
/// Content security policy: a page may show itself and its graphs and send forms to us, nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' http: https:; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";

const STYLE: &str = "<style>
:root{color-scheme:light dark}body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:76rem;padding:0 1rem 3rem}
nav{border-bottom:1px solid #8886;padding:.7rem 0;margin-bottom:1rem}nav a{margin-right:1.2rem}nav b{margin-right:1.6rem}
table{border-collapse:collapse;width:100%;margin:.4rem 0 1.4rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #8883;vertical-align:top}td.n,th.n{text-align:right}
form{display:inline-block;margin:0 .5rem .5rem 0}.warning{border-left:.3rem solid #d80;padding:.4rem .8rem;white-space:pre-wrap}
details{display:inline-block;margin-right:.5rem}footer{color:#888;margin-top:2rem}img{max-width:100%}
</style>";

/// Page with this title.
fn page(api: &Api, title: &str, warnings: &Warnings, body: Html) -> Response<Body> {
    let mut html = Html::default();
    html.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>").text(title);
    html.raw(" · nsqadmin</title><meta name=\"viewport\" content=\"width=device-width\">").raw(STYLE);
    html.raw("</head>\n<body><nav><b>nsqadmin</b>");
    for (words, name) in
        [("Topics", "topics"), ("Nodes", "nodes"), ("Counter", "counter"), ("Lookup", "lookup")]
    {
        html.link(&at(api, &[name]), words);
    }
    html.raw("</nav>\n<h1>").text(title).raw("</h1>\n");
    let warning = warnings.message();
    if !warning.is_empty() {
        html.raw("<p class=\"warning\">").text(&warning).raw("</p>\n");
    }
    html.append(body);
    html.raw("<footer>nuthatch as nsqadmin v").text(api.version).raw("</footer></body></html>\n");
    answer(html)
}

fn answer(html: Html) -> Response<Body> {
    let mut answer = with_type(StatusCode::OK, PAGE, html.into_string());
    let headers = answer.headers_mut();
    headers.insert("content-security-policy", HeaderValue::from_static(POLICY));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("referrer-policy", HeaderValue::from_static("same-origin"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Page with the reason why there is nothing to show.
fn unavailable(
    api: &Api,
    title: &str,
    warnings: &Warnings,
    Unavailable(reason): &Unavailable,
) -> Response<Body> {
    page(api, title, warnings, note(&format!("UPSTREAM_ERROR: {reason}")))
}

/// Note in place of a table.
fn note(text: &str) -> Html {
    let mut html = Html::default();
    html.raw("<p class=\"warning\">").text(text).raw("</p>\n");
    html
}

/// Path of a page below the base path.
fn at(api: &Api, words: &[&str]) -> String {
    let mut path = api.settings.base_path.trim_end_matches('/').to_owned();
    for word in words {
        path.push('/');
        path.push_str(&html::escape_word(word));
    }
    path
}

/// A button: a form that requests a change. Destructive ones are folded behind a word.
struct Button<'a> {
    words: &'static str,
    change: &'static str,
    topic: &'a str,
    channel: Option<&'a str>,
    node: Option<&'a str>,
    loses: bool,
}

impl Button<'_> {
    fn write(&self, api: &Api, html: &mut Html) {
        if self.loses {
            html.raw("<details><summary>").text(self.words).raw("…</summary>");
        }
        html.raw("<form method=\"post\" action=\"").text(&at(api, &["action"])).raw("\">");
        let fields = [
            ("change", Some(self.change)),
            ("topic", Some(self.topic)),
            ("channel", self.channel),
            ("node", self.node),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                html.raw("<input type=\"hidden\" name=\"")
                    .text(name)
                    .raw("\" value=\"")
                    .text(value)
                    .raw("\">");
            }
        }
        html.raw("<button>")
            .text(self.words)
            .raw(if self.loses { ", really" } else { "" })
            .raw("</button></form>");
        if self.loses {
            html.raw("</details>");
        }
    }
}
