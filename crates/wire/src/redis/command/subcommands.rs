//! The subcommand table: the rows of containers such as `CLIENT` and `OBJECT`, in alphabetical order.
//!
//! Containers refused as a whole are included, since access rules name their subcommands: `+cluster|slots`.

use super::KeySpec;
use super::Local::{
    self as By, AclCat, AclGetUser, AclList, AclUsers, AclWhoami, ClientGetName, ClientGetRedir, ClientId,
    ClientInfo, ClientKill, ClientList, ClientOnOff, ClientPause, ClientReply, ClientSetInfo, ClientSetName,
    ClientTrackingInfo, ClientUnblock, ClientUnpause, ConfigGet, SlowLogGet, SlowLogLen, SlowLogReset,
};
use super::Proxied::{Any, Every, Forward, Only, Refused};
use super::Reason::{Admin, Cluster, Function, Help, Inspection, RunningScript, Tracking};
use super::merge::Merge;
#[allow(clippy::wildcard_imports, reason = "rows are written in its words")]
use super::row::*;
use super::{COMMANDS, Command};

#[rustfmt::skip]
pub(super) const ACL: [Command; 13] = numbered(COMMANDS as u16, [
    row("acl|cat", -2, NS | L | S, KeySpec::None, local(AclCat), "server", "6.0.0"),
    row("acl|deluser", -3, ADM | NS | L | S, KeySpec::None, Refused(Admin), "server", "6.0.0"),
    row("acl|dryrun", -4, ADM | NS | L | S, KeySpec::None, Refused(Admin), "server", "7.0.0"),
    row("acl|genpass", -2, NS | L | S, KeySpec::None, Refused(Admin), "server", "6.0.0"),
    row("acl|getuser", 3, ADM | NS | L | S, KeySpec::None, local(AclGetUser), "server", "6.0.0"),
    row("acl|help", 2, L | S, KeySpec::None, Refused(Help), "server", "6.0.0"),
    row("acl|list", 2, ADM | NS | L | S, KeySpec::None, local(AclList), "server", "6.0.0"),
    row("acl|load", 2, ADM | NS | L | S, KeySpec::None, Refused(Admin), "server", "6.0.0"),
    row("acl|log", -2, ADM | NS | L | S, KeySpec::None, Refused(Admin), "server", "6.0.0"),
    row("acl|save", 2, ADM | NS | L | S, KeySpec::None, Refused(Admin), "server", "6.0.0"),
    row("acl|setuser", -3, ADM | NS | L | S, KeySpec::None, Refused(Admin), "server", "6.0.0"),
    row("acl|users", 2, ADM | NS | L | S, KeySpec::None, local(AclUsers), "server", "6.0.0"),
    row("acl|whoami", 2, NS | L | S, KeySpec::None, local(AclWhoami), "server", "6.0.0"),
]);

#[rustfmt::skip]
pub(super) const CLIENT: [Command; 18] = numbered(after(&ACL), [
    row("client|caching", 3, NS | L | S, KeySpec::None, Refused(Tracking), "connection", "6.0.0"),
    row("client|getname", 2, NS | L | S, KeySpec::None, local(ClientGetName), "connection", "2.6.9"),
    row("client|getredir", 2, NS | L | S, KeySpec::None, local(ClientGetRedir), "connection", "6.0.0"),
    row("client|help", 2, L | S, KeySpec::None, Refused(Help), "connection", "5.0.0"),
    row("client|id", 2, NS | L | S, KeySpec::None, local(ClientId), "connection", "5.0.0"),
    row("client|info", 2, NS | L | S, KeySpec::None, local(ClientInfo), "connection", "6.2.0"),
    row("client|kill", -3, ADM | NS | L | S, KeySpec::None, local(ClientKill), "connection", "2.4.0"),
    row("client|list", -2, ADM | NS | L | S, KeySpec::None, local(ClientList), "connection", "2.4.0"),
    row("client|no-evict", 3, ADM | NS | L | S, KeySpec::None, local(ClientOnOff), "connection", "7.0.0"),
    row("client|no-touch", 3, NS | L | S, KeySpec::None, local(ClientOnOff), "connection", "7.2.0"),
    row("client|pause", -3, ADM | NS | L | S, KeySpec::None, local(ClientPause), "connection", "2.9.50"),
    stateful(row("client|reply", 3, NS | L | S, KeySpec::None, local(ClientReply), "connection", "3.2.0")),
    row("client|setinfo", 4, NS | L | S, KeySpec::None, local(ClientSetInfo), "connection", "7.2.0"),
    row("client|setname", 3, NS | L | S, KeySpec::None, local(ClientSetName), "connection", "2.6.9"),
    stateful(row("client|tracking", -3, NS | L | S, KeySpec::None, Refused(Tracking), "connection", "6.0.0")),
    row("client|trackinginfo", 2, NS | L | S, KeySpec::None, local(ClientTrackingInfo), "connection", "6.2.0"),
    row("client|unblock", -3, ADM | NS | L | S, KeySpec::None, local(ClientUnblock), "connection", "5.0.0"),
    row("client|unpause", 2, ADM | NS | L | S, KeySpec::None, local(ClientUnpause), "connection", "6.2.0"),
]);

#[rustfmt::skip]
pub(super) const CLUSTER: [Command; 27] = numbered(after(&CLIENT), [
    row("cluster|addslots", -3, ADM | S | NAL, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|addslotsrange", -4, ADM | S | NAL, KeySpec::None, Refused(Cluster), "cluster", "7.0.0"),
    row("cluster|bumpepoch", 2, ADM | S | NAL, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|count-failure-reports", 3, ADM | S, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|countkeysinslot", 3, S, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|delslots", -3, ADM | S | NAL, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|delslotsrange", -4, ADM | S | NAL, KeySpec::None, Refused(Cluster), "cluster", "7.0.0"),
    row("cluster|failover", -2, ADM | S | NAL, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|flushslots", 2, ADM | S | NAL, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|forget", 3, ADM | S | NAL, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|getkeysinslot", 4, S, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|help", 2, L | S, KeySpec::None, Refused(Help), "cluster", "5.0.0"),
    row("cluster|info", 2, S, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|keyslot", 3, S, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|links", 2, S, KeySpec::None, Refused(Cluster), "cluster", "7.0.0"),
    row("cluster|meet", -4, ADM | S | NAL, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|myid", 2, S, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|nodes", 2, S, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|replicas", 3, ADM | S, KeySpec::None, Refused(Cluster), "cluster", "5.0.0"),
    row("cluster|replicate", 3, ADM | S | NAL, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|reset", -2, ADM | NS | S, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|saveconfig", 2, ADM | S | NAL, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|set-config-epoch", 3, ADM | S | NAL, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|setslot", -4, ADM | S | NAL, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|shards", 2, S, KeySpec::None, Refused(Cluster), "cluster", "7.0.0"),
    row("cluster|slaves", 3, ADM | S, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
    row("cluster|slots", 2, S, KeySpec::None, Refused(Cluster), "cluster", "3.0.0"),
]);

#[rustfmt::skip]
pub(super) const COMMAND: [Command; 7] = numbered(after(&CLUSTER), [
    row("command|count", 2, L | S, KeySpec::None, local(By::Command), "server", "2.8.13"),
    row("command|docs", -2, L | S, KeySpec::None, local(By::Command), "server", "7.0.0"),
    row("command|getkeys", -4, L | S, KeySpec::None, local(By::Command), "server", "2.8.13"),
    row("command|getkeysandflags", -4, L | S, KeySpec::None, Any, "server", "7.0.0"),
    row("command|help", 2, L | S, KeySpec::None, Refused(Help), "server", "5.0.0"),
    row("command|info", -2, L | S, KeySpec::None, local(By::Command), "server", "2.8.13"),
    row("command|list", -2, L | S, KeySpec::None, local(By::Command), "server", "7.0.0"),
]);

#[rustfmt::skip]
pub(super) const CONFIG: [Command; 5] = numbered(after(&COMMAND), [
    row("config|get", -3, ADM | NS | L | S, KeySpec::None, local(ConfigGet), "server", "2.0.0"),
    row("config|help", 2, L | S, KeySpec::None, Any, "server", "5.0.0"),
    administers(row("config|resetstat", 2, ADM | NS | L | S, KeySpec::None, Every(Merge::AllOk), "server", "2.0.0")),
    administers(row("config|rewrite", 2, ADM | NS | L | S, KeySpec::None, Every(Merge::AllOk), "server", "2.8.0")),
    administers(row("config|set", -4, ADM | NS | L | S, KeySpec::None, Every(Merge::AllOk), "server", "2.0.0")),
]);

#[rustfmt::skip]
pub(super) const FUNCTION: [Command; 9] = numbered(after(&CONFIG), [
    row("function|delete", 3, W | NS, KeySpec::None, Every(Merge::AllOk), "scripting", "7.0.0"),
    row("function|dump", 2, NS, KeySpec::None, Any, "scripting", "7.0.0"),
    row("function|flush", -2, W | NS, KeySpec::None, Every(Merge::AllOk), "scripting", "7.0.0"),
    row("function|help", 2, L | S, KeySpec::None, Any, "scripting", "7.0.0"),
    row("function|kill", 2, NS | AB, KeySpec::None, Every(Merge::AnyOk), "scripting", "7.0.0"),
    row("function|list", -2, NS, KeySpec::None, Any, "scripting", "7.0.0"),
    row("function|load", -3, W | OOM | NS, KeySpec::None, Every(Merge::Same), "scripting", "7.0.0"),
    row("function|restore", -3, W | OOM | NS, KeySpec::None, Every(Merge::AllOk), "scripting", "7.0.0"),
    row("function|stats", 2, NS | AB, KeySpec::None, Only(Function), "scripting", "7.0.0"),
]);

#[rustfmt::skip]
pub(super) const LATENCY: [Command; 7] = numbered(after(&FUNCTION), [
    row("latency|doctor", 2, ADM | NS | L | S, KeySpec::None, Only(Inspection), "server", "2.8.13"),
    row("latency|graph", 3, ADM | NS | L | S, KeySpec::None, Only(Inspection), "server", "2.8.13"),
    row("latency|help", 2, L | S, KeySpec::None, Any, "server", "2.8.13"),
    row("latency|histogram", -2, ADM | NS | L | S, KeySpec::None, Only(Inspection), "server", "7.0.0"),
    row("latency|history", 3, ADM | NS | L | S, KeySpec::None, Only(Inspection), "server", "2.8.13"),
    row("latency|latest", 2, ADM | NS | L | S, KeySpec::None, Only(Inspection), "server", "2.8.13"),
    row("latency|reset", -2, ADM | NS | L | S, KeySpec::None, Only(Inspection), "server", "2.8.13"),
]);

#[rustfmt::skip]
pub(super) const MEMORY: [Command; 6] = numbered(after(&LATENCY), [
    row("memory|doctor", 2, 0, KeySpec::None, Only(Inspection), "server", "4.0.0"),
    row("memory|help", 2, L | S, KeySpec::None, Any, "server", "4.0.0"),
    row("memory|malloc-stats", 2, 0, KeySpec::None, Only(Inspection), "server", "4.0.0"),
    administers(row("memory|purge", 2, 0, KeySpec::None, Every(Merge::AllOk), "server", "4.0.0")),
    row("memory|stats", 2, 0, KeySpec::None, Only(Inspection), "server", "4.0.0"),
    learns(row("memory|usage", -3, R, SECOND, Forward, "server", "4.0.0")),
]);

#[rustfmt::skip]
pub(super) const MODULE: [Command; 5] = numbered(after(&MEMORY), [
    row("module|help", 2, L | S, KeySpec::None, Refused(Help), "server", "5.0.0"),
    row("module|list", 2, ADM | NS, KeySpec::None, Only(Admin), "server", "4.0.0"),
    row("module|load", -3, ADM | NS | NAL, KeySpec::None, Refused(Admin), "server", "4.0.0"),
    row("module|loadex", -3, ADM | NS | NAL, KeySpec::None, Refused(Admin), "server", "7.0.0"),
    row("module|unload", 3, ADM | NS | NAL, KeySpec::None, Refused(Admin), "server", "4.0.0"),
]);

#[rustfmt::skip]
pub(super) const OBJECT: [Command; 5] = numbered(after(&MODULE), [
    learns(row("object|encoding", 3, R, SECOND, Forward, "generic", "2.2.3")),
    learns(row("object|freq", 3, R, SECOND, Forward, "generic", "4.0.0")),
    row("object|help", 2, L | S, KeySpec::None, Any, "generic", "6.2.0"),
    learns(row("object|idletime", 3, R, SECOND, Forward, "generic", "2.2.3")),
    learns(row("object|refcount", 3, R, SECOND, Forward, "generic", "2.2.3")),
]);

#[rustfmt::skip]
pub(super) const PUBSUB: [Command; 6] = numbered(after(&OBJECT), [
    row("pubsub|channels", -2, PS | L | S, KeySpec::None, Every(Merge::Union), "pubsub", "2.8.0"),
    row("pubsub|help", 2, L | S, KeySpec::None, Any, "pubsub", "6.2.0"),
    row("pubsub|numpat", 2, PS | L | S, KeySpec::None, Every(Merge::Greatest), "pubsub", "2.8.0"),
    row("pubsub|numsub", -2, PS | L | S, KeySpec::None, Every(Merge::ChannelCounts), "pubsub", "2.8.0"),
    row("pubsub|shardchannels", -2, PS | L | S, KeySpec::None, Every(Merge::Union), "pubsub", "7.0.0"),
    row("pubsub|shardnumsub", -2, PS | L | S, KeySpec::None, Every(Merge::ShardCounts), "pubsub", "7.0.0"),
]);

#[rustfmt::skip]
pub(super) const SCRIPT: [Command; 6] = numbered(after(&PUBSUB), [
    stateful(row("script|debug", 3, NS, KeySpec::None, Refused(RunningScript), "scripting", "3.2.0")),
    row("script|exists", -3, NS, KeySpec::None, Every(Merge::Least), "scripting", "2.6.0"),
    row("script|flush", -2, NS, KeySpec::None, Every(Merge::AllOk), "scripting", "2.6.0"),
    row("script|help", 2, L | S, KeySpec::None, Any, "scripting", "5.0.0"),
    row("script|kill", 2, NS | AB, KeySpec::None, Every(Merge::AnyOk), "scripting", "2.6.0"),
    row("script|load", 3, NS | S, KeySpec::None, Every(Merge::Same), "scripting", "2.6.0"),
]);

#[rustfmt::skip]
pub(super) const SLOWLOG: [Command; 4] = numbered(after(&SCRIPT), [
    row("slowlog|get", -2, ADM | L | S, KeySpec::None, local(SlowLogGet), "server", "2.2.12"),
    row("slowlog|help", 2, L | S, KeySpec::None, Any, "server", "6.2.0"),
    row("slowlog|len", 2, ADM | L | S, KeySpec::None, local(SlowLogLen), "server", "2.2.12"),
    row("slowlog|reset", 2, ADM | L | S, KeySpec::None, local(SlowLogReset), "server", "2.2.12"),
]);

#[rustfmt::skip]
pub(super) const XGROUP: [Command; 6] = numbered(after(&SLOWLOG), [
    row("xgroup|create", -5, W | OOM, SECOND, Forward, "stream", "5.0.0"),
    row("xgroup|createconsumer", 5, W | OOM, SECOND, Forward, "stream", "6.2.0"),
    row("xgroup|delconsumer", 5, W, SECOND, Forward, "stream", "5.0.0"),
    row("xgroup|destroy", 4, W, SECOND, Forward, "stream", "5.0.0"),
    row("xgroup|help", 2, L | S, KeySpec::None, Any, "stream", "5.0.0"),
    row("xgroup|setid", -5, W, SECOND, Forward, "stream", "5.0.0"),
]);

#[rustfmt::skip]
pub(super) const XINFO: [Command; 4] = numbered(after(&XGROUP), [
    row("xinfo|consumers", 4, R, SECOND, Forward, "stream", "5.0.0"),
    row("xinfo|groups", 3, R, SECOND, Forward, "stream", "5.0.0"),
    row("xinfo|help", 2, L | S, KeySpec::None, Any, "stream", "5.0.0"),
    row("xinfo|stream", -3, R, SECOND, Forward, "stream", "5.0.0"),
]);
