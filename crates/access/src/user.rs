//! One user: its rights and its limits, built once and shared by all shards.
//!
//! A request with one key, as nearly all have, costs a look into a table and a comparison of its key with the
//! user's patterns. The keys of other requests are found by walking their arguments.

use std::fmt;
use std::sync::Arc;

use wire::redis::command::{Channels, Side, Sides};
use wire::redis::{Args, Command, Request};

use crate::command_rules::CommandRules;
use crate::glob::Glob;
use crate::key_rules::KeyRules;
use crate::meter::{Connected, Gauge, Meter};
use crate::one_key::{FIRST, OneKey};
use crate::spec::{AdminRole, Fault, UserSpec};
use crate::topics::{ConsumeRules, PublishRules};
use crate::verdict::Verdict;

/// A user.
pub struct User {
    name: Box<str>,
    pools: Vec<String>,
    commands: CommandRules,
    one_key: OneKey,
    keys: KeyRules,
    channels: Vec<Glob>,
    publish: PublishRules,
    consume: ConsumeRules,
    admin: AdminRole,
    requests: Option<Arc<Meter>>,
    connections: Gauge,
    scripts_withheld: bool,
}

impl User {
    /// Builds a user from its spec, without its logins, or returns its faults. The connection count and the
    /// used part of the request limit of `before` are kept.
    pub(crate) fn build(spec: &UserSpec, before: Option<&User>) -> Result<User, Vec<Fault>> {
        let mut faults = Vec::new();
        let commands = CommandRules::parse(spec.commands.iter().map(String::as_str));
        let keys = KeyRules::parse(spec.keys.iter().map(String::as_str));
        let commands = kept(spec, "commands", commands, &mut faults);
        let keys = kept(spec, "keys", keys, &mut faults);
        let publish = kept(spec, "publish", PublishRules::parse(&spec.publish), &mut faults);
        let consume = kept(spec, "consume", ConsumeRules::parse(&spec.consume), &mut faults);
        let (Some(mut commands), Some(keys), Some(publish), Some(consume)) =
            (commands, keys, publish, consume)
        else {
            return Err(faults);
        };
        let scripts_withheld = commands.withhold_scripts(keys.all());
        Ok(User {
            name: spec.name.as_str().into(),
            pools: spec.pools.clone(),
            one_key: OneKey::of(&commands),
            commands,
            keys,
            channels: spec.channels.iter().map(|glob| Glob::new(glob.as_bytes())).collect(),
            publish,
            consume,
            admin: spec.admin,
            requests: spec.limit_requests.map(|rate| {
                let kept = before.and_then(|user| user.requests.clone()).filter(|meter| meter.rate() == rate);
                kept.unwrap_or_else(|| Arc::new(Meter::new(rate)))
            }),
            connections: before
                .map_or(&Gauge::new(None), |user| &user.connections)
                .with_limit(spec.limit_connections),
            scripts_withheld,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Pools in which it may log in.
    pub fn pools(&self) -> &[String] {
        &self.pools
    }

    /// True if the request with this command and this key alone may be run, as nearly all may. If not,
    /// [`User::verdict`] decides.
    #[inline]
    pub fn permits_at_once(&self, command: &Command, key: &[u8]) -> bool {
        self.one_key.side(command).is_some_and(|side| self.keys.allow(key, side))
    }

    /// The verdict on a request. `command` is its row, the subcommand's for a container.
    ///
    /// A request whose keys cannot be found passes the key check: it is refused elsewhere for that.
    #[inline]
    pub fn verdict(&self, command: &Command, request: &Request, frame: &[u8]) -> Verdict {
        if let (FIRST, Sides::Fixed { first: side, .. }) = (command.keys, command.sides)
            && let Some(key) = request.first(frame)
        {
            return match () {
                () if !self.commands.allow(command, Some(key.bytes())) => Verdict::Command,
                () if !self.keys.allow(key.bytes(), side) => Verdict::Key,
                () => Verdict::Allowed,
            };
        }
        self.verdict_in_full(command, request.args(frame))
    }

    /// The verdict on a request by walking its arguments, which begin with its name.
    pub fn verdict_in_full(&self, command: &Command, arguments: Args<'_>) -> Verdict {
        let names = if command.is_subcommand() { 2 } else { 1 };
        let first = arguments.clone().nth(names).map(|argument| argument.bytes());
        if !self.commands.allow(command, first) {
            return Verdict::Command;
        }
        if !self.keys.all()
            && let Ok(mut keys) = command.sided_keys(arguments)
            && !keys.all(|(key, side)| self.keys.allow(key.bytes(), side))
        {
            return Verdict::Key;
        }
        if !self.may_use_channels(command, arguments) {
            return Verdict::Channel;
        }
        if command.sides == Sides::Lookups && !self.keys.all_readable() {
            return sort_verdict(arguments);
        }
        Verdict::Allowed
    }

    /// The verdict on a command and one key, for protocols without Redis arguments.
    #[inline]
    pub fn permits(&self, command: &Command, key: Option<&[u8]>, side: Side) -> Verdict {
        match key {
            _ if !self.commands.allow(command, None) => Verdict::Command,
            Some(key) if !self.keys.allow(key, side) => Verdict::Key,
            _ => Verdict::Allowed,
        }
    }

    fn may_use_channels(&self, command: &Command, mut arguments: Args<'_>) -> bool {
        let wanted = command.channels();
        arguments.next();
        let number = match wanted {
            Channels::None => return true,
            Channels::First => 1,
            Channels::All | Channels::Patterns => usize::MAX,
        };
        arguments.take(number).all(|argument| {
            let name = argument.bytes();
            let fits = |glob: &Glob| match wanted {
                Channels::Patterns => glob.is_any() || glob.text() == name,
                _ => glob.matches(name),
            };
            self.channels.iter().any(fits)
        })
    }

    /// True if it may publish to this topic.
    pub fn may_publish(&self, topic: &[u8]) -> bool {
        self.publish.allow(topic)
    }

    /// True if it may consume this channel of this topic.
    pub fn may_consume(&self, topic: &[u8], channel: &[u8]) -> bool {
        self.consume.allow(topic, channel)
    }

    /// True if it may publish to any topic, or consume any channel.
    pub fn uses_queue(&self) -> bool {
        !self.publish.is_empty() || !self.consume.is_empty()
    }

    /// Number of its topic and channel rules.
    pub fn queue_rules(&self) -> usize {
        self.publish.len() + self.consume.len()
    }

    /// Its rights at the admin port.
    pub fn admin(&self) -> AdminRole {
        self.admin
    }

    /// Its limit on requests, over all its connections.
    pub fn requests(&self) -> Option<&Meter> {
        self.requests.as_deref()
    }

    /// Counts one more connection until the returned token is dropped; `None` at the limit.
    pub fn connect(&self) -> Option<Connected> {
        self.connections.enter()
    }

    /// Number of its current connections.
    pub fn connection_count(&self) -> u32 {
        self.connections.count()
    }

    /// Its rules of commands.
    pub fn commands(&self) -> &CommandRules {
        &self.commands
    }

    /// Its patterns of keys.
    pub fn keys(&self) -> &KeyRules {
        &self.keys
    }

    /// True if it may not run scripts although a category includes them: its rights are limited and no rule
    /// names scripts.
    pub fn scripts_withheld(&self) -> bool {
        self.scripts_withheld
    }

    /// Its channels of publish and subscribe, as Redis shows them: `&news.* &log`.
    pub fn channels_shown(&self) -> Vec<u8> {
        if self.channels.iter().any(Glob::is_any) {
            return b"&*".to_vec();
        }
        self.channels.iter().map(|glob| [b"&", glob.text()].concat()).collect::<Vec<_>>().join(&b' ')
    }

    /// Its line of `ACL LIST`, without passwords: `user web on ~app:* resetchannels -@all +get`.
    pub fn line(&self) -> Vec<u8> {
        let (keys, channels) = (self.keys.shown(), self.channels_shown());
        let all_channels = channels == b"&*";
        let reset: &[u8] = if all_channels { b"" } else { b"resetchannels" };
        let head = format!("user {} on", self.name);
        let rules = self.commands.shown();
        let parts = [head.as_bytes(), &keys, reset, &channels, rules.as_bytes()];
        parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(&b' ')
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({})", self.name)
    }
}

/// Returns the parsed value, or adds its faults to the list.
fn kept<T>(
    spec: &UserSpec,
    option: &'static str,
    read: Result<T, Vec<String>>,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    let fault = |why| Fault { user: spec.name.clone(), option, why };
    read.map_err(|wrong| faults.extend(wrong.into_iter().map(fault))).ok()
}

/// The verdict on `SORT` with `BY` or `GET` by a user who may not read all keys. Unknown options are skipped,
/// so that an option of a later version hides nothing after it.
fn sort_verdict(arguments: Args<'_>) -> Verdict {
    let mut options = arguments.skip(2);
    while let Some(option) = options.next() {
        if option.is("limit") {
            options.nth(1);
        } else if option.is("store") {
            options.next();
        } else if option.is("get") && options.next().is_some() {
            return Verdict::SortGet;
        } else if option.is("by") && options.next().is_some_and(|by| by.bytes().contains(&b'*')) {
            return Verdict::SortBy;
        }
    }
    Verdict::Allowed
}
