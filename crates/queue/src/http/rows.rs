//! The table of the API: nsqd's requests, then extensions.
//!
//! Where users must log in, `get` rows require `admin = "view"`; rows that change something or show messages
//! require `operate`. `open` rows need no login; for `by_topic` rows the handler checks the right to publish.

use ::http::{Row, by_topic, get, messages, open, post, put, quiet};

use super::{Api, debug};
use crate::request::Request;

/// Every request that is answered.
pub(super) const ROWS: &[Row<Api>] = &[
    open(get("/ping", |api, _| Box::pin(api.ping()))),
    get("/info", |api, _| Box::pin(api.info())),
    by_topic(quiet(post("/pub", |api, asked| Box::pin(api.publish(asked))))),
    by_topic(quiet(post("/mpub", |api, asked| Box::pin(api.publish_many(asked))))),
    get("/stats", |api, asked| Box::pin(api.stats(asked))),
    post("/topic/create", |api, asked| Box::pin(api.create_topic(asked))),
    post("/topic/delete", |api, asked| Box::pin(api.any_topic(asked, Request::DeleteTopic))),
    post("/topic/empty", |api, asked| Box::pin(api.empty_topic(asked))),
    post("/topic/pause", |api, asked| {
        Box::pin(api.any_topic(asked, |topic| Request::PauseTopic(topic, true)))
    }),
    post("/topic/unpause", |api, asked| {
        Box::pin(api.any_topic(asked, |topic| Request::PauseTopic(topic, false)))
    }),
    post("/channel/create", |api, asked| Box::pin(api.channel(asked, Request::CreateChannel))),
    post("/channel/delete", |api, asked| Box::pin(api.channel(asked, Request::DeleteChannel))),
    post("/channel/empty", |api, asked| Box::pin(api.channel(asked, Request::EmptyChannel))),
    post("/channel/pause", |api, asked| {
        Box::pin(api.channel(asked, |topic, channel| Request::PauseChannel(topic, channel, true)))
    }),
    post("/channel/unpause", |api, asked| {
        Box::pin(api.channel(asked, |topic, channel| Request::PauseChannel(topic, channel, false)))
    }),
    get("/config/:opt", |api, asked| Box::pin(api.read_option(asked))),
    put("/config/:opt", |api, asked| Box::pin(api.write_option(asked))),
    get("/debug/pprof/", |_, _| Box::pin(async { Ok(debug::index()) })),
    get("/debug/pprof/cmdline", |_, _| Box::pin(async { Ok(debug::command_line()) })),
    get("/debug/pprof/symbol", |_, _| Box::pin(async { Ok(debug::symbol()) })),
    post("/debug/pprof/symbol", |_, _| Box::pin(async { Ok(debug::symbol()) })),
    get("/debug/pprof/heap", |_, _| Box::pin(async { Ok(debug::heap()) })),
    get("/debug/pprof/profile", |_, _| Box::pin(async { Ok(debug::no_profile()) })),
    get("/debug/pprof/goroutine", |_, _| Box::pin(async { Ok(debug::no_profile()) })),
    get("/debug/pprof/block", |_, _| Box::pin(async { Ok(debug::no_profile()) })),
    get("/debug/pprof/threadcreate", |_, _| Box::pin(async { Ok(debug::no_profile()) })),
    put("/debug/setblockrate", |_, asked| Box::pin(async move { debug::set_block_rate(&asked) })),
    post("/debug/freememory", |_, _| Box::pin(async { Err(debug::DONE_NOTHING) })),
    // beyond nsqd
    get("/damage", |api, _| Box::pin(api.show(Request::Damage))),
    post("/damage/acknowledge", |api, _| Box::pin(api.show(Request::AcknowledgeDamage))),
    quiet(get("/pools", |api, _| Box::pin(api.pools()))),
    quiet(get("/pools/:pool", |api, asked| Box::pin(api.pool(asked)))),
    post("/topic/move", |api, asked| Box::pin(api.move_topic(asked))),
    get("/topic/settings", |api, asked| Box::pin(api.read_topic_settings(asked))),
    put("/topic/settings", |api, asked| Box::pin(api.write_topic_settings(asked))),
    messages(get("/topic/peek", |api, asked| Box::pin(api.peek_topic(asked)))),
    get("/channel/settings", |api, asked| Box::pin(api.read_channel_settings(asked))),
    put("/channel/settings", |api, asked| Box::pin(api.write_channel_settings(asked))),
    post("/channel/seek", |api, asked| Box::pin(api.seek(asked))),
    messages(get("/channel/peek", |api, asked| Box::pin(api.peek_channel(asked)))),
    post("/channel/redrive", |api, asked| Box::pin(api.redrive(asked))),
];
