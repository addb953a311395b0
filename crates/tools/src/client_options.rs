//! `--consumer-opt` and `--producer-opt`: client settings under go-nsq's names, as `name,value`, or `name`
//! for true.

use client::Config;
use config::go_flags::{Exit, FlagSpec, GoValues};
use config::nsqd::VERSION;

use crate::command_line::{refuse, texts};

const CONSUMER: &str = "consumer-opt";
const PRODUCER: &str = "producer-opt";

/// `--consumer-opt`; `usage` differs between tools.
pub(crate) const fn consumer(usage: &'static str) -> FlagSpec {
    texts(CONSUMER, usage).checked(check)
}

/// `--producer-opt`.
pub(crate) const fn producer(usage: &'static str) -> FlagSpec {
    texts(PRODUCER, usage).checked(check)
}

/// The usage text of most tools.
pub(crate) const CONSUMER_USAGE: &str = "option to passthrough to nsq.Consumer (may be given multiple times, \
    http://godoc.org/github.com/nsqio/go-nsq#Config)";

fn check(option: &str) -> Result<(), String> {
    set(&mut Config::new(), option).map_err(|error| error.to_string())
}

fn set(config: &mut Config, option: &str) -> Result<(), client::ConfigError> {
    let (name, value) = option.split_once(',').unwrap_or((option, "true"));
    config.set(name, value)
}

/// Consumer settings of `tool`: its command-line options and `--max-in-flight`.
///
/// # Errors
///
/// Incompatible options.
pub(crate) fn consumer_config(tool: &str, values: &GoValues) -> Result<Config, Exit> {
    let mut config = from_options(tool, values.texts(CONSUMER))?;
    config.max_in_flight = max_in_flight(values)?;
    checked(config)
}

/// True if a consumer option was given on the command line.
pub(crate) fn is_given(values: &GoValues, name: &str) -> bool {
    values
        .texts(CONSUMER)
        .iter()
        .any(|option| option.split(',').next().is_some_and(|given| given.replace('-', "_") == name))
}

/// Producer settings of `tool`.
///
/// # Errors
///
/// Incompatible options.
pub(crate) fn producer_config(tool: &str, values: &GoValues) -> Result<Config, Exit> {
    checked(from_options(tool, values.texts(PRODUCER))?)
}

fn from_options(tool: &str, options: &[String]) -> Result<Config, Exit> {
    let mut config = Config::new();
    config.user_agent = format!("{tool}/{VERSION} {}", config.user_agent);
    for option in options {
        set(&mut config, option).or_else(|error| refuse(error.to_string()))?;
    }
    Ok(config)
}

fn checked(config: Config) -> Result<Config, Exit> {
    config.validate().or_else(|error| refuse(error.to_string()))?;
    Ok(config)
}

/// `--max-in-flight`, which must be at least 1.
fn max_in_flight(values: &GoValues) -> Result<u32, Exit> {
    let given = values.int("max-in-flight");
    match u32::try_from(given) {
        Ok(count) if (1..=i32::MAX as u32).contains(&count) => Ok(count),
        _ => refuse(format!("invalid --max-in-flight value ({given}), should be 1-{}", i32::MAX)),
    }
}
