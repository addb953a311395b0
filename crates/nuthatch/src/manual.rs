//! Manual pages in roff: `nuthatch man` for the program, `nuthatch man COMMAND` for one command,
//! `nuthatch man --all` for files of all of them.

use std::path::Path;

use clap_mangen::Man;

/// A section that clap does not generate: its heading, and a paragraph for each tag.
type Section = (&'static str, &'static [(&'static str, &'static str)]);

/// Sections of the program's page.
const SECTIONS: [Section; 5] = [
    (
        "SIGNALS",
        &[
            (
                "TERM, INT, QUIT",
                "Stop: take no more clients, answer what is owed within stop_timeout, then end.",
            ),
            ("HUP", "Read the configuration again, and open the log file anew."),
            ("TTIN, TTOU", "Log more, log less."),
            (
                "USR2",
                "Start the binary again, which takes over listeners, clients and the queue; see docs/operations.md.",
            ),
            ("USR1", "Read the configuration again."),
            ("SEGV, BUS, ILL, FPE, ABRT", "Log a backtrace, then die by the signal."),
        ],
    ),
    (
        "EXIT STATUS",
        &[
            ("0", "Stopped by a signal, or done."),
            (
                "1",
                "It could not start; or what was checked, asked for or loaded is not well, and the output says why.",
            ),
            ("2", "The command line is wrong, or the file that was to be checked cannot be read."),
            ("3", "Nobody answers (health, and topics, channels, peek and the other commands for a queue)."),
        ],
    ),
    (
        "ENVIRONMENT",
        &[(
            "NUTHATCH_HTTP",
            "HTTP address of the queue that topics, channels, peek and the like ask, where \\-\\-address does not say another.",
        )],
    ),
    (
        "FILES",
        &[
            (
                "nuthatch.toml",
                "The configuration, by the name that \\-\\-config gives. Without one there are defaults on loopback.",
            ),
            (
                "nuthatch\\-data/",
                "Journals of topics, where data_path does not say otherwise; made readable by its owner only.",
            ),
        ],
    ),
    (
        "EXAMPLES",
        &[
            ("nuthatch", "A cache, a queue and the web page on loopback."),
            (
                "nuthatch check \\-c nuthatch.toml && nuthatch run \\-c nuthatch.toml",
                "Run what was found to be right.",
            ),
            ("nuthatch nutcracker \\-c nutcracker.yml", "Run in nutcracker's place."),
            ("nuthatch nsqd \\-\\-data\\-path=/var/lib/nsqd", "Run in nsqd's place, on its data."),
        ],
    ),
];

/// The page of the program.
///
/// # Errors
/// None when writing to a string; the renderer's signature requires the type.
pub fn page(command: clap::Command) -> std::io::Result<String> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    let sections = SECTIONS.iter().map(section).collect::<String>();
    Ok(format!("{}{}{sections}", String::from_utf8_lossy(&page), config::render::roff()))
}

/// The page of a command of `program`; None for an unknown command.
///
/// # Errors
/// As for [`page`].
pub fn page_of(program: &clap::Command, name: &str) -> std::io::Result<Option<String>> {
    let Some(command) = program.find_subcommand(name) else { return Ok(None) };
    let mut page = Vec::new();
    Man::new(command.clone().name(format!("nuthatch-{name}")).bin_name(format!("nuthatch {name}")))
        .render(&mut page)?;
    let mut page = String::from_utf8_lossy(&page).into_owned();
    page += ".SH SEE ALSO\nnuthatch(1)\n";
    Ok(Some(page))
}

/// Writes the pages of `program` and of all its commands into a directory, creating it if needed.
///
/// # Errors
/// The directory or a page cannot be written.
pub fn write_all(program: &clap::Command, directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    std::fs::write(directory.join("nuthatch.1"), page(program.clone())?)?;
    for command in program.get_subcommands() {
        let name = command.get_name();
        if let Some(page) = page_of(program, name)? {
            std::fs::write(directory.join(format!("nuthatch-{name}.1")), page)?;
        }
    }
    Ok(())
}

fn section((heading, tags): &Section) -> String {
    let paragraph = |(tag, text): &(&str, &str)| format!(".TP\n.B {tag}\n{text}\n");
    format!(".SH \"{heading}\"\n{}", tags.iter().map(paragraph).collect::<String>())
}
