//! A change as a line of text, lower case, without a full stop: `pool cache: timeout 400ms -> 250ms`.

use std::fmt;

use super::{Change, Effect, Subject, What};
use crate::checked::{Listen, PoolListen, Server, Target};
use crate::endpoint::{identity, show_listen, show_target};
use crate::options::{Applies, Scope};
use crate::setting::{Setting, plain};

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.what, &self.subject) {
            (What::Added(_) | What::Removed, subject) => write!(f, "{subject} ")?,
            (_, Subject::Process) => {}
            (_, subject) => write!(f, "{subject}: ")?,
        }
        match (&self.what, self.effect) {
            (What::Ring, Some(Effect::KeysMove(share))) => write!(f, "together {share} move")?,
            (what, None) => fmt::Display::fmt(what, f)?,
            (what, Some(effect)) => write!(f, "{what}, {effect}")?,
        }
        f.write_str(match self.applies {
            Applies::Live => "",
            Applies::NewConnections => ", for new connections",
            Applies::Restart => " needs a restart",
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Process | Subject::Section(Scope::Process) => f.write_str("process"),
            Subject::Section(scope) => f.write_str(scope.heading().trim_matches(['[', ']'])),
            Subject::Pool(name) => write!(f, "pool {}", plain(name)),
            Subject::User(name) => write!(f, "user {}", plain(name)),
            Subject::Nsqadmin => f.write_str("nsqadmin"),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Added(listens) if listens.is_empty() => f.write_str("added"),
            What::Added(listens) => {
                let places: Vec<String> = listens.iter().map(address).collect();
                write!(f, "added on {}", places.join(", "))
            }
            What::Removed => f.write_str("removed"),
            What::Settings => f.write_str("settings without an option changed"),
            What::PasswordFile => f.write_str("password_file has another content"),
            What::Option { name, old: Some(Setting::Secret(_) | Setting::Secrets(_)), new: Some(_) } => {
                write!(f, "{name} changed")
            }
            What::Option { name, old: None, new: Some(Setting::Secret(_) | Setting::Secrets(_)) } => {
                write!(f, "{name} set")
            }
            What::Option { name, old: Some(Setting::Secret(_) | Setting::Secrets(_)), new: None } => {
                write!(f, "{name} removed")
            }
            What::Option { name, old, new } => {
                let value =
                    |value: &Option<Setting>| value.as_ref().map_or("unset".into(), Setting::to_string);
                write!(f, "{name} {} -> {}", value(old), value(new))
            }
            What::ListenerAdded(listen) => write!(f, "listener {} added", listener(listen)),
            What::ListenerRemoved(listen) => write!(f, "listener {} removed", listener(listen)),
            What::ServerAdded(server) => write!(f, "server {} added", named(server)),
            What::ServerRemoved(server) => write!(f, "server {} removed", named(server)),
            What::ServerMoved { server, old, new } => {
                let [old, new] = [old, new].map(|target| plain(&show_target(target)));
                write!(f, "server {} moved from {old} to {new}", plain(server))
            }
            What::ServerWeight { server, old, new } => {
                write!(f, "server {} weight {old} -> {new}", plain(server))
            }
            What::ServerPassword { server } => write!(f, "server {} password changed", plain(server)),
            What::ServerPasswordFile { server } => {
                write!(f, "server {} password_file changed", plain(server))
            }
            What::Ring => f.write_str("ring changed"),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Effect::KeysMove(share) => write!(f, "{share} move"),
            Effect::TaggedKeysMove => f.write_str("keys with a hash tag move"),
            Effect::ClientsClosed => f.write_str("its clients are disconnected"),
        }
    }
}

fn address(listen: &Listen) -> String {
    plain(&show_listen(listen))
}

fn listener(listen: &PoolListen) -> String {
    let tls = if listen.tls { " with tls" } else { "" };
    format!("{}{tls}", address(&listen.address))
}

/// A server by its name, with its address unless the name shows it.
fn named(server: &Server) -> String {
    let name = plain(&server.identity);
    if server.identity == identity(&server.target) || server.target == Target::Master {
        name
    } else {
        format!("{name} ({})", plain(&show_target(&server.target)))
    }
}
