//! Replays captures from the original programs against the release binary.
//!
//! The captures and their replayers are not part of this repository; they are expected in `../shared/golden`
//! beside it, or where `NUTHATCH_GOLDEN` says. Intended differences are listed with their reasons in
//! `tests/golden/intended.toml`. Captures contain times and machines stall, so an unlisted case that fails is
//! replayed once more, alone, after all others; a second failure counts. A listed case that passes is a
//! remark.
//!
//! Replays mostly wait (for a close, for a timeout), so several run at a time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::context::{Context, Outcome};
use crate::run::{self, Fault};

/// One set of captures and its replayer.
struct Replay {
    /// Name of the data file or directory.
    data: &'static str,
    script: &'static str,
    /// Faces of the binary that it needs; each becomes an option `--FACE`, the first one `--binary` for
    /// nutcracker.
    faces: &'static [&'static str],
    options: &'static [&'static str],
}

const NSQ: &[&str] = &["--any-version", "--json-semantic", "--skip-runtime-text", "--jobs", "4"];
const PROXY: &[&str] = &["--backends", "real", "--jobs", "6"];

/// Replayers that cannot play a selection of cases.
const PLAYED_WHOLE: [&str; 2] = ["replay_stats.py", "replay_data.py"];

/// Concurrent replays.
const AT_A_TIME: usize = 3;

/// All replays, the slowest first.
const REPLAYS: [Replay; 11] = [
    Replay {
        data: "nutcracker_memcache.jsonl",
        script: "replay_nutcracker.py",
        faces: &["nutcracker"],
        options: PROXY,
    },
    Replay {
        data: "nutcracker_redis.jsonl",
        script: "replay_nutcracker.py",
        faces: &["nutcracker"],
        options: PROXY,
    },
    Replay { data: "ring.jsonl", script: "replay_ring.py", faces: &["nutcracker"], options: &[] },
    Replay {
        data: "nutcracker_config.jsonl",
        script: "replay_config.py",
        faces: &["nutcracker"],
        options: &["--exit-only"],
    },
    Replay { data: "nutcracker_stats.json", script: "replay_stats.py", faces: &["nutcracker"], options: &[] },
    Replay {
        data: "tool_outputs.jsonl",
        script: "replay_tools.py",
        faces: &[],
        options: &["--first-line", "--any-version"],
    },
    Replay { data: "nsqd_v2.jsonl", script: "replay_nsq.py", faces: &["nsqd"], options: NSQ },
    Replay { data: "nsqd_http.jsonl", script: "replay_nsq.py", faces: &["nsqd"], options: NSQ },
    Replay { data: "nsqd-data", script: "replay_data.py", faces: &["nsqd"], options: &[] },
    Replay {
        data: "nsqlookupd.jsonl",
        script: "replay_nsq.py",
        faces: &["nsqd", "nsqlookupd"],
        options: NSQ,
    },
    Replay {
        data: "nsqadmin_http.jsonl",
        script: "replay_nsq.py",
        faces: &["nsqd", "nsqlookupd", "nsqadmin"],
        options: NSQ,
    },
];

/// Programs the binary can replace, for the command lines of `tool_outputs.jsonl`.
const FACES: [&str; 12] = [
    "nutcracker",
    "nsqd",
    "nsqlookupd",
    "nsqadmin",
    "nsq_to_file",
    "nsq_to_http",
    "nsq_to_nsq",
    "nsq_tail",
    "nsq_stat",
    "to_nsq",
    "nsq_pubsub",
    "nsq_to_stdout",
];

/// Intended differences.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Intended {
    #[serde(default)]
    difference: Vec<Difference>,
}

/// Cases that differ for the same reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// Name of the data file or directory.
    data: String,
    /// Reason, for people; docs/compat-*.md has the details.
    reason: String,
    /// Ids of the cases.
    ids: Vec<String>,
}

/// Replays everything for which this build has a face.
pub fn run(context: &Context) -> Result<Outcome, Fault> {
    let golden =
        std::env::var_os("NUTHATCH_GOLDEN").map_or(context.root.join("../shared/golden"), PathBuf::from);
    if !golden.join("replay").is_dir() {
        return Ok(Outcome::Skipped(format!("no captures in {}", golden.display())));
    }
    if !run::is_installed("python3") {
        return Ok(Outcome::Skipped("python3 is not installed".into()));
    }
    let intended = intended(&context.root.join("tests/golden/intended.toml"))?;
    let faces: Vec<&str> = FACES.into_iter().filter(|face| has_face(&context.binary(), face)).collect();
    let stage = Stage { context, golden: &golden, faces: &faces, intended: &intended };
    let suspects = run::side_by_side(&REPLAYS, AT_A_TIME, |replay| stage.play(replay));
    let faults: Vec<Fault> = suspects
        .iter()
        .flatten()
        .filter_map(|(replay, wrong)| stage.play_again(replay, wrong.as_deref()).err())
        .collect();
    if faults.is_empty() { Ok(Outcome::Passed) } else { Err(faults.join(", ")) }
}

/// Settings common to all replays.
struct Stage<'a> {
    context: &'a Context,
    golden: &'a Path,
    faces: &'a [&'a str],
    intended: &'a Intended,
}

/// Faults of a replay: the failed cases by id and message. None if the fault is not that of a case.
type Suspect = (&'static Replay, Option<Vec<(String, String)>>);

impl Stage<'_> {
    /// Plays one set of captures and reports the result. Returns faults to replay.
    fn play(&self, replay: &'static Replay) -> Option<Suspect> {
        if let Some(absent) = replay.faces.iter().find(|face| !self.faces.contains(face)) {
            println!("-- {}: SKIPPED: this build has no face {absent}", replay.data);
            return None;
        }
        let start = Instant::now();
        let listed = listed(self.intended, replay.data);
        let text = match self.replayed(replay, None) {
            Ok(text) => text,
            Err(fault) => {
                println!("-- {}: {fault}", replay.data);
                return Some((replay, None));
            }
        };
        let wrong = judged(&text, &listed);
        let total = text.lines().rev().find(|line| line.contains(" passed, ")).unwrap_or("");
        let mut said = vec![format!(
            "-- {}: {total}; {} listed as intended, {} to play again; {} s",
            replay.data,
            listed.len(),
            wrong.len(),
            start.elapsed().as_secs()
        )];
        let ids = ids(&self.golden.join(replay.data)).unwrap_or_default();
        said.extend(stale(&text, &ids, &listed).iter().map(|line| format!("   remark: {line}")));
        println!("{}", said.join("\n"));
        (!wrong.is_empty()).then_some((replay, Some(wrong)))
    }

    /// Replays the failed cases, or all where the replayer cannot select. A second failure is a fault.
    fn play_again(&self, replay: &Replay, wrong: Option<&[(String, String)]>) -> Result<(), Fault> {
        let cases = wrong.filter(|_| !PLAYED_WHOLE.contains(&replay.script)).map(only);
        let text = self.replayed(replay, cases.as_deref())?;
        let wrong = judged(&text, &listed(self.intended, replay.data));
        println!("-- {}: played again, {} wrong", replay.data, wrong.len());
        for (_, line) in &wrong {
            println!("   {line}");
        }
        if wrong.is_empty() { Ok(()) } else { Err(format!("{} of {}", wrong.len(), replay.data)) }
    }

    /// Runs a replayer and returns its output.
    fn replayed(&self, replay: &Replay, only: Option<&str>) -> Result<String, Fault> {
        let binary = self.context.binary().display().to_string();
        let mut command = Command::new("python3");
        command.arg(self.golden.join("replay").join(replay.script)).env("PYTHONDONTWRITEBYTECODE", "1");
        for face in replay.faces {
            let option = if *face == "nutcracker" { "--binary".to_owned() } else { format!("--{face}") };
            command.arg(option).arg(format!("{binary} {face}"));
        }
        if replay.script == "replay_tools.py" {
            for face in self.faces {
                command.arg("--bin").arg(format!("{face}={binary} {face}"));
            }
        }
        if let Some(only) = only {
            command.args(["--only", only]);
        }
        // The directory of nsqd's data holds its cases; the replayer expects them one level down.
        command.args(replay.options).arg(self.golden.join(replay.data));
        let text = run::taken(&mut command, Duration::from_mins(15))?.output;
        let is_whole = text.lines().any(|line| line.contains(" passed, ") && line.contains(" failed"));
        if is_whole {
            Ok(text)
        } else {
            Err(format!("{} on {} broke off: {text}", replay.script, replay.data))
        }
    }
}

/// Regular expression that matches exactly these cases.
fn only(wrong: &[(String, String)]) -> String {
    // Ids are letters, digits and hyphens.
    let ids: Vec<&str> = wrong.iter().map(|(id, _)| id.as_str()).collect();
    format!("^({})$", ids.join("|"))
}

/// Listed cases that passed. Only a remark: where a close is expected, a replay on a stalling machine may see
/// one for other reasons.
fn stale(text: &str, ids: &BTreeSet<String>, listed: &BTreeSet<&str>) -> Vec<String> {
    let seen = |word: &str, id: &str| text.lines().any(|line| line.starts_with(&format!("{word} {id}: ")));
    let passed = |id: &&&str| ids.contains(**id) && !seen("FAIL", id) && !seen("SKIP", id);
    listed
        .iter()
        .filter(passed)
        .map(|id| format!("{id} is listed as an intended difference, yet passes"))
        .collect()
}

/// Faults: unlisted failures, by id and message.
fn judged(text: &str, listed: &BTreeSet<&str>) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("FAIL ")) {
        let id = line["FAIL ".len()..].split_once(": ").map_or("", |parts| parts.0);
        if !listed.contains(id) {
            wrong.push((id.to_owned(), line.chars().take(700).collect()));
        }
    }
    wrong
}

/// Case ids of a data file or directory.
fn ids(data: &Path) -> Result<BTreeSet<String>, Fault> {
    if data.is_dir() {
        let entries = std::fs::read_dir(data).map_err(|e| e.to_string())?;
        return Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect());
    }
    let text = std::fs::read_to_string(data).map_err(|e| format!("{}: {e}", data.display()))?;
    let values = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
    Ok(values.flatten().filter_map(|case| case["id"].as_str().map(str::to_owned)).collect())
}

fn intended(path: &Path) -> Result<Intended, Fault> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(Intended::default()) };
    let intended: Intended = toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    match intended.difference.iter().find(|difference| difference.reason.trim().is_empty()) {
        Some(difference) => Err(format!("{}: no reason for {:?}", path.display(), difference.ids)),
        None => Ok(intended),
    }
}

fn listed<'a>(intended: &'a Intended, data: &str) -> BTreeSet<&'a str> {
    let ours = intended.difference.iter().filter(|difference| difference.data == data);
    ours.flat_map(|difference| difference.ids.iter().map(String::as_str)).collect()
}

/// True if the binary has a face of that name.
fn has_face(binary: &Path, face: &str) -> bool {
    // to_nsq has no -version.
    let option = if face == "nutcracker" { "-V" } else { "-h" };
    let mut command = Command::new(binary);
    command.args([face, option]).stderr(std::process::Stdio::null());
    run::taken(&mut command, Duration::from_secs(10)).is_ok_and(|ended| ended.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "FAIL a: expected x\nmore of a\nFAIL b: y\nSKIP c: no tool\n2 passed, 2 failed, 1 skipped\n";

    fn ids_of(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn judging() {
        let all = ids_of(&["a", "b", "c", "d", "e"]);
        for (listed, wrong, passing) in [
            (&["a", "b"][..], &[][..], &[][..]),
            (&["a"], &["FAIL b: y"], &[]),
            (&["a", "b", "d"], &[], &["d is listed as an intended difference, yet passes"]),
            // Skipped here, and unknown here: neither can be judged.
            (&["a", "b", "c", "elsewhere"], &[], &[]),
        ] {
            let set: BTreeSet<&str> = listed.iter().copied().collect();
            let lines: Vec<_> = judged(TEXT, &set).into_iter().map(|(_, line)| line).collect();
            assert_eq!(lines, wrong, "{listed:?}");
            assert_eq!(stale(TEXT, &all, &set), passing, "{listed:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_played_again() {
        assert_eq!(only(&judged(TEXT, &BTreeSet::new())), "^(a|b)$");
    }

    #[test]
    fn ids_are_read_from_lines_and_documents() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("x.jsonl");
        std::fs::write(&file, "{\"id\":\"a\"}\n{\"id\":\"b\"}\n").unwrap();
        assert_eq!(ids(&file).unwrap(), ids_of(&["a", "b"]));
        std::fs::write(&file, "{\n \"id\": \"a\"\n}").unwrap();
        assert_eq!(ids(&file).unwrap(), ids_of(&["a"]));
        assert_eq!(ids(directory.path()).unwrap(), ids_of(&["x.jsonl"]));
    }

    #[test]
    fn a_difference_needs_a_reason() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("intended.toml");
        assert!(intended(&file).unwrap().difference.is_empty());
        std::fs::write(&file, "[[difference]]\ndata = \"x.jsonl\"\nreason = \"better\"\nids = [\"a\"]\n")
            .unwrap();
        let read = intended(&file).unwrap();
        assert_eq!(listed(&read, "x.jsonl"), BTreeSet::from(["a"]));
        assert!(listed(&read, "y.jsonl").is_empty());
        std::fs::write(&file, "[[difference]]\ndata = \"x.jsonl\"\nreason = \" \"\nids = [\"a\"]\n").unwrap();
        assert!(intended(&file).is_err());
    }
}
