//! Selection of a program by `argv[0]`, else by the first argument.
//!
//! Under an original's name (`nutcracker`, `nsqd`) the whole command line belongs to that face, with the
//! original's syntax, texts and exit codes. Otherwise the native command line below applies.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::admin_client::AdminAddress;
use crate::stdout::show;
use crate::version::VERSION;
use crate::{doctor, faces, health, manual, overrides, reload, running_process, topic_move, upgrade};

/// A program that this binary can act as.
pub struct Face {
    /// Name in `argv[0]`, and subcommand.
    pub name: &'static str,
    /// Its purpose, for `nuthatch help`.
    pub about: &'static str,
    /// Runs it with the arguments that follow its name.
    pub run: fn(Vec<String>) -> ExitCode,
}

/// Every face with a name of its own.
pub const FACES: &[Face] = &[
    Face {
        name: "nutcracker",
        about: "Be nutcracker (twemproxy 0.5.0): its flags, nutcracker.yml, signals and statistics",
        run: faces::nutcracker::main,
    },
    Face { name: "nsqd", about: "Be nsqd 1.3.0: its flags, file, exit codes", run: faces::nsqd::main },
    Face {
        name: "nsqlookupd",
        about: "Be nsqlookupd 1.3.0: its flags, file, exit codes",
        run: faces::nsqlookupd::main,
    },
    Face {
        name: "nsqadmin",
        about: "Be nsqadmin 1.3.0: its flags, file, exit codes",
        run: faces::nsqadmin::main,
    },
    Face {
        name: "nsq_stat",
        about: "Be nsq_stat 1.3.0: rates and depths of a channel over all its nodes",
        run: |arguments| faces::tool::run(tools::nsq_stat::main, arguments),
    },
    Face {
        name: "nsq_tail",
        about: "Be nsq_tail 1.3.0: print the messages of topics as they come",
        run: |arguments| faces::tool::run(tools::nsq_tail::main, arguments),
    },
    Face {
        name: "nsq_to_file",
        about: "Be nsq_to_file 1.3.0: write the messages of topics to files",
        run: |arguments| faces::tool::run(tools::nsq_to_file::main, arguments),
    },
    Face {
        name: "nsq_to_http",
        about: "Be nsq_to_http 1.3.0: make an HTTP request of each message",
        run: |arguments| faces::tool::run(tools::nsq_to_http::main, arguments),
    },
    Face {
        name: "nsq_to_nsq",
        about: "Be nsq_to_nsq 1.3.0: publish the messages of topics at other nodes",
        run: |arguments| faces::tool::run(tools::nsq_to_nsq::main, arguments),
    },
    Face {
        name: "to_nsq",
        about: "Be to_nsq 1.3.0: publish standard input",
        run: |arguments| faces::tool::run(tools::to_nsq::main, arguments),
    },
];

/// Routes cache traffic and holds messages.
#[derive(Debug, Parser)]
#[command(name = "nuthatch", version = VERSION, disable_help_subcommand = true)]
pub struct Command {
    #[command(subcommand)]
    command: Option<Native>,
}

#[derive(Debug, Subcommand)]
enum Native {
    /// Run in the foreground (also without any argument)
    Run {
        /// Configuration file (- is standard input); without one everything runs on loopback over the
        /// embedded cache
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Name every fault of a configuration file: a nuthatch.toml, a nutcracker.yml or an nsqd.cfg
    Check {
        /// The file; - is standard input
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
        /// Also look at this machine: paths, ports, names, the limit on file descriptors
        #[arg(long)]
        system: bool,
        /// Print the configuration in force: every option with its value and where that came from, without
        /// secrets
        #[arg(long)]
        show: bool,
        /// Print the changes that a reload would make in the running process, which the admin port is asked
        /// for
        #[arg(long, conflicts_with = "show")]
        against_running: bool,
        #[command(flatten)]
        admin: AdminAddress,
    },
    /// Have a running process read its configuration again, and print what has changed; exit status 1:
    /// nothing has
    Reload(reload::command::Reload),
    /// Let the binary, which may have been replaced, take a running process's place: no client of a pool
    /// notices
    Upgrade(running_process::RunningProcess),
    /// Have a running process eject, drain or return a server of a pool, or change its weight
    Server(overrides::command::ServerCommand),
    /// Have a running process log from another level on
    LogLevel(overrides::command::LogLevelCommand),
    /// Change a topic of a running process
    Topic(topic_move::TopicCommand),
    /// Look at everything outside a configuration that decides how well it runs: kernel, clock, disk,
    /// servers, rings
    Doctor(doctor::Doctor),
    /// Put a load on a cache or a queue, and show rates, percentiles and a picture
    #[command(subcommand)]
    Bench(tools::bench::Bench),
    /// Ask a running process how it is, for health checks: exit status 0 if all is well
    Health(health::Health),
    /// Print a nutcracker.yml or an nsqd.cfg as a nuthatch.toml that does the same
    Convert {
        /// The file; - is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Explain the commands or one of them, the options of the configuration file, or the statistics
    Help {
        /// Topic to explain; the name of a command will do
        topic: Option<Topic>,
    },
    /// Print a completion script
    Completions {
        /// The shell it is for
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or that of a command, in roff
    Man {
        /// The command
        command: Option<String>,
        /// Write the pages of all commands into this directory, as nuthatch.1 and nuthatch-COMMAND.1
        #[arg(long, value_name = "DIRECTORY", conflicts_with = "command")]
        all: Option<PathBuf>,
    },
    #[command(flatten)]
    Operator(tools::operator::Operator),
    /// Print the version
    Version,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Topic {
    /// Every option of nuthatch.toml
    Options,
    /// Every statistic
    Stats,
}

/// Runs the program that the command line selects.
pub fn dispatch(arguments: Vec<OsString>) -> ExitCode {
    let called = arguments.first().map(Path::new).and_then(Path::file_name).unwrap_or_default();
    if let Some(code) = as_face(&called.to_string_lossy(), arguments.get(1..).unwrap_or_default()) {
        return code;
    }
    if let Some(first) = arguments.get(1)
        && let Some(code) = as_face(&first.to_string_lossy(), &arguments[2..])
    {
        return code;
    }
    if let [_, help, name] = arguments.as_slice()
        && help == "help"
        && let Some(text) = help_of(&name.to_string_lossy())
    {
        show(text);
        return ExitCode::SUCCESS;
    }
    match Command::try_parse_from(&arguments) {
        Ok(command) => native(command.command.unwrap_or(Native::Run { config: None })),
        Err(error) => {
            // Help and version are "errors" that go to standard output and exit with 0.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

fn as_face(name: &str, arguments: &[OsString]) -> Option<ExitCode> {
    let face = FACES.iter().find(|face| face.name == name)?;
    Some((face.run)(arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect()))
}

fn native(command: Native) -> ExitCode {
    match command {
        Native::Run { config } => faces::run::main(config.as_deref()),
        Native::Reload(options) => reload::command::main(&options),
        Native::Upgrade(options) => upgrade::command::main(&options),
        Native::Server(options) => overrides::command::server(&options),
        Native::LogLevel(options) => overrides::command::log_level(&options),
        Native::Topic(options) => topic_move::main(&options),
        Native::Doctor(options) => doctor::main(&options),
        Native::Bench(bench) => told(tools::bench::run(bench)),
        Native::Health(options) => health::main(&options),
        Native::Convert { file } => faces::convert::main(&file),
        Native::Check { config, system, show, against_running, admin } => {
            if !against_running && admin.is_given() {
                eprintln!("nuthatch: an admin port is asked with --against-running only");
                return ExitCode::from(2);
            }
            let running = against_running.then_some(admin);
            faces::check::main(&config, &faces::check::Looks { system, show, running })
        }
        Native::Help { topic: None } => {
            show(with_faces().render_help());
            ExitCode::SUCCESS
        }
        Native::Help { topic: Some(Topic::Options) } => {
            show(config::render::help(100));
            ExitCode::SUCCESS
        }
        Native::Help { topic: Some(Topic::Stats) } => {
            show(telemetry::render::describe::all());
            ExitCode::SUCCESS
        }
        Native::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut with_faces(), "nuthatch", &mut script);
            show(String::from_utf8_lossy(&script));
            ExitCode::SUCCESS
        }
        Native::Man { all: Some(directory), .. } => match manual::write_all(&with_faces(), &directory) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("nuthatch: {}: {error}", directory.display());
                ExitCode::FAILURE
            }
        },
        Native::Man { command, .. } => manual(command.as_deref()),
        Native::Operator(operator) => told(tools::operator::run(operator)),
        Native::Version => {
            show(format_args!("nuthatch {VERSION}\n"));
            ExitCode::SUCCESS
        }
    }
}

/// Exit status of a command; prints its failure.
fn told(done: Result<(), tools::operator::Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("nuthatch: {failure}");
            ExitCode::from(failure.status)
        }
    }
}

/// Heading above flags that the original does not have.
const BEYOND: &str = "The original's flags: -h. Beyond them:";

/// The native command line with the faces as subcommands, for help and completions. Faces are dispatched
/// before clap parses anything.
fn with_faces() -> clap::Command {
    FACES.iter().fold(Command::command(), |command, face| {
        let arguments =
            clap::Arg::new("arguments").num_args(0..).allow_hyphen_values(true).trailing_var_arg(true);
        let mut named =
            clap::Command::new(face.name).about(face.about).arg(arguments.value_name("ARGUMENTS"));
        if let Some(beyond) = faces::tool::beyond(face.name) {
            named = named.after_help(format!("{BEYOND}\n{beyond}"));
        }
        command.subcommand(named)
    })
}

/// `nuthatch help COMMAND`.
fn help_of(name: &str) -> Option<clap::builder::StyledStr> {
    let command = with_faces().find_subcommand(name)?.clone();
    Some(command.bin_name(format!("nuthatch {name}")).render_help())
}

fn manual(command: Option<&str>) -> ExitCode {
    let page = match command {
        None => manual::page(with_faces()).map(Some),
        Some(name) => manual::page_of(&with_faces(), name),
    };
    match page {
        Ok(Some(page)) => {
            show(page);
            ExitCode::SUCCESS
        }
        Ok(None) => {
            eprintln!("nuthatch: no command {}; nuthatch help names them", command.unwrap_or_default());
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("nuthatch: the manual page cannot be made: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        with_faces().debug_assert();
    }

    #[test]
    fn every_command_can_be_asked_about() {
        for command in with_faces().get_subcommands() {
            let name = command.get_name();
            let help = help_of(name).expect(name).to_string();
            assert!(help.contains(&format!("Usage: nuthatch {name}")), "{help}");
            let page = manual::page_of(&with_faces(), name).unwrap().expect(name);
            // Escaped, so that roff prints hyphens that can be copied.
            let written = format!("nuthatch {}", name.replace('-', "\\-"));
            assert!(page.contains(".SH SYNOPSIS") && page.contains(&written), "{page}");
        }
        assert!(help_of("nosuch").is_none());
    }

    #[test]
    fn packages_offer_the_names_of_all_faces() {
        let alternatives = include_str!("../../../contrib/debian/alternatives");
        let mut names: Vec<&str> = alternatives.lines().filter_map(|link| link.rsplit('/').next()).collect();
        let mut faces: Vec<&str> = FACES.iter().map(|face| face.name).collect();
        names.sort_unstable();
        faces.sort_unstable();
        assert_eq!(names, faces);
    }

    #[test]
    fn every_page_is_written() {
        let directory = tempfile::tempdir().unwrap();
        manual::write_all(&with_faces(), &directory.path().join("man")).unwrap();
        let read = |name: &str| std::fs::read_to_string(directory.path().join("man").join(name)).unwrap();
        assert!(read("nuthatch.1").contains(".SH \"EXIT STATUS\""));
        assert!(read("nuthatch-nsqd.1").contains("nuthatch nsqd"));
    }

    #[test]
    fn faces_are_named_in_help() {
        let help = with_faces().render_help().to_string();
        for face in FACES {
            assert!(help.contains(face.name), "{help}");
        }
    }
}
