//! Command lines with the original programs' captured output
//! (`tool_outputs.jsonl`), for the faces that exist here.

use std::path::PathBuf;

use regex::Regex;
use serde_json::Value;

use crate::support::{run, text};

/// The lines that nutcracker prints for `-t`; ours adds the reasons, an intended difference
/// (docs/compat-twemproxy.md).
fn without_reasons(args: &[&str], stderr: String) -> String {
    if !args.iter().any(|arg| ["-t", "--test-conf"].contains(arg)) {
        return stderr;
    }
    stderr.lines().filter(|line| line.contains("syntax is")).map(|line| format!("{line}\n")).collect()
}

/// A recorded output as a regular expression: `⟦re:R⟧`, `⟦str⟧`, `⟦int⟧`, `⟦word⟧` are masks.
fn pattern(recorded: &str) -> Regex {
    let masks = Regex::new("\u{27e6}([^\u{27e7}]*)\u{27e7}").expect("valid");
    let mut out = String::from("^(?s)");
    let mut end = 0;
    for mask in masks.captures_iter(recorded) {
        let whole = mask.get(0).expect("group 0");
        out += &regex::escape(&recorded[end..whole.start()]);
        out += match mask[1].split_once(':') {
            Some(("re", pattern)) => pattern,
            _ if &mask[1] == "int" => "-?[0-9]+",
            _ if &mask[1] == "word" => "\\S+",
            _ => "(?:[^\"\\\\]|\\\\.)*",
        };
        end = whole.end();
    }
    out += &regex::escape(&recorded[end..]);
    out.push('$');
    Regex::new(&out).expect("valid")
}

fn failure(case: &Value) -> Option<String> {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, content) in case["files"].as_object().into_iter().flatten() {
        std::fs::write(directory.path().join(name), content.as_str().expect("text")).expect("written");
    }
    let args: Vec<&str> = case["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let output = run(case["bin"].as_str().expect("text"), &args, directory.path());
    let mut wrong = Vec::new();
    if output.status.code().map(i64::from) != case["exit"].as_i64() {
        wrong.push(format!("exit {:?}", output.status.code()));
    }
    let stderr = without_reasons(&args, text(&output.stderr));
    for (stream, got) in [("stdout", text(&output.stdout)), ("stderr", stderr)] {
        if !pattern(case[stream].as_str().expect("text")).is_match(&got) {
            wrong.push(format!("{stream} {got:?}"));
        }
    }
    let log = std::fs::read_to_string(directory.path().join("log")).unwrap_or_default();
    for line in case["log"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !log.contains(line) {
            wrong.push(format!("log lacks {line:?}: {log:?}"));
        }
    }
    (!wrong.is_empty()).then(|| format!("{} {args:?}: {}", case["id"], wrong.join(", ")))
}

#[test]
fn command_lines() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/tool_outputs.jsonl");
    let Ok(recorded) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: no {}", path.display());
        return;
    };
    let cases = recorded.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let programs = ["nutcracker", "nsqd", "to_nsq", "nsq_to_nsq", "nsq_to_http"];
    let ours: Vec<Value> =
        cases.filter(|case| programs.contains(&case["bin"].as_str().expect("text"))).collect();
    let failures: Vec<String> = ours.iter().filter_map(failure).collect();
    assert!(ours.len() > 50, "{} cases only", ours.len());
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), ours.len(), failures.join("\n"));
}
