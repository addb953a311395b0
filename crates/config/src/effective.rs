//! A checked configuration as sections of the options table: the inverse of
//! the assembly in [`crate::native`].
//!
//! Comparing two configurations and printing one both use these values, so that neither omits an option: a
//! test requires a value, or an explicit none, for each row of the table.

mod section;
mod value;

mod engine;
mod pool;
mod process;
mod queue;
mod user;

use crate::checked::Config;

pub(crate) use pool::pool;
pub(crate) use queue::of_flag;
pub use section::Section;
pub(crate) use user::user;

/// The sections of a configuration, in the order of the documentation; pools and users in their own.
pub fn sections(config: &Config) -> Vec<Section> {
    let mut sections = vec![process::process(config), process::log(&config.log)];
    sections.extend(config.stats.as_ref().map(process::stats));
    sections.extend(config.admin.as_ref().map(process::admin));
    sections.push(process::local(&config.local));
    sections.extend(config.pools.iter().map(pool));
    sections.extend(config.queue.as_ref().map(queue::queue));
    sections.extend(config.engine.as_ref().map(engine::engine));
    sections.extend(config.lookup.as_ref().map(process::lookup));
    sections.extend(config.users.iter().map(user));
    sections
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native;
    use crate::options::Scope;

    #[test]
    fn every_row_is_known() {
        let config = native::check(
            &format!(
                "{}[engine]\nservers = \"a:1\"\n[lookup]\n[user.a]\ncertificate = \"a\"\n",
                native::DEFAULT_FILE
            ),
            1,
        )
        .config
        .unwrap();
        let sections = sections(&config);
        let tables = [Scope::Server, Scope::Listener, Scope::Tls, Scope::ServerTls, Scope::QueueTopic];
        for scope in Scope::ALL.iter().filter(|scope| !tables.contains(scope)) {
            let section = sections.iter().find(|section| section.scope == *scope);
            let section = section.unwrap_or_else(|| panic!("{scope:?} is missing"));
            let known: Vec<&str> = section.settings.keys().copied().collect();
            let mut rows: Vec<&str> = scope.options().map(|option| option.name).collect();
            rows.sort_unstable();
            assert_eq!(known, rows, "{scope:?}");
        }
    }

    /// A configuration written as TOML reads back the same.
    #[test]
    fn read_back() {
        for file in [
            "[lookup]\nsnapshot = \"\"\n",
            "[queue]\nstorage = \"engine\"\n[[queue.topic]]\nmatch = \"a.*\"\nstorage = \"local\"\n\
            [[queue.topic]]\nmatch = \"b\"\naccept = \"local\"\n\
            [engine]\nservers = [\"a:1\", \"b:2\"]\nreplicas = 1\nuser = \"u\"\ntls = { ca = \"/c\" }\n",
            "[queue]\n[engine]\nservers = [\"a:1\"]\ncredentials_file = \"/c\"\n",
            "[pool.p]\nlisten = [\"127.0.0.1:1\", { address = \"127.0.0.1:2\", tls = true }]\nservers = [\"a:1\"]\nserver_tls = true\n\
            tls = { cert = \"c\", key = \"k\", client_ca = \"a\", client_names = [\"app-*\"], min_version = \"tls1.3\" }\n\
            [pool.q]\nlisten = \"127.0.0.1:3\"\nservers = [\"a:1\"]\ntls = { cert = \"c\", key = \"k\" }\n\
            server_tls = { ca = \"a\", cert = \"c\", key = \"k\", server_name = \"n\" }\n[admin]\ntls = { cert = \"c\", key = \"k\" }\n",
            "[pool.\"a b\"]\nlisten = [\"/s 0600\", \"[::1]:1\"]\nhash_tag = \"{}\"\n\
            servers = [\"/a:2 u\", { address = \"/a b\", name = \"n\" }, { address = \"local\", weight = 3 }]\n\
            [pool.m]\nprotocol = \"memcache\"\ntimeout = \"off\"\nlisten = \"*:1\"\nservers = [\"[::1]:2\"]\n[log]\nfile = \"/\"\n\
            [queue]\ne2e_processing_latency_percentiles = [1, 0.5]\nhttp_names = [\"a\"]\ntcp = \"/q 0660\"\n",
            "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"local\"]\nlimit_requests = \"5/min\"\n[user.web]\ncertificate = \"app-*\"\n\
            pools = \"p\"\nkeys = [\"a*\", \"%R~b\"]\ncommands = [\"+@all\", \"+@scripting\"]\nchannels = \"*\"\npublish = [\"t\"]\n\
            consume = \"t:c\"\nadmin = \"operate\"\nlimit_requests = \"10/s burst 20\"\nlimit_connections = 3\n",
        ] {
            read_back_as_itself(file);
        }
        read_back_as_itself(&format!("{}[lookup]\n", native::DEFAULT_FILE));
    }

    #[track_caller]
    fn read_back_as_itself(file: &str) {
        let report = native::check(file, 3);
        let config = report.config.unwrap_or_else(|| panic!("{:?}", report.faults));
        let mut text = String::new();
        for section in sections(&config) {
            match section.scope {
                Scope::Process => {}
                Scope::Pool => text += &format!("[pool.{}]\n", crate::setting::key(&section.name)),
                Scope::User => text += &format!("[user.{}]\n", crate::setting::key(&section.name)),
                scope => text += &format!("{}\n", scope.heading()),
            }
            for (option, value) in section.settings() {
                if let Some(value) = value {
                    text += &format!("{} = {}\n", option.name, value.toml());
                }
            }
        }
        let report = native::check(&text, 1);
        let wrong: Vec<String> = report.faults.iter().map(|fault| fault.show("file").to_string()).collect();
        assert!(report.config.as_ref() == Some(&config), "{wrong:#?}\n{text}");
    }
}
